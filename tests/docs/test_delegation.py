"""docs/delegation.md shows the same records in several forms, a unit file and a sum of times;
README.md shows a piece of the tour. All of it agrees with what the program says.
"""

from __future__ import annotations

import configparser
import json
import re

import dns.rdatatype
import dns.zone

from gslb.app.tour_route import REGIONS
from gslb.cli.delegation import parent_records
from gslb.cli.main import COMMANDS
from gslb.config.load import load
from tests.docs.pages import ROOT, Fence, fences, pages

PAGE = "docs/delegation.md"
PARENT = "shop.example."
Records = set[tuple[str, str, str, int]]
"""Name, type, data, TTL; all names absolute."""

(ZONE,) = load(ROOT / "zones" / "gslb.yaml").zones
WANTED: Records = {(one.name, one.type, one.data, one.ttl) for one in parent_records(ZONE)}


def only(kind: str) -> Fence:
    (found,) = (one for one in fences(kind) if one.page == PAGE)
    return found


def test_the_lines_for_a_master_file() -> None:
    lines = dns.zone.from_text(
        only("zone").text, origin=PARENT, relativize=False, check_origin=False
    )
    found: Records = {
        (str(name), dns.rdatatype.to_text(rdata.rdtype), rdata.to_text(), ttl)
        for name, ttl, rdata in lines.iterate_rdatas()
    }
    alias = (f"www.{PARENT}", "CNAME", f"www.gslb.{PARENT}", 3600)
    assert found == {*WANTED, alias}


def test_the_change_batch_for_route_53() -> None:
    sets = [change["ResourceRecordSet"] for change in json.loads(only("json").text)["Changes"]]
    found: Records = {
        (each["Name"], each["Type"], record["Value"], each["TTL"])
        for each in sets
        for record in each["ResourceRecords"]
    }
    assert found == WANTED


def test_the_lines_for_a_form() -> None:
    rows = re.findall(
        r"^\| (NS|A|AAAA) \| `(\S+)` \| `(\S+)` \| (\d+) \|$", pages()[PAGE], re.MULTILINE
    )
    found: Records = {
        (f"{name}.{PARENT}", kind, data + "." * (kind == "NS"), int(ttl))
        for kind, name, data, ttl in rows
    }
    assert found == WANTED


def test_the_unit_starts_what_there_is() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as systemd: case matters
    unit.read_string(only("ini").text)
    program, command, file = unit["Service"]["ExecStart"].split()
    assert program.endswith("/bin/gslb")
    assert command in {one.__name__ for one in COMMANDS}
    assert file.startswith("/etc/")
    assert unit["Service"]["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"


def test_the_times_add_up() -> None:
    site = load(ROOT / "zones" / "gslb.yaml").system.sites["eu-west"]
    service = next(one for one in ZONE.source.services if one.name == "www")
    rows = re.findall(r"^\| [^|]+ \| (?:\*\*)?([\d.]+)(?:\*\*)? \|$", pages()[PAGE], re.MULTILINE)
    found, follow, cached, total = map(float, rows)
    assert site.check is not None
    assert found == site.check.fall * site.check.interval_s + site.check.timeout_s
    assert cached == service.ttl_min
    assert total == found + follow + cached


def test_the_piece_of_the_tour() -> None:
    (shown,) = (one for one in fences("text") if "checks x" in one.text)
    number, title = shown.text.splitlines()[0].split(". ")
    step = REGIONS[int(number) - 1]
    assert (title, shown.text.splitlines()[1].strip()) == (step.title, step.does)
