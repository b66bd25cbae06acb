"""The audit log: whole lines, in order, none lost without being counted."""

from __future__ import annotations

import asyncio
import json
import select
from pathlib import Path

import pytest

from gslb.app.proxy_log import BATCH, AccessLog, _split, join_lines
from gslb.errors import ListenError
from tests.app.world import until


def test_lines_are_ascii_without_controls():
    lines = join_lines(['{"a":1}', '{"path":"\x7f"}'])
    assert lines == b'{"a":1}\n{"path":"\\u007f"}\n'
    assert json.loads(lines.splitlines()[1]) == {"path": "\x7f"}


def test_lines_are_written_in_order_and_counted(tmp_path: Path):
    path = tmp_path / "access.log"

    async def check() -> None:
        log = AccessLog(str(path))
        for number in range(BATCH + 10):
            log.tell(json.dumps({"number": number}))
        await until(lambda: log.count()["log_written"] == BATCH + 10)
        log.tell(json.dumps({"number": BATCH + 10}))
        log.close()
        assert log.count()["log_dropped"] == log.count()["log_failed"] == 0

    asyncio.run(check())
    found = [json.loads(line)["number"] for line in path.read_text().splitlines()]
    assert found == list(range(BATCH + 11))


def test_a_log_that_was_moved_away_begins_anew(tmp_path: Path):
    path = tmp_path / "access.log"

    async def check() -> None:
        log = AccessLog(str(path))
        log.tell('{"number":1}')
        await until(lambda: log.count()["log_written"] == 1)
        path.rename(tmp_path / "old.log")
        log.reopen()
        log.tell('{"number":2}')
        log.close()

    asyncio.run(check())
    assert path.read_text() == '{"number":2}\n'


def test_a_file_that_cannot_be_opened_is_the_operators_fault(tmp_path: Path):
    with pytest.raises(ListenError, match=r"^cannot write the access log .*: No such file"):
        AccessLog(str(tmp_path / "nowhere" / "access.log"))


def test_a_shared_pipe_gets_whole_lines_in_pieces_that_do_not_mix():
    lines = b"".join(b"%d" % (number % 10) * 1000 + b"\n" for number in range(10))
    long = b"x" * 5000 + b"\n"
    parts = list(_split(lines + long + b"y\n"))
    assert b"".join(parts) == lines + long + b"y\n"
    assert all(part.endswith(b"\n") for part in parts)
    assert [len(part) for part in parts] == [4004, 4004, 2002, 5001, 2]
    assert select.PIPE_BUF == 4096
