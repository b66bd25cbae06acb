"""The examples of docs/algorithms.md are run.

Each line of a `text` fence is one. Its first word is the algorithm, between semicolons are the
members and the requests, behind the arrow is who gets them:

    consistent_hash; weights a 1, b 1; bound 1.25; stay; keys hot hot hot -> a a b

Or it tells of many keys: `maglev: 20000 keys on 10 backends: the busiest has 104 % of its share;
removing one moves 10.8 %`.
"""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_address

import pytest

from gslb.balance.algorithms.base import hash_key
from gslb.model.proxy import Algorithm as Word
from gslb.model.proxy import BalanceSpec
from tests.balance.algorithms.values import crew, equals, make, pick
from tests.docs.pages import fences, prose

PAGE = "docs/algorithms.md"
LINES = [
    line for one in fences("text") if one.page == PAGE for line in one.text.splitlines() if line
]
EXAMPLES = [line for line in LINES if " -> " in line]
MANY = [line for line in LINES if " -> " not in line]


def named(text: str) -> dict[str, float]:
    """`a 5, b 1` as a mapping; a unit behind a number is not read."""
    return {part.split()[0]: float(part.split()[1]) for part in text.split(", ")}


class Example:
    """What the parts of a line set up, in their order."""

    def __init__(self, word: str, parts: list[str]) -> None:
        given = dict(part.partition(" ")[::2] for part in parts)
        weights = {name: int(one) for name, one in named(given.pop("weights")).items()}
        bound = given.pop("bound", None)
        self.members = crew(**weights)
        self.by_name = {one.name: one for one in self.members}
        self.now = 0.0
        self.stays = given.pop("stay", None) is not None
        self.algorithm = make(word, self.members, float(bound) if bound else None)
        self.requests: dict[str, list] = {}
        for part in parts:
            verb, _, text = part.partition(" ")
            if verb not in {"weights", "bound", "stay"}:
                getattr(self, f"take_{verb}")(text)

    def take_busy(self, text: str) -> None:
        for name, active in named(text).items():
            self.by_name[name].active = active

    def take_scale(self, text: str) -> None:
        for name, scale in named(text).items():
            self.by_name[name].scale = scale
        self.algorithm.renew(self.members)

    def take_times(self, text: str) -> None:
        assert text.count(" ms") == len(named(text))
        for name, time_ms in named(text).items():
            self.by_name[name].observe(time_ms / 1000, self.now)

    def take_after(self, text: str) -> None:
        self.now += float(text.removesuffix(" s"))

    def take_down(self, text: str) -> None:
        self.members = [one for one in self.members if one.name != text]
        self.algorithm.renew(self.members)

    def take_costs(self, text: str) -> None:
        self.requests["cost"] = [float(one) for one in text.split()]

    def take_draws(self, text: str) -> None:
        self.requests["draw"] = [float(one) for one in text.split()]

    def take_keys(self, text: str) -> None:
        self.requests["key"] = [hash_key(one.encode()) for one in text.split()]

    def take_clients(self, text: str) -> None:
        self.requests["key"] = [hash_key(ip_address(one).packed) for one in text.split()]

    def run(self, number: int) -> list[str | None]:
        """Who gets so many requests."""
        assert all(len(values) == number for values in self.requests.values())
        return [
            self.request({name: values[index] for name, values in self.requests.items()})
            for index in range(number)
        ]

    def request(self, given: dict[str, float]) -> str | None:
        name = pick(self.algorithm, self.members, now=self.now, **given)
        if self.stays and name:
            self.by_name[name].active += given.get("cost", 1.0)
        return name


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_what_happens(line: str) -> None:
    setting, _, told = line.partition(" -> ")
    word, *parts = setting.split("; ")
    expected = told.split()
    assert Example(word, parts).run(len(expected)) == expected


def test_every_algorithm_has_an_example() -> None:
    assert {line.split(";")[0] for line in EXAMPLES} == set(Word)


@pytest.mark.parametrize("line", MANY)
def test_what_is_told_of_many_keys_is_counted(line: str) -> None:
    form = r"(\w+): (\d+) keys on (\d+) backends: .* has (\d+) % of its share; .* moves ([\d.]+) %"
    word, keys, number, busiest, moves = re.fullmatch(form, line).groups()
    members = equals(int(number))
    hashed = [hash_key(f"key {index}".encode()) for index in range(int(keys))]
    before, after = (
        [pick(algorithm, left, key=key) for key in hashed]
        for left in (members, members[:-1])
        for algorithm in [make(word, left)]
    )
    most = max(Counter(before).values()) * len(members) / len(hashed)
    moved = sum(one != other for one, other in zip(before, after, strict=True)) / len(hashed)
    assert (f"{most:.0%}", f"{moved:.1%}") == (f"{busiest}%", f"{moves}%")


def test_many_keys_are_told_of_for_the_two_with_a_table() -> None:
    assert [line.split(":")[0] for line in MANY] == ["consistent_hash", "maglev"]


def test_the_default_is_named_as_such() -> None:
    row = f"[`{BalanceSpec().algorithm}`](#{BalanceSpec().algorithm})"
    told = [line for line in prose(PAGE).splitlines() if "it is the default" in line]
    assert [line.split(" | ")[0] for line in told] == [f"| {row}"]
