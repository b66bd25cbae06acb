"""Who observes: a probe agent as the operator declares it."""

from __future__ import annotations

from dataclasses import dataclass

from gslb.model.place import NOWHERE, Location


@dataclass(frozen=True, slots=True)
class Agent:
    """A probe agent.

    failure_domain: agents of one domain have one vote together, because they may fail together.
    public_keys: Ed25519, 32 octets each; any of them may sign, so that keys can be rotated.
    location: where it is, for measured latency. sites: those that it may speak of; None is all.
    """

    name: str
    failure_domain: str
    public_keys: tuple[bytes, ...] = ()
    location: Location = NOWHERE
    sites: frozenset[str] | None = None

    def may_report(self, site: str) -> bool:
        """Whether the agent was given this site."""
        return self.sites is None or site in self.sites
