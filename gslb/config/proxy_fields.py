"""The kinds of values under `proxies`: each a function from text to what it means, or ValueError in
plain words.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from gslb.config.endpoints import must_be, parse_endpoint
from gslb.config.fields import (
    parse_address,
    parse_domain,
    parse_path,
    read_network,
)
from gslb.config.words import did_you_mean, one_of, shown
from gslb.http1.changes import UNCHANGEABLE
from gslb.model.endpoint import Endpoint
from gslb.model.place import Network
from gslb.model.proxy import KeyKind, KeySpec

MAX_REGEX_CHARACTERS = 1000

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110 5.6.2
_VALUE = re.compile(r"[ -~\t]{0,4000}")
_NAMED_KEYS = (KeyKind.HEADER, KeyKind.COOKIE, KeyKind.QUERY)
_KEYS = tuple(f"{kind}:NAME" if kind in _NAMED_KEYS else str(kind) for kind in KeyKind)
# A group without alternatives whose every part may repeat or be missing, and that repeats itself;
# in a text whose classes and escapes have become single characters.
_SINGLE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ATOM = r"[^(){}|*+?^$]"
_LOOSE = rf"(?:{_ATOM}(?:[*+?]|\{{\d+,\}})[?+]?)"
_ENDLESS = rf"(?:{_ATOM}(?:[*+]|\{{\d+,\}})\??)(?![+])"
_NESTED = re.compile(
    rf"\((?:\?:|\?P<\w+>)?{_LOOSE}{{0,8}}{_ENDLESS}{_LOOSE}{{0,8}}\)(?:[*+]|\{{\d+,\}})(?![+])"
)


def parse_token(text: str) -> str:
    """The text itself if a header, a cookie or a method may be called that."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a name of letters, digits and !#$%&'*+.^_`|~-")
    return text


def parse_method(text: str) -> str:
    """The text itself if a request that is taken may have that method."""
    if parse_token(text) in ("CONNECT", "TRACE"):
        raise ValueError(f"{text} is refused whatever the route: no request with it comes here")
    if text != text.upper():
        raise ValueError(f"{shown(text)} never matches: methods are {text.upper()}, in capitals")
    return text


def parse_changed_header(text: str) -> str:
    """The text itself if a route may set or remove a header of that name."""
    if text.lower().encode() in UNCHANGEABLE:
        use = "; use rewrite.host" if text.lower() == "host" else ""
        raise ValueError(f"{text} cannot be changed: the proxy writes its own{use}")
    return text


def parse_changed_value(value: object) -> str:
    """The value of a header; one that is refused is not repeated, as it can be a secret."""
    if not isinstance(value, str) or not _VALUE.fullmatch(value) or value != value.strip():
        raise ValueError(
            "must be printable ASCII text of at most 4000 characters, without spaces around it; "
            "put a number in quotes"
        )
    return value


def parse_host_pattern(text: str) -> str:
    """A host in lower case, or `*.` and a domain."""
    if re.search(r":\d*\Z", text):
        raise ValueError(f"{shown(text)} has a port: hosts are matched without it")
    bare = text.removeprefix("*.")
    if "*" in bare:
        raise ValueError(f"{shown(text)} is no host: a * may only stand as `*.` before a domain")
    return text[: len(text) - len(bare)] + parse_domain(bare)


def parse_authority(text: str) -> str:
    """A host in lower case, and its port if there is one."""
    host, colon, port = text.partition(":")
    if colon and not (re.fullmatch("[1-9][0-9]{0,4}", port) and int(port) <= 65535):
        raise must_be(_format("authority"), text)
    return parse_domain(host) + colon + port


def parse_route_path(text: str) -> str:
    """A path without a query: what routes compare."""
    found = re.search("[?#]", parse_path(text))
    if found:
        raise ValueError(f"{shown(text)} holds a {found.group()}: only the path is compared")
    return text


