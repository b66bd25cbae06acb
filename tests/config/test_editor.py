import re
from pathlib import Path

import pytest

from gslb.config.editor import editor_schema
from gslb.config.schema import MainFile
from gslb.config.yaml_tree import read_tree
from gslb.config.zone_schema import ZoneFile

ROOT = Path(__file__).parents[2]
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
         "object": dict, "null": type(None)}  # fmt: skip
KEYWORDS = {
    "$schema", "$defs", "$ref", "type", "format", "description", "default", "anyOf", "enum",
    "const",
    "properties", "required", "additionalProperties", "propertyNames", "items", "minProperties",
    "maxProperties", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum",
}  # fmt: skip


POOL = {"backends": {"b": {"address": "192.0.2.9:80"}}}
PROXY = {"site": "eu", "listen": [{"address": "192.0.2.1:80"}], "pools": {"a": POOL}}


def accepts(schema: dict, value: object, root: dict) -> bool:
    """A small independent judge of the keywords that the schema uses."""
    assert schema.keys() <= KEYWORDS
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root)
    if "anyOf" in schema and not any(accepts(one, value, root) for one in schema["anyOf"]):
        return False
    kind = schema.get("type")
    if kind and (
        not isinstance(value, TYPES[kind])
        or (kind != "boolean" and value in (True, False) and isinstance(value, bool))
    ):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(value, dict):
        return accepts_mapping(schema, value, root)
    if isinstance(value, list):
        within = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
        return within and all(accepts(schema.get("items", {}), one, root) for one in value)
    if isinstance(value, str):
        return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
    if isinstance(value, int | float):
        above = value > schema.get("exclusiveMinimum", float("-inf"))
        below = value < schema.get("exclusiveMaximum", float("inf"))
        return (
            above
            and below
            and schema.get("minimum", value) <= value <= schema.get("maximum", value)
        )
    return True


def accepts_mapping(schema: dict, value: dict, root: dict) -> bool:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    if not set(schema.get("required", ())) <= value.keys():
        return False
    if len(value) > schema.get("maxProperties", 10**9) or len(value) < schema.get(
        "minProperties", 0
    ):
        return False
    for key, one in value.items():
        judge = known.get(key, others)
        if judge is False or (judge is not True and not accepts(judge, one, root)):
            return False
    return True


def data_of(path: Path) -> dict:
    return read_tree(path.read_bytes(), path.name).data


@pytest.mark.parametrize(
    ("model", "path"),
    [(MainFile, "zones/gslb.yaml"), (ZoneFile, "zones/zones/shop.yaml")],
)
def test_schema_accepts_the_contract(model, path):
    schema = editor_schema(model)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert accepts(schema, data_of(ROOT / path), schema)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (MainFile, {"workers": 65}),
        (MainFile, {"workers": "auto2"}),
        (MainFile, {"nodes": "a"}),
        (MainFile, {"store": 7}),
        (MainFile, {"orders": {"eu": {"do": "drian", "reason": "r"}}}),
        (MainFile, {"orders": {"eu": {"do": "drain"}}}),
        (MainFile, {"agents": {"a": {"location": {"asn": 0}}}}),
        (MainFile, {"agents": {"a": {"public_key": 7}}}),
        (MainFile, {"agents": {f"a{one}": {} for one in range(201)}}),
        (MainFile, {"admin": {"tokens": [7]}}),
        (MainFile, {"events": {"webhok": "https://x.example"}}),
        (MainFile, {"redis": {"timeout_s": 0}}),
        (MainFile, {"health": {"canaries": [{"of": [{"tcp": {"port": 1}}]}]}}),
        (MainFile, {"health": {"canaries": [{"need": "most"}]}}),
        (MainFile, {"health": {"canaries": [{"command": "true"}]}}),
        (MainFile, {"health": {"canaries": [{"http": {"expect_json": {"a": [1]}}}]}}),
        (MainFile, {"listen": {"dns": []}}),
        (MainFile, {"health": {"quorum": True}}),
        (MainFile, {"proxies": {"eu": {"site": "eu"}}}),
        (MainFile, {"proxies": {"eu": PROXY | {"workers": 0}}}),
        (MainFile, {"proxies": {"eu": PROXY | {"routes": [{"name": "r", "priority": "top"}]}}}),
        (MainFile, {"proxies": {"eu": PROXY | {"routes": [{"name": "r", "headers": {"A": 1}}]}}}),
        (MainFile, {"proxies": {"eu": PROXY | {"routes": [{"name": "r", "cache": 5}]}}}),
        (MainFile, {"proxies": {"eu": PROXY | {"pools": {"a": POOL | {"balance": "best"}}}}}),
        (
            MainFile,
            {"proxies": {"eu": PROXY | {"pools": {"a": POOL | {"hedge": {"quantile": 1}}}}}},
        ),
        (MainFile, {"proxies": {"eu": PROXY | {"pools": {"a": POOL | {"send_proxy": "v3"}}}}}),
        (ZoneFile, {"negative_ttl": "30"}),
        (ZoneFile, {"services": {"www": {"answers": {}, "policy": ["helth"]}}}),
        (
            ZoneFile,
            {"services": {"www": {"answers": {}, "policy": [{"sticky": {"ipv4_prefix": 33}}]}}},
        ),
        (ZoneFile, {"services": {"www": {"answers": {}, "ttl": {"mx": 1}}}}),
        (ZoneFile, {"services": {"www": {"answers": {}, "when_all_down": "none"}}}),
        (ZoneFile, {"services": {"www": {}}}),
    ],
)
def test_schema_refuses_what_check_refuses(model, change):
    schema = editor_schema(model)
    good = {"zone": "g.example"} if model is ZoneFile else {}
    assert accepts(schema, good, schema)
    assert not accepts(schema, good | change, schema)


def test_schema_describes_every_key_on_one_line():
    for model in (MainFile, ZoneFile):
        schema = editor_schema(model)
        for part in (schema, *schema["$defs"].values()):
            for key, found in part.get("properties", {}).items():
                text = found.get("description") or "$ref" in found
                assert text, key
                assert not re.search(r"\n", found.get("description", "")), key


@pytest.mark.parametrize("name", ["agents.yaml", "proxy.yaml"])
def test_schema_accepts_the_examples(name):
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (main,) = re.findall(rf"```yaml\n# {name}\n(.*?)```", text, re.DOTALL)
    schema = editor_schema(MainFile)
    assert accepts(schema, read_tree(main.encode(), name).data, schema)


def test_schema_accepts_a_smallest_proxy():
    schema = editor_schema(MainFile)
    assert accepts(schema, {"proxies": {"eu": PROXY}}, schema)
