"""The kinds of values in the operator's files: each a function from text to a noun, or ValueError
in plain words.
"""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from gslb.config.countries import CODES
from gslb.config.endpoints import must_be, parse_endpoint
from gslb.config.words import did_you_mean, one_of, shown
from gslb.model.endpoint import Endpoint
from gslb.model.place import Address, Network

CONTINENTS = ("AF", "AN", "AS", "EU", "NA", "OC", "SA")
SERVES_LEVELS = ("map", "asn", "city", "subdivision", "country", "continent")
MAX_NAME_CHARACTERS = 253  # 255 octets on the wire (RFC 1035 2.3.4)
MAX_WORKERS = 64
MAX_ECS_IPV6_PREFIX = 64  # what `GeoTable` tells apart

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SUBDIVISION = re.compile(r"[A-Z]{2}-\S(.*\S)?")  # ISO 3166-2, or a name (DB-IP): docs/geodata.md
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def _format(name: str) -> dict[str, Any]:
    return {"type": "string", "format": name}


def parse_address(value: object) -> Address:
    """The address that text spells; one that no client can be sent to is refused."""
    try:
        address = ip_address(value) if isinstance(value, str) else None
    except ValueError:
        address = None
    if address is None or (isinstance(address, IPv6Address) and address.scope_id):
        raise must_be(_format("ip"), value)
    if address.is_unspecified or address.is_multicast or address == ip_address("255.255.255.255"):
        raise ValueError(f"{address} cannot be the address of a server")
    return address


def read_network(value: object) -> Network:
    """The network that text spells in CIDR form; a bare address is a network of one."""
    try:
        network = ip_network(value, strict=False) if isinstance(value, str) else None
    except ValueError:
        network = None
    if network is None:
        raise must_be(_format("network"), value)
    if str(value).partition("/")[0] != str(network.network_address) and (
        ip_address(str(value).partition("/")[0]) != network.network_address
    ):
        raise ValueError(f"{value} has bits set behind its prefix; did you mean {network}?")
    return network


def parse_network(value: object) -> Network:
    """A network as `read_network` reads it, of a size that client subnets can tell apart."""
    network = read_network(value)
    if isinstance(network, IPv6Network) and network.prefixlen > MAX_ECS_IPV6_PREFIX:
        raise ValueError(
            f"{value} is longer than /{MAX_ECS_IPV6_PREFIX}, the longest IPv6 prefix allowed"
        )
    return network


def parse_domain(text: str) -> str:
    """An absolute domain name in lower case without its final dot."""
    name = text.lower().removesuffix(".")
    if not name.isascii():
        raise ValueError(
            f"{shown(text)} is not ASCII; write an international name in its xn-- form"
        )
    if len(name) > MAX_NAME_CHARACTERS:
        raise ValueError(
            f"the name has {len(name)} characters; at most {MAX_NAME_CHARACTERS} are allowed"
        )
    for label in name.split("."):
        _check_label(label, text)
    return name


def _check_label(label: str, text: str) -> None:
    if not label:
        raise ValueError(f"{shown(text)} has an empty label")
    if len(label) > 63:
        raise ValueError(
            f"the label {shown(label)} has {len(label)} characters; at most 63 are allowed"
        )
    if not _LABEL.fullmatch(label):
        raise ValueError(
            f"{shown(text)} is not a domain name: labels hold letters, digits, - and _, "
            "and no - at an end"
        )


def parse_cname(text: str) -> str:
    """An absolute domain name in lower case with its final dot, from one with the dot or with two
    labels at least.
    """
    name = parse_domain(text)
    if not text.endswith(".") and "." not in name:
        raise ValueError(f"{shown(text)} must be an absolute name such as {name}.example.")
    return name + "."


def check_domain(text: str) -> str:
    """The text itself if it is a domain name: keys keep their spelling, so that they are found in
    the file.
    """
    parse_domain(text)
    return text


def check_service_name(text: str) -> str:
    """The text itself if it names a service: relative to its zone, `@` for the zone itself; `*` may
    be the first label.
    """
    if text.endswith("."):
        raise ValueError(f"{shown(text)} must be relative to the zone: without a final dot")
    if text not in ("@", "*"):
        parse_domain(text.removeprefix("*."))
    return text


def parse_path(text: str) -> str:
    """The path and query of an HTTP request."""
    if not re.fullmatch("/[!-~]{0,1999}", text):
        raise ValueError(
            f"must be a path that begins with / and holds no spaces, not {shown(text)}"
        )
    return text


def parse_mailbox(text: str) -> str:
    """A mail address, checked for shape only."""
    local, at, host = text.rpartition("@")
    if not at or not re.fullmatch(r"[A-Za-z0-9._+-]{1,63}", local):
        raise must_be(_format("mailbox"), text)
    parse_domain(host)
    return text


