from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest
from typer.testing import CliRunner

from gslb.cli.main import app


def run(*arguments: str):
    found = CliRunner().invoke(app, ["token", *arguments])
    assert (found.exit_code, found.stderr) == (0, "")
    return found.stdout


def test_a_token_is_256_bits_that_come_with_their_digest():
    told = json.loads(run("--json"))
    assert len(base64.urlsafe_b64decode(told["token"] + "=")) == 32
    assert told["sha256"] == sha256(told["token"].encode()).hexdigest()
    assert json.loads(run("--json"))["token"] != told["token"]


def test_people_are_shown_the_line_for_the_main_file():
    lines = run().splitlines()
    token, digest = (line.split()[1] for line in lines[:2])
    assert digest == sha256(token.encode()).hexdigest()
    assert lines[-1] == f"In the main file:  admin: {{tokens: [{digest}]}}"
    assert sum(token in line for line in lines) == 1


def test_the_digest_is_what_the_configuration_takes():
    fields = pytest.importorskip("gslb.config.credentials")
    digest = json.loads(run("--json"))["sha256"]
    assert fields.parse_token_digest(digest) == digest
