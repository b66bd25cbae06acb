import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gslb.cli.main import app

EXAMPLE = str(Path(__file__).parents[2] / "zones" / "gslb.yaml")
LINES = [
    "gslb.shop.example.     3600 IN NS   ns1.gslb.shop.example.",
    "gslb.shop.example.     3600 IN NS   ns2.gslb.shop.example.",
    "ns1.gslb.shop.example. 3600 IN A    192.0.2.53",
    "ns1.gslb.shop.example. 3600 IN AAAA 2001:db8::53",
    "ns2.gslb.shop.example. 3600 IN A    198.51.100.53",
]


def run(*arguments: str):
    return CliRunner().invoke(app, ["delegation", *arguments])


@pytest.mark.parametrize("zone", ["gslb.shop.example", "GSLB.shop.example."])
def test_delegation_prints_ns_and_glue(zone):
    found = run(zone, "--config", EXAMPLE)
    assert (found.exit_code, found.stdout.splitlines()) == (0, LINES)


def test_delegation_as_json_says_the_same():
    data = json.loads(run("gslb.shop.example", "--config", EXAMPLE, "--json").stdout)
    assert data["zone"] == "gslb.shop.example."
    assert [
        f"{one['name']} {one['ttl']} IN {one['type']} {one['data']}" for one in data["records"]
    ] == [" ".join(line.split()) for line in LINES]


def test_delegation_when_the_zone_is_unknown():
    found = run("shop.example", "--config", EXAMPLE)
    assert (found.exit_code, found.stdout) == (1, "")
    told = f"gslb: {EXAMPLE} has no zone shop.example; it has: gslb.shop.example\n"
    assert found.stderr == told


def test_delegation_when_the_master_file_has_ns_takes_these(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("gslb.yaml").write_text("zones: [z.yaml]")
    Path("z.yaml").write_text("zone: g.example\nnameservers: {x.example: []}\nrecords: z.zone")
    Path("z.zone").write_text(
        "$TTL 60\n@ NS in.g.example.\n@ NS ns.g.example.net.\nin A 192.0.2.1\n"
    )
    found = run("g.example")
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        "g.example.    3600 IN NS   in.g.example.",
        "g.example.    3600 IN NS   ns.g.example.net.",
        "in.g.example. 3600 IN A    192.0.2.1",
    ]
