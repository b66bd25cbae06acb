"""Webhooks over real connections; the module's laws bear their numbers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from gslb.app import webhook as module
from gslb.app.webhook import QUEUED, TRIES, Webhook, origin_of
from tests.app.hook import ENDLESS, FAILED, HANG, MOVED, OK, Hook
from tests.app.world import until

Script = Callable[[Hook, Webhook], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)


def run(script: Script, *, user: str = "", query: str = "") -> None:
    """Runs a script while a webhook delivers to a server."""

    async def main() -> None:
        async with Hook() as hook:
            webhook = Webhook(hook.url.replace("://", f"://{user}") + query)
            task = asyncio.create_task(webhook.run())
            try:
                await script(hook, webhook)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, object]]]:
    ours = [record for record in caplog.records if record.name == "gslb.app.webhook"]
    return [(record.getMessage(), record.gslb_fields) for record in ours]


def test_bodies_come_in_order_as_json_posts():
    async def script(hook: Hook, webhook: Webhook) -> None:
        for number in range(3):
            webhook.put(b"%d" % number)
        await until(lambda: len(hook.bodies) == 3)
        assert hook.bodies == [0, 1, 2]
        assert hook.heads[0].startswith("POST /events?a=b HTTP/1.1\r\n")
        assert "Content-Type: application/json\r\n" in hook.heads[0]
        assert webhook.failed == 0

    run(script, query="?a=b")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (FAILED, "status 500"),
        (MOVED, "status 307"),
        (HANG, "no answer within 0.2 s"),
        (b"nonsense\r\n\r\n", "ClientResponseError"),
        (None, "Connect call failed"),
    ],
    ids=["500", "redirect", "hangs", "no HTTP", "refuses"],
)
def test_law_2_what_fails_is_tried_three_times_and_given_up(caplog, reply, why):
    async def script(hook: Hook, webhook: Webhook) -> None:
        if reply is None:
            await hook.refuse()
        else:
            hook.reply = reply
        webhook.put(b"1")
        webhook.put(b"2")
        await until(lambda: webhook.failed == 2)
        assert hook.bodies == ([1] * TRIES + [2] * TRIES if reply is not None else [])
        ((event, fields),) = told(caplog)  # law 3: one line for both
        assert event == "webhook does not take events"
        assert fields["cause"].startswith(why)

    run(script)


def test_law_1_a_body_that_never_ends_is_not_read():
    async def script(hook: Hook, webhook: Webhook) -> None:
        hook.reply = ENDLESS
        webhook.put(b"1")
        webhook.put(b"2")
        await until(lambda: len(hook.bodies) == 2)
        await until(lambda: hook.open == 0)
        assert webhook.failed == 0

    run(script)


def test_a_try_that_succeeds_ends_the_tries():
    async def script(hook: Hook, webhook: Webhook) -> None:
        hook.reply = FAILED
        webhook.put(b"1")
        await until(lambda: hook.bodies)
        hook.reply = OK
        await until(lambda: len(hook.bodies) == 2)
        webhook.put(b"2")
        await until(lambda: len(hook.bodies) == 3)
        assert (hook.bodies, webhook.failed) == ([1, 1, 2], 0)

    run(script)


def test_law_2_the_oldest_are_given_up_when_too_many_wait():
    async def main() -> None:
        async with Hook() as hook:
            webhook = Webhook(hook.url)
            for number in range(QUEUED + 5):
                webhook.put(b"%d" % number)
            assert webhook.failed == 5
            task = asyncio.create_task(webhook.run())
            await until(lambda: hook.bodies)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert hook.bodies[0] == 5

    asyncio.run(main())


def test_law_3_failures_are_logged_once_without_what_is_secret_in_the_url(caplog):
    async def script(hook: Hook, webhook: Webhook) -> None:
        await hook.refuse()
        webhook.put(b"1")
        await until(lambda: webhook.failed)
        await hook.listen()
        webhook.put(b"2")
        await until(lambda: len(told(caplog)) == 2)
        shown = f"http://127.0.0.1:{hook.port}"
        assert [(event, fields["webhook"]) for event, fields in told(caplog)] == [
            ("webhook does not take events", shown),
            ("webhook takes events again", shown),
        ]
        assert "Authorization: Basic " in hook.heads[0]

    with caplog.at_level(logging.DEBUG):
        run(script, user="user:hidden@", query="?token=hidden")
    assert "hidden" not in " ".join(f"{record.__dict__}" for record in caplog.records)


def test_law_3_a_url_that_cannot_be_asked_is_not_shown(caplog):
    async def main() -> None:
        webhook = Webhook("http://user:hidden@[bad]/hidden")
        task = asyncio.create_task(webhook.run())
        webhook.put(b"1")
        await until(lambda: webhook.failed or task.done())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert webhook.failed == 1

    asyncio.run(main())
    assert "hidden" not in " ".join(f"{record.__dict__}" for record in caplog.records)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example", "https://hooks.example"),
        ("https://u:p@hooks.example:8443/services/T0/B0?key=x#y", "https://hooks.example:8443"),
        ("redis://:secret@[2001:db8::1]:6379/0", "redis://[2001:db8::1]:6379"),
        ("http://u:p@s@[bad]/x", "http://[bad]"),
    ],
)
def test_origin_of(url: str, shown: str):
    assert origin_of(url) == shown
