"""What is refused of HTTP/1.1 messages, by whose fault it is: a client's or a backend's."""

from __future__ import annotations

from gslb.errors import GslbError


class HttpError(GslbError):
    """What a client sent is refused, and its connection ends with the answer.

    status: of the answer. reason: a short code for the log, such as `two_hosts`. extra: whole field
    lines that the answer must carry (RFC 9110 15.5.6: 405 needs Allow).
    """

    def __init__(self, status: int, reason: str, *, extra: bytes = b"") -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.extra = extra


class BadAnswer(GslbError):  # noqa: N818 - it is an answer, and bad
    """What a backend sent is no answer that can be passed on; the client gets 502.

    reason: a short code for the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
