"""Where the demo in containers is, and what several tests read of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
REGIONS = ("eu-west", "us-east", "ap-south")


@cache
def read_compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors resolved."""
    return yaml.safe_load((COMPOSE / "docker-compose.yml").read_text())


def services() -> dict[str, Any]:
    return read_compose()["services"]


def make_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs secrets.sh in a copy of what it reads."""
    if not (folder / "config").exists():
        shutil.copytree(COMPOSE / "config", folder / "config")
        shutil.copy(COMPOSE / "secrets.sh", folder / "secrets.sh")
    return subprocess.run(
        [folder / "secrets.sh"], capture_output=True, text=True, check=False, timeout=60
    )


def addresses_of(service: dict[str, Any]) -> dict[str, str]:
    """A service's address in each of its networks."""
    return {name: one["ipv4_address"] for name, one in service["networks"].items()}


def words(path: Path, pattern: str) -> list[str]:
    """What a pattern's group finds in a file, line by line."""
    return re.findall(pattern, path.read_text(), re.MULTILINE)
