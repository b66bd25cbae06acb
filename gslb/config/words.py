"""What is allowed and what was found, in an operator's words; read from the published JSON Schema,
so they agree.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from gslb.config.finding import Path

Schema = Mapping[str, Any]

_SHOWN_CHARACTERS = 60

_FORMATS = {
    "ip": "an IPv4 or IPv6 address",
    "network": "a network such as 192.0.2.0/24 or 2001:db8::/48",
    "endpoint": "an address and port such as 127.0.0.1:53 or [::1]:53",
    "domain": "a domain name",
    "mailbox": "a mail address",
    "serves": "a place such as country:DE, continent:EU, map:office or default",
    "name": "a name of letters, digits, '.', '_' and '-'",
    "country": "an ISO 3166-1 code such as DE",
    "url-path": "a path such as /healthz",
    "path": "the path of a file",
    "date-time": "a time with its zone such as 2030-01-31T18:00:00Z",
    "store": "memory or the URL of a Redis",
    "webhook": "an https or http URL",
    "public-key": "a public key (44 characters of base64)",
    "token-digest": "a SHA-256 (64 hexadecimal digits)",
    "header": "text without control characters",
    "method": "a method such as GET",
    "host": "a host such as www.example or *.example",
    "authority": "a host such as www.example, with or without a port",
    "re": "a regular expression",
    "request-key": "client_ip, host, path, uri, header:NAME, cookie:NAME or query:NAME",
    "backend": "an IP address and port such as 192.0.2.10:8080",
    "language": "a language such as de or en-GB",
}


def shown(value: object) -> str:
    """A value as an error message shows it: short, and telling text from numbers."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "..."
            return repr(cut)
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping"
    return str(value)


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean x?` when one of the allowed words is close, else nothing."""
    by_folded = {name.casefold(): name for name in allowed}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[near[0]]}?" if near else ""


def one_of(allowed: Iterable[str]) -> str:
    """`a, b, c`, or `none` where nothing is allowed."""
    return ", ".join(allowed) or "none"


def allowed_by(schema: Schema, root: Schema) -> str:
    """What a JSON Schema takes, such as `a whole number from 1 to 65535`."""
    schema = resolve(schema, root)
    if "anyOf" in schema:
        branches = [resolve(branch, root) for branch in schema["anyOf"]]
        return " or ".join(
            allowed_by(branch, root) for branch in branches if branch.get("type") != "null"
        )
    if "const" in schema:
        const = schema["const"]
        return const if isinstance(const, str) else shown(const)
    if "enum" in schema:
        return f"one of {one_of(map(str, schema['enum']))}"
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    return _allowed_by_type(schema, root)


def _allowed_by_type(schema: Schema, root: Schema) -> str:
    match schema.get("type"):
        case "integer":
            return "a whole number" + _range(schema)
        case "number":
            return "a number" + _range(schema)
        case "boolean":
            return "true or false"
        case "string":
            return "text" + _length(schema, "characters")
        case "array":
            each = allowed_by(schema.get("items", {}), root)
            return f"a list{_length(schema, 'entries')}, each {each}"
    return "a mapping (key: value)" + _size(schema)


def _size(schema: Schema) -> str:
    """A mapping of exactly one key is a choice, not a size."""
    most = schema.get("maxProperties", 1)
    return f" of at most {most} entries" if most > 1 else ""


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    parts = (
        ("of at least", low),
        ("above", above),
        ("of at most", high),
        ("below", below),
    )
    said = [f"{word} {_number(value)}" for word, value in parts if value is not None]
    return f" {' and '.join(said)}" if said else ""


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e5 else f"{value:.0f}"


def _length(schema: Schema, unit: str) -> str:
    low = schema.get("minLength", schema.get("minItems"))
    high = schema.get("maxLength", schema.get("maxItems"))
    if low is not None and high is not None:
        return f" of {low} to {high} {unit}"
    if high is not None:
        return f" of at most {high} {unit}"
    if low is not None:
        return " that is not empty" if low == 1 else f" of at least {low} {unit}"
    return ""


def resolve(schema: Schema, root: Schema) -> Schema:
    """A schema with its `$ref`, if it is one, followed."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def schema_at(path: Path, root: Schema) -> Schema:
    """The part of a JSON Schema that judges the value at a path; empty where there is none."""
    here = root
    for key in path:
        here = next(filter(None, (_child(branch, key) for branch in branches_of(here, root))), {})
    return resolve(here, root)


def branches_of(schema: Schema, root: Schema) -> list[Schema]:
    """The alternatives of a schema, or the schema itself as the only one."""
    schema = resolve(schema, root)
    return [resolve(branch, root) for branch in schema.get("anyOf", (schema,))]


def _child(schema: Schema, key: str | int) -> Schema:
    if isinstance(key, int):
        items: Schema = schema.get("items", {})
        return items
    child: Schema | bool = schema.get("properties", {}).get(
        key, schema.get("additionalProperties", {})
    )
    return child if isinstance(child, Mapping) else {}
