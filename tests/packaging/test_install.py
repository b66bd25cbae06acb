"""`make install` into a folder: where everything is, and that it runs there."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from gslb import __version__
from tests.app.world import ROOT
from tests.packaging.test_dist import build

PLACES = {
    "etc/gslb/gslb.yaml",
    "etc/gslb/zones/example.yaml",
    "etc/logrotate.d/gslb",
    "usr/bin/gslb",
    "usr/lib/gslb/gslb/data/country.mmdb",
    "usr/lib/gslb/gslb/data/LICENSE",
    "usr/lib/systemd/system/gslb.service",
    "usr/lib/systemd/system/gslb.socket",
    "usr/lib/systemd/system/gslb-announce.service",
    "usr/lib/systemd/system/gslb-probe@.service",
    "usr/lib/systemd/system/gslb-proxy@.service",
    "usr/lib/sysusers.d/gslb.conf",
    "usr/share/bash-completion/completions/gslb",
    "usr/share/doc/gslb/LICENSE",
    "usr/share/doc/gslb/LICENSE.geodata",
    "usr/share/doc/gslb/bird/gslb.conf",
    "usr/share/doc/gslb/exabgp/exabgp.conf",
    "usr/share/doc/gslb/keepalived/keepalived.conf",
    "usr/share/fish/vendor_completions.d/gslb.fish",
    "usr/share/man/man1/gslb.1",
    "usr/share/man/man5/gslb.yaml.5",
    "usr/share/zsh/vendor-completions/_gslb",
}


def install(checkout: Path, folder: Path, *settings: str) -> None:
    """`make install` with the wheel that is there; what gslb imports is left out."""
    argv = ["make", "--silent", "--old-file", "dist", "install", f"DESTDIR={folder}"]
    argv += [f"VENV={sys.prefix}", "DEPENDENCIES=no", f"TARGET_PYTHON={sys.executable}", *settings]
    subprocess.run(argv, cwd=checkout, check=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """What an install needs of a checkout, with a wheel in dist/."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("packaging", "geodata", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("LICENSE", "Makefile"):
        shutil.copy(ROOT / name, folder)
    build(ROOT, folder / "dist", "wheel")
    return folder


@pytest.fixture(scope="module")
def installed(checkout, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dest")
    install(checkout, folder)
    return folder


def run(installed: Path, *argv: str, folder: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    """The installed command; its own path of modules begins at the real root, so it is moved."""
    library = f"{installed}/usr/lib/gslb"
    script = (installed / "usr" / "bin" / "gslb").read_text()
    site = sysconfig.get_path("purelib")
    moved = script.replace("PYTHONPATH=/usr/lib/gslb", f"PYTHONPATH={library}:{site}")
    assert moved != script
    return subprocess.run(
        ["sh", "-c", moved, "gslb", *argv], cwd=folder, capture_output=True, text=True, check=False
    )


def test_everything_is_in_its_place(installed):
    found = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert found >= PLACES
    library = "usr/lib/gslb/"
    documents = {name for name in found if name.startswith("usr/share/doc/gslb/")}
    strangers = {name for name in found - PLACES - documents if not name.startswith(library)}
    assert strangers == set()
    assert stat.S_IMODE((installed / "usr/bin/gslb").stat().st_mode) == 0o755
    assert stat.S_IMODE((installed / "var/lib/gslb").stat().st_mode) == 0o750
    assert (installed / "var/log/gslb").is_dir()


def test_the_installed_command_runs(installed):
    assert run(installed, "--version").stdout == f"gslb {__version__}\n"
    told = run(installed, "geo", "lookup", "193.0.6.139")
    assert "country:NL" in told.stdout, told.stderr


def test_the_installed_command_runs_nothing_of_the_folder_it_is_started_in(installed, tmp_path):
    (tmp_path / "gslb").mkdir()
    (tmp_path / "gslb" / "__init__.py").write_text("raise SystemExit('a stranger ran')")
    told = run(installed, "--version", folder=tmp_path)
    assert (told.stdout, told.stderr) == (f"gslb {__version__}\n", "")


def test_the_installed_configuration_is_well(installed, tmp_path):
    shutil.copytree(installed / "etc" / "gslb", tmp_path / "gslb")
    main = tmp_path / "gslb" / "gslb.yaml"
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    main.write_text(main.read_text().replace("/var/lib/gslb", str(state)))
    told = run(installed, "check", str(main))
    assert told.stdout == f"{main}: 1 zone, 1 service, 2 sites: no problems\n", told.stderr


def test_what_the_operator_wrote_stays_and_the_prefix_is_used(checkout, tmp_path):
    mine = tmp_path / "etc" / "gslb" / "gslb.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("node: mine\n")
    for _ in range(2):
        install(checkout, tmp_path, "PREFIX=/usr/local")
    assert mine.read_text() == "node: mine\n"
    unit = (tmp_path / "usr/local/lib/systemd/system/gslb.service").read_text()
    assert "ExecStart=/usr/local/bin/gslb serve /etc/gslb/gslb.yaml" in unit
    assert "PYTHONPATH=/usr/local/lib/gslb " in (tmp_path / "usr/local/bin/gslb").read_text()


def test_logrotate_takes_the_file(installed, tmp_path):
    program = shutil.which("logrotate")
    if program is None:
        pytest.skip("logrotate is not installed")
    logs = tmp_path / "logs"
    logs.mkdir()
    text = (installed / "etc" / "logrotate.d" / "gslb").read_text()
    text = text.replace("/var/log/gslb", str(logs)).replace("gslb gslb", "root root")
    (tmp_path / "rotate").write_text(text)
    argv = [program, "--debug", "--state", str(tmp_path / "state"), str(tmp_path / "rotate")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error:" not in done.stderr
