from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.health.trust import CANARIES, NEVER_HEARD, judge
from gslb.model.system import HealthSettings
from tests.health.builders import AT, evidence, report

SETTINGS = HealthSettings()
SITES = ("a", "b", "c", "d")


def say(agent, states, **more):
    """A report of sites a, b, c, d: + up, - down, ? no result yet, . not spoken of."""
    pairs = zip(SITES, states, strict=False)
    known = {
        name: {"+": True, "-": False, "?": None}[state] for name, state in pairs if state != "."
    }
    return report(agent=agent, **{**more, **known})


def whys(*reports, settings=SETTINGS, **more):
    found = judge(evidence(*reports, **more), SITES, settings)
    assert all(health.has_vote is not bool(health.why) for health in found.values())
    return {name: health.why for name, health in found.items()}


def voteless(*reports, settings=SETTINGS):
    return {name for name, why in whys(*reports, settings=settings).items() if why}


# ---------------------------------------------------------------- law 1


def test_law_1_declared_but_never_heard():
    assert whys(say("x", "+"), agents=["x", "y"]) == {"x": "", "y": NEVER_HEARD}


@pytest.mark.parametrize(
    ("age_s", "why"), [(30.0, ""), (30.1, "it has not been heard for over 30 s")]
)
def test_law_1_stale(age_s, why):
    assert whys(say("x", "+", at=AT - age_s)) == {"x": why}


def test_law_1_a_fault_costs_the_vote():
    assert whys(say("x", "+"), faults={"x": "two agents have this name"}) == {
        "x": "two agents have this name"
    }


@pytest.mark.parametrize(
    ("canaries", "why"),
    [
        pytest.param((0, 0), "", id="none configured"),
        pytest.param((2, 4), "", id="half fail"),
        pytest.param((1, 3), CANARIES, id="two of three fail"),
        pytest.param((0, 1), CANARIES, id="the only one fails"),
    ],
)
def test_law_1_canaries(canaries, why):
    assert whys(say("x", "+", canaries=canaries)) == {"x": why}


def test_an_observer_that_is_heard_without_being_declared_is_judged_too():
    assert judge(evidence(say("x", "+")), SITES, SETTINGS).keys() == {"x"}


# ---------------------------------------------------------------- laws 2 to 5


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"x": "++++", "y": "++++"}, set(), id="agreement"),
        pytest.param({"x": "----", "y": "----", "z": "----"}, set(), id="law 5: all see all fail"),
        pytest.param({"x": "----", "y": "++++", "z": "++++"}, {"x"}, id="a liar: all down"),
        pytest.param({"x": "++++", "y": "---+", "z": "---+"}, {"x"}, id="a liar: all up"),
        pytest.param(
            {"x": "--++", "y": "++++", "z": "++++"}, set(), id="half is not more than half"
        ),
        pytest.param({"x": "---+", "y": "++++", "z": "++++"}, {"x"}, id="three of four"),
        pytest.param({"x": "-", "y": "+", "z": "+"}, set(), id="one contradiction is none"),
        pytest.param({"x": "--", "y": "++", "z": "++"}, {"x"}, id="two of two"),
        pytest.param({"x": "-+..", "y": "++..", "z": "++.."}, set(), id="one of two"),
        pytest.param({"x": "----", "y": "++++"}, {"x", "y"}, id="law 4: two domains, both lose"),
        pytest.param(
            {"w": "----", "x": "----", "y": "++++", "z": "++++"},
            {"w", "x", "y", "z"},
            id="law 4: two against two, all lose",
        ),
        pytest.param(
            {"v": "----", "w": "----", "x": "++++", "y": "++++", "z": "++++"},
            {"v", "w"},
            id="two against three",
        ),
        pytest.param({"f/1": "----", "f/2": "++++"}, set(), id="one domain has nobody to compare"),
        pytest.param(
            {"f/1": "----", "f/2": "++++", "y": "++++", "z": "++++"},
            {"f/1"},
            id="a liar within a domain",
        ),
        pytest.param(
            {"f/1": "----", "f/2": "----", "f/3": "----", "y": "++++", "z": "++++"},
            {"f/1", "f/2", "f/3"},
            id="three heads are one domain",
        ),
        pytest.param(
            {"f/1": "----", "f/2": "++++", "y": "----"},
            {"f/2"},
            id="an even domain says nothing, so y is not compared",
        ),
        pytest.param({"x": "????", "y": "++++", "z": "++++"}, set(), id="who knows nothing yet"),
        pytest.param({"x": "--..", "y": "..++", "z": "..++"}, set(), id="nothing in common"),
        pytest.param({"x": "--??", "y": "++..", "z": "++.."}, {"x"}, id="only what both know"),
    ],
)
def test_laws_2_to_5_contradiction(said, expected):
    reports = [say(agent, states) for agent, states in said.items()]
    for order in list(permutations(reports))[:24]:
        assert voteless(*order) == expected


def test_law_4_who_has_no_canaries_left_is_not_asked_about_the_others():
    broken = say("x", "----", canaries=(0, 2)), say("w", "----", canaries=(0, 2))
    assert whys(*broken, say("y", "++++"), say("z", "++++")) == {
        "w": CANARIES,
        "x": CANARIES,
        "y": "",
        "z": "",
    }


@pytest.mark.parametrize(("share", "expected"), [(0.75, set()), (0.74, {"x"}), (1.0, set())])
def test_law_3_distrust_above(share, expected):
    settings = replace(SETTINGS, distrust_above=share)
    assert (
        voteless(say("x", "---+"), say("y", "++++"), say("z", "++++"), settings=settings)
        == expected
    )


def slow_contradictions(said):
    """The law for each agent by itself, in the plainest way: (contradicted, compared)."""
    found = {}
    for agent, states in said.items():
        contradicted = compared = 0
        for index, state in enumerate(states):
            domains = {}
            for other, theirs in said.items():
                if other.partition("/")[0] != agent.partition("/")[0] and theirs[index] in "+-":
                    domains.setdefault(other.partition("/")[0], []).append(theirs[index])
            says = [
                "+" if votes.count("+") > votes.count("-") else "-"
                for votes in domains.values()
                if votes.count("+") != votes.count("-")
            ]
            if state in "+-" and says.count("+") != says.count("-"):
                compared += 1
                contradicted += state != max("+-", key=says.count)
        found[agent] = contradicted, compared
    return found


@given(
    said=st.dictionaries(
        st.sampled_from(["f/1", "f/2", "g/1", "g/2", "h", "i"]),
        st.text("+-?.", min_size=4, max_size=4),
        min_size=1,
    )
)
def test_laws_2_and_3_equal_the_plain_count(said):
    expected = {
        agent
        for agent, (contradicted, compared) in slow_contradictions(said).items()
        if contradicted >= 2 and 2 * contradicted > compared
    }
    assert voteless(*(say(agent, states) for agent, states in said.items())) == expected
