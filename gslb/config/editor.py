"""The JSON Schema (2020-12) of the operator's files, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from gslb.config.entry import Entry

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def editor_schema(model: type[Entry]) -> dict[str, Any]:
    """The schema of one kind of file: `MainFile` or `ZoneFile`."""
    plain: dict[str, Any] = _plain(model.model_json_schema())
    return {"$schema": _DIALECT, **plain}


def _plain(schema: Any) -> Any:
    """A schema without the titles that pydantic makes of names, and with each text on one line."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: " ".join(value.split()) if _is_text(key, value) else _plain(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _is_text(key: str, value: object) -> bool:
    return key == "description" and isinstance(value, str)
