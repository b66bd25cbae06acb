"""docs/health.md: what it says to type is typed, what it computes is computed, what it lists is
what there is.
"""

from __future__ import annotations

import configparser
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gslb.admin.metrics import compose_page, describe_name_server
from gslb.cli.main import COMMANDS
from gslb.config.load import load
from gslb.health.intake import MAX_SKEW_S
from gslb.health.merge import merge
from gslb.health.snapshot import HealthSnapshot
from gslb.health.trust import CANARIES, CONTRADICTS, NEVER_HEARD
from gslb.model.event import EventKind
from gslb.model.system import HealthSettings
from gslb.store.open_redis import PASSWORD_FILE, USERNAME
from tests.admin.known import three_by_three
from tests.docs.fleet import PAGE, STATUS, fleet_in
from tests.docs.pages import ROOT, Fence, every_fence, fences, pages
from tests.docs.stage import NORMAL, differences, normalise
from tests.health.builders import START, evidence, named, report, site

PATIENCE_S = 10.0
TEXT = pages()[PAGE]


def rows(head: str) -> list[list[str]]:
    """The cells of the table of the page whose first line begins like this."""
    lines = TEXT[TEXT.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def walk() -> Iterator[Fence]:
    """The blocks that build and show the system, in order."""
    last = [fence for fence in fences("console") if fence.page == PAGE][-1]
    for fence in every_fence():
        if fence.page == PAGE and fence.line <= last.line and fence.kind != "text":
            yield fence


def test_agents_in_ten_minutes(tmp_path: Path) -> None:
    if shutil.which("dig") is None:
        pytest.skip("dig is not installed; on Debian or Ubuntu: apt install bind9-dnsutils")
    with fleet_in(tmp_path) as fleet:
        for fence in walk():
            if fence.kind == "yaml":
                fleet.write(fence)
            elif fence.kind == "sh":
                fleet.start(fence)
            else:
                if fence.state:
                    fleet.bring(fence.state)
                assert list(differences(fleet, fence, PATIENCE_S)) == []


@pytest.mark.parametrize(
    ("line", "other", "is_same"),
    [
        ("  eu    up     3 s  up 0.5", "  eu    up     1 min  up 12", True),
        ("configuration 2d5a40189e18, health 2", "configuration 3a5a40189e18, health 11", True),
        (f"public_key: {'a' * 43}=", f"public_key: {'b' * 43}=", True),
        ("until 2026-11-24T04:04:21Z (2 h left)", "until 2027-01-01T00:00:00Z (2 h left)", True),
        ("the store is away (Error 111: refused)", "the store is away (no answer in time)", True),
        ("  eu    up     3 s  up 0.5  up 0.3", "  eu    up     3 s  up 0.5  down", False),
        ("  fra   cloud-a  yes  0 s  -", "  fra   cloud-a  no  0 s  -", False),
        ("until 2026-11-24T04:04:21Z (2 h left)", "until 2026-11-24T04:04:21Z (1 h left)", False),
    ],
)
def test_what_may_differ_from_run_to_run(line: str, other: str, is_same: bool) -> None:
    assert (normalise(line, NORMAL + STATUS) == normalise(other, NORMAL + STATUS)) is is_same


def test_the_unit_starts_what_there_is() -> None:
    (ini,) = (one for one in fences("ini") if one.page == PAGE)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as systemd: case matters
    unit.read_string(ini.text)
    program, command, file, *option, agent = unit["Service"]["ExecStart"].split()
    assert program.endswith("/bin/gslb")
    assert file.startswith("/etc/")
    assert option == ["--agent"]
    assert command in {one.__name__ for one in COMMANDS}
    given = dict(pair.split("=", 1) for pair in unit["Service"]["Environment"].split())
    assert set(given) == {"GSLB_AGENT_KEY", USERNAME, PASSWORD_FILE}
    assert given["GSLB_AGENT_KEY"].endswith(f"/{agent}.key")


# ---------------------------------------------------------------- what is computed


def test_the_times_add_up(tmp_path: Path) -> None:
    main, zone = (one for one in list(fences("yaml")) if one.page == PAGE and one.line < 130)
    (tmp_path / "zones").mkdir()
    for fence in (main, zone):
        (tmp_path / str(fence.file)).write_text(fence.text)
    found = load(tmp_path / "gslb.yaml")
    check = found.system.sites["eu"].check
    assert check is not None
    seen, followed, cached, total = (float(row[1].strip("*")) for row in rows("| what | seconds |"))
    assert seen == check.fall * check.interval_s + check.timeout_s
    assert f"{check.fall} x {check.interval_s:g} + {check.timeout_s:g}" in TEXT
    assert cached == found.zones[0].source.services[0].ttl_min
    assert total == seen + followed + cached
    assert f"at most {seen + followed:g} s, its clients are elsewhere" in TEXT


def vote(said: str, domain: int) -> list[tuple[str, bool]]:
    """`up+down` as what the agents of a domain say."""
    return [(f"d{domain}/{at}", word == "up") for at, word in enumerate(said.split("+"))]


@pytest.mark.parametrize(("said", "mean", "state"), rows("| what is said |"))
def test_votes_are_counted_as_the_page_says(said: str, mean: str, state: str) -> None:
    domains = [vote(each, at) for at, each in enumerate(said.split(", "))]
    shares = [sum(up for _, up in each) / len(each) for each in domains]
    assert round(sum(shares) / len(shares), 2) == float(mean)
    declared = [f"d{at}/0" for at in range(3)]
    reports = [report(agent=name, a=up) for each in domains for name, up in each]
    names = sorted({*declared, *(one.agent for one in reports)})
    settings = HealthSettings()
    for before in (True, False):
        said_before = [report(agent=name, a=before) for name in declared]
        previous = merge(evidence(*said_before), named(site("a")), settings, START)
        found = merge(evidence(*reports, agents=names), named(site("a")), settings, previous)
        expected = {"is up": True, "is down": False, "keeps its state": before}[state]
        assert found.sites["a"].up is expected


def test_every_reason_to_lose_the_vote_is_listed() -> None:
    whys = [row[0] for row in rows("| why |")]
    stale = f"it has not been heard for over {HealthSettings().stale_after_s:g} s"
    clock = "its clock is off"
    assert set(whys) == {
        *(NEVER_HEARD, stale, CANARIES, CONTRADICTS, clock, "two agents have this name")
    }
    assert f"by over {MAX_SKEW_S:g} s" in TEXT


def test_every_limit_is_off_unless_it_is_set() -> None:
    settings = HealthSettings(flap_hold_s=0)
    sites = named(*(site(name) for name in "abc"))
    gone = merge(evidence(report(a=False, b=False, c=False)), sites, settings, START)
    assert [health.is_serving for health in gone.sites.values()] == [False] * 3
    held = replace(settings, max_withdrawn=0.5)
    still = merge(evidence(report(a=False, b=False, c=False)), sites, held, HealthSnapshot())
    assert [health.is_serving for health in still.sites.values()] == [True] * 3


# ---------------------------------------------------------------- what is listed


class Every(dict[str, int]):
    """Counters that have whatever is asked for."""

    def get(self, *_: Any) -> int:
        return 1


def metrics() -> dict[str, Metric]:
    """All metrics of ours, by the name of their samples."""
    status = {**three_by_three(), "counters": Every()}
    page = compose_page(status, Counter({"token": 1}), describe_name_server).decode()
    ours = [one for one in text_string_to_metric_families(page) if one.name.startswith("gslb_")]
    return {one.samples[0].name: one for one in ours}


def labels_of(metric: Metric) -> set[str]:
    return {label for sample in metric.samples for label in sample.labels}


def test_every_metric_is_listed_with_its_labels() -> None:
    listed = {
        name.strip("`"): (set(re.findall(r"`(\w+)`", labels)), text)
        for name, labels, text in rows("| metric |")
    }
    found = metrics()
    assert len(found) > 35
    assert listed == {
        name: (labels_of(metric), metric.documentation) for name, metric in found.items()
    }


def alerts() -> list[dict[str, Any]]:
    (fence,) = (one for one in fences("yaml") if one.file == "rules.yaml")
    (group,) = yaml.safe_load(fence.text)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_asks_for_metrics_that_there_are(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in {"critical", "warning"}
    asked = set(re.findall(r"\bgslb_\w+", rule["expr"]))
    assert asked <= metrics().keys()
    assert asked or rule["expr"].startswith("up{")
    known = {"instance", "job"} | {label for name in asked for label in labels_of(metrics()[name])}
    used = {*re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])}
    used |= {*re.findall(r'(\w+)=~?"', rule["expr"]), *re.findall(r"by \((\w+)\)", rule["expr"])}
    assert used <= known
    for pair in ("()", "{}", "[]"):
        assert rule["expr"].count(pair[0]) == rule["expr"].count(pair[1])


def test_every_kind_of_event_is_listed() -> None:
    listed = [name for row in rows("| event |") for name in row[0].split(", ")]
    assert sorted(listed) == sorted(EventKind)


def test_what_a_status_shows_in_a_failure_is_what_it_can_show() -> None:
    health = ("alerts", "divergence", "intake", "trust")
    files = ("cli/picture.py", *(f"health/{name}.py" for name in health))
    sources = "\n".join((ROOT / "gslb" / name).read_text() for name in files)
    shown = [re.findall(r"`([^`]+)`", row[2]) for row in rows("| what fails |")]
    words = {word for spans in shown for span in spans for word in re.findall(r"\w+", span)}
    assert len(words) > 10
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", sources)] == []
