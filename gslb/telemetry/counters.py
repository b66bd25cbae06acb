"""What a name server counts: plain integers, added to by one thread, read by anybody."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

# RFC 1035 4.1.1, RFC 2136 2.2, RFC 6891 9. A table, because the answer path counts by index.
RCODE_NAMES = (
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
    "NOTZONE",
    "RCODE11",
    "RCODE12",
    "RCODE13",
    "RCODE14",
    "RCODE15",
    "BADVERS",
)


def _no_answers() -> list[int]:
    return [0] * len(RCODE_NAMES)


@dataclass(slots=True)
class ServerCounters:
    """One name server's counts since it started.

    udp, tcp: messages that came in. answers: replies sent, by RCODE (an index into RCODE_NAMES).
    fast, slow: replies from ready octets, and from the general path. truncated: replies with TC.
    dropped: messages that got silence. malformed: those that no parser took. failures: faults of
    our own, answered with SERVFAIL. unsent: replies that the socket did not take. tcp_refused:
    connections over a limit. tcp_timeouts: clients that were too slow.
    """

    udp: int = 0
    tcp: int = 0
    answers: list[int] = field(default_factory=_no_answers)
    fast: int = 0
    slow: int = 0
    truncated: int = 0
    dropped: int = 0
    malformed: int = 0
    failures: int = 0
    unsent: int = 0
    tcp_refused: int = 0
    tcp_timeouts: int = 0

    @property
    def queries(self) -> int:
        """Messages that came in over either transport."""
        return self.udp + self.tcp

    def as_mapping(self) -> dict[str, int | dict[str, int]]:
        """All counts by name, for JSON; of the RCODEs, those that were answered."""
        counts: dict[str, int | dict[str, int]] = {"queries": self.queries}
        counts |= {each.name: getattr(self, each.name) for each in fields(self)}
        answered = zip(RCODE_NAMES, self.answers, strict=True)
        counts["answers"] = {name: count for name, count in answered if count}
        return counts
