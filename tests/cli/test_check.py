import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gslb.cli.main import app

ROOT = Path(__file__).parents[2]
BAD = "node: 5\nzones: [none.yaml]\n"


@pytest.fixture(autouse=True)
def in_an_empty_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def run(*arguments: str):
    return CliRunner().invoke(app, ["check", *arguments])


def test_check_when_all_is_well(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = run("zones/gslb.yaml")
    assert found.exit_code == 0
    assert found.stdout == "zones/gslb.yaml: 1 zone, 8 services, 3 sites: no problems\n"


def test_check_prints_every_problem():
    Path("gslb.yaml").write_text(BAD)
    found = run("gslb.yaml")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "gslb.yaml:1:7: node: must be a name of letters, digits, '.', '_' and '-', not 5",
        "gslb.yaml:2:9: zones.0: none.yaml: cannot be read: No such file or directory",
    ]


def test_check_marks_warnings():
    Path("gslb.yaml").write_text("node: a\n")
    found = run("gslb.yaml")
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        "gslb.yaml:1:1: warning: no zones: every query will be refused",
        "gslb.yaml: 0 zones, 0 services, 0 sites: no problems, 1 warning",
    ]


def test_check_as_json_when_wrong():
    Path("gslb.yaml").write_text(BAD)
    found = run("gslb.yaml", "--json")
    data = json.loads(found.stdout)
    assert found.exit_code == 1
    assert (data["file"], data["ok"], data["warnings"]) == ("gslb.yaml", False, [])
    assert data["problems"][1] == {
        "file": "gslb.yaml",
        "line": 2,
        "column": 9,
        "path": "zones.0",
        "message": "none.yaml: cannot be read: No such file or directory",
    }


def test_check_as_json_when_well():
    data = json.loads(run(str(ROOT / "zones" / "gslb.yaml"), "--json").stdout)
    assert data["ok"] is True
    assert data["zones"] == ["gslb.shop.example"]
    assert (data["services"], data["sites"]) == (8, ["eu-west", "us-east", "ap-south"])
    assert [Path(name).name for name in data["files"]] == ["gslb.yaml", "shop.yaml", "shop.zone"]
    assert len(data["digest"]) == 12


def test_check_reads_the_databases_as_a_start_would():
    Path("geo.mmdb").write_bytes(b"no database")
    Path("gslb.yaml").write_text("node: a\ngeo: {database: geo.mmdb}\n")
    found = run("gslb.yaml")
    assert found.exit_code == 1
    (line,) = found.stdout.splitlines()
    assert line.startswith(f"gslb.yaml: geo.database: {Path.cwd() / 'geo.mmdb'}: ")


PROXY = """\
proxies:
  eu:
    site: eu
    listen: [{address: "192.0.2.1:80"}]
    routes: [{name: a, path: /a, pool: web}, {name: b, pool: web}]
    pools: {web: {backends: {b: {address: "192.0.2.9:80"}}}}
"""


def test_check_counts_proxies():
    Path("gslb.yaml").write_text(PROXY)
    found = run("gslb.yaml")
    assert found.exit_code == 0
    assert found.stdout == "gslb.yaml: 1 proxy, 2 routes, 1 pool: no problems\n"
    assert json.loads(run("gslb.yaml", "--json").stdout)["proxies"] == ["eu"]


def test_check_counts_proxies_beside_the_rest():
    second = PROXY.replace("proxies:\n  eu:", "  us:").replace("0.2.1:80", "0.2.2:80")
    Path("gslb.yaml").write_text(f"{PROXY}{second}sites: {{eu: {{addresses: [192.0.2.3]}}}}\n")
    found = run("gslb.yaml")
    assert found.exit_code == 0
    assert found.stdout == (
        "gslb.yaml: 0 zones, 0 services, 1 site, 2 proxies, 4 routes, 2 pools: no problems\n"
    )
