"""The steps of the tour about regions and DNS. They know the example's names; times come from its
checks.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import aiohttp

from gslb.app.client import Reply
from gslb.app.tour import MARGIN_S, Limit, Point, Tour
from gslb.app.tour_watch import Settled, Watch, wait_for, watch
from gslb.app.traffic import NETWORKS, WWW, Network
from gslb.model.service import Service

HOME: Final = NETWORKS[0]
VICTIM: Final = HOME.site
ZONE: Final = WWW.partition(".")[2]
SPLIT: Final = {"eu-west": 3, "us-east": 2, "ap-south": 1}
SPLIT_ROUNDS: Final = 10
START_S: Final = 5.0
"""The first round of checks is done within 0.2 s and a timeout; the rest is for a busy machine."""


async def start_up(tour: Tour) -> list[Point]:
    """All regions are found to be up, and by whom."""
    took_s = await wait_for(
        lambda: not _sites_not(tour, up=True) and not tour.voteless(), limit_s=START_S
    )
    seen = f"after {took_s:.1f} s" if took_s is not None else _tell_states(tour)
    points = [Point(f"all sites are up within {START_S:g} s", seen, ok=took_s is not None)]
    if names := ", ".join(tour.stage.agents):
        voteless = ", ".join(tour.voteless())
        seen = f"no vote: {voteless}" if voteless else "all of them"
        points.append(Point(f"agents {names} say so, and each has a vote", seen, ok=not voteless))
    return points


async def ask_around(tour: Tour) -> list[Point]:
    """Each network gets its site, and hears for whom that holds and how long."""
    most = ttl_bound(tour, VICTIM, checks_failed=0)
    return [
        _judge_place(tour, one, await tour.ask(WWW, subnet=one.subnet), most) for one in NETWORKS
    ]


def _judge_place(tour: Tour, network: Network, reply: Reply, most: int) -> Point:
    site, scope = tour.find_site(reply), reply.scope
    ttl = reply.answer[0].ttl if reply.answer else 0
    ok = site == network.site and scope is not None and 0 < scope <= 24 and 0 < ttl <= most
    return Point(
        f"{network.place} ({network.subnet}) goes to {network.site}",
        f"{site}, scope /{scope}, TTL {ttl} s",
        ok=ok,
    )


async def fetch(tour: Tour) -> list[Point]:
    """The application behind the answered address says its name."""
    reply = await tour.ask(WWW, subnet=HOME.subnet)
    url = (
        f"http://{reply.data[0]}:{tour.stage.backends[VICTIM].port}/" if reply.data else "no answer"
    )
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session,
            session.get(url) as response,
        ):
            text = (await response.text()).strip()
    except aiohttp.ClientError as error:
        text = f"{type(error).__name__}: {error}"
    return [Point(f"{url} is {VICTIM}", text, ok=text == f"This is {VICTIM}.")]


async def count_split(tour: Tour) -> list[Point]:
    """A weighted split is exact, not just likely."""
    rounds = SPLIT_ROUNDS * sum(SPLIT.values())
    seen = Counter([tour.find_site(await tour.ask(f"split.{ZONE}")) for _ in range(rounds)])
    expected = Counter({site: weight * SPLIT_ROUNDS for site, weight in SPLIT.items()})
    return [Point(_tell_counts(expected), _tell_counts(seen), ok=seen == expected)]


async def lose_region(tour: Tour) -> list[Point]:
    """A region dies: answers leave it in the time that its checks need, and none is missing."""
    limit = tour.limit(VICTIM, is_up=False)
    await tour.stage.backends[VICTIM].stop()
    seen = await watch(
        tour,
        [HOME],
        lambda one: one.site not in (None, VICTIM),
        limit_s=limit.seconds,
        waiting=f"{HOME.label} is still sent to {VICTIM}",
    )
    most, last = (ttl_bound(tour, VICTIM, checks_failed=failed) for failed in (0, 1000))
    before = [one.ttl for one in seen.asked if one.site == VICTIM and one.ttl is not None]
    is_short = bool(before) and max(before) <= most and before[-1] <= last
    return [
        _judge_move(seen, VICTIM, limit, is_up=False),
        seen.answered(),
        Point(
            f"TTLs of at most {most} s shorten to {last} s before the change, so caches follow",
            ", ".join(f"{ttl} s" for ttl in seen.ttls),
            ok=is_short,
        ),
    ]


async def explain_answer(tour: Tour) -> list[Point]:
    """Every filter says what it kept and why."""
    told = tour.stage.server.insight.explain(WWW, "A", HOME.subnet)
    points = [
        Point(
            f"{step['name']} hands on {', '.join(step['kept'])}",
            step["why"].removeprefix(f"{step['name']}: "),
            ok=bool(step["kept"]) and VICTIM not in step["kept"],
        )
        for step in told["steps"]
    ]
    names = [spec.name for spec in _www(tour).policy]
    asked = [step["name"] for step in told["steps"]][: len(names)]
    return [
        Point("the chain runs as written", " > ".join(asked), ok=asked == names),
        *points,
        *(
            Point(f"the {what} is derived", told[key], ok=bool(told[key]))
            for what, key in (("TTL", "ttl_why"), ("scope", "scope_why"))
        ),
    ]


async def regain_region(tour: Tour) -> list[Point]:
    """The region comes back, and its clients return."""
    limit = tour.limit(VICTIM, is_up=True)
    await tour.stage.backends[VICTIM].start()
    seen = await watch(
        tour,
        [HOME],
        lambda one: one.site == VICTIM,
        limit_s=limit.seconds,
        waiting=f"{HOME.label} is not yet sent back to {VICTIM}",
    )
    return [_judge_move(seen, VICTIM, limit, is_up=True), seen.answered()]


async def lose_all(tour: Tour) -> list[Point]:
    """Everything dies at once: automation stops short of answering nothing, and says so."""
    backends = tour.stage.backends
    limit = max(tour.limit(site, is_up=False) for site in backends)
    for backend in backends.values():
        await backend.stop()
    is_settled = Settled(lambda _: not _sites_not(tour, up=False), hold_s=MARGIN_S)
    seen = await watch(
        tour,
        NETWORKS,
        is_settled,
        limit_s=limit.seconds + MARGIN_S,
        waiting="all backends are dead",
    )
    health = tour.stage.server.node.health
    held = [site for site in backends if health.of(site).held]
    down = [site for site in backends if health.of(site).up is False]
    return [
        Point(
            f"all sites are found down {limit}, some held by the withdrawal budget",
            f"down: {', '.join(down)}; held: {', '.join(held) or 'none'}",
            ok=seen.is_done and bool(held),
        ),
        seen.answered(),
        Point("an alert is raised", "; ".join(health.alerts) or "none", ok=bool(health.alerts)),
    ]


async def regain_all(tour: Tour) -> list[Point]:
    """Everything comes back."""
    backends = tour.stage.backends
    limit = max(tour.limit(site, is_up=True) for site in backends)
    for backend in backends.values():
        await backend.start()
    seen = await watch(
        tour,
        NETWORKS,
        lambda _: not _sites_not(tour, up=True) and not tour.stage.server.node.health.alerts,
        limit_s=limit.seconds,
        waiting="all backends are back",
    )
    state = f"after {seen.took_s:.2f} s" if seen.is_done else _tell_states(tour)
    return [
        Point(f"all up, no alert, {limit}", state, ok=seen.is_done),
        seen.answered(),
        *(await ask_around(tour))[:1],
    ]


async def ask_else(tour: Tour) -> list[Point]:
    """The rest of DNS: TCP, a referral, a name that does not exist."""
    over_tcp = await tour.ask(WWW, subnet=HOME.subnet, transport="tcp")
    referral = await tour.ask(f"host.sub.{ZONE}")
    none = await tour.ask(f"none.{ZONE}")
    servers = [record.data for record in referral.authority if record.rtype == "NS"]
    glue = [record.data for record in referral.additional if record.name in servers]
    soa = [record.ttl for record in none.authority if record.rtype == "SOA"]
    return [
        Point(
            f"over TCP the same site: {VICTIM}",
            f"{tour.find_site(over_tcp)}",
            ok=tour.find_site(over_tcp) == VICTIM,
        ),
        Point(
            "host.sub is delegated: a referral with glue, not authoritative",
            f"{referral.rcode}, NS {', '.join(servers)}, A {', '.join(glue)}",
            ok=not referral.is_authoritative and not referral.answer and bool(servers and glue),
        ),
        Point(
            "none does not exist: NXDOMAIN with the SOA",
            f"{none.rcode}, kept for {soa[0] if soa else 0} s",
            ok=none.rcode == "NXDOMAIN" and none.is_authoritative and bool(soa),
        ),
    ]


# ---------------------------------------------------------------- what the steps share


def ttl_bound(tour: Tour, site: str, *, checks_failed: int) -> int:
    """The longest TTL that www may have while a site that is up has failed that many checks in a
    row: DESIGN law 7 by arithmetic, for the tour to judge the answers by.
    """
    service, check = _www(tour), tour.stage.system.sites[site].check
    assert check is not None, "the example checks every site"
    horizon_s = check.interval_s * max(1, check.fall - checks_failed)
    return max(service.ttl_min, min(service.ttl_max, int(horizon_s)))


def _www(tour: Tour) -> Service:
    name = WWW.partition(".")[0]
    services = (one for zone in tour.stage.system.zones for one in zone.services)
    return next(service for service in services if service.name == name)


def _sites_not(tour: Tour, *, up: bool) -> list[str]:
    health = tour.stage.server.node.health
    return [site for site in tour.stage.backends if health.of(site).up is not up]


def _tell_states(tour: Tour) -> str:
    health = tour.stage.server.node.health
    return ", ".join(f"{site}: {health.of(site).reason}" for site in tour.stage.backends)


def _tell_counts(counts: Counter[str] | Counter[str | None]) -> str:
    return ", ".join(f"{site} {times}" for site, times in counts.most_common())


def _judge_move(seen: Watch, site: str, limit: Limit, *, is_up: bool) -> Point:
    """That answers moved in time."""
    last = seen.asked[-1].site
    return Point(
        f"answers {'return to' if is_up else 'leave'} {site} {limit}",
        f"{last} after {seen.took_s:.2f} s" if seen.is_done else f"still {last}",
        ok=seen.is_done and seen.took_s <= limit.seconds,
    )
