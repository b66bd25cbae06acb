"""What tells who may speak: public keys of agents and digests of tokens.

Law: no message repeats a value from here. It can be a private key or a token that was put in the
wrong place.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

KEY_OCTETS = 32
KEY_CHARACTERS = 44
MAX_KEYS = 2
"""The old and the new one while keys are rotated."""
MAX_TOKENS = 32


def parse_public_key(value: object) -> bytes:
    """The octets of an Ed25519 public key (RFC 8032) in base64."""
    octets = _decode(value) if isinstance(value, str) else b""
    if len(octets) != KEY_OCTETS or base64.b64encode(octets).decode() != value:
        raise ValueError(
            f"must be a public key: {KEY_CHARACTERS} characters of base64, "
            "as `gslb agent-key NAME` prints it"
        )
    return octets


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def parse_token_digest(value: object) -> str:
    """The SHA-256 of a token, in lower case."""
    if not isinstance(value, str) or not re.fullmatch("[0-9a-fA-F]{64}", value):
        raise ValueError(
            "must be the SHA-256 of a token in 64 hexadecimal digits, never the token itself; "
            "`gslb token` prints both"
        )
    return value.lower()


def widen_secrets(value: object) -> object:
    """A bare value is a list of one, so that the rule of one value tells about it."""
    return value if isinstance(value, list) else [value]


def _text(name: str) -> dict[str, Any]:
    return {"type": "string", "format": name}


PublicKeyField = Annotated[
    bytes, PlainValidator(parse_public_key), WithJsonSchema(_text("public-key"))
]
PublicKeysField = Annotated[
    list[PublicKeyField],
    Field(min_length=1, max_length=MAX_KEYS),
    BeforeValidator(widen_secrets, PublicKeyField | list[PublicKeyField]),
]
TokenField = Annotated[
    str, PlainValidator(parse_token_digest), WithJsonSchema(_text("token-digest"))
]
TokensField = Annotated[
    list[TokenField],
    Field(max_length=MAX_TOKENS),
    BeforeValidator(widen_secrets, TokenField | list[TokenField]),
]
