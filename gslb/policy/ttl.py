"""How long an answer may be kept: until health could change it.

Laws (DESIGN section 1, laws 7 and 8):
1. The TTL is the least of the service's maximum and the whole seconds until a site of the service
   can change.
2. It is never under the service's minimum and never 0.
3. While a site is unknown it is the minimum.
4. A site that is not due to change (not checked, forced) does not shorten it, and none does when
   the policy has no `health`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gslb.health.snapshot import HealthSnapshot
from gslb.model.service import Candidate, Service


def ttl(
    service: Service, candidates: Sequence[Candidate], health: HealthSnapshot
) -> tuple[int, str]:
    """The TTL in seconds of a service's answer, and why it is that.

    candidates: all that could be answered, down ones too: their return changes the answer as well.
    """
    least = max(1, service.ttl_min)
    most = max(least, service.ttl_max)
    if not any(spec.name == "health" for spec in service.policy):
        return most, f"ttl: {most} s, the maximum: the policy does not look at health"
    sites = sorted({one.site.name for one in candidates if one.site is not None})
    unknown = [site for site in sites if health.of(site).up is None]
    if unknown:
        names = ", ".join(unknown)
        return least, f"ttl: {least} s, the minimum: no full round of checks yet for {names}"
    flips = [(flip, site) for site in sites if (flip := health.of(site).flip_s) is not None]
    if not flips:
        return most, f"ttl: {most} s, the maximum: no change is due at any site"
    flip_s, site = min(flips)
    change = f"{site} can change in {flip_s:.1f} s at the earliest"
    if flip_s >= most:
        return most, f"ttl: {most} s, the maximum: {change}"
    if flip_s < least:
        return least, f"ttl: {least} s, the minimum: {change}"
    return int(flip_s), f"ttl: {int(flip_s)} s: {change}"
