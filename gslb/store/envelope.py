r"""A report to signed octets and back: who may speak is proved before anything is read.

    octet 0        5          69
          | GSLB1  | signature | zlib(payload)          payload: gslb.store.payload

1. The signature (Ed25519) covers a prefix that no other use of the key has, the magic octets, and
   the compressed payload: all that is stored.
2. Nothing is inflated or parsed before its size and its signature were checked: an attacker who
   may write to the store, but has no key, reaches neither zlib nor the JSON reader.
3. Inflating is bounded by MAX_PAYLOAD_OCTETS: also an agent that was taken over costs no more.
4. Any of an agent's keys may have signed, so that keys are rotated without a gap.
5. Who signed is who speaks: a report in the name of another agent is a forgery.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import Protocol

from gslb.errors import ReportError
from gslb.model.agent import Agent
from gslb.model.report import Report
from gslb.store.base import MAX_OCTETS
from gslb.store.payload import MAX_SITES, Texts, dump_report, load_report_in_slices

MAGIC = b"GSLB1"
SIGNATURE_OCTETS = 64
MAX_PAYLOAD_OCTETS = 4 * 1024 * 1024
"""10,000 sites with the longest reasons take 3 MiB."""

_PURPOSE = b"gslb report\x00"
_HEAD_OCTETS = len(MAGIC) + SIGNATURE_OCTETS
_LEVEL = 1  # a tenth of the time of level 6 for a fifth more octets


class Signer(Protocol):
    """What signs: an Ed25519 private key, or something that keeps one."""

    def sign(self, data: bytes, /) -> bytes:
        """The signature of octets, 64 octets."""


def seal(report: Report, key: Signer) -> bytes:
    """A report, signed and compressed, as `unseal` takes it.

    Raises ValueError when it holds what no reader would take, or comes out larger than MAX_OCTETS.
    """
    compressed = zlib.compress(dump_report(report), _LEVEL)
    octets = MAGIC + key.sign(_signed(compressed)) + compressed
    if len(octets) > MAX_OCTETS:
        raise ValueError(f"the report has {len(octets)} octets; at most {MAX_OCTETS} are allowed")
    return octets


def unseal(octets: bytes, agent: Agent) -> Report:
    """The report that an agent signed.

    Raises ReportError: `oversized`, `malformed`, or `forged` when none of the agent's keys signed
    it or it speaks in another name.
    """
    steps = unseal_in_slices(octets, agent, {}, slice_sites=MAX_SITES)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: Report = end.value[0]
            return report


def unseal_in_slices(
    octets: bytes, agent: Agent, known: Texts, *, slice_sites: int
) -> Generator[None, None, tuple[Report, Texts]]:
    """As `unseal`, pausing after each slice_sites sites. known: see `load_report_in_slices`."""
    if len(octets) > MAX_OCTETS:
        raise ReportError(f"more than {MAX_OCTETS} octets", drop="oversized")
    if len(octets) <= _HEAD_OCTETS or not octets.startswith(MAGIC):
        raise ReportError("no sealed report, or one of another version", drop="malformed")
    signature, compressed = octets[len(MAGIC) : _HEAD_OCTETS], octets[_HEAD_OCTETS:]
    if not _is_signed(signature, _signed(compressed), agent):
        raise ReportError("no key of this agent has signed it", drop="forged")
    yield
    try:
        payload = _inflate(compressed)
        yield
        report, found = yield from load_report_in_slices(payload, known, slice_sites=slice_sites)
    except ValueError as error:
        raise ReportError(str(error), drop="malformed") from None
    if report.agent != agent.name:
        raise ReportError(f"it speaks in the name of {report.agent}", drop="forged")
    return report, found


def _signed(compressed: bytes) -> bytes:
    return _PURPOSE + MAGIC + compressed


def _is_signed(signature: bytes, signed: bytes, agent: Agent) -> bool:
    from cryptography.exceptions import InvalidSignature  # 9 MiB that only agents' reports need
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for octets in agent.public_keys:
        try:
            Ed25519PublicKey.from_public_bytes(octets).verify(signature, signed)
        except (InvalidSignature, ValueError):  # ValueError: octets that are no key
            continue
        return True
    return False


def _inflate(compressed: bytes) -> bytes:
    """The payload. Raises ReportError when it is too large, ValueError when it is cut or broken."""
    inflater = zlib.decompressobj()
    try:
        payload = inflater.decompress(compressed, MAX_PAYLOAD_OCTETS)
    except zlib.error:
        raise ValueError("the compressed part is broken") from None
    if inflater.unconsumed_tail:
        raise ReportError(f"it inflates to over {MAX_PAYLOAD_OCTETS} octets", drop="oversized")
    if not inflater.eof or inflater.unused_data:
        raise ValueError("the compressed part does not end where the report does")
    return payload
