import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from typer.testing import CliRunner

from gslb.cli.main import app
from gslb.errors import ConfigError
from tests.app.proxy_world import PROXY, ProxyFiles, backends, proxying
from tests.app.world import ROOT, Files, serving_files, wait_for
from tests.ports import free_port


def run(*arguments: str):
    return CliRunner().invoke(app, ["healthcheck", *arguments])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A running name server with two zones, and its files."""
    files = Files(tmp_path_factory.mktemp("served"))
    (files.folder / "zones" / "x.yaml").write_text(
        "zone: x.test\nnameservers: {ns.x.test: [192.0.2.1]}\ncontact: a@x.test\nservices: {}\n"
    )
    with serving_files(files) as server:
        yield files, server


def test_name_server_that_serves(served):
    files, _ = served
    found = run(str(files.main))
    assert (found.exit_code, found.stdout) == (0, f"{files.main}: 4 answers: well\n")


def test_name_server_as_json(served):
    files, _ = served
    data = json.loads(run(str(files.main), "--json").stdout)
    where = f"127.0.0.1:{files.dns}"
    assert (data["file"], data["ok"]) == (str(files.main), True)
    assert [one["what"] for one in data["asked"]] == [
        f"{where} ({transport}): {zone}"
        for transport in ("UDP", "TCP")
        for zone in ("w.test", "x.test")
    ]
    assert {one["problem"] for one in data["asked"]} == {""}


def test_name_server_that_does_not_serve_a_zone(served, tmp_path):
    files, _ = served
    other = Files(tmp_path, dns=files.dns, admin=files.admin)
    other.zone.write_text(other.zone.read_text().replace("w.test", "y.test"))
    found = run(str(other.main))
    where = f"127.0.0.1:{files.dns}"
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        f"{where} ({transport}): y.test: answered REFUSED" for transport in ("UDP", "TCP")
    ]


def test_name_server_that_hangs(served):
    files, server = served
    server.signal(signal.SIGSTOP)
    try:
        found = run(str(files.main), "--timeout", "0.2")
        told = json.loads(run(str(files.main), "--timeout", "0.2", "--json").stdout)
    finally:
        server.signal(signal.SIGCONT)
    where = f"127.0.0.1:{files.dns}"
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        f"{where} ({transport}): w.test: no answer within 0.2 s" for transport in ("UDP", "TCP")
    ]
    assert told["ok"] is False


def test_name_server_that_is_not_there(tmp_path):
    files = Files(tmp_path)
    found = run(str(files.main))
    where = f"127.0.0.1:{files.dns}"
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        f"{where} (UDP): w.test: connection refused",
        f"{where} (TCP): connection refused",
    ]


@pytest.mark.parametrize(
    ("main", "options", "told"),
    [
        ("zones: 5", [], "gslb.yaml:1:8: zones: must be a list"),
        ("node: a", [], "gslb.yaml: zones: no zones, so no name server that could be asked"),
        ("node: a", ["--proxy", "eu"], "gslb.yaml: proxies: there is no proxy 'eu'; allowed: it"),
        ("proxies: {us: {}}", ["--proxy", "eu"], "there is no proxy 'eu'; allowed: us"),
    ],
)
def test_file_that_says_nothing_to_ask(tmp_path, main, options, told):
    path = tmp_path / "gslb.yaml"
    path.write_text(main)
    found = run(str(path), *options)
    assert (found.exit_code, told in found.stdout) == (1, True), found.stdout
    assert json.loads(run(str(path), *options, "--json").stdout)["ok"] is False


def test_timeout_out_of_bounds(tmp_path):
    assert run(str(tmp_path / "gslb.yaml"), "--timeout", "0").exit_code == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--on-up", "true"], "belong to --watch"),
        (["--watch", "--json"], "writes a log"),
        (["--watch", "--on-up", "'"], "--on-up: No closing quotation"),
        (["--watch", "--on-down", ""], "--on-down: there is no program"),
        (["--watch", "--on-down", "no-such-program -x"], "no program 'no-such-program'"),
        (["--watch", "--rise", "0"], "--rise"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, told):
    found = run(str(tmp_path / "gslb.yaml"), *options)
    assert found.exit_code == 2
    assert told in " ".join(found.stderr.replace("│", " ").split())


def test_watch_when_the_file_does_not_load(tmp_path):
    path = tmp_path / "gslb.yaml"
    path.write_text("zones: []\nwrong: true\n")
    with pytest.raises(ConfigError, match="unknown key"):
        CliRunner().invoke(app, ["healthcheck", str(path), "--watch"], catch_exceptions=False)


# ---------------------------------------------------------------- proxies


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """A running proxy with a listener of each kind."""
    folder = tmp_path_factory.mktemp("proxied")
    authority = trustme.CA()
    pair = authority.issue_cert("www.test")
    pair.cert_chain_pems[0].write_to_path(folder / "c.pem")
    pair.private_key_pem.write_to_path(folder / "k.pem")
    (folder / "k.pem").chmod(0o600)
    tls, tcp, announced = (free_port(PROXY) for _ in range(3))
    more = (
        f', {{address: "{PROXY}:{tls}", tls: {{certificate: c.pem, key: k.pem}}}}'
        f', {{address: "{PROXY}:{tcp}", mode: tcp, pool: web}}'
        f', {{address: "{PROXY}:{announced}", proxy_protocol: true}}'
    )
    files = ProxyFiles(folder, more_listeners=more)
    text = files.main.read_text()
    files.main.write_text(
        text.replace("health_path:", "trusted_proxies: [127.0.0.0/8]\n    health_path:")
    )
    with backends(files.web) as web, proxying(files) as running:
        yield files, web, running


def test_proxy_that_serves(proxy):
    files, _, _ = proxy
    found = run(str(files.main), "--proxy", "eu")
    assert (found.exit_code, found.stdout) == (0, f"{files.main}: 4 answers: well\n")
    data = json.loads(run(str(files.main), "--proxy", "eu", "--json").stdout)
    kinds = [one["what"].partition("(")[2] for one in data["asked"]]
    assert kinds == ["HTTP): /healthz", "HTTPS): /healthz", "TCP)", "HTTP): /healthz"]


def test_proxy_without_a_backend(proxy):
    files, web, running = proxy
    for name in ("web1", "web2"):
        web.stop(name)
    wait_for(lambda: set(running.states().values()) == {"down"})
    found = run(str(files.main), "--proxy", "eu")
    for name in ("web1", "web2"):
        web.start(name)
    wait_for(lambda: set(running.states().values()) == {"up"})
    assert found.exit_code == 1
    told = found.stdout.splitlines()
    assert len(told) == 3
    assert all(line.endswith("/healthz: HTTP status 503: no backend") for line in told)


def test_proxy_that_drains_and_is_gone(tmp_path):
    files = ProxyFiles(tmp_path)
    text = files.main.read_text()
    files.main.write_text(text.replace(f"node: {files.node}", "node: l7-leaving"))
    with backends(files.web), proxying(files) as running:
        running.process.terminate()
        wait_for(lambda: running.log("draining"))
        found = run(str(files.main), "--proxy", "eu")
        assert found.exit_code == 1
        assert "HTTP status 503: draining" in found.stdout
        running.process.wait(15)
    assert "connection refused" in run(str(files.main), "--proxy", "eu").stdout


# ---------------------------------------------------------------- the process


def test_healthcheck_loads_no_schema(served):
    """What makes the other commands slow to start is left alone."""
    files, _ = served
    code = (
        "import sys; from gslb.cli.main import app\n"
        f"try: app(['healthcheck', {str(files.main)!r}], prog_name='gslb')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print([one for one in sys.modules if one.split('.')[0] in"
        " ('aiohttp', 'asyncio', 'cryptography', 'dns', 'redis', 'http')"
        " or one in ('gslb.config.schema', 'gslb.config.load', 'gslb.model.system')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_healthcheck_needs_no_shell_and_no_path(served):
    files, _ = served
    done = subprocess.run(
        [sys.executable, "-m", "gslb", "healthcheck", str(files.main)],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.partition(":")[0]) == files.main