def check_file_path(text: str) -> str:
    """The text itself if a file may have that name."""
    if not text.isprintable():
        raise ValueError(f"{shown(text)} holds characters that no file name should have")
    return text


def parse_label(text: str) -> str:
    """A name that operators give: of this node, a site, a map."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not a name; allowed: 1 to 63 letters, digits, '.', '_', '-', "
            "a letter or digit first"
        )
    return text


def parse_country(text: str) -> str:
    """An ISO 3166-1 alpha-2 code."""
    if text not in CODES:
        raise ValueError(
            f"{shown(text)} is not an ISO 3166-1 code such as DE or US{_country_hint(text)}"
        )
    return text


def _country_hint(text: str) -> str:
    hint = {"UK": "GB", "EL": "GR"}.get(text, text.upper())
    return f"; did you mean {hint}?" if hint in CODES else ""


def parse_serves(text: str) -> str:
    """A `serves` key: `default`, or one of the levels of `Location` with a value."""
    level, colon, value = text.partition(":")
    if text == "default":
        return text
    if level not in SERVES_LEVELS or not colon or not value:
        allowed = f"{one_of(f'{level}:' for level in SERVES_LEVELS)}, default"
        hint = did_you_mean(level, (*SERVES_LEVELS, "default"))
        raise ValueError(f"{shown(text)} is no place; allowed: {allowed}{hint}")
    _check_serves_value(level, value)
    return text


def _check_serves_value(level: str, value: str) -> None:
    match level:
        case "asn" if not re.fullmatch("[1-9][0-9]{0,9}", value) or int(value) >= 2**32:
            raise ValueError(f"asn:{value} must be a number such as asn:64500")
        case "subdivision" if not _SUBDIVISION.fullmatch(value):
            raise ValueError(
                f"subdivision:{value} must be a country and a code or name, as the database has it,"
                " such as subdivision:US-VA or subdivision:US-Virginia"
            )
        case "country":
            parse_country(value)
        case "continent" if value not in CONTINENTS:
            raise ValueError(f"continent:{value} is unknown; allowed: {one_of(CONTINENTS)}")


def check_line(text: str) -> str:
    """The text itself if it can stand on one line of a log or a table."""
    if not text.isprintable() or not text.strip():
        raise ValueError(f"{shown(text)} must be one line of text, without control characters")
    return text


def parse_workers(value: object) -> int | Literal["auto"]:
    """`auto` or a number of processes."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WORKERS:
        raise ValueError(
            f"must be a whole number from 1 to {MAX_WORKERS} or auto, not {shown(value)}"
        )
    return value


def parse_moment(value: object) -> datetime:
    """A date and time with its zone (ISO 8601)."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise must_be(_format("date-time"), value)
    return found


AddressField = Annotated[Address, PlainValidator(parse_address), WithJsonSchema(_format("ip"))]
NetworkField = Annotated[Network, PlainValidator(parse_network), WithJsonSchema(_format("network"))]
EndpointField = Annotated[
    Endpoint,
    PlainValidator(parse_endpoint),
    PlainSerializer(str),
    WithJsonSchema(_format("endpoint")),
]

DomainField = Annotated[
    str, AfterValidator(parse_domain), Field(json_schema_extra={"format": "domain"})
]
CnameField = Annotated[
    str, AfterValidator(parse_cname), Field(json_schema_extra={"format": "domain"})
]
DomainKey = Annotated[str, AfterValidator(check_domain)]
ServiceKey = Annotated[str, AfterValidator(check_service_name)]
PathField = Annotated[
    str, AfterValidator(parse_path), Field(json_schema_extra={"format": "url-path"})
]
MailboxField = Annotated[
    str, AfterValidator(parse_mailbox), Field(json_schema_extra={"format": "mailbox"})
]
LabelField = Annotated[
    str, AfterValidator(parse_label), Field(json_schema_extra={"format": "name"})
]
CountryField = Annotated[
    str, AfterValidator(parse_country), Field(json_schema_extra={"format": "country"})
]
ServesField = Annotated[
    str, AfterValidator(parse_serves), Field(json_schema_extra={"format": "serves"})
]
LineField = Annotated[str, AfterValidator(check_line), Field(min_length=1, max_length=200)]
MomentField = Annotated[
    datetime, PlainValidator(parse_moment), WithJsonSchema(_format("date-time"))
]
FilePath = Annotated[
    str,
    AfterValidator(check_file_path),
    Field(min_length=1, max_length=1000, json_schema_extra={"format": "path"}),
]
WorkersField = Annotated[
    int | Literal["auto"],
    PlainValidator(parse_workers),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_WORKERS}, {"const": "auto"}]}
    ),
]
TextField = Annotated[str, Field(min_length=1, max_length=1000)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=0, le=604800)]
Duration = Annotated[float, Field(ge=0.05, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]
