"""The proxies that are measured: this one in two configurations, a plain one on aiohttp, the least
that Python can do, HAProxy and nginx; one process or thread each.

Laws:
1. All of them keep connections alive on both sides, take turns among the backends, add
   X-Forwarded-For, and write no log, but where the name says otherwise.
2. `gslb full` does what a region does: eight routes, least connections by weight, passive health,
   active checks, a JSON line for each request in a file. It is held against HAProxy as it is above.
3. This proxy is compiled, as `make compiled` does it; `python` in a name says that it is not.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.builds import COMPILED_ARGV, PYTHON_ARGV, TELL_VERSION
from tests.bench.l7_place import HOST, Place

BARE: Final = "gslb bare"
FULL: Final = "gslb full"
HAPROXY: Final = "haproxy"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where an engine listens."""

    plain: int
    tls: int


@dataclass(frozen=True, slots=True)
class Engine:
    """A proxy that is measured.

    prepare: writes the configuration into a folder and returns the command that stays in the
    foreground. settings: for the report.
    """

    name: str
    program: str
    version_argv: tuple[str, ...]
    package: str
    settings: str
    prepare: Callable[[Place, Path, Ports], tuple[str, ...]]

    def is_installed(self) -> bool:
        """Whether the program is there."""
        return shutil.which(self.program) is not None

    def version(self) -> str:
        """The version that the program tells of itself."""
        done = subprocess.run(self.version_argv, capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+(\.\d+)?[\w.+~-]*", done.stdout + done.stderr)
        return found.group() if found else "unknown"


# ---------------------------------------------------------------- this one

_MAIN: Final = """node: bench-{ports.plain}
log: {{level: warning}}
proxies:
  bench:
    site: bench
    allow_faults: true
    listen:
      - {{address: "{host}:{ports.plain}"}}
      - address: "{host}:{ports.tls}"
        tls: {{certificate: {place.certificate}, key: {place.key}}}
    timeouts: {{keep_alive_s: 600}}
    limits: {{requests_per_connection: 1000000}}
{more}"""
"""Connections live as long as those of the others: HAProxy and nginx are told the same."""

_BARE: Final = """    routes: [{{name: default, pool: web}}]
    pools:
      web:
        balance: round_robin
        backends: {{{backends}}}
"""
_FULL: Final = """    access_log: {folder}/access.log
    health_path: /healthz
    trusted_proxies: [10.0.0.0/8]
    routes:
      - {{name: canary, headers: {{X-Version: v2}}, pool: api}}
      - name: api
        hosts: [www.gslb.shop.example, "*.api.example"]
        path_prefix: /api/
        pool: api
        rate_limit: {{requests: 100, per_s: 1, burst: 200, key: client_ip}}
        priority: high
        cost: 3
      - {{name: static, path_prefix: /static/, pool: web, cache: {{}}, compress: true}}
      - {{name: images, path_regex: "^/img/[a-z0-9]+[.]png$", methods: [GET, HEAD], pool: web}}
      - {{name: sockets, path_prefix: /ws/, pool: web}}
      - name: drill
        path_prefix: /drill/
        pool: web
        fault: {{abort_status: 503, abort_share: 0.01}}
      - {{name: beta, jwt: {{key: {place.jwt}, claims: {{plan: beta}}}}, pool: api}}
      - {{name: default, pool: web}}
    pools:
      api: {{backends: {{a1: {{address: "{host}:{place.backends[0]}"}}}}}}
      web:
        balance: least_connections
        backends: {{{backends}}}
        check: {{http: {{path: /small, expect_status: [200]}}, interval_s: 2, timeout_s: 1}}
        passive: {{window_s: 30, error_share: 0.5, min_requests: 20, eject_s: 10}}
"""
_WEIGHTS: Final = (5, 3, 2)


def _prepare_ours(
    python: tuple[str, ...], more: str, place: Place, folder: Path, ports: Ports
) -> tuple[str, ...]:
    is_full = more is _FULL
    backends = ", ".join(
        f'w{port}: {{address: "{HOST}:{port}", weight: {weight if is_full else 1}}}'
        for port, weight in zip(place.backends, _WEIGHTS, strict=True)
    )
    values = {"place": place, "folder": folder, "ports": ports, "host": HOST, "backends": backends}
    main = folder / "gslb.yaml"
    main.write_text(_MAIN.format(more=more.format(**values), **values))
    return (*python, "-m", "gslb", "proxy", str(main))


# ---------------------------------------------------------------- the others


def _prepare_python(module: str, place: Place, folder: Path, ports: Ports) -> tuple[str, ...]:
    files = (str(place.certificate), str(place.key))
    own = (str(ports.plain), str(ports.tls))
    return (*PYTHON_ARGV, "-m", f"tests.bench.{module}", *own, *files, *map(str, place.backends))


_HAPROXY: Final = """global
  nbthread 1
  maxconn 4096
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 600s
  timeout http-keep-alive 600s
  timeout server 30s
  timeout connect 2s
  option forwardfor
frontend clients
  bind {host}:{ports.plain}
  bind {host}:{ports.tls} ssl crt {place.both}
  default_backend web
backend web
  balance roundrobin
  http-reuse always
{servers}
"""


def _prepare_haproxy(place: Place, folder: Path, ports: Ports) -> tuple[str, ...]:
    servers = "\n".join(f"  server s{port} {HOST}:{port}" for port in place.backends)
    config = folder / "haproxy.cfg"
    config.write_text(_HAPROXY.format(host=HOST, ports=ports, place=place, servers=servers))
    return ("haproxy", "-db", "-f", str(config))


_NGINX: Final = """worker_processes 1; daemon off; pid {folder}/proxy.pid; {user}
error_log stderr error; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 600s;
  client_max_body_size 0; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  upstream web {{ {servers} keepalive 512; keepalive_requests 100000000; keepalive_timeout 300s; }}
  server {{
    listen {host}:{ports.plain} backlog=4096;
    listen {host}:{ports.tls} ssl backlog=4096;
    ssl_certificate {place.certificate}; ssl_certificate_key {place.key};
    location / {{
      proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


def _prepare_nginx(place: Place, folder: Path, ports: Ports) -> tuple[str, ...]:
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            host=HOST,
            ports=ports,
            place=place,
            folder=folder,
            user=f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
            servers=" ".join(f"server {HOST}:{port};" for port in place.backends),
        )
    )
    return ("nginx", "-c", str(config), "-p", str(folder), "-e", "stderr")


_AIOHTTP_VERSION: Final = (*PYTHON_ARGV, "-c", "import aiohttp; print(aiohttp.__version__)")
_HTTPTOOLS_VERSION: Final = (
    *PYTHON_ARGV,
    "-c",
    "from importlib.metadata import version; print(version('httptools'))",
)
_BARE_SETTINGS: Final = "one process, one route, round robin, no log"
_FULL_SETTINGS: Final = (
    "one process, 8 routes, least connections, passive health, checks, JSON log in a file"
)


def _make_ours(name: str, python: tuple[str, ...], more: str, settings: str) -> Engine:
    version = (*python, "-c", TELL_VERSION)
    return Engine(name, sys.executable, version, "", settings, partial(_prepare_ours, python, more))


ENGINES: Final = (
    Engine(
        HAPROXY,
        "haproxy",
        ("haproxy", "-v"),
        "haproxy",
        "one thread, round robin, no log",
        _prepare_haproxy,
    ),
    _make_ours(BARE, COMPILED_ARGV, _BARE, _BARE_SETTINGS),
    _make_ours(FULL, COMPILED_ARGV, _FULL, _FULL_SETTINGS),
    _make_ours("gslb bare, python", PYTHON_ARGV, _BARE, _BARE_SETTINGS),
    _make_ours("gslb full, python", PYTHON_ARGV, _FULL, _FULL_SETTINGS),
    Engine(
        "nginx",
        "nginx",
        ("nginx", "-v"),
        "nginx-light",
        "one worker, round robin, no log",
        _prepare_nginx,
    ),
    Engine(
        "aiohttp",
        sys.executable,
        _AIOHTTP_VERSION,
        "",
        "web.Server and ClientSession on uvloop, one process, in turn, no log",
        partial(_prepare_python, "l7_aiohttp"),
    ),
    Engine(
        "floor",
        sys.executable,
        _HTTPTOOLS_VERSION,
        "",
        "httptools and uvloop, octets passed on, nothing decided: what Python costs here",
        partial(_prepare_python, "l7_floor"),
    ),
)
