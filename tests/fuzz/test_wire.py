"""The fuzz run itself: it passes, it repeats, it finds what is wrong and writes it down."""

from __future__ import annotations

import random

import pytest

from tests.engine.conformance.asking import World, compile_text
from tests.engine.conformance.zones import RFC4592
from tests.fuzz import wire


def test_a_short_run_finds_nothing(tmp_path, capsys):
    assert wire.main(["--seconds", "0.5", "--seed", "1", "--folder", str(tmp_path)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == "seed 1"
    assert last.startswith("seed 1: ")
    assert last.endswith("no failure")
    assert list(tmp_path.iterdir()) == []


def test_a_seed_repeats_its_queries():
    one, other = random.Random(7), random.Random(7)
    cases = [wire.make_case(one) for _ in range(200)]
    assert cases == [wire.make_case(other) for _ in range(200)]
    assert len(set(cases)) > 190


@pytest.fixture
def broken() -> World:
    """A world whose fast path crashes on one opcode."""
    world = World(compile_text(RFC4592, "example"))

    sound = world.fast

    class Broken:
        def answer(self, octets, source):
            if len(octets) > 2 and octets[2] >> 3 & 31 == 2:
                raise IndexError("a crash made for the test")
            return sound.answer(octets, source)

    world.fast = Broken()
    return world


def test_a_failure_ends_the_run_with_a_reproducer(tmp_path, broken, capsys, monkeypatch):
    assert wire.run([broken], seconds=60, seed=1, folder=tmp_path) == 1
    (path,) = tmp_path.iterdir()
    assert "a crash made for the test" in path.read_text()
    assert f"--replay {path}" in capsys.readouterr().out
    assert wire.main(["--replay", str(path)]) == 0  # on the sound worlds
    monkeypatch.setattr(wire, "make_worlds", lambda: (broken,))
    with pytest.raises(IndexError, match="made for the test"):
        wire.main(["--replay", str(path)])
