"""The one file that both engines run, and the backends it names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import trustme
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.ports import free_port
from tests.proxy.conformance.backends import EchoServer, LineServer, TalkServer

FAST = {"interval_s": 0.15, "timeout_s": 0.1, "fall": 2, "rise": 2}
CHECK = {"http": {"path": "/health"}, **FAST}
NO_RETRY = {"attempts": 0}
CLAIMED = {"claims": {"plan": "beta", "adult": True}, "issuer": "us"}
TOKEN_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
LISTENERS = ("http", "tls", "announced", "lines")


class World:
    """The backends, by name, and the dead port that no backend listens on."""

    def __init__(self, stack: ExitStack) -> None:
        def keep(server: Any) -> Any:
            return stack.enter_context(closing(server))

        names = ("a", "b", "c", "one", "two", "well", "ill", "first", "spare", "mild")
        self.echo: dict[str, EchoServer] = {name: keep(EchoServer(name)) for name in names}
        self.echo["sour"] = keep(EchoServer("sour", status=503))
        self.echo["told1"] = keep(EchoServer("told1", is_announced=True))
        self.echo["told2"] = keep(EchoServer("told2", is_announced=True))
        self.lines = {name: keep(LineServer(name)) for name in ("l1", "l2")}
        self.talk = keep(TalkServer())
        self.dead = free_port()

    def at(self, *names: str, **more: Any) -> dict[str, Any]:
        """Backends of a pool."""
        return {name: {"address": f"127.0.0.1:{self.echo[name].port}", **more} for name in names}

    def pools(self) -> dict[str, Any]:
        dead = {"dead": {"address": f"127.0.0.1:{self.dead}"}}
        weighted = self.at("a") | self.at("b", "c")
        weighted["a"]["weight"] = 2
        checked_dead = {"balance": "round_robin", "backends": dead, "check": {"tcp": {}, **FAST}}
        return {
            "trio": {"balance": "round_robin", "backends": weighted, "retry": NO_RETRY},
            "one": {"backends": self.at("one")},
            "two": {"backends": self.at("two")},
            "checked": {
                "balance": "round_robin",
                "backends": self.at("well", "ill"),
                "check": CHECK,
                "retry": NO_RETRY,
            },
            "spared": {
                "backends": self.at("first") | self.at("spare", backup=True),
                "check": CHECK,
                "retry": NO_RETRY,
            },
            "sticky": {
                "balance": "round_robin",
                "backends": self.at("a", "b", "c"),
                "affinity": {"cookie": "STAY"},
            },
            "bound": {
                "balance": "round_robin",
                "backends": self.at("a", "b", "c"),
                "affinity": {"client_ip": {}},
            },
            "hashed": {
                "balance": {"consistent_hash": {"key": "header:X-User"}},
                "backends": self.at("a", "b", "c"),
            },
            "half": {"balance": "round_robin", "backends": dead | self.at("one")},
            "sour": {"balance": "round_robin", "backends": self.at("sour", "mild")},
            "gone": checked_dead,
            "talk": {"backends": {"talk": {"address": f"127.0.0.1:{self.talk.port}"}}},
            "told1": {"backends": self.at("told1"), "send_proxy": "v1"},
            "told2": {"backends": self.at("told2"), "send_proxy": "v2"},
            "lines": {
                "balance": "round_robin",
                "backends": {
                    name: {"address": f"127.0.0.1:{server.port}"}
                    for name, server in self.lines.items()
                },
            },
        }


def tag(route: str, pool: str = "one", **more: Any) -> dict[str, Any]:
    """A route whose answers say so."""
    return {"name": route, "pool": pool, "response_headers": {"set": {"X-Route": route}}, **more}


ROUTES: tuple[dict[str, Any], ...] = (
    *(
        tag(pool, pool, path_prefix=f"/{pool}/")
        for pool in ("trio", "checked", "spared", "sticky", "bound", "hashed", "half", "sour")
    ),
    *(tag(pool, pool, path_prefix=f"/{pool}/") for pool in ("gone", "talk", "told1", "told2")),
    tag("exact", path="/exact"),
    tag("segment", path_prefix="/segment"),
    tag("regex", path_regex="/items/[0-9]+|/things"),
    tag("host", hosts=["www.host.example"]),
    tag("wild", hosts=["*.wild.example", "also.example"]),
    tag("version", headers={"X-Version": "v2"}),
    tag("prefixed", headers={"X-Version": {"prefix": "beta-"}}),
    tag("fits", headers={"X-Version": {"regex": "[a-z]{3}"}}),
    tag("there", headers={"X-There": {"present": True}}),
    tag("cookie", cookies={"plan": "gold"}),
    tag("query", query={"kind": "a b"}),
    tag("method", methods=["DELETE", "PATCH"], path_prefix="/m/"),
    tag("network", client_networks=["203.0.113.0/24", "2001:db8::/32"]),
    tag("german", languages=["de"], path_prefix="/speak"),
    {"name": "moved", "path": "/old", "redirect": {"status": 301, "path": "/new"}},
    {"name": "secure", "path_prefix": "/secure/", "redirect": {"status": 308, "scheme": "https"}},
    {"name": "away", "path": "/away", "redirect": {"host": "other.example:8443", "path": "/x?y=1"}},
    tag("strip", path_prefix="/shop", rewrite={"strip_prefix": "/shop", "host": "in.example:81"}),
    tag(
        "rewrite",
        path_prefix="/rw/",
        rewrite={"regex": r"/(\w)(\d+)", "replacement": r"/\2-\1", "add_prefix": "/v1"},
    ),
    tag(
        "changes",
        path="/changes",
        request_headers={
            "set": {"X-Set": "100% 'sure'", "X-Twice": "new"},
            "add": {"X-Add": "second"},
            "remove": ["X-Gone"],
        },
        # An empty value is one, too.
        response_headers={"set": {"X-Route": "changes", "X-Empty": ""}},
    ),
    {
        "name": "answers",
        "path": "/answers",
        "pool": "one",
        "response_headers": {"set": {"X-Backend": "hidden"}, "remove": ["Date"]},
    },
    {"name": "split", "path": "/split", "pools": {"one": 50, "two": 50}},
    {"name": "shut", "path": "/shut", "pools": {"one": 0, "two": 3}},
    tag("limited", path="/limited", rate_limit={"requests": 3, "per_s": 60}),
    tag("kept", path_prefix="/kept/", cache=True),
    tag("beta", path="/beta", jwt={"key": "jwt.pub", "algorithms": ["RS256"], **CLAIMED}),
    tag(
        "beta-too",
        path="/beta",
        jwt={"key": "jwt.pub", "algorithms": ["RS256"], "claims": {"n": 1}},
    ),
    tag("packed", path_prefix="/size/2000", compress=True, pool="two"),
    tag("plain", path_prefix="/p/"),
)


def write_world(world: World, folder: Path, ports: Mapping[str, int]) -> Path:
    """The main file, with certificates beside it."""
    authority = trustme.CA()
    certificates = []
    for name in ("first.example", "second.example"):
        issued = authority.issue_cert(name)
        chain = folder / f"{name}.pem"
        chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        key = folder / f"{name}.pem.key"
        key.touch(mode=0o600)
        key.write_bytes(issued.private_key_pem.bytes())
        certificates.append({"certificate": str(chain), "key": str(key)})
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "jwt.pub").write_bytes(TOKEN_KEY.public_key().public_bytes(*PUBLIC))
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    proxy = {
        "site": "here",
        "listen": [
            {"address": addresses["http"]},
            {"address": addresses["tls"], "tls": {**certificates[0], "more": certificates[1:]}},
            {"address": addresses["announced"], "proxy_protocol": True},
            {"address": addresses["lines"], "mode": "tcp", "pool": "lines"},
        ],
        "health_path": "/healthz",
        "trusted_proxies": ["127.0.0.1/32", "192.0.2.0/24"],
        "limits": {"connections": 200, "body_mb": 8},
        "routes": list(ROUTES),
        "pools": world.pools(),
    }
    file = folder / "proxy.yaml"
    file.write_text(
        # A node's proxies run once: the name keeps test runs apart.
        yaml.safe_dump({"node": f"n{ports['http']}", "store": "memory", "proxies": {"conf": proxy}})
    )
    return file
