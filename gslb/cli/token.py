"""`gslb token`: a new token for the admin port, and the line that lets it in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from hashlib import sha256

from rich.text import Text

from gslb.cli.output import AsJson, show, styled

TOKEN_OCTETS = 32
"""256 random bits: beyond guessing, so that a plain SHA-256 of it is no help to a thief."""


def token(as_json: AsJson = False) -> None:
    """Make a token for the admin port. It is shown once; the configuration gets only its digest."""
    made = secrets.token_urlsafe(TOKEN_OCTETS)
    told = {"token": made, "sha256": sha256(made.encode()).hexdigest()}
    show(told, _describe(told), as_json=as_json)


def _describe(told: dict[str, str]) -> Iterator[Text]:
    yield styled(("token   ", "cyan"), (told["token"], "bold"))
    yield styled(("sha256  ", "cyan"), told["sha256"])
    yield styled("Keep the token in a file that only its users read (GSLB_TOKEN_FILE).")
    yield styled(f"In the main file:  admin: {{tokens: [{told['sha256']}]}}")
