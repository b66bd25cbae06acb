from pathlib import Path

import pytest
from typer.testing import CliRunner

from gslb.cli.main import app


@pytest.fixture
def asked(monkeypatch) -> list[tuple]:
    """What the command asks for."""
    calls: list[tuple] = []
    monkeypatch.setattr("gslb.app.agent.probe", lambda *arguments: calls.append(arguments))
    return calls


def run(*arguments: str, **environ: str):
    return CliRunner().invoke(app, ["probe", *arguments], env=environ)


def test_the_key_is_found_by_default(asked):
    assert run("gslb.yaml", "--agent", "fra").exit_code == 0
    assert asked == [(Path("gslb.yaml"), "fra", None)]


def test_the_key_is_named_by_the_environment_and_before_that_by_its_option(asked):
    run("gslb.yaml", "--agent", "fra", GSLB_AGENT_KEY="env.key")
    run("gslb.yaml", "--agent", "fra", "--key", "my.key", GSLB_AGENT_KEY="env.key")
    assert [call[2] for call in asked] == [Path("env.key"), Path("my.key")]


@pytest.mark.parametrize("arguments", [[], ["gslb.yaml"], ["--agent", "fra"]])
def test_file_and_agent_must_be_said(arguments: list[str], asked):
    assert (run(*arguments).exit_code, asked) == (2, [])
