"""docs/proxy.md: what it says to type is typed, its blocks load, its tables say what there is."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gslb.cli.admin_client import AdminClient, AdminError
from gslb.config.load import load
from gslb.model.endpoint import Endpoint
from gslb.model.proxy import HttpLimits, Proxy, ShedSettings, Timeouts
from gslb.proxy import admission, audit, caching, exchange, tier
from tests.app.world import wait_for
from tests.docs.fleet import STATUS
from tests.docs.pages import ROOT, Fence, every_fence, fences, pages
from tests.docs.stage import NORMAL, Shell, differences, swap, uncounted
from tests.ports import free_port

PAGE = "docs/proxy.md"
TEXT = pages()[PAGE]
EXAMPLE = ROOT / "zones" / "proxy.yaml"
ADDRESSES = [f"127.0.1.{last}" for last in (1, 11, 12, 13, 15, 16)]
DEADLINE_S = 30.0
BLOCKS = [one for one in fences("yaml") if one.page == PAGE]


def rows(head: str) -> list[list[str]]:
    """The cells of the table of the page whose first line begins like this."""
    lines = TEXT[TEXT.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# ---------------------------------------------------------------- what it says to type


class Walk(Shell):
    """What the page has started so far."""

    normal = NORMAL + STATUS

    def __init__(self, folder: Path) -> None:
        ports = {port: free_port(*ADDRESSES) for port in (8080, 8053, 9001)}
        super().__init__(folder, ports)
        zones = folder / "zones"
        zones.mkdir()
        (zones / "proxy.yaml").write_text(swap(EXAMPLE.read_text(), ports))
        self.admin = AdminClient(Endpoint("127.0.1.1", ports[8053]))
        self._groups: list[subprocess.Popen[bytes]] = []

    def start(self, fence: Fence) -> None:
        """Runs a block of commands; what it leaves in the background ends with `stop`."""
        process = subprocess.Popen(
            ["bash", "-c", swap(fence.text, self.ports)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._groups.append(process)
        assert process.wait(DEADLINE_S) == 0

    def stop(self) -> None:
        """Ends everything that was started, gently."""
        for process in self._groups:
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue  # it left nothing behind

    def bring(self, state: str) -> None:
        """Waits until all backends are up."""
        assert state == "all are up"
        wait_for(self._are_up, within_s=DEADLINE_S)

    def _are_up(self) -> bool:
        try:
            told: Any = self.admin.get("/api/v1/status")
        except AdminError:
            return False
        return {one["state"] for one in told["backends"].values()} == {"up"}

    def metrics(self) -> str:
        """What Prometheus would read."""
        connection = HTTPConnection("127.0.1.1", self.ports[8053], timeout=DEADLINE_S)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()


@contextmanager
def walking(folder: Path) -> Iterator[Walk]:
    with ExitStack() as stack:
        stack.enter_context(uncounted())
        walk = Walk(folder)
        stack.callback(walk.stop)
        yield walk


def steps() -> Iterator[Fence]:
    """The blocks of the first five minutes that are typed, in order."""
    last = [one for one in fences("console") if one.page == PAGE][-1]
    for fence in every_fence():
        if fence.page == PAGE and fence.line <= last.line and fence.kind in ("sh", "console"):
            yield fence


def test_five_minutes(tmp_path: Path) -> None:
    with walking(tmp_path) as walk:
        for fence in steps():
            if fence.kind == "sh":
                walk.start(fence)
                continue
            if fence.state:
                walk.bring(fence.state)
            assert list(differences(walk, fence)) == []
        assert describe_metrics(walk.metrics()) == sorted(rows("| metric | labels |"))


def describe_metrics(page: str) -> list[list[str]]:
    """The rows of the page's table: name, labels, what it says, of our own metrics."""
    found = []
    for family in text_string_to_metric_families(page):
        if not family.name.startswith("gslb_"):
            continue
        labels = {name for sample in family.samples for name in sample.labels if name != "le"}
        name = family.name + "_total" * (family.type == "counter")
        told = next((row[1] for row in rows("| metric | labels |") if row[0] == f"`{name}`"), "")
        if not family.samples:  # of what has not happened yet no label is known
            labels = set(re.findall(r"`(\w+)`", told))
        found.append([f"`{name}`", ", ".join(f"`{one}`" for one in sorted(labels))])
        found[-1].append(family.documentation)
    return sorted(found)


