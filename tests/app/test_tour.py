import asyncio
import json
from dataclasses import replace

import pytest

from gslb.app import tour_faults, tour_steps
from gslb.app.stage import open_stage
from gslb.app.stage_agents import StageAgent
from gslb.app.tour import (
    MARGIN_S,
    Limit,
    Outcome,
    Point,
    Step,
    Tour,
    is_as_told,
    tell_tour,
    walk,
)
from gslb.app.tour_route import plan_route
from gslb.app.tour_watch import Asked, Settled, Watch, wait_for, watch
from gslb.app.traffic import NETWORKS
from gslb.errors import StoreError
from tests.app.example import INTERVAL_S, write_example


class Recorder:
    """A narrator that keeps what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, number, step):
        self.told.append(("begin", number, step.title))

    def progress(self, text):
        self.told.append(("progress", text))

    def end(self, outcome):
        self.told.append(("end", outcome.number, outcome.ok))


GOOD = Point("a", "a", ok=True)
BAD = Point("a", "b", ok=False)


def step(*points, raises=None):
    async def run(tour):
        tour.progress("waiting")
        if raises is not None:
            raise raises
        return points

    return Step("title", "does", run)


# ---------------------------------------------------------------- the frame


def test_law_2_a_step_that_fails_or_raises_does_not_end_the_tour():
    steps = [
        step(GOOD, BAD),
        step(raises=TimeoutError()),
        step(raises=StoreError("no")),
        step(GOOD),
    ]
    recorder = Recorder()
    outcomes = asyncio.run(walk(None, steps, recorder))
    assert [outcome.ok for outcome in outcomes] == [False, False, False, True]
    assert outcomes[1].points == (Point("the step can be carried out", "TimeoutError", ok=False),)
    assert outcomes[2].points[0].seen == "no"
    assert recorder.told == [
        told
        for number, ok in ((1, False), (2, False), (3, False), (4, True))
        for told in (("begin", number, "title"), ("progress", "waiting"), ("end", number, ok))
    ]


def outcome(*points):
    return Outcome(1, "title", "does", points, 1.234)


@pytest.mark.parametrize(
    ("outcomes", "ok"),
    [
        ([outcome(GOOD), outcome(GOOD, GOOD)], True),
        ([outcome(GOOD), outcome(GOOD, BAD)], False),
        ([], False),
    ],
)
def test_law_3_all_points_of_all_steps(outcomes, ok):
    assert is_as_told(outcomes) is ok


def test_the_tour_as_json():
    told = tell_tour([outcome(GOOD, BAD), outcome(GOOD)])
    assert json.loads(json.dumps(told)) == {
        "ok": False,
        "took_s": 2.47,
        "steps": [
            {
                "number": 1,
                "title": "title",
                "does": "does",
                "points": points,
                "took_s": 1.23,
                "ok": ok,
            }
            for points, ok in (
                ([GOOD._asdict(), BAD._asdict()], False),
                ([GOOD._asdict()], True),
            )
        ],
    }


def test_what_a_watch_saw():
    seen = Watch(
        (Asked(0.1, "a", 6), Asked(0.2, "a", 6), Asked(0.3, None, None), Asked(0.4, "b", 5)), True
    )
    assert (seen.took_s, seen.ttls) == (0.4, (6, 5))
    assert seen.answered() == Point("every query is answered with a site", "3 of 4", ok=False)
    assert Watch(seen.asked[:2], True).answered().ok
    assert not Watch((), True).answered().ok


def test_where_clients_were_sent():
    home, away, none = (Asked(0.1, site, 6, "a") for site in ("a", "b", None))
    seen = Watch((home, away, none), True)
    assert seen.unmoved() == Point("no answer changes", "1 of 3", ok=False)
    assert seen.avoided("b") == Point("answers go on, none to b", "1 of 3", ok=False)
    assert Watch((home,), True).unmoved().ok
    assert Watch((home,), True).avoided("b").ok
    assert not Watch((), True).unmoved().ok
    assert not Watch((), True).avoided("b").ok


def test_what_is_settled_was_so_for_a_while():
    settled = Settled(lambda one: one.site == "b", hold_s=0.5)
    times = ((0.0, "a"), (0.25, "b"), (0.5, "b"), (0.75, "b"))
    asked = [Asked(after_s, site, 6) for after_s, site in times]
    assert [settled(one) for one in asked] == [False, False, False, True]
    assert settled.since_s == 0.25


def test_wait_for_tells_how_long_or_none():
    states = iter([False, False, True])
    assert asyncio.run(wait_for(lambda: next(states), limit_s=5.0)) >= 0.04
    assert asyncio.run(wait_for(lambda: False, limit_s=0.05)) is None


# ---------------------------------------------------------------- the steps, on a real stage


def on_stage(tmp_path, act):
    """What a coroutine function makes of a tour on a stage whose sites are up."""

    async def run():
        async with open_stage(write_example(tmp_path)[0]) as stage:
            tour = Tour(stage, lambda _: None)
            assert [point.ok for point in await tour_steps.start_up(tour)] == [True, True]
            return await act(tour)

    return asyncio.run(run())


def test_times_are_those_of_the_checks(tmp_path):
    async def act(tour):
        node = tour.stage.server.node
        limits = [tour.limit("eu-west", is_up=False), tour.limit("eu-west", is_up=True)]
        flapped = replace(node.health.of("eu-west"), flaps=2)
        node.health = replace(node.health, sites={**node.health.sites, "eu-west": flapped})
        limits += [tour.limit("eu-west", is_up=False), tour.limit("eu-west", is_up=True)]
        return (
            limits,
            [tour_steps.ttl_bound(tour, "eu-west", checks_failed=failed) for failed in (0, 2, 9)],
        )

    limits, ttls = on_stage(tmp_path, act)
    down_s, up_s = ((rounds + 1) * INTERVAL_S + MARGIN_S for rounds in (3, 2))
    assert [limit.seconds for limit in limits] == pytest.approx([down_s, up_s, down_s, up_s + 10])
    assert str(limits[3]) == (
        "within 12.2 s (2 checks x 0.4 s + 0.4 s timeout + 10 s because it flapped + 1 s margin)"
    )
    assert ttls == [5, 5, 5]  # 1.2 s and less are under the minimum of www


def test_the_route_leaves_out_what_the_stage_has_nothing_for(tmp_path):
    async def act(tour):
        stage = tour.stage
        lonely = replace(stage, agents={})
        return [
            [step.title for step in plan_route(one)]
            for one in (stage, lonely, replace(stage, redis=object()))
        ]

    whole, lonely, redis = on_stage(tmp_path, act)
    assert [title for title in whole if title not in lonely] == ["An agent lies", "An agent dies"]
    assert [title for title in redis if title not in whole] == ["Redis is killed"]
    assert redis.index("Redis is killed") == redis.index("The rest of DNS") - 1


def test_steps_fail_when_the_world_is_not_as_told(tmp_path, monkeypatch):
    async def act(tour):
        failed = {}
        with monkeypatch.context() as patch:
            wrong = [network._replace(site="eu-west") for network in NETWORKS]
            patch.setattr(tour_steps, "NETWORKS", wrong)
            failed["ask_around"] = await tour_steps.ask_around(tour)
            patch.setattr(tour_steps, "SPLIT", {"eu-west": 1, "us-east": 1, "ap-south": 1})
            failed["count_split"] = await tour_steps.count_split(tour)
            # Answers cannot have left in this time, nor can an alert have been raised.
            patch.setattr(Tour, "limit", lambda *_, **__: Limit(0.05, ""))
            patch.setattr(tour_steps, "MARGIN_S", 0.05)
            failed["lose_region"] = await tour_steps.lose_region(tour)
            failed["explain_answer"] = await tour_steps.explain_answer(tour)
            failed["fetch"] = await tour_steps.fetch(tour)
            failed["lose_all"] = await tour_steps.lose_all(tour)
        return {name: [point.ok for point in points] for name, points in failed.items()}

    verdicts = on_stage(tmp_path, act)
    assert verdicts["ask_around"] == [True, False, False, False, False]
    assert verdicts["count_split"] == [False]
    assert verdicts["lose_region"] == [False, True, True]
    assert verdicts["explain_answer"][:3] == [True, False, False]  # health and geo keep eu-west
    assert verdicts["fetch"] == [False]
    assert verdicts["lose_all"] == [False, True, False]


def test_steps_about_agents_and_orders_fail_when_nothing_comes_of_them(tmp_path, monkeypatch):
    async def act(tour):
        failed = {}
        with monkeypatch.context() as patch:
            for name in ("AT_ONCE", "NEXT_REPORT", "SILENCE"):
                patch.setattr(tour_faults, name, Limit(0.0, ""))
            patch.setattr(tour_faults, "HOLD_S", 0.05)
            patch.setattr(StageAgent, "behave", lambda *_: None)  # nobody lies or dies
            patch.setattr(tour_faults, "order", lambda *_, **__: asyncio.sleep(0))
            for run in (tour_faults.hear_a_lie, tour_faults.lose_agent, tour_faults.drain_region):
                failed[run.__name__] = await run(tour)
        return {name: [point.ok for point in points] for name, points in failed.items()}

    verdicts = on_stage(tmp_path, act)
    # What must not move does not; the vote is there all the time.
    assert verdicts["hear_a_lie"][:3] == [False, False, True]
    assert verdicts["lose_agent"] == [False, True, True, False]
    assert verdicts["drain_region"][:3] == [False, False, False]


def test_an_answer_that_moves_while_an_agent_lies_is_seen(tmp_path):
    async def act(tour):
        await tour.stage.backends["eu-west"].stop()
        assert await wait_for(
            lambda: tour.stage.server.node.health.of("eu-west").up is False, limit_s=10.0
        )
        return await tour_faults.hear_a_lie(tour)

    lost, _, unmoved, *_ = on_stage(tmp_path, act)
    assert lost.ok
    assert not unmoved.ok


def test_a_server_that_does_not_answer_is_seen(tmp_path):
    async def act(tour):
        for server in tour.stage.server.node.udp:
            server.answer = lambda *_: None
        tour_client = Tour.ask

        async def impatient(self, name, **options):
            async with asyncio.timeout(0.05):
                return await tour_client(self, name, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Tour, "ask", impatient)
            return await watch(
                tour, NETWORKS[:1], lambda _: False, limit_s=0.2, waiting="for an answer"
            )

    seen = on_stage(tmp_path, act)
    assert not seen.is_done
    assert not seen.answered().ok
    assert seen.answered().seen.startswith("0 of ")
