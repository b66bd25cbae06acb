"""The parent of every mapping in the operator's files."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """The parent of every mapping in the operator's files: no unknown keys, no guessed types."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def widen_list(value: object) -> object:
    """A bare text is a list of one."""
    return [value] if isinstance(value, str) else value
