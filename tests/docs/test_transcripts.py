"""Every transcript prints what the page shows, but for what `stage.NORMAL` names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import groupby

import pytest

from tests.docs import fleet, test_proxy
from tests.docs.pages import fences
from tests.docs.stage import NORMAL, Stage, differences, normalise, staged

TRANSCRIPTS = {
    page: list(found)
    for page, found in groupby(fences("console"), lambda one: one.page)
    if page not in (fleet.PAGE, test_proxy.PAGE)  # they build systems of their own
}
# The page that stops a region comes last: a region takes seconds to be found up again.
PAGES = sorted(TRANSCRIPTS, key=lambda page: (any(one.state for one in TRANSCRIPTS[page]), page))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("example")) as found:
        yield found


@pytest.mark.parametrize("page", PAGES)
def test_every_command_prints_what_the_page_shows(stage: Stage, page: str) -> None:
    if shutil.which("dig") is None and any("dig " in one.text for one in TRANSCRIPTS[page]):
        pytest.skip("dig is not installed; on Debian or Ubuntu: apt install bind9-dnsutils")
    stage.bring("all are up")
    wrong = []
    for fence in TRANSCRIPTS[page]:
        if fence.state:
            stage.bring(fence.state)
        wrong += differences(stage, fence)
    assert wrong == []


def test_the_pages_have_transcripts() -> None:
    assert {"README.md", "docs/delegation.md", "docs/geodata.md"} <= set(PAGES)
    assert all(fence.commands for found in TRANSCRIPTS.values() for fence in found)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> @::1", "; <<>> DiG 9.20.4 <<>> @::1"),
        (";; Query time: 0 msec", ";; Query time: 14 msec"),
        (";; WHEN: Sat Nov 21 07:38:12 UTC 2026", ";; WHEN: Sun Nov 22 09:00:00 CET 2026"),
        ("x. 30 IN SOA ns1.x. host.x. 1795246687 7200", "x.\t30 IN\tSOA ns1.x. host.x. 7 7200"),
        ("down since 2026-11-21 07:38:47Z: HTTP 503", "down since 2027-01-01 00:00:00Z: HTTP 503"),
        ("b4f9991208ff-geo-20260625-h2-t0", "85f420a4b4d1-geo-20260625-h17-t3"),
    ],
)
def test_what_differs_from_run_to_run_is_the_same(line: str, same: str) -> None:
    assert normalise(line) == normalise(same)


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("www.x.\t6\tIN\tA\t127.0.1.1", "www.x.\t5\tIN\tA\t127.0.1.1"),
        ("; CLIENT-SUBNET: 193.0.6.0/24/19", "; CLIENT-SUBNET: 193.0.6.0/24/20"),
        (";; flags: qr aa; QUERY: 1", ";; flags: qr; QUERY: 1"),
        (";; MSG SIZE  rcvd: 77", ";; MSG SIZE  rcvd: 78"),
        ("x. 30 IN SOA ns1.x. host.x. 7 7200", "x. 30 IN SOA ns1.x. host.x. 7 900"),
    ],
)
def test_what_matters_is_compared(line: str, other: str) -> None:
    assert normalise(line) != normalise(other)


def test_there_are_few_exceptions() -> None:
    assert len(NORMAL) == 9
