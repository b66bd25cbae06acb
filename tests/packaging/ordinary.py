"""Runs the checkout as an ordinary user, wherever Python, the checkout and the test's files are.

Root's home is closed to others, and Python may be in it. So the program runs in a mount namespace
of its own, in which what it needs is under /mnt.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.app.world import ROOT

USER = "nobody"
_PYTHON, _SITE, _CHECKOUT, FILES = "/mnt/python", "/mnt/site", "/mnt/checkout", "/mnt/files"


def need_root_and_tools() -> None:
    """Skips where nobody could become another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    missing = [tool for tool in ("unshare", "setpriv", "mount") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (util-linux)")
    trial = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if trial.returncode:
        pytest.skip("no mount namespaces here")


def as_ordinary_user(folder: Path, *arguments: str, capabilities: str = "") -> list[str]:
    """A command that runs gslb as USER with these capabilities and no others. folder: the test's
    files, which the program finds in FILES.
    """
    folder.chmod(0o755)
    python = Path(sys.executable).resolve()
    binds = {
        str(python.parents[1]): _PYTHON,
        sysconfig.get_path("purelib"): _SITE,
        str(ROOT): _CHECKOUT,
        str(folder): FILES,
    }
    lines = ["mount -t tmpfs -o mode=755 none /mnt"]
    for source, target in binds.items():
        lines += [f"mkdir {target}", f"mount --bind {shlex.quote(source)} {target}"]
    wanted = f",+{capabilities}" if capabilities else ""
    drop = [
        *("setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups", "--no-new-privs"),
        *(f"--{which}-caps=-all{wanted}" for which in ("inh", "ambient")),
        f"--bounding-set=-all{wanted}",
    ]
    run = [f"{_PYTHON}/bin/{python.name}", "-m", "gslb", *arguments]
    lines += [f"cd {FILES}", f"export PYTHONPATH={_CHECKOUT}:{_SITE} PYTHONDONTWRITEBYTECODE=1"]
    lines += [f"export LD_LIBRARY_PATH={_PYTHON}/lib"]
    lines += ["exec " + shlex.join([*drop, *run])]
    return [shutil.which("unshare") or "", "--mount", "sh", "-e", "-c", "\n".join(lines)]
