from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gslb.model.service import FilterSpec
from gslb.policy.base import Options
from gslb.policy.registry import FILTERS, make_filter

ROOT = Path(__file__).parents[2]
SECTIONS = re.findall(
    r"^### `(\w+)`$", (ROOT / "docs" / "policies.md").read_text("utf-8"), re.MULTILINE
)

every_filter = pytest.mark.parametrize("name", sorted(FILTERS))


def test_all_filters_of_the_design_are_registered():
    assert set(FILTERS) == {
        "health",
        "geo",
        "nearest",
        "latency",
        "failover",
        "weighted",
        "round_robin",
        "sticky",
    }


@every_filter
def test_a_filter_has_a_module_a_test_file_and_a_section(name):
    assert (ROOT / "gslb" / "policy" / f"{name}.py").is_file()
    assert (ROOT / "tests" / "policy" / f"test_{name}.py").is_file()
    assert SECTIONS.count(name) == 1


def test_no_section_outlives_its_filter():
    assert set(SECTIONS) == set(FILTERS)


@every_filter
def test_a_filter_is_made_from_its_name_and_defaults(name):
    made = make_filter(FilterSpec(name))
    assert made.name == FILTERS[name].name == name


@every_filter
def test_options_are_described_bounded_and_in_the_docs(name):
    model = FILTERS[name].Options
    assert issubclass(model, Options)
    assert model.__doc__
    section = (
        (ROOT / "docs" / "policies.md")
        .read_text("utf-8")
        .split(f"### `{name}`")[1]
        .split("\n### ")[0]
    )
    for option, told in model.model_fields.items():
        assert told.description
        assert not told.is_required()
        assert told.metadata
        assert f"`{option}`" in section
        assert f"{told.default:g}" in section


@every_filter
def test_an_unknown_option_is_refused(name):
    with pytest.raises(ValidationError, match="Extra inputs"):
        FILTERS[name].Options(wieght=3)


def test_options_reach_the_filter():
    options = FILTERS["sticky"].Options(ipv4_prefix=16)
    assert make_filter(FilterSpec("sticky", options)).client_prefix == (16, 56)


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError, match="georgraphy"):
        make_filter(FilterSpec("georgraphy"))
