"""Where the proxies are measured: a folder, ports, the backends behind all of them, certificates.

Laws:
1. All engines have the same backends, one nginx process on three ports, and the same certificate.
2. Each body is known octet for octet, so that what comes through an engine can be compared.
"""

from __future__ import annotations

import datetime
import getpass
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from tests.bench import process
from tests.ports import free_port

HOST: Final = "127.0.0.1"
SMALL: Final = b"0123456789" * 10
LARGE: Final = bytes(range(256)) * 256
BODIES: Final = {"/small": SMALL, "/large": LARGE}
HUGE_OCTETS: Final = 1 << 30
BACKENDS: Final = 3

_NGINX: Final = """worker_processes 1; daemon off; pid {folder}/backend.pid; {user}
error_log stderr error; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; open_file_cache max=10;
  keepalive_requests 100000000; keepalive_timeout 300s; client_max_body_size 0;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    {listen}
    default_type application/octet-stream; root {folder}/www;
    location = /small {{ return 200 "{small}"; }}
    location = /upload {{
      proxy_pass http://{host}:{sink}; proxy_http_version 1.1; proxy_request_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a benchmark runs. backends: ports of HOST. sink: the port where backends pass uploads
    on to. certificate, key: PEM files; both: in one file, as HAProxy wants them. jwt: a public key
    (PEM).
    """

    folder: Path
    backends: tuple[int, ...]
    sink: int

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

    @property
    def both(self) -> Path:
        return self.folder / "both.pem"

    @property
    def jwt(self) -> Path:
        return self.folder / "jwt.pub"


def make_place(folder: Path) -> Place:
    """A place in an empty folder, its files written."""
    ports = tuple(free_port() for _ in range(BACKENDS))
    place = Place(folder, ports, sink=free_port())
    www = folder / "www"
    www.mkdir()
    (www / "large").write_bytes(LARGE)
    with (www / "huge").open("wb") as huge:
        huge.truncate(HUGE_OCTETS)  # takes no room on the disk
    _write_certificate(place)
    return place


@contextmanager
def backends_running(place: Place, core: int | None = None) -> Iterator[None]:
    """The backends, until the end."""
    config = place.folder / "backend.conf"
    config.write_text(
        _NGINX.format(
            folder=place.folder,
            host=HOST,
            sink=place.sink,
            user=f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
            listen=" ".join(f"listen {HOST}:{port} backlog=4096;" for port in place.backends),
            small=SMALL.decode(),
        )
    )
    folder = place.folder / "backend"
    folder.mkdir()
    argv = pinned(("nginx", "-c", str(config), "-p", str(folder), "-e", "stderr"), core)
    with process.running(argv, directory=folder, port=place.backends[0], answers=answers_http):
        yield


def pinned(argv: tuple[str, ...], core: int | None) -> tuple[str, ...]:
    """A command bound to one core, or as it is when core is None."""
    return argv if core is None else ("taskset", "-c", str(core), *argv)


def answers_http(port: int) -> bool:
    """Whether a proxy or backend answers the small body."""
    connection = HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/small")
        return connection.getresponse().read() == SMALL
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _write_certificate(place: Place) -> None:
    """A self-signed one with a P-256 key, what a server of today would have, and a key for JWTs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench.example")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    for path, octets in (
        (place.certificate, pem),
        (place.key, private),
        (place.both, pem + private),
    ):
        path.touch(mode=0o600)
        path.write_bytes(octets)
    place.jwt.write_bytes(
        public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
