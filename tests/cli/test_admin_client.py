"""How commands reach a server, with whatever may stand at the other end."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

from gslb.cli.main import app
from tests.admin.known import Known, admin_port

TOKEN = "a-token"
DIGEST = sha256(TOKEN.encode()).hexdigest()


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["status", "--json", *arguments], env=environment)


def complaint(found: Result) -> str:
    assert found.exit_code == 1
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    return line


@contextmanager
def stranger(reply: bytes):
    """Something that is no server of ours: it answers once, whatever it is asked."""

    def answer() -> None:
        accepted, _ = listener.accept()
        with accepted:
            accepted.recv(4096)
            accepted.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_the_port_is_named_or_that_of_the_file(tmp_path: Path, monkeypatch):
    with admin_port(Known()) as port:
        assert run("--admin", str(port)).exit_code == 0
        example = (
            f"node: n\nlisten: {{dns: ['127.0.0.1:5399'], admin: '{port}'}}\nzones: []\n"
            "sites: {eu: {addresses: [192.0.2.1]}}\n"
        )
        (tmp_path / "gslb.yaml").write_text(example)
        monkeypatch.chdir(tmp_path)
        assert run().exit_code == 0
        assert run("--config", str(tmp_path / "gslb.yaml")).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "there is no gslb.yaml: name the main file (--config) or a port (--admin)"),
        (("--admin", "here"), "must be"),
        (("--admin", "127.0.0.1:0"), "the port must be"),
        (("--admin", "127.0.0.1:9", "--token-file", "none"), "none: No such file"),
        (("--admin", "127.0.0.1:9", "--token-file", "empty"), "empty must hold one token"),
        (("--admin", "127.0.0.1:9", "--token-file", "two"), "two must hold one token"),
        (("--admin", "127.0.0.1:9", "--token-file", "odd"), "odd does not hold a token"),
    ],
)
def test_a_senseless_command_line_is_status_2(tmp_path, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "two").write_text("one\ntwo\n")
    (tmp_path / "odd").write_bytes(b"\xff")
    found = run(*arguments)
    assert found.exit_code == 2
    words = " ".join(found.stderr.replace("│", " ").split())
    assert why in words


def test_the_token_comes_from_an_option_a_named_file_or_the_environment(tmp_path: Path):
    file, wrong = tmp_path / "token", tmp_path / "wrong"
    file.write_text(f" {TOKEN}\n")
    wrong.write_text("wrong")
    with admin_port(Known(), DIGEST) as port:
        asked = ("--admin", str(port))
        assert run(*asked, "--token-file", str(file)).exit_code == 0
        assert run(*asked, GSLB_TOKEN_FILE=str(file)).exit_code == 0
        assert run(*asked, GSLB_TOKEN=TOKEN).exit_code == 0
        given = run(*asked, "--token-file", str(file), GSLB_TOKEN_FILE=str(wrong), GSLB_TOKEN="x")
        assert given.exit_code == 0
        assert run(*asked, GSLB_TOKEN_FILE=str(file), GSLB_TOKEN="wrong").exit_code == 0
        assert complaint(run(*asked)) == (
            f"gslb: {port} says: this port asks for a token: Authorization: Bearer TOKEN; give it"
            " with --token-file or GSLB_TOKEN_FILE"
        )
        told = complaint(run(*asked, GSLB_TOKEN="wrong"))
        assert told.startswith(f"gslb: {port} says: the token is not one of this server's;")


def test_a_server_that_is_not_there_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
    assert complaint(run("--admin", where)).startswith(f"gslb: no answer from {where}: ")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"SSH-2.0-x\r\n", "no answer from {}: SSH-2.0-x"),
        (b"SSH\x1b[2J\r\n", "no answer from {}: SSH\\x1b[2J"),
        (b"", "no answer from {}: Remote end closed connection without response"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "{} says: HTTP status 404"),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}", "{} says: HTTP status 400"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "{} says what is not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "{} says what is not JSON"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "{} says nothing of sites: it is no gslb or one of another version",
        ),
        (
            b"HTTP/1.1 500 Bad\r\n\r\n" + b"[" * 100_000,
            "{} says: HTTP status 500",
        ),
        (b'HTTP/1.1 409 No\r\n\r\n{"error": "a\\u001b[2Jb"}', "{} says: a\\x1b[2Jb"),
    ],
)
def test_law_3_a_stranger_at_the_port_is_one_line(reply, why):
    with stranger(reply) as where:
        assert complaint(run("--admin", where)) == f"gslb: {why.format(where)}"
