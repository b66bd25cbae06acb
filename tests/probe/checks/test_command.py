import asyncio
import os
import resource
import sys
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from gslb.model.check import CommandCheck
from gslb.probe.checks.command import check_command
from gslb.probe.outcome import Outcome
from gslb.probe.program import MAX_OUTPUT
from tests.probe.servers import HERE, at

DEADLINE_S = 5.0
LONG_S = 60.0


def run(*argv, target=HERE, timeout_s=LONG_S):
    return asyncio.run(check_command(CommandCheck(tuple(map(str, argv))), target, timeout_s))


def shell(script, **options):
    return run("/bin/sh", "-c", script, **options)


# ---------------------------------------------------------------- exit status and output


def test_status_0_passes_without_times():
    assert shell("echo fine") == Outcome(ok=True)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit status 3"),
        ("echo disk full; echo more; exit 1", "disk full"),
        ("echo to standard error >&2; exit 1", "to standard error"),
        ("printf '\\n\\n  late\\r\\n'; exit 1", "late"),
        ("printf '\\033[31mred\\377\\0'; exit 1", "\\x1b[31mred\\ufffd\\x00"),
        ("printf x%.0s $(seq 300); exit 1", "x" * 200),
        ("kill -SEGV $$", "signal 11"),
        ("exec >&- 2>&-; sleep 0.05; exit 3", "exit status 3"),
    ],
)
def test_any_other_end_is_a_failure_with_the_first_line(script, reason):
    assert shell(script) == Outcome(ok=False, reason=reason)


def test_no_shell_reads_the_arguments():
    assert run("/bin/sh", "-c", "test \"$1\" = '$HOME; exit 3 *'", "sh", "$HOME; exit 3 *").ok


def test_a_program_gets_an_empty_input_the_root_directory_and_a_session_of_its_own():
    with lent_input():
        assert run("cat", timeout_s=DEADLINE_S).ok
    assert shell('test "$(pwd)" = / || { pwd; exit 1; }') == Outcome(ok=True)
    script = "import os, sys; sys.exit(not os.getpid() == os.getsid(0) == os.getpgid(0))"
    assert run(sys.executable, "-c", script).ok


@contextmanager
def lent_input():
    """Standard input is a pipe to which nothing is written."""
    kept = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        for descriptor in (kept, reading, writing):
            os.close(descriptor)


@pytest.mark.parametrize(
    ("address", "text"), [(ip_address("2001:db8::1"), "2001:db8::1"), (None, "")]
)
def test_a_program_sees_only_a_small_environment(tmp_path, monkeypatch, address, text):
    monkeypatch.setenv("SECRET", "of the agent")
    seen = tmp_path / "environ"
    assert run("cp", "/proc/self/environ", seen, target=at(address, "fra1")).ok
    assert sorted(seen.read_text().rstrip("\0").split("\0")) == sorted(
        [
            f"PATH={os.environ['PATH']}",
            "LANG=C",
            "GSLB_SITE=fra1",
            f"GSLB_ADDRESS={text}",
        ]
    )


def test_a_program_leaves_no_core_file():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        assert shell('until [ "$(ulimit -c)" = 0 ]; do sleep 0.01; done', timeout_s=DEADLINE_S).ok
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


# ---------------------------------------------------------------- what cannot be run


def test_a_program_that_is_not_there_is_a_failure():
    assert run("/nowhere/check") == Outcome(ok=False, reason="/nowhere/check: not found")
    assert run("no-such-check") == Outcome(ok=False, reason="no-such-check: not found")


def test_a_file_that_is_no_program_is_a_failure(tmp_path):
    file = tmp_path / "check"
    file.write_bytes(b"\x00\x01\x02")
    assert run(file).reason == f"{file}: not executable"
    file.chmod(0o755)
    assert run(file).reason == f"{file}: exec format error"
    assert run(tmp_path).reason == f"{tmp_path}: not executable"


def test_an_argument_that_no_program_can_get_is_a_failure():
    assert run("echo", "a\0b") == Outcome(ok=False, reason="echo: embedded null byte")


# ---------------------------------------------------------------- what does not end


def is_alive(pid):
    """Whether a process runs; a zombie, which its parent has yet to reap, does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def all_gone(pids):
    async with asyncio.timeout(DEADLINE_S):
        while any(map(is_alive, pids)):  # noqa: ASYNC110 - not our children: nobody tells
            await asyncio.sleep(0.01)


async def written(file, lines):
    """The numbers in a file once it has so many lines."""
    async with asyncio.timeout(DEADLINE_S):
        while not file.exists() or file.read_text().count("\n") < lines:  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.01)
    return [int(line) for line in file.read_text().split()]


STUBBORN = 'trap "" TERM INT HUP; sleep 1000 & echo $! > {0}; echo $$ >> {0}; wait; wait'


def test_a_program_that_hangs_is_killed_with_its_children_even_if_it_ignores_sigterm(tmp_path):
    pids = tmp_path / "pids"

    async def check():
        kind = CommandCheck(("/bin/sh", "-c", STUBBORN.format(pids)))
        outcome = await check_command(kind, HERE, 0.5)
        await all_gone(await written(pids, 2))
        return outcome

    assert asyncio.run(check()) == Outcome(ok=False, reason="no end within 0.5 s")
    with pytest.raises(ChildProcessError):  # reaped
        os.waitpid(int(pids.read_text().split()[1]), os.WNOHANG)


def test_a_check_that_is_given_up_kills_and_reaps_its_program(tmp_path):
    pids = tmp_path / "pids"

    async def check():
        kind = CommandCheck(("/bin/sh", "-c", STUBBORN.format(pids)))
        task = asyncio.create_task(check_command(kind, HERE, LONG_S))
        children = await written(pids, 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await all_gone(children)
        return children[1]

    pid = asyncio.run(check())
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_children_that_a_program_leaves_behind_are_killed(tmp_path):
    pids = tmp_path / "pids"

    async def check():
        script = f"sleep 1000 & echo $! > {pids}"
        assert (await check_command(CommandCheck(("/bin/sh", "-c", script)), HERE, LONG_S)).ok
        await all_gone(await written(pids, 1))

    asyncio.run(check())


def test_a_child_that_left_the_session_and_holds_the_output_does_not_delay_the_end(tmp_path):
    pids = tmp_path / "pids"
    script = (
        f'setsid sh -c "echo \\$\\$ > {pids}; exec sleep 1000" & until [ -s {pids} ]; do :; done'
    )
    try:
        assert shell(script, timeout_s=DEADLINE_S) == Outcome(ok=True)
    finally:
        os.kill(int(pids.read_text()), 9)


@pytest.mark.parametrize("argv", [("head", "-c", "1000000000", "/dev/zero"), ("yes",)])
def test_a_program_that_prints_without_end_is_stopped_at_1_mib(argv):
    assert run(*argv) == Outcome(ok=False, reason="it printed over 1048576 octets")


@pytest.mark.parametrize(("octets", "is_ok"), [(MAX_OUTPUT, True), (MAX_OUTPUT + 1, False)])
def test_the_bound_of_the_output_is_exact(octets, is_ok):
    assert run("head", "-c", octets, "/dev/zero").ok is is_ok


@pytest.mark.parametrize(
    ("script", "timeout_s"), [("exit 0", LONG_S), ("sleep 1000", 0.05), ("yes", LONG_S)]
)
def test_no_check_leaves_a_descriptor_behind(script, timeout_s):
    before = len(os.listdir("/proc/self/fd"))
    shell(script, timeout_s=timeout_s)
    assert len(os.listdir("/proc/self/fd")) == before
