"""How long an answer may be kept: until health could change it.

Laws (DESIGN section 1, laws 7 and 8):
1. The TTL is the least of the service's maximum and the whole seconds until a site of the service
   can change.
2. It is never under the service's minimum and never 0.
3. While a site is unknown it is the minimum. A site with an order is not unknown: what is ordered
   holds whatever its first round of checks says.
4. A site that is not due to change (not checked, ordered for good) does not shorten it. Where the
   policy has no `health`, only the end of an order does.
"""

from __future__ import annotations

from collections.abc import Sequence

from gslb.health.snapshot import HealthSnapshot
from gslb.model.service import Candidate, Service

NOT_READ = "the policy does not look at health"


def ttl(
    service: Service, candidates: Sequence[Candidate], health: HealthSnapshot
) -> tuple[int, str]:
    """The TTL in seconds of a service's answer, and why it is that.

    candidates: all that could be answered, down ones too: their return changes the answer as well.
    """
    least = max(1, service.ttl_min)
    most = max(least, service.ttl_max)
    looks_at_health = any(spec.name == "health" for spec in service.policy)
    sites = sorted({one.site.name for one in candidates if one.site is not None})
    read = [site for site in sites if looks_at_health or health.of(site).order is not None]
    unknown = [one for one in read if health.of(one).up is None and health.of(one).order is None]
    if unknown:
        names = ", ".join(unknown)
        return least, f"ttl: {least} s, the minimum: no full round of checks yet for {names}"
    flips = [(flip, site) for site in read if (flip := health.of(site).flip_s) is not None]
    if not flips:
        calm = "no change is due at any site" if looks_at_health else NOT_READ
        return most, f"ttl: {most} s, the maximum: {calm}"
    flip_s, site = min(flips)
    change = f"{site} can change in {flip_s:.1f} s at the earliest"
    if flip_s >= most:
        return most, f"ttl: {most} s, the maximum: {change}"
    if flip_s < least:
        return least, f"ttl: {least} s, the minimum: {change}"
    return int(flip_s), f"ttl: {int(flip_s)} s: {change}"
