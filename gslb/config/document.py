"""docs/configuration.md, written from the schema: `python -m gslb.config.document`.

Every key, what it takes, its default and its meaning come from the models, so the page cannot say
anything else than `gslb check` does. A test compares the page with what this module writes, and
loads the examples.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from gslb.config import check_schema, health_schema, schema, zone_schema
from gslb.config.document_proxy import PROXY_EXAMPLE, PROXY_SECTIONS
from gslb.config.words import Schema, allowed_by, resolve
from gslb.policy.registry import FILTERS

PAGE = Path("docs/configuration.md")

_MAIN: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", schema.MainFile),
    ("listen", schema.ListenEntry),
    ("geo", schema.GeoEntry),
    ("redis", health_schema.RedisEntry),
    ("health", health_schema.HealthEntry),
    ("agents.NAME", health_schema.AgentEntry),
    ("agents.NAME.location", health_schema.AgentLocationEntry),
    ("orders.SITE", health_schema.OrderEntry),
    ("admin", schema.AdminEntry),
    ("events", schema.EventsEntry),
    ("edns", schema.EdnsEntry),
    ("tcp", schema.TcpEntry),
    ("log", schema.LogEntry),
    ("sites.NAME", schema.SiteEntry),
    ("sites.NAME.location", health_schema.LocationEntry),
    ("sites.NAME.check", check_schema.CheckEntry),
    ("sites.NAME.check.http", check_schema.HttpEntry),
    ("sites.NAME.check.https", check_schema.HttpsEntry),
    ("sites.NAME.check.tcp", check_schema.TcpCheckEntry),
    ("sites.NAME.check.of", check_schema.KindEntry),
)
_ZONE: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", zone_schema.ZoneFile),
    ("services.NAME", zone_schema.ServiceEntry),
    ("services.NAME.answers.NAME", zone_schema.AnswerEntry),
    ("services.NAME.ttl", zone_schema.TtlEntry),
    ("services.NAME.when_all_down", zone_schema.AllDownEntry),
)

_HEAD = """\
# Configuration

<!-- Written by `python -m gslb.config.document` from the schema in gslb/config/; do not edit. -->

One main file describes the whole system; it names zone files, and a zone file may name a master
file. `gslb check FILE` says everything that is wrong in all of them at once, each as
`file:line:column: path: what is wrong and what is allowed`. `gslb schema` and `gslb schema --zone`
print JSON Schemas for editors.

The files are YAML with fewer surprises: only `true`, `false`, `null` and decimal numbers are not
text (`NO`, `on`, `12:30` and `017` are text); a key given twice is an error, and so is an unknown
key. Anchors and aliases are allowed; tags, merge keys (`<<`) and several documents in a file are
not. A file may be 2 MB large, 20 levels deep, and hold 100,000 values with what aliases repeat.
"""

_PROXY_HEAD = """\
The key `proxies` of the main file: regional load balancers, which `gslb proxy FILE` runs. A main
file may hold nothing else, or all of a system.
"""

_MAIN_EXAMPLE = """\
# gslb.yaml
node: ns1
listen:
  dns: ["192.0.2.53:53", "[2001:db8::53]:53"]
  admin: "127.0.0.1:8053"
workers: auto
geo:
  maps:
    office: [203.0.113.0/24, "2001:db8:ffff::/48"]
