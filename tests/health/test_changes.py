import pytest

from gslb.health.changes import list_changes
from gslb.health.snapshot import UNCHECKED, AgentHealth, HealthSnapshot, SiteHealth
from gslb.model.event import EventKind
from gslb.model.order import Order, OrderKind

AT = 1_700_000_000.0
UP = SiteHealth(up=True, since_at=1.0, reason="checks pass")
DOWN = SiteHealth(up=False, since_at=2.0, reason="refused")
HELD = SiteHealth(up=False, since_at=2.0, held=True, reason="refused")
UNKNOWN = SiteHealth(up=None, reason="no result yet")
ORDER = Order("a", OrderKind.DRAIN, 7, owner="kim", reason="repair", until_at=9.0)
DRAINED = SiteHealth(up=True, since_at=1.0, order=ORDER)
TOLD = {"order": "drain", "owner": "kim", "reason": "repair", "until_at": 9.0, "version": 7}
VOTE, LOST = AgentHealth(has_vote=True), AgentHealth(has_vote=False, why="its clock")


def changes(old, new):
    """(kind, subject, fields) of each event."""
    events = list_changes(old, new, AT)
    assert all(event.at == AT for event in events)
    return [(event.kind, event.subject, dict(event.fields)) for event in events]


def one_site(health):
    return HealthSnapshot(1, {} if health is None else {"a": health})


def changed(state, was, reason, held=False):
    fields = {"state": state, "held": held, "reason": reason, "was": was}
    return [(EventKind.SITE_CHANGED, "a", fields)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(UP, DOWN, changed("down", "up", "refused"), id="down"),
        pytest.param(DOWN, UP, changed("up", "down", "checks pass"), id="up"),
        pytest.param(DOWN, HELD, changed("down", "down", "refused", held=True), id="held"),
        pytest.param(None, DOWN, changed("down", "unknown", "refused"), id="new and down"),
        pytest.param(None, UNKNOWN, [], id="new and unknown"),
        pytest.param(None, UNCHECKED, [], id="new and unchecked"),
        pytest.param(UP, None, [], id="gone"),
        pytest.param(UP, UP, [], id="nothing"),
        pytest.param(UP, DRAINED, [(EventKind.ORDER_APPLIED, "a", TOLD)], id="ordered"),
        pytest.param(DRAINED, UP, [(EventKind.ORDER_OVER, "a", TOLD)], id="order over"),
    ],
)
def test_events_of_a_site(old, new, expected):
    assert changes(one_site(old), one_site(new)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(VOTE, LOST, [(EventKind.VOTE_LOST, "x", {"why": "its clock"})], id="lost"),
        pytest.param(LOST, VOTE, [(EventKind.VOTE_REGAINED, "x", {"why": "its clock"})], id="back"),
        pytest.param(LOST, AgentHealth(False, "its twin"), [], id="another reason"),
        pytest.param(None, LOST, [], id="declared anew"),
    ],
)
def test_events_of_votes(old, new, expected):
    before = HealthSnapshot(agents={} if old is None else {"x": old})
    assert changes(before, HealthSnapshot(agents={"x": new})) == expected


def test_events_of_alerts():
    old, new = HealthSnapshot(alerts=("one", "two")), HealthSnapshot(alerts=("two", "three"))
    assert changes(old, new) == [
        (EventKind.ALERT, "", {"alert": "three"}),
        (EventKind.ALERT_OVER, "", {"alert": "one"}),
    ]


def test_the_same_snapshot_has_no_events():
    assert list_changes(one_site(DOWN), one_site(DOWN), AT) == ()
