import asyncio
import json

import pytest

from gslb.app import tour_steps
from gslb.app.stage import open_stage
from gslb.app.tour import MARGIN_S, Outcome, Point, Step, Tour, is_as_told, tell_tour, walk
from gslb.app.tour_watch import Asked, Watch, wait_for, watch
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
            (up,) = await tour_steps.start_up(tour)
            assert up.ok
            return await act(tour)

    return asyncio.run(run())


def test_times_are_those_of_the_checks(tmp_path):
    async def act(tour):
        return (
            tour.limit_s("eu-west", is_up=False),
            tour.limit_s("eu-west", is_up=True),
            [tour_steps.ttl_bound(tour, "eu-west", checks_failed=failed) for failed in (0, 2, 9)],
        )

    down_s, up_s, ttls = on_stage(tmp_path, act)
    assert down_s == pytest.approx(3 * INTERVAL_S + INTERVAL_S + MARGIN_S)
    assert up_s == pytest.approx(2 * INTERVAL_S + INTERVAL_S + MARGIN_S)
    assert ttls == [5, 5, 5]  # 1.2 s and less are under the minimum of www


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
            patch.setattr(Tour, "limit_s", lambda *_, **__: 0.05)
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
