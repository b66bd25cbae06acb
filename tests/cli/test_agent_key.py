import json
import os
import stat
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gslb.cli.main import app
from gslb.errors import ConfigError
from gslb.store.signing import compose_public_key, load_key


@pytest.fixture(autouse=True)
def in_an_empty_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def run(*arguments: str):
    return CliRunner().invoke(app, ["agent-key", *arguments])


def test_what_is_printed_can_be_put_into_the_configuration():
    found = run("fra")
    assert found.exit_code == 0
    public_key = compose_public_key(load_key(Path("fra.key")))
    assert found.stdout.splitlines() == [
        "# fra.key has the private key: nobody but the agent may read it.",
        "agents:",
        "  fra:",
        f"    public_key: {public_key}",
    ]
    assert yaml.safe_load(found.stdout) == {"agents": {"fra": {"public_key": public_key}}}


def test_as_json_to_another_file():
    found = run("fra", "--output", "secret.pem", "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {
        "agent": "fra",
        "key_file": "secret.pem",
        "public_key": compose_public_key(load_key(Path("secret.pem"))),
    }
    assert os.listdir() == ["secret.pem"]


def test_only_its_owner_may_read_the_key_whatever_the_umask():
    before = os.umask(0)
    try:
        run("fra")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("fra.key").stat().st_mode) == 0o600


def test_the_private_key_is_not_printed():
    found = run("fra")
    secret = load_key(Path("fra.key")).private_bytes_raw()
    pem = Path("fra.key").read_text().splitlines()[1]
    assert secret.hex() not in found.output
    assert pem not in found.output


def test_a_key_is_never_overwritten():
    run("fra")
    before = Path("fra.key").read_bytes()
    found = run("fra")
    assert str(found.exception) == "fra.key: is there already; a key is never overwritten"
    assert isinstance(found.exception, ConfigError)
    assert (found.stdout, Path("fra.key").read_bytes()) == ("", before)


def test_a_file_that_cannot_be_written_is_said():
    found = run("fra", "--output", "none/fra.key")
    assert str(found.exception) == "none/fra.key: cannot be written: No such file or directory"


@pytest.mark.parametrize("name", ["../fra", "", "-x", "a b"])
def test_what_cannot_be_an_agents_name_is_refused(name: str):
    found = run("--", name)
    assert (found.exit_code, os.listdir()) == (2, [])
