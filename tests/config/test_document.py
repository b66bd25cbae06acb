import re
from pathlib import Path

import pytest

from gslb.config.check_schema import CheckEntry, HttpsEntry, TcpCheckEntry
from gslb.config.document import compose_page
from gslb.config.document_proxy import PROXY_SECTIONS
from gslb.config.health_schema import (
    AgentEntry,
    AgentLocationEntry,
    HealthEntry,
    OrderEntry,
    RedisEntry,
)
from gslb.config.load import load
from gslb.config.schema import AdminEntry, EventsEntry, MainFile
from gslb.config.zone_schema import AnswerEntry, ServiceEntry, ZoneFile

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_page_is_up_to_date():
    told = "docs/configuration.md is old: run python -m gslb.config.document"
    assert PAGE.read_text(encoding="utf-8") == compose_page(), told


def test_example_blocks_load(write):
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for name, _ in blocks] == [
        *("gslb.yaml", "agents.yaml", "proxy.yaml", "zones/shop.yaml")
    ]
    zone = blocks[3][1]
    found = load(write(blocks[0][1], **{"zones/shop.yaml": zone}))
    assert found.warnings == ()
    assert len(found.zones[0].source.services) == 4


def test_example_with_agents_loads(write):
    text = PAGE.read_text(encoding="utf-8")
    (main,) = re.findall(r"```yaml\n# agents.yaml\n(.*?)```", text, re.DOTALL)
    zone = "zone: g.example\nnameservers: {ns.x.example: []}\n"
    path = write(main, **{"redis.password": "x", "redis-ca.pem": "x", "zones/z.yaml": zone})
    Path("redis.password").chmod(0o600)
    found = load(path)
    (warning,) = found.warnings
    assert "./checks/replication.sh: there is no such file on this machine" in str(warning)
    assert list(found.system.agents) == ["fra", "iad"]
    assert len(found.system.health.canaries) == 2


def test_example_with_a_proxy_loads(write):
    text = PAGE.read_text(encoding="utf-8")
    (main,) = re.findall(r"```yaml\n# proxy.yaml\n(.*?)```", text, re.DOTALL)
    files = [f"tls/{name}" for name in ("shop.pem", "shop.key", "api.pem", "api.key", "ca.pem")]
    path = write(main, **dict.fromkeys([*files, "affinity.secret"], "x"))
    for name in ("tls/shop.key", "tls/api.key", "affinity.secret"):
        Path(name).chmod(0o600)
    found = load(path)
    assert found.warnings == ()
    assert [route.name for route in found.system.proxies["eu-west"].routes] == [
        *("plain", "api", "static", "staff", "default")
    ]


MODELS = [
    *(model for _, model in PROXY_SECTIONS),
    *(MainFile, ZoneFile, ServiceEntry, AnswerEntry, CheckEntry, HttpsEntry, TcpCheckEntry),
    *(AgentEntry, AgentLocationEntry, HealthEntry, OrderEntry, RedisEntry, AdminEntry, EventsEntry),
]


@pytest.mark.parametrize("model", MODELS)
def test_page_names_every_key(model):
    page = PAGE.read_text(encoding="utf-8")
    assert [key for key in model.model_fields if f"| `{key}` | " not in page] == []


def test_page_gives_every_key_a_meaning():
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []
