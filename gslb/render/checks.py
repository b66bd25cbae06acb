"""Active checks: what is asked of every backend of a pool."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from gslb.model.check import Check, CheckKind, CommandCheck, HttpCheck, JsonScalar, TcpCheck
from gslb.model.proxy import Backend, Pool
from gslb.render.features import Notes
from gslb.render.text import literal, milliseconds, word


def find_check(pool: Pool) -> Check | None:
    """The pool's check; those of its backends differ in address and port only."""
    return next((each.check for each in pool.backends if each.check is not None), None)


def _asked(check: Check) -> CheckKind | None:
    """What is rendered of a check: the first thing that is no program."""
    return next((kind for kind in check.kinds if not isinstance(kind, CommandCheck)), None)


def render_check(pool: Pool, notes: Notes) -> Iterator[str]:
    """Lines of the backend that say what is asked."""
    check = find_check(pool)
    if check is None:
        return
    place = ("pools", pool.name, "check")
    if any(isinstance(kind, CommandCheck) for kind in check.kinds):
        notes.add("pools.check.command", *place, "command")
    elif len(check.kinds) > 1:
        notes.add("pools.check.of", *place, "of")
    if not pool.starts_up:
        notes.add("pools.check.init", *place, "init")
    kind = _asked(check)
    if kind is None or isinstance(kind, CommandCheck):
        return
    if kind.max_ms is not None:
        notes.add("pools.check.max_ms", *place, "max_ms")
    yield f"timeout check {milliseconds(check.timeout_s)}"
    if isinstance(kind, HttpCheck):
        yield from _render_http(kind, notes, (*place, kind.scheme))
    else:
        yield from _render_tcp(kind)


def _render_http(kind: HttpCheck, notes: Notes, place: tuple[str, ...]) -> Iterator[str]:
    headers = "".join(f" hdr {name} {literal(value)}" for name, value in kind.headers)
    if kind.host is not None:
        headers = f" ver HTTP/1.1 hdr Host {literal(kind.host)}{headers}"
    else:
        notes.add("pools.check.host", *place, "host")
    yield "option httpchk"
    yield f"http-check send meth {kind.method} uri {word(kind.path)}{headers}"
    yield f"http-check expect status {','.join(map(str, kind.expect_status))}"
    if kind.expect_body is not None:
        yield f"http-check expect string {word(kind.expect_body)}"
    for path, value in kind.expect_json:
        notes.add("pools.check.expect_json", *place, "expect_json")
        yield f"http-check expect rstring {word(_json_pattern(path, value))}"


def _json_pattern(path: str, value: JsonScalar) -> str:
    """What the text of a JSON body with such a value holds; where in it is not asked."""
    key = next((each for each in reversed(path.split(".")) if not each.isdigit()), "")
    before = rf"{re.escape(json.dumps(key))}\s*:\s*(\[[^\]]*)?" if key else ""
    return rf"{before}{re.escape(json.dumps(value))}\s*([,}}\]]|$)"


def _render_tcp(kind: TcpCheck) -> Iterator[str]:
    yield "option tcp-check"
    yield "tcp-check connect"
    if kind.send is not None:
        octets = kind.send.encode().hex()
        yield f"tcp-check send-binary {octets}"
    if kind.expect is not None:
        yield f"tcp-check expect binary {kind.expect.encode().hex()}"


def server_check(pool: Pool, backend: Backend) -> Iterator[str]:
    """Words of a server's line that say when and where it is checked."""
    check = backend.check
    kind = None if check is None else _asked(check)
    if check is None or kind is None or isinstance(kind, CommandCheck):
        return
    yield f"check inter {milliseconds(check.interval_s)} fall {check.fall} rise {check.rise}"
    if check.fast_interval_s is not None:
        yield f"fastinter {milliseconds(check.fast_interval_s)}"
    if kind.address is not None and str(kind.address) != backend.address.host:
        yield f"addr {kind.address}"
    if kind.port != backend.address.port:
        yield f"port {kind.port}"
    yield from _check_tls(pool, kind)


def _check_tls(pool: Pool, kind: CheckKind) -> Iterator[str]:
    """Whether the check speaks TLS, whatever the pool does, which says `verify` where it does."""
    is_tls = isinstance(kind, HttpCheck) and kind.scheme == "https"
    if pool.tls is not None and not is_tls:
        yield "no-check-ssl"
    if not is_tls or not isinstance(kind, HttpCheck):
        return
    yield "check-ssl"
    if kind.host is not None:
        yield f"check-sni {kind.host}"
    if pool.tls is None:
        yield "verify required ca-file @system-ca" if kind.verify else "verify none"