health: {quorum: 0.5, max_withdrawn: 0.67}
edns: {udp_size: 1232, client_subnet: true}
log: {level: info, decisions: decisions.jsonl, decision_share: 0.01}
zones: [zones/*.yaml]
sites:
  eu:
    addresses: [192.0.2.1, "2001:db8:1::1"]
    location: {country: DE, latitude: 50.11, longitude: 8.68}
    capacity: 300
    check: &web
      https: {path: /healthz, host: www.shop.example, expect_body: ok}
      interval_s: 2
      timeout_s: 1
  us:
    addresses: [198.51.100.1, "2001:db8:2::1"]
    location: {country: US, latitude: 39.04, longitude: -77.49}
    capacity: 200
    check: *web
"""

_AGENTS_EXAMPLE = """\
# agents.yaml
node: ns1
listen: {dns: ["192.0.2.53:53"], admin: "192.0.2.53:8053"}
admin:
  tokens: [64240a5c0c9cf60a69ced045b7f14b9d8628fb9a2a6d1e43c394d7e3c14a0b2d]
store: rediss+sentinel://192.0.2.61:26379,192.0.2.62:26379/gslb/0
redis: {username: ns, password_file: redis.password, ca_file: redis-ca.pem}
state_dir: state
events: {webhook: https://alerts.example/gslb}
health:
  stale_after_s: 10
  max_withdrawn: 0.5
  canaries:
    - {tcp: {address: 198.51.100.253, port: 53}}
    - {https: {address: 203.0.113.253, host: canary.example}}
agents:
  fra:
    location: {country: DE, latitude: 50.11, longitude: 8.68, asn: 64500}
    failure_domain: cloud-a
    public_key: QXknhluVdhQpNMwct6cRIALynxbGyIXw8DJBDkne6dY=
  iad:
    location: {country: US, latitude: 39.04, longitude: -77.49}
    failure_domain: cloud-b
    public_key: [Yrl7qPMqTjEk2OhpVDN/ifw30eSl2h03ho9SGI6stGE=,
                 Zq9Ug/0Fgv29PhU8s8fkEDvdkMgIj94YCqIsrPJcqDs=]
    sites: [eu, us]
orders:
  us: {do: drain, reason: new power supply, owner: anna, until: "2099-01-31T18:00:00Z"}
zones: [zones/*.yaml]
sites:
  eu:
    addresses: [192.0.2.1]
    check:
      of:
        - https: {host: www.shop.example, headers: {Accept: application/json},
                  expect_json: {status: ok, checks.0.name: db}, max_ms: 500}
        - tcp: {port: 25, send: "EHLO probe.example\\r\\n", expect: "250"}
        - command: [./checks/replication.sh, eu]
      need: 2
      interval_s: 2
      fast_interval_s: 0.5
  us:
    addresses: [198.51.100.1]
    check: {http: {method: HEAD, address: 198.51.100.9}, interval_s: 2}
"""

_ZONE_EXAMPLE = """\
# zones/shop.yaml
zone: gslb.shop.example
nameservers:
  ns1.gslb.shop.example: [192.0.2.53, "2001:db8::53"]
  ns2.gslb.shop.example: [198.51.100.53]
contact: hostmaster@shop.example
services:
  www:
    ttl: {max: 60, min: 5}
    answers:
      eu: {serves: [continent:EU, continent:AF, default]}
      us: {serves: [continent:NA, continent:SA, map:office]}
    policy: [health, geo, weighted]
  pay:
    answers: {us: {order: 1}, eu: {order: 2}}
    policy: [health, failover]
    when_all_down: {addresses: [192.0.2.99]}
  cart:
    answers: {eu: {weight: 2}, us: {weight: 1}}
    policy: [health, {sticky: {ipv4_prefix: 24}}]
  cdn:
    answers:
      cdn-a: {cname: shop.cdn-a.example., weight: 9}
      cdn-b: {cname: shop.cdn-b.example., weight: 1}
    policy: [weighted]
"""


SECTIONS: dict[str, tuple[tuple[str, type[BaseModel]], ...]] = {
    "The main file": _MAIN,
    "Proxies": PROXY_SECTIONS,
    "Zone files": _ZONE,
    "Options of filters": tuple(
        (name, found.Options) for name, found in FILTERS.items() if found.Options.model_fields
    ),
}
"""All sections by their heading: where the keys stand, and the model that has them."""


class Row(NamedTuple):
    """One key, as people read it."""

    key: str
    takes: str
    default: str
    meaning: str


def compose_page() -> str:
    """The whole page."""
    return "\n".join(_page()).rstrip() + "\n"


def _page() -> Iterator[str]:
    yield _HEAD
    yield "## The main file\n"
    yield f"```yaml\n{_MAIN_EXAMPLE}```\n"
    yield "With agents and Redis:\n"
    yield f"```yaml\n{_AGENTS_EXAMPLE}```\n"
    yield from _sections("The main file")
    yield "## Proxies\n"
    yield _PROXY_HEAD
    yield f"```yaml\n{PROXY_EXAMPLE}```\n"
    yield from _sections("Proxies")
    yield "## Zone files\n"
    yield f"```yaml\n{_ZONE_EXAMPLE}```\n"
    yield from _sections("Zone files")
    yield "## Options of filters\n"
    yield "In `services.NAME.policy` as `{name: {option: value}}`; see docs/policies.md.\n"
    yield from _sections("Options of filters")


def _sections(heading: str) -> Iterator[str]:
    for path, model in SECTIONS[heading]:
        yield from _section(path, model)


def _section(path: str, model: type[BaseModel]) -> Iterator[str]:
    about, rows = read_rows(model)
    if path:
        yield f"### `{path}`\n"
    yield f"{about}\n"
    yield "| key | takes | default | meaning |"
    yield "|---|---|---|---|"
    for row in rows:
        cells = (f"`{row.key}`", *row[1:])
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def read_rows(model: type[BaseModel]) -> tuple[str, list[Row]]:
    """What a model is about, and its keys."""
    root = model.model_json_schema()
    rows = []
    for key, found in root["properties"].items():
        default = _default(found, is_required=key in root.get("required", ()))
        meaning = _flat(found.get("description") or resolve(found, root).get("description", ""))
        rows.append(Row(key, allowed_by(found, root), default, meaning))
    return _flat(root.get("description", "")), rows


def _default(found: Schema, *, is_required: bool) -> str:
    """The default as YAML shows it; a mapping of other keys has its defaults in its own section."""
    if is_required:
        return "required"
    if "$ref" in found:
        return "see below"
    value: Any = found.get("default")
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _flat(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Writes the page to the path given, else to docs/configuration.md."""
    page = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    page.write_text(compose_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
