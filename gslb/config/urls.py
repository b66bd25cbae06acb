"""The URLs in the operator's files: of a Redis store, and of a webhook.

Laws:
1. What is taken is strict: nothing in a URL is guessed or skipped.
2. No message repeats any part of a URL behind its scheme: where it is mistaken, a password can
   stand anywhere in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import unquote

from pydantic import PlainValidator, WithJsonSchema

from gslb.config.fields import parse_domain
from gslb.config.words import did_you_mean, one_of
from gslb.model.endpoint import Endpoint

REDIS_PORT = 6379
SENTINEL_PORT = 26379
MAX_DATABASE = 65535
MAX_HOSTS = 20
_MAX_CHARACTERS = 2000

STORES = (
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
_ALLOWED = f"allowed: memory, {one_of(f'{scheme}://' for scheme in STORES)}"

_USER = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_PASSWORD = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
_MASTER = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TARGET = re.compile('(/[!-"$-~]*)?')  # what can be printed, without # and space
_WORD = re.compile("[A-Za-z_-]{1,20}")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """What a store's URL says. hosts: where to connect first, `host` an address or a name. master:
    the name under which Sentinel knows it. username, password: None where the URL has none; an
    empty username is the default user.
    """

    scheme: str
    hosts: tuple[Endpoint, ...]
    master: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = None

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme.startswith("rediss")

    @property
    def is_sentinel(self) -> bool:
        """Whether the hosts are Sentinels."""
        return self.scheme.endswith("+sentinel")

    @property
    def is_cluster(self) -> bool:
        """Whether the hosts are nodes of a Cluster."""
        return self.scheme.endswith("+cluster")


def parse_store_url(text: str) -> StoreUrl:
    """The parts of a Redis URL. Raises ValueError, which holds nothing of the URL but its
    scheme.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in STORES:
        raise _unknown_store(text, scheme if separator else "")
    _check_text(text)
    if "?" in rest or "#" in rest:
        raise ValueError("the URL must end with its path; options stand under the key redis")
    username, password, authority, path = _split(rest)
    kind = scheme.partition("+")[2]
    port = SENTINEL_PORT if kind == "sentinel" else REDIS_PORT
    names = authority.split(",")
    if len(names) > MAX_HOSTS:
        raise ValueError(f"the URL names {len(names)} hosts; at most {MAX_HOSTS} are allowed")
    if len(names) > 1 and not kind:
        raise ValueError(
            f"the URL names {len(names)} hosts; {scheme}:// takes one, "
            f"{scheme}+sentinel:// and {scheme}+cluster:// take several"
        )
    hosts = tuple(_parse_host(name, port) for name in names)
    master, database = _parse_path(path, kind)
    return StoreUrl(scheme, hosts, master, database, username, password)


def _unknown_store(text: str, scheme: str) -> ValueError:
    near = did_you_mean(scheme, STORES) if scheme else ""
    is_scheme = scheme.replace("+", "").isalpha() and len(scheme) <= 20
    if is_scheme or _WORD.fullmatch(text):
        return ValueError(f"{(scheme or text)!r} is unknown; {_ALLOWED}{near}")
    return ValueError(f"neither memory nor the URL of a Redis; {_ALLOWED}")


def _check_text(text: str) -> None:
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(
            f"the URL has {len(text)} characters; at most {_MAX_CHARACTERS} are allowed"
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a URL holds no spaces and ASCII only; write other characters as %XX")


def _split(rest: str) -> tuple[str | None, str | None, str, str]:
    """User, password, hosts and path of what stands behind `://`."""
    authority, slash, path = rest.partition("/")
    if "@" in path:
        raise ValueError("the URL has an @ behind a /; write / and @ in a password as %2F and %40")
    userinfo, at, hosts = authority.rpartition("@")
    if not at:
        return None, None, hosts, slash + path
    user, colon, password = userinfo.partition(":")
    if not _USER.fullmatch(user) or not _PASSWORD.fullmatch(password):
        raise ValueError("write special characters in the user name and password as %XX")
    return unquote(user), unquote(password) if colon else None, hosts, slash + path


def _parse_host(text: str, port: int) -> Endpoint:
    host, number = _split_port(text)
    if number is None:
        return Endpoint(_check_host(host), port)
    if not re.fullmatch("[0-9]{1,5}", number) or not 1 <= int(number) <= 65535:
        raise ValueError("the port in the URL must be a whole number from 1 to 65535")
    return Endpoint(_check_host(host), int(number))


def _split_port(text: str) -> tuple[str, str | None]:
    """A host, with its brackets if it has some, and its port if it has one."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if not bracket:
            raise ValueError("the URL has a [ without its ]")
        if rest and not rest.startswith(":"):
            raise ValueError("the URL has something between the ] of its host and the port")
        return f"{host}]", rest[1:] if rest else None
    host, colon, number = text.partition(":")
    if ":" in number:
        raise ValueError("the URL must hold an IPv6 address in brackets, such as [::1]:6379")
    return host, number if colon else None


def _check_host(text: str) -> str:
    if not text:
        raise ValueError("the URL has no host")
    if text.startswith("["):
        return _check_ipv6(text[1:-1])
    if re.fullmatch("[0-9.]+", text):
        return _check_ipv4(text)
    try:
        return parse_domain(text)
    except ValueError:
        raise ValueError("the host in the URL is neither an address nor a domain name") from None


def _check_ipv6(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != 6 or "%" in text:
        raise ValueError("the URL has no IPv6 address between its brackets")
    return str(address)


def _check_ipv4(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("the host in the URL is not an IPv4 address") from None


def _parse_path(path: str, kind: str) -> tuple[str | None, int]:
    """The master and the number of the database in the path of a store's URL."""
    parts = path.removeprefix("/").split("/")
    master = parts.pop(0) if kind == "sentinel" else None
    if master is not None and not _MASTER.fullmatch(master):
        raise ValueError(
            "the URL must name the master that Sentinel knows: "
            "redis+sentinel://HOST:26379/MASTER or .../MASTER/DATABASE"
        )
    if len(parts) > 1:
        raise ValueError("the URL has more in its path than the number of a database")
    database = _parse_database(parts[0] if parts else "")
    if kind == "cluster" and database:
        raise ValueError("a Cluster has database 0 only")
    return master, database


def _parse_database(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_DATABASE:
        raise ValueError(f"the database in the URL must be a whole number from 0 to {MAX_DATABASE}")
    return int(text)


def parse_store(value: object) -> str:
    """`memory`, or the URL of a Redis as it was written."""
    if not isinstance(value, str):
        raise ValueError(f"must be text; {_ALLOWED}")
    if value != "memory":
        parse_store_url(value)
    return value


def parse_webhook(value: object) -> str:
    """The text itself if it is an http or https URL."""
    text = value if isinstance(value, str) else ""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("http", "https"):
        raise ValueError("must be a URL that begins with https:// or http://")
    _check_text(text)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    hosts = _split(authority)[2]
    _parse_host(hosts, 443 if scheme == "https" else 80)
    if not _TARGET.fullmatch(rest[len(authority) :]):
        raise ValueError("the URL must have a / behind its host, and no #")
    return text


def webhook_host(url: str) -> str:
    """The host in a URL that `parse_webhook` has taken."""
    authority = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    return _split_port(_split(authority)[2])[0].strip("[]")


StoreField = Annotated[
    str, PlainValidator(parse_store), WithJsonSchema({"type": "string", "format": "store"})
]
WebhookField = Annotated[
    str, PlainValidator(parse_webhook), WithJsonSchema({"type": "string", "format": "webhook"})
]
