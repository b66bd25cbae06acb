import re
from pathlib import Path

import pytest

from gslb.config.document import compose_page
from gslb.config.load import load
from gslb.config.schema import MainFile
from gslb.config.zone_schema import AnswerEntry, ServiceEntry, ZoneFile

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_page_is_up_to_date():
    told = "docs/configuration.md is old: run python -m gslb.config.document"
    assert PAGE.read_text(encoding="utf-8") == compose_page(), told


def test_example_blocks_load(write):
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for name, _ in blocks] == ["gslb.yaml", "zones/shop.yaml"]
    found = load(write(blocks[0][1], **{blocks[1][0]: blocks[1][1]}))
    assert found.warnings == ()
    assert len(found.zones[0].source.services) == 4


@pytest.mark.parametrize("model", [MainFile, ZoneFile, ServiceEntry, AnswerEntry])
def test_page_names_every_key(model):
    page = PAGE.read_text(encoding="utf-8")
    assert [key for key in model.model_fields if f"| `{key}` | " not in page] == []


def test_page_gives_every_key_a_meaning():
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []
