"""What is asked on a site's behalf."""

from __future__ import annotations

from dataclasses import dataclass

from gslb.model.check import Check, CommandCheck
from gslb.model.place import Address
from gslb.model.service import Site


@dataclass(frozen=True, slots=True)
class Target:
    """A site's check, and the address for those of its kinds that name none themselves.

    address: None when no kind needs it. site: empty for a canary.
    """

    site: str
    address: Address | None
    check: Check


def pick_target(site: Site) -> Target | None:
    """What to ask on a site's behalf, or None when there is nothing to ask.

    One address stands for the site: its first IPv4 address, or without one its first IPv6 address.
    """
    if site.check is None:
        return None
    by_version = sorted(site.addresses, key=lambda address: address.version)  # keeps their order
    address = by_version[0] if by_version else None
    if address is None and _needs_address(site.check):
        return None
    return Target(site.name, address, site.check)


def _needs_address(check: Check) -> bool:
    return any(not isinstance(kind, CommandCheck) and kind.address is None for kind in check.kinds)
