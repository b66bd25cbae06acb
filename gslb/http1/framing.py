"""How long a message's body is (RFC 9112 6.3), with no second reading left open.

Laws:
1. Content-Length beside Transfer-Encoding is refused, and either of them twice, even if equal.
2. A length is 1 to 18 digits and nothing else; `chunked` is the only coding, and the only member.
3. HTTP/1.0 has no Transfer-Encoding.
"""

from __future__ import annotations

from collections.abc import Mapping

from gslb.http1.fields import TOKEN, list_tokens

CHUNKED = -1
UNTIL_CLOSE = -2
_MOST_DIGITS = 18
"""Less than 2^63, so that every counter of every backend holds it."""


class FramingError(Exception):
    """How long a body is cannot be said. reason: a short code. unknown: nothing is wrong but that
    the coding is not known here.
    """

    def __init__(self, reason: str, *, unknown: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unknown = unknown


def read_body(version: int, fields: Mapping[bytes, bytes]) -> int | None:
    """The length of a body that lines frame, CHUNKED, or None if no line says.

    Raises: FramingError.
    """
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding is None:
        return None if length is None else _read_length(length)
    if length is not None:
        raise FramingError("length_and_coding")
    if version == 10:
        raise FramingError("coding_in_1_0")
    if coding == b"chunked" or coding.lower() == b"chunked":
        return CHUNKED
    raise _judge_coding(coding)


def _read_length(length: bytes) -> int:
    if length.isdigit() and len(length) <= _MOST_DIGITS:
        return int(length)
    raise FramingError("two_lengths" if b"," in length else "bad_length")


def _judge_coding(coding: bytes) -> FramingError:
    """Why it is not taken: members that are no tokens and a `chunked` that is not the one last
    member are wrong whatever the others mean.
    """
    codings = list_tokens(coding)
    names = [one.partition(b";")[0].rstrip(b" \t") for one in codings]
    if not names or not all(TOKEN.fullmatch(name) for name in names):
        return FramingError("bad_coding")
    if b"chunked" in names[:-1] or names == [b"chunked"]:
        return FramingError("chunked_misplaced")
    return FramingError("unknown_coding", unknown=True)