# ---------------------------------------------------------------- its blocks


def complete(part: dict[str, Any]) -> dict[str, Any]:
    """The example with a part of its proxy replaced; of pools, those that are named."""
    whole = yaml.safe_load(EXAMPLE.read_text())
    proxy = whole["proxies"]["eu-west"]
    pools = {**proxy["pools"], **part.get("pools", {})}
    whole["proxies"]["eu-west"] = {**proxy, **part, "pools": pools}
    return whole


def make_files(folder: Path) -> None:
    """The certificates and secrets that blocks name."""
    (folder / "tls").mkdir()
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "tls" / "ca.pem")
    for name in ("shop", "api"):
        leaf = ca.issue_cert(f"{name}.example")
        leaf.cert_chain_pems[0].write_to_path(folder / "tls" / f"{name}.pem")
        leaf.private_key_pem.write_to_path(folder / "tls" / f"{name}.key")
        (folder / "tls" / f"{name}.key").chmod(0o600)
    (folder / "affinity.secret").write_bytes(b"x" * 32)
    (folder / "affinity.secret").chmod(0o600)


@pytest.mark.parametrize("fence", BLOCKS, ids=lambda one: one.place)
def test_every_block_loads_without_a_warning(tmp_path: Path, fence: Fence) -> None:
    make_files(tmp_path)
    part = yaml.safe_load(fence.text)
    main = tmp_path / "gslb.yaml"
    main.write_text(yaml.safe_dump(complete(part)))
    found = load(main)
    assert [one for one in found.warnings if not is_of_example(one.path, part)] == []
    assert set(part.get("pools", {})) <= set(found.system.proxies["eu-west"].pools)


def is_of_example(path: str, part: dict[str, Any]) -> bool:
    """Whether this is a pool of the example that the block has no use for."""
    return path == "proxies.eu-west.pools.api" and "api" not in part.get("pools", {})


def test_the_page_has_blocks() -> None:
    assert len(BLOCKS) > 8
    assert {one.file for one in BLOCKS} == {"proxy.yaml"}


# ---------------------------------------------------------------- its tables


def test_defaults_are_those_of_the_model() -> None:
    parts = {"timeouts": Timeouts(), "limits": HttpLimits(), "shed": ShedSettings()}
    named = {}
    for key, default, *_ in rows("| key | default | what it bounds |"):
        part, _, field = key.strip("`").partition(".")
        owner = parts[part] if field else Proxy
        value = getattr(owner, field) if field else drain_default()
        named[key.strip("`")] = value
        assert default == ("none" if value is None else f"{value:g}"), key
    known = {f"{part}.{name}" for part, one in parts.items() for name in vars_of(one)}
    assert set(named) - {"drain_timeout_s"} == known


def vars_of(settings: Any) -> list[str]:
    return list(type(settings).__dataclass_fields__)


def drain_default() -> float:
    return Proxy.__dataclass_fields__["drain_timeout_s"].default


INNER = {"total", "head", "queue", "result", "ms"}
"""Of `timers` and `tried`."""


def test_fields_of_the_log_are_those_that_are_written() -> None:
    listed = {name for row in rows("| field | what it says |") for name in spans(row[0])}
    composed = inspect.getsource(audit)
    written = set(re.findall(r'"(\w+)":', composed)) - INNER
    written |= set(re.findall(r'(?:record|told)\["(\w+)"\]', composed))
    for module in (admission, caching, exchange, tier):
        written |= set(re.findall(r'\.note\("(\w+)"', inspect.getsource(module)))
    assert listed == written


def spans(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_words_of_the_health_path_are_those_that_are_said() -> None:
    told = {row[0].strip("`") for row in rows("| word | when |")}
    said = re.findall(r'return "(.+)"', inspect.getsource(tier.Tier.why_unwell))
    assert told == set(said)
