"""The decision log: the sample, and a file that stalls, fills up or moves away."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest

from gslb.telemetry.decisions import DecisionLog

DEADLINE_S = 10.0


class StalledFile(io.BytesIO):
    """A disk that takes its first line only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.released = threading.Event()

    def write(self, octets) -> int:
        self.reached.set()
        assert self.released.wait(DEADLINE_S)
        return super().write(octets)


class FullFile(io.BytesIO):
    """A disk without room while is_full."""

    is_full = True

    def write(self, octets) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(octets)


class NarrowFile(io.BytesIO):
    """Takes three octets a call, as a pipe may."""

    def write(self, octets) -> int:
        return super().write(octets[:3])


def numbers(octets: bytes) -> list[int]:
    return [json.loads(line)["n"] for line in octets.splitlines()]


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        (0.0, []),
        (1.0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (0.5, [2, 4, 6, 8, 10]),
        (0.3, [4, 7, 10]),
        (0.1, [10]),
        (1 / 3, [3, 6, 9]),
    ],
)
def test_the_sample_is_counted(share: float, wanted: list[int]):
    log = DecisionLog(io.BytesIO(), share)
    assert [turn for turn in range(1, 11) if log.wants()] == wanted


@pytest.mark.parametrize("share", [0.001, 0.1, 0.7])
def test_no_rounding_moves_the_sample(share: float):
    log = DecisionLog(io.BytesIO(), share)
    assert sum(log.wants() for _ in range(100_000)) == round(share * 100_000)


def test_decisions_are_appended_in_their_order(tmp_path: Path):
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"n": 0}\n')
    log = DecisionLog(str(path), 1.0)
    for number in range(1, 200):
        log.write({"n": number})
    log.close()
    assert numbers(path.read_bytes()) == list(range(200))
    assert (log.counts.written, log.counts.dropped, log.counts.failed) == (199, 0, 0)


def test_a_decision_is_one_line_whatever_it_holds():
    file = io.BytesIO()
    log = DecisionLog(file, 1.0)
    log.write({"why": "two\nlines\u2028", "client": b"\xc0\x00"})
    log.close()
    (line,) = file.getvalue().splitlines()
    assert json.loads(line) == {"why": "two\nlines\u2028", "client": "c000"}


def test_closing_leaves_a_given_stream_open():
    file = io.BytesIO()
    log = DecisionLog(file, 1.0)
    log.write({"n": 1})
    log.close()
    assert numbers(file.getvalue()) == [1]


def test_standard_streams_are_named(capfdbinary: pytest.CaptureFixture[bytes]):
    for name in ("stdout", "stderr"):
        log = DecisionLog(name, 1.0)
        log.write({"n": len(name)})
        log.close()
    assert capfdbinary.readouterr() == (b'{"n": 6}\n', b'{"n": 6}\n')


def test_a_stalled_disk_makes_nobody_wait_and_drops_are_counted():
    file = StalledFile()
    log = DecisionLog(file, 1.0, max_waiting=2)
    log.write({"n": 1})
    assert file.reached.wait(DEADLINE_S)  # the first is being written, two may wait
    for number in range(2, 7):
        log.write({"n": number})
    assert log.counts.dropped == 3
    file.released.set()
    log.close(DEADLINE_S)
    assert numbers(file.getvalue()) == [1, 2, 3]


def test_closing_gives_up_on_a_disk_that_hangs():
    file = StalledFile()
    log = DecisionLog(file, 1.0)
    log.write({"n": 1})
    assert file.reached.wait(DEADLINE_S)
    log.close(timeout_s=0.01)
    assert log.counts.written == 0
    file.released.set()


def test_a_full_disk_is_counted_told_once_and_tried_again(caplog: pytest.LogCaptureFixture):
    file = FullFile()
    log = DecisionLog(file, 1.0)
    log.write({"n": 1})
    log.write({"n": 2})
    log.close()
    assert (log.counts.written, log.counts.failed) == (0, 2)
    assert caplog.messages == ["decision log cannot be written"]


def test_lines_go_on_when_there_is_room_again():
    file = FullFile()
    log = DecisionLog(file, 1.0)
    failed = threading.Event()
    write = file.write

    def refuse_once(octets) -> int:
        try:
            return write(octets)
        finally:
            file.is_full = False
            failed.set()

    file.write = refuse_once  # type: ignore[method-assign]
    log.write({"n": 1})
    assert failed.wait(DEADLINE_S)
    log.write({"n": 2})
    log.close()
    assert numbers(file.getvalue()) == [2]
    assert (log.counts.written, log.counts.failed) == (1, 1)


def test_a_short_write_is_completed():
    file = NarrowFile()
    log = DecisionLog(file, 1.0)
    log.write({"n": 12345})
    log.close()
    assert numbers(file.getvalue()) == [12345]


def test_reopening_follows_a_file_that_was_moved(tmp_path: Path):
    path, moved = tmp_path / "decisions.jsonl", tmp_path / "decisions.jsonl.1"
    log = DecisionLog(str(path), 1.0)
    path.rename(moved)
    log.reopen()
    log.write({"n": 2})
    log.close()
    assert numbers(path.read_bytes()) == [2]
    assert moved.read_bytes() == b""


def test_reopening_keeps_the_old_file_when_the_path_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder, moved = tmp_path / "logs", tmp_path / "old"
    folder.mkdir()
    log = DecisionLog(str(folder / "d.jsonl"), 1.0)
    folder.rename(moved)
    log.reopen()
    log.write({"n": 1})
    log.close()
    assert numbers((moved / "d.jsonl").read_bytes()) == [1]
    assert caplog.messages == ["decision log cannot be opened again"]


def test_reopening_a_stream_changes_nothing():
    file = io.BytesIO()
    log = DecisionLog(file, 1.0)
    log.reopen()
    log.write({"n": 1})
    log.close()
    assert numbers(file.getvalue()) == [1]


def test_a_path_that_cannot_be_opened_is_told_at_once(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        DecisionLog(str(tmp_path / "no-such-folder" / "d.jsonl"), 1.0)
