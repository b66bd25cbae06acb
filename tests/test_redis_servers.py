"""The servers of tests are ended by whoever started them, whatever happens in between."""

import os
from pathlib import Path

import pytest

from tests import redis_servers
from tests.redis_servers import Server, ServerError, running


def children():
    """The processes that this one has started and not reaped."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


def test_law_3_a_server_is_gone_after_with(tmp_path):
    def fail():
        with running(tmp_path) as server:
            server.pause()
            raise ZeroDivisionError

    before = children()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert children() == before


def test_law_4_a_server_that_cannot_start_says_why(tmp_path):
    before = children()
    with pytest.raises(ServerError) as raised:
        Server(tmp_path, ["no-such-line yes"]).start()
    assert "Bad directive" in str(raised.value)
    assert children() == before


def test_law_3_a_server_that_nobody_can_ask_is_ended(tmp_path, monkeypatch):
    before = children()
    monkeypatch.setattr(redis_servers.redis, "Redis", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Server(tmp_path).start()
    assert children() == before
