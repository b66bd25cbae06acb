"""Every block of configuration in the documentation loads, as the file that its first line names.

- `# gslb.yaml` is a main file with the zone files of its page, or a part of one: then what it lacks
  is the example's, and it is loaded with a small zone.
- `# zones/NAME.yaml` is a whole zone file. It is loaded with the main file that its page shows if
  that one has sites, else with the example's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.geo.load import load_table
from tests.docs.pages import ROOT, Fence, every_fence, fences
from tests.geo.samples import ASHBURN, write

EXAMPLE = ROOT / "zones" / "gslb.yaml"
MAIN = "gslb.yaml"
SMALL_ZONE = """
zone: gslb.shop.example
nameservers: {ns1.gslb.shop.example: [192.0.2.53]}
services: {www: {answers: {SITE: {}}}}
"""
OTHERS = ("rules.yaml", "agents.yaml", "proxy.yaml")
"""What tests of their own read: test_health.py and tests/config/test_document.py."""
Files = dict[str, str]


def is_zone(fence: Fence) -> bool:
    return re.fullmatch(r"zones/[a-z]+\.yaml", fence.file or "") is not None


def cases() -> Iterator[tuple[str, Files]]:
    """What is loaded together: a name for the test, and files by their paths."""
    for page in dict.fromkeys(fence.page for fence in fences("yaml")):
        of_page = [fence for fence in fences("yaml") if fence.page == page]
        zones = {fence.place: {str(fence.file): fence.text} for fence in of_page if is_zone(fence)}
        for fence in of_page:
            if fence.file == MAIN and "sites" in sections(fence.text) and zones:
                whole: Files = {MAIN: fence.text}
                for zone in zones.values():
                    whole |= zone
                yield fence.place, whole
                zones = {}
            elif fence.file == MAIN:
                yield fence.place, {MAIN: complete(fence.text), "zones/small.yaml": small(fence)}
        for place, zone in zones.items():
            yield place, {MAIN: complete(""), **zone}


def small(fence: Fence) -> str:
    """A zone that answers with the first site of a main file."""
    found = re.search(r"^sites:\n  ([\w-]+):", fence.text, re.MULTILINE)
    return SMALL_ZONE.replace("SITE", found.group(1) if found else "eu-west")


def sections(text: str) -> Files:
    """The top-level keys of a YAML text, each with its lines."""
    parts = re.split(r"^(?=\w+:)", text, flags=re.MULTILINE)
    return {part.partition(":")[0]: part for part in parts if re.match(r"\w+:", part)}


def complete(text: str) -> str:
    """A main file: a part of one, and the example's keys that it lacks."""
    theirs = sections(EXAMPLE.read_text())
    given = sections(text)
    return text + "".join(part for key, part in theirs.items() if key not in given)


CASES = dict(cases())


@pytest.mark.parametrize("place", CASES)
def test_every_block_loads_without_a_warning(tmp_path: Path, place: str) -> None:
    for name, text in CASES[place].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for name in re.findall(r"_file: ([\w.-]+)", CASES[place][MAIN]):
        (tmp_path / name).touch(0o600)
    databases = re.findall(r"geodata/[\w.-]+\.mmdb", CASES[place][MAIN])
    (tmp_path / "geodata").mkdir()
    for name in databases:
        write(tmp_path / name, {"192.0.2.0/24": ASHBURN})
    found = load(tmp_path / MAIN)
    # The programs of `command` are the reader's own.
    assert [one for one in found.warnings if ".command." not in one.path] == []
    assert len(found.zones) == len(CASES[place]) - 1
    if databases:
        assert "city:Ashburn" in {
            level for one in load_table(found.system.geo).locations for level in one.levels
        }


def test_every_block_says_which_file_it_is() -> None:
    known = (MAIN, *OTHERS)
    unknown = [one.place for one in fences("yaml") if one.file not in known and not is_zone(one)]
    assert unknown == []


def test_no_block_is_left_out() -> None:
    hidden = re.compile(r"^(zone|services|sites|listen|answers):", re.MULTILINE)
    missed = [one.place for one in every_fence() if one.kind != "yaml" and hidden.search(one.text)]
    assert missed == []
    loaded = {text for files in CASES.values() for text in files.values()}
    ours = [one for one in fences("yaml") if one.file not in OTHERS]
    parts = [one for one in ours if not any(one.text in text for text in loaded)]
    assert parts == []
    assert len(CASES) > 10
