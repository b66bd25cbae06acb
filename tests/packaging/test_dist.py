"""The wheel and the sdist: what is in them, and that they run where no checkout is."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import dns.message
import dns.query
import pytest

from gslb import __version__
from tests.app.world import DEADLINE_S, ROOT, make_query, records, wait_for
from tests.ports import free_port

HOST = "127.0.9.31"


def build(folder: Path, into: Path, *targets: str) -> list[Path]:
    """What hatchling makes of a source tree, as `make dist` does."""
    chosen = [word for target in targets for word in ("-t", target)]
    argv = [sys.executable, "-m", "hatchling", "build", "-d", str(into), *chosen]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return sorted(into.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """The wheel and the sdist of this checkout."""
    wheel, sdist = build(ROOT, tmp_path_factory.mktemp("dist"))
    return wheel, sdist


@pytest.fixture(scope="module")
def installed(made, tmp_path_factory) -> Path:
    """A fresh environment with the wheel. What it depends on is found where the tests have it; no
    `.pth` file there is read, so the checkout that is linked into it is not.
    """
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    argv = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    argv += ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*argv, str(made[0])], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n")
    return folder


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """What the installed command prints, in a folder that has nothing of ours."""
    argv = [str(installed / "bin" / "gslb"), *arguments]
    done = subprocess.run(
        argv, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------- what is in them


def test_the_wheel_holds_the_program_and_its_data_alone(made):
    names = zipfile.ZipFile(made[0]).namelist()
    info = f"gslb-{__version__}.dist-info/"
    others = [name for name in names if not name.startswith(("gslb/", info))]
    assert others == []
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "gslb").rglob("*.py")}
    assert modules <= set(names)
    kinds = {PurePosixPath(name).suffix for name in names if name.startswith("gslb/")}
    assert kinds == {".py", ".typed", ".yaml", ".zone", ".mmdb", ".md", ""}
    rest = [name for name in names if name.startswith("gslb/") and "." not in name]
    assert rest == ["gslb/data/LICENSE"]


def test_the_wheel_tells_both_licences(made):
    wheel = zipfile.ZipFile(made[0])
    info = f"gslb-{__version__}.dist-info/"
    told = email.message_from_bytes(wheel.read(info + "METADATA"))
    assert told["License-Expression"] == "Apache-2.0 AND CC-BY-SA-4.0"
    for name in told.get_all("License-File"):
        assert wheel.read(f"{info}licenses/{name}") == (ROOT / name).read_bytes()
    assert set(told.get_all("License-File")) == {"LICENSE", "geodata/LICENSE"}
    assert wheel.read("gslb/data/LICENSE") == (ROOT / "geodata" / "LICENSE").read_bytes()


def test_the_sdist_holds_what_git_has_and_no_caches(made):
    with tarfile.open(made[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(
        ["git", "ls-files", "gslb", "tests", "docs", "zones", "geodata", "packaging", "Makefile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("no git, or no checkout")
    missing = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()} - names
    assert missing == set()
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []


def test_the_sdist_builds_the_same_wheel(made, tmp_path):
    with tarfile.open(made[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    (again,) = build(folder, tmp_path / "again", "wheel")
    assert again.name == made[0].name
    assert again.read_bytes() == made[0].read_bytes()


# ---------------------------------------------------------------- that they run


def test_the_installed_command_is_the_wheels(installed, tmp_path):
    assert run(installed, tmp_path, "--version") == f"gslb {__version__}\n"
    code = "import gslb; print(gslb.__file__)"
    argv = [str(installed / "bin" / "python"), "-c", code]
    found = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed)


def example(installed: Path) -> Path:
    (found,) = installed.glob("lib/python*/site-packages/gslb/data/example")
    return found


def test_check_of_the_installed_example(installed, tmp_path):
    told = run(installed, tmp_path, "check", str(example(installed) / "gslb.yaml"))
    assert told.endswith("1 zone, 8 services, 3 sites: no problems\n")


def test_lookup_in_the_installed_database(installed, tmp_path):
    assert "country:NL" in run(installed, tmp_path, "geo", "lookup", "193.0.6.139")


def test_schema_and_render_need_no_other_file(installed, tmp_path):
    assert '"$schema"' in run(installed, tmp_path, "schema")
    proxy = example(installed) / "proxy.yaml"
    argv = [str(installed / "bin" / "gslb"), "proxy", str(proxy), "--render", "haproxy"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    assert "frontend" in done.stdout


def test_serve_answers_from_the_installed_database(installed, tmp_path):
    shutil.copytree(example(installed), tmp_path, dirs_exist_ok=True)
    port, admin = free_port(HOST), free_port(HOST)
    main = tmp_path / "gslb.yaml"
    text = main.read_text()
    changes = {
        '"127.0.0.1:5300", "[::1]:5300"': f'"{HOST}:{port}"',
        "127.0.0.1:8053": f"{HOST}:{admin}",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    main.write_text(text)
    argv = [str(installed / "bin" / "gslb"), "serve", "gslb.yaml"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=tmp_path, env={}, stderr=log)
    try:
        told = tmp_path / "log"
        wait_for(lambda: "serving" in told.read_text() or process.poll() is not None, within_s=60)
        query = make_query("www.gslb.shop.example", client="193.0.6.0/24")
        reply = dns.query.udp(query, HOST, port=port, timeout=5)
        assert records(reply) == ["127.0.1.1"]
        told = run(installed, tmp_path, "healthcheck", "gslb.yaml")
        assert told == "gslb.yaml: 2 answers: well\n"
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
    assert process.returncode == 0