def parse_regex(text: str) -> str:
    """The text itself if it is a regular expression that no input can make slow, as far as it is
    simple to judge. It is compared with octets, not with characters.
    """
    try:
        re.compile(text.encode())
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{shown(text)} is not a regular expression: {error}") from None
    if _NESTED.search(_SINGLE.sub("x", text)):
        raise ValueError(
            f"{shown(text)} repeats what repeats, as (a+)+ does: some requests would take ages; "
            "take one repetition away"
        )
    return text


def parse_key(value: object) -> KeySpec:
    """Which part of a request is a key, from `client_ip` or `header:X-User`."""
    word, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    kinds = [kind for kind in KeyKind if kind == word]
    if not kinds:
        hint = did_you_mean(word, KeyKind) if word else ""
        raise ValueError(f"must be {one_of(_KEYS)}, not {shown(value)}{hint}")
    (kind,) = kinds
    if kind not in _NAMED_KEYS:
        if colon:
            raise ValueError(f"{kind} takes no name: write {kind}, not {shown(value)}")
        return KeySpec(kind)
    if not name:
        raise ValueError(f"{kind} needs a name: {kind}:NAME")
    if kind is KeyKind.QUERY:
        return KeySpec(kind, name)
    return KeySpec(kind, parse_token(name).lower() if kind is KeyKind.HEADER else parse_token(name))


def tell_key(key: KeySpec) -> str:
    """The text that `parse_key` reads."""
    return f"{key.kind}:{key.name}" if key.name else str(key.kind)


def parse_backend_address(value: object) -> Endpoint:
    """Address and port of a backend, which has an address and no name."""
    try:
        found = parse_endpoint(value)
    except ValueError:
        port = value.rpartition(":")[2] if isinstance(value, str) else ""
        if port.isascii() and port.isdigit() and re.search("[A-Za-z]", str(value)):
            told = f"must be IP:PORT such as 192.0.2.10:8080, not {shown(value)}: no name is asked"
            raise ValueError(told) from None
        raise
    parse_address(found.host)
    return found


def parse_language(text: str) -> str:
    """A language range of RFC 4647 in lower case, such as `de` or `en-gb`."""
    if not re.fullmatch("[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", text):
        raise ValueError(f"{shown(text)} is not a language such as de or en-GB")
    return text.lower()


def _format(name: str) -> dict[str, Any]:
    return {"type": "string", "format": name}


TokenName = Annotated[str, AfterValidator(parse_token)]
ChangedHeader = Annotated[str, AfterValidator(parse_changed_header)]
ChangedValue = Annotated[
    str, PlainValidator(parse_changed_value), WithJsonSchema(_format("header"))
]
MethodField = Annotated[
    str, AfterValidator(parse_method), Field(json_schema_extra={"format": "method"})
]
HostPattern = Annotated[
    str, AfterValidator(parse_host_pattern), Field(json_schema_extra={"format": "host"})
]
AuthorityField = Annotated[
    str, AfterValidator(parse_authority), Field(json_schema_extra={"format": "authority"})
]
RoutePath = Annotated[
    str, AfterValidator(parse_route_path), Field(json_schema_extra={"format": "url-path"})
]
RegexField = Annotated[
    str,
    AfterValidator(parse_regex),
    Field(min_length=1, max_length=MAX_REGEX_CHARACTERS, json_schema_extra={"format": "re"}),
]
KeyField = Annotated[
    KeySpec,
    PlainValidator(parse_key),
    PlainSerializer(tell_key),
    WithJsonSchema(_format("request-key")),
]
BackendAddress = Annotated[
    Endpoint,
    PlainValidator(parse_backend_address),
    PlainSerializer(str),
    WithJsonSchema(_format("backend")),
]
LanguageField = Annotated[
    str, AfterValidator(parse_language), Field(json_schema_extra={"format": "language"})
]
CidrField = Annotated[Network, PlainValidator(read_network), WithJsonSchema(_format("network"))]
MatchText = Annotated[str, Field(max_length=1000)]
