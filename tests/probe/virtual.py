"""An event loop in which time passes only while everybody waits: schedules become arithmetic."""

import asyncio


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer when nothing is ready. For coroutines without real input."""

    def __init__(self):
        super().__init__()
        self._virtual_now = 0.0

    def time(self):
        return self._virtual_now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self._virtual_now = max(self._virtual_now, self._scheduled[0]._when)
        super()._run_once()


def run_virtually(coroutine):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
