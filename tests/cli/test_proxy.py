"""`gslb proxy`: what the command line refuses, and orders for backends."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gslb.cli.main import app
from gslb.cli.orders import describe_order
from gslb.errors import ConfigError, ListenError
from tests.admin.known import Known, admin_port, make_order
from tests.app.proxy_world import ProxyFiles


def run(*arguments: str) -> Exception:
    found = CliRunner().invoke(app, ["proxy", *arguments])
    assert found.exit_code == 1
    assert isinstance(found.exception, Exception)
    return found.exception


@pytest.fixture
def files(tmp_path: Path) -> ProxyFiles:
    return ProxyFiles(tmp_path)


@pytest.mark.parametrize(
    ("name", "hint"), [("eus", "did you mean 'eu'?"), ("asia", "allowed: eu")], ids=["near", "far"]
)
def test_a_proxy_that_is_not_there_is_an_error_with_a_hint(files, name, hint):
    error = run(str(files.main), name)
    assert isinstance(error, ConfigError)
    assert str(error) == f"{files.main}: proxies: there is no proxy '{name}'; {hint}"


def test_a_file_without_proxies_is_an_error(files):
    files.main.write_text("node: n\n")
    error = run(str(files.main))
    assert isinstance(error, ConfigError)
    assert "the file names no proxy to run" in str(error)


def test_an_address_that_is_taken_is_an_error_that_names_it(files):
    with files.take_port():
        error = run(str(files.main))
    assert isinstance(error, ListenError)
    assert str(error).startswith(f"cannot listen on 127.0.9.1:{files.port} (TCP): address already")


def order_for(known: Known, *arguments: str):
    with admin_port(known) as port:
        return CliRunner().invoke(app, [*arguments, "--owner", "bob", "--admin", str(port)])


def known_backend(kind: str) -> Known:
    known = Known()
    order = {**make_order(kind), "site": "web/web1"}
    known.told["proxy"] = "eu"
    known.told["backends"] = {"web/web1": {"order": order}, "web/web2": {"order": None}}
    return known


def test_maintenance_is_ordered_for_a_backend():
    known = known_backend("drain")
    found = order_for(known, "maint", "web/web1", "--reason", "disk")
    assert (found.exit_code, known.placed[0].kind) == (0, "maint")
    assert known.placed[0].site == "web/web1"
    assert "web/web1 is in maintenance by bob" in found.stdout


@pytest.mark.parametrize("name", ["web1", "web/web1"])
def test_an_order_for_a_backend_is_taken_back_by_its_own_word(name):
    assert order_for(known_backend("maint"), "unmaint", name).exit_code == 0
    found = order_for(known_backend("maint"), "undrain", name)
    assert found.exit_code == 1
    assert "see gslb unmaint" in found.stderr


def test_the_admin_port_of_the_only_proxy_is_found_in_the_file(files):
    found = CliRunner().invoke(app, ["undrain", "web1", "--config", str(files.main)])
    assert found.exit_code == 1
    assert f"no answer from 127.0.9.1:{files.admin}" in found.stderr


def test_maintenance_is_told_in_words():
    order = make_order("maint", until_at=None)
    assert describe_order("web/web1", order).startswith("web/web1 is in maintenance")
