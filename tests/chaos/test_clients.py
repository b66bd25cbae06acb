import asyncio

import pytest

from tests.chaos.clients import OK, RESET_ON_REUSE, Client

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nb r1"


def ask_twice(answers: list[bytes]) -> list[str]:
    """Outcomes of two requests to a server that gives these answers, and closes after one that is
    not whole or says so.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                answer = answers.pop(0)
                writer.write(answer)
                if len(answer) < len(GOOD) or b"close" in answer:
                    break
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    async def run() -> list[str]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            client = Client(*server.sockets[0].getsockname())
            outcomes = [await client.ask("GET", "r1") for _ in range(2)]
            client.close()
            return outcomes

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        pytest.param([GOOD, GOOD], [OK, OK], id="kept alive"),
        pytest.param([GOOD, b""], [OK, RESET_ON_REUSE], id="closed on the second request"),
        pytest.param([b"", GOOD], ["closed without an answer", OK], id="closed on the first"),
        pytest.param([GOOD[:30], GOOD], ["answer cut short", OK], id="cut in its head"),
        pytest.param([GOOD[:-1], GOOD], ["answer cut short", OK], id="cut in its body"),
        pytest.param(
            [GOOD.replace(b"r1", b"r2"), GOOD], ["answer of another request", OK], id="another's"
        ),
        pytest.param([GOOD.replace(b"200", b"503"), GOOD], ["503", OK], id="refused"),
        pytest.param(
            [GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), GOOD],
            [OK, OK],
            id="closed as it was told",
        ),
    ],
)
def test_each_end_of_a_request_has_its_own_outcome(answers, outcomes):
    assert ask_twice(answers) == outcomes
