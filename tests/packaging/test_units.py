"""The systemd units: read by systemd's own tools, and compared with what the pages say."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from http.client import HTTPConnection

import pytest

from tests.app.proxy_world import ProxyFiles, backends
from tests.app.world import DEADLINE_S, ROOT
from tests.packaging.managed import HOST, serve, served, write_files
from tests.ports import free_port

FOLDER = ROOT / "packaging" / "systemd"
SERVICES = sorted(FOLDER.glob("*.service"))
UNITS = [*SERVICES, FOLDER / "gslb.socket"]
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (systemd)")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit_without_a_word(unit, tmp_path):
    for each in UNITS:
        text = each.read_text().replace("/usr/bin/gslb", str(tmp_path / "gslb"))
        (tmp_path / each.name).write_text(text)
    (tmp_path / "gslb").write_text("#!/bin/sh\n")
    (tmp_path / "gslb").chmod(0o755)
    done = analyze("verify", "--man=no", str(tmp_path / unit.name))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_exposure_is_what_the_page_says(unit):
    told = analyze("security", "--offline=true", "--no-pager", str(unit)).stdout
    (level,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", told)
    page = (ROOT / "docs" / "install.md").read_text()
    (promised,) = re.findall(rf"\| `{re.escape(unit.name)}` \|.* ([0-9.]+) \|", page)
    if analyze("--version").stdout.startswith("systemd 252 "):
        assert level == promised
    assert float(level) < 2


def test_all_services_are_equally_hardened():
    hardening = {
        text[text.index("ProtectSystem=") : text.index("[Install]")]
        for text in (unit.read_text() for unit in SERVICES)
    }
    assert len(hardening) == 1


def _refuse_new_code() -> None:
    """What MemoryDenyWriteExecute does, by the kernel's own means; children inherit it."""
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        raise OSError("no PR_SET_MDWE")


def _has_mdwe() -> bool:
    argv = [sys.executable, "-c", "pass"]
    try:
        return subprocess.run(argv, preexec_fn=_refuse_new_code, check=False).returncode == 0
    except subprocess.SubprocessError:
        return False


def test_nothing_needs_memory_that_is_written_and_run(tmp_path):
    if not _has_mdwe():
        pytest.skip("the kernel has no PR_SET_MDWE (Linux 6.3)")
    port = free_port(HOST)
    files = write_files(tmp_path, port)
    with served(files, port, serve(files), preexec_fn=_refuse_new_code) as server:
        assert server.ask() == ["127.0.1.1", "127.0.2.1"]
    proxy = ProxyFiles(tmp_path)
    with backends(proxy.web):
        argv = [sys.executable, "-m", "gslb", "proxy", str(proxy.main)]
        with served(files, port, argv, event="proxying", preexec_fn=_refuse_new_code):
            assert _status(proxy, "/healthz") in (200, 503)


def _status(proxy: ProxyFiles, path: str) -> int:
    connection = HTTPConnection(proxy.host, proxy.port, timeout=DEADLINE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
