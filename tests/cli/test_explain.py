"""`gslb explain` from the file; tests/app/test_serve.py asks a running server."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

from gslb.cli.main import app
from tests.app.world import EUROPE, Files

SCOPE_WHY = (
    "/24: the largest block around the subnet in which everybody is offered the same candidates"
)
STATIC_WHY = "NOERROR, authoritative: zone w.test.: static records at ns1.w.test."


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    made = Files(tmp_path, interval_s=10)
    made.main.write_text(made.main.read_text() + "  idle: {addresses: [127.0.3.1]}\n")
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments])


def lines(*arguments: str) -> list[str]:
    found = run(*arguments)
    assert (found.exit_code, found.stderr) == (0, "")
    return found.stdout.splitlines()


def test_a_decision_is_told_with_its_chain_and_its_derivations(files):
    told = lines("www.w.test", "--client", EUROPE)
    assert told[-1].startswith("  decision   ")
    assert told[:-1] == [
        "www.w.test. A asked by 192.0.2.0/24: NOERROR, authoritative: service 'www' decides",
        "  answer     www.w.test. 40 IN A 127.0.1.1",
        "  client     country DE, continent EU, latitude 51.0, longitude 10.0",
        "  chain      health       eu us  all 2 stay",
        "             geo          eu     continent:EU -> eu (nobody left serves country:DE)",
        "             max_answers  eu     1 of 1 -> eu",
        "  ttl        40 s: eu can change in 40.0 s at the earliest",
        f"  scope      {SCOPE_WHY}",
    ]


def test_sites_can_be_supposed_down(files):
    told = lines("www.w.test", "--client", EUROPE, "--down", "eu")
    assert told[1] == "  answer     www.w.test. 20 IN A 127.0.2.1"
    assert "health       us  us stay; removed eu (down since " in told[3]
    assert told[3].endswith(": supposed)")
    assert told[4].startswith("             geo          us  nearest -> us at ")
    both = lines("both.w.test", "--client", EUROPE, "--down", "eu", "--down", "us")
    assert [line.split()[-1] for line in both[1:3]] == ["127.0.1.1", "127.0.2.1"]
    assert "when_all_down" in both[5]


def test_alerts_are_told(files):
    files.main.write_text(files.main.read_text() + "health: {max_withdrawn: 0.4}\n")
    told = lines("www.w.test", "--client", EUROPE, "--down", "eu")
    assert told[1].endswith("127.0.1.1")
    assert told[-1] == (
        "  alert      withdrawal budget: eu is down but held: withdrawing it would pass 40 % of "
        "capacity"
    )


def test_static_answers_are_told_without_a_chain(files):
    told = lines("ns1.w.test", "a", "--client", "192.0.2.1")
    assert told == [
        f"ns1.w.test. A asked by 192.0.2.1: {STATIC_WHY}",
        "  answer     ns1.w.test. 3600 IN A 192.0.2.53",
    ]


def test_a_denial_is_explained_with_status_0(files):
    told = lines("none.w.test", "AAAA", "--client", "192.0.2.1")
    assert told[0].startswith("none.w.test. AAAA asked by 192.0.2.1: NXDOMAIN, authoritative: ")
    assert told[1] == "  answer     none"
    assert told[2].startswith("  authority  w.test. 30 IN SOA ns1.w.test. hostmaster.w.test. ")


def test_a_name_of_no_zone_is_status_1(files):
    found = run("example.com", "--client", "192.0.2.1")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "example.com. A asked by 192.0.2.1: REFUSED: no zone of this server holds the name",
        "  answer     none",
    ]


def test_json_is_the_whole_explanation(files):
    found = run("www.w.test", "AAAA", "--client", EUROPE, "--json")
    told = json.loads(found.stdout)
    assert found.exit_code == 0
    assert (told["name"], told["rtype"], told["answer"]) == ("www.w.test.", "AAAA", [])
    told = json.loads(run("www.w.test", "--client", EUROPE, "--json").stdout)
    assert told["steps"][1]["kept"] == ["eu"]
    assert told["scope"] == 24
    assert told["decision_id"].endswith("-h1-t0")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["www.w.test"], "--client"),
        (["--client", "192.0.2.1"], "name"),
        (["www.w.test", "--client", "x"], "is no client"),
        (["www.w.test", "BAD", "--client", "192.0.2.1"], "is no record type"),
        (["a..b", "--client", "192.0.2.1"], "is not a domain name"),
        (["www.w.test", "--client", "192.0.2.1", "--down", "uk"], "there is no site 'uk'"),
        (["www.w.test", "--client", "192.0.2.1", "--down", "idle"], "idle has no check"),
        (["www.w.test", "--client", "192.0.2.1", "--server", "--down", "eu"], "--down supposes"),
        (["www.w.test", "--client", "192.0.2.1", "--admin", "here"], "must be"),
    ],
)
def test_a_senseless_command_line_is_status_2(files, arguments, why):
    found = run(*arguments)
    assert found.exit_code == 2
    assert why in " ".join(found.stderr.split())


def test_a_server_needs_an_admin_port(files):
    files.main.write_text(files.main.read_text().replace(f', admin: "127.0.0.1:{files.admin}"', ""))
    found = run("www.w.test", "--client", "192.0.2.1", "--server")
    assert found.exit_code == 2
    assert "has no listen.admin" in " ".join(found.stderr.split())


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"SSH-2.0-x\r\n", "no answer from {}: SSH-2.0-x"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "{} says: HTTP status 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "{} says what is not JSON"),
        (b"", "no answer from {}: Remote end closed connection"),
    ],
    ids=["no HTTP", "another server", "no JSON", "nothing"],
)
def test_a_stranger_at_the_admin_port_is_one_line_and_status_1(files, reply, why):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = _answer_once(listener, reply)
        found = run("www.w.test", "--client", "192.0.2.1", "--admin", f"127.0.0.1:{port}")
        thread.join()
    assert found.exit_code == 1
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"gslb: {why.format(f'127.0.0.1:{port}')}")
    assert found.stdout == ""


def _answer_once(listener: socket.socket, reply: bytes):
    def answer() -> None:
        accepted, _ = listener.accept()
        with accepted:
            accepted.recv(4096)
            accepted.sendall(reply)

    thread = Thread(target=answer)
    thread.start()
    return thread
