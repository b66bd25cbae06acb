"""Proxies for the renderer's tests, read from files as operators write them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from gslb.config.load import load
from gslb.model.proxy import Proxy

POOL: dict[str, Any] = {"backends": {"a": {"address": "192.0.2.1:80"}}}
LISTEN: dict[str, Any] = {"address": "127.0.0.1:18080"}


def read(folder: Path, *proxies: dict[str, Any]) -> tuple[Proxy, ...]:
    """Proxies of these settings, named p0, p1 and so on."""
    named = {f"p{at}": {"site": "s", **proxy} for at, proxy in enumerate(proxies)}
    file = folder / "gslb.yaml"
    file.write_text(yaml.safe_dump({"node": "n", "proxies": named}))
    return tuple(load(file).system.proxies.values())


def with_route(**route: Any) -> dict[str, Any]:
    """A proxy with one route and one pool."""
    whole = {"name": "r", **({} if "redirect" in route or "pools" in route else {"pool": "w"})}
    return {"listen": [LISTEN], "routes": [whole | route], "pools": {"w": POOL}}


def with_pool(**pool: Any) -> dict[str, Any]:
    """A proxy with one pool that has these settings."""
    routes = [{"name": "r", "pool": "w"}]
    return {"listen": [LISTEN], "routes": routes, "pools": {"w": POOL | pool}}


def with_proxy(**proxy: Any) -> dict[str, Any]:
    """A proxy with these settings."""
    return with_route() | proxy


def complain(text: str, folder: Path) -> str:
    """What HAProxy says against a configuration; empty when it takes it without a warning."""
    file = folder / "haproxy.cfg"
    file.write_text(text)
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(file)], capture_output=True, text=True, check=False
    )
    said = (done.stdout + done.stderr).replace("Configuration file is valid", "").strip()
    return said if said or done.returncode == 0 else f"exit status {done.returncode}"
