"""The demo as people run it: a process in a pipe, and one on a terminal."""

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from gslb.app import demo as demo_module
from gslb.app.client import Client
from gslb.app.demo import intro, tries
from gslb.app.demo_keys import is_drained
from gslb.app.process import run_until_stopped
from gslb.app.stage import open_stage
from gslb.app.stage_redis import MISSING
from gslb.app.tour_watch import wait_for
from gslb.app.traffic import NETWORKS, Traffic
from gslb.cli.main import app
from tests.app.example import ROOT, write_example

DEADLINE_S = 30.0
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)
PYTHON = [sys.executable, "-W", "error"]
COMMAND = ["-m", "gslb", "demo"]


def run(path, *arguments, python=PYTHON):
    return subprocess.run(
        [*python, *COMMAND, "--config", str(path), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=2 * DEADLINE_S,
    )


# ---------------------------------------------------------------- the tour


def write_quick(tmp_path, **options):
    """An example whose regions are not held down for long; its main file."""
    path, _ = write_example(tmp_path, **options)
    text = path.read_text()
    assert "flap_hold_s: 5 " in text
    path.write_text(text.replace("flap_hold_s: 5 ", "flap_hold_s: 1 "))
    return path


@needs_redis
def test_the_whole_tour_is_as_told_and_takes_less_than_half_a_minute(tmp_path):
    found = run(write_quick(tmp_path, is_bundled=True), "--tour", "--json", "--redis")
    told = json.loads(found.stdout)
    wrong = [point for step in told["steps"] for point in step["points"] if not point["ok"]]
    assert (wrong, found.stderr, found.returncode, told["ok"]) == ([], "", 0, True)
    assert len(told["steps"]) == 14
    assert told["took_s"] < 30


def test_a_tour_that_is_not_as_told_is_status_1_and_says_where(tmp_path):
    path = write_quick(tmp_path)
    # Automation may withdraw everything, and Europe is served by another region than the tour says.
    path.write_text(path.read_text().replace("max_withdrawn: 0.67", "max_withdrawn: 1"))
    zone = path.parent / "zones" / "shop.yaml"
    text = zone.read_text().replace("[continent:EU, continent:AF]", "[continent:AN]")
    zone.write_text(text.replace("[continent:NA,", "[continent:EU, continent:NA,"))
    found = run(path, "--tour")
    assert (found.returncode, found.stderr) == (1, "")
    failed = [line for line in found.stdout.splitlines() if line.startswith("   FAILED ")]
    assert failed[0].startswith(
        "   FAILED the Netherlands (193.0.6.0/24) goes to eu-west -> us-east, "
    )
    assert any("an alert is raised -> none" in line for line in failed)
    assert re.search(r"^\d of 13 steps were as told", found.stdout, re.MULTILINE)


# ---------------------------------------------------------------- in a pipe


def read_until(stream, pattern):
    """All text up to the first match, read as it comes."""
    text, end = "", time.monotonic() + DEADLINE_S
    while not re.search(pattern, text):
        ready, _, _ = select.select([stream], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{pattern} did not come: {text}"
        octets = os.read(stream, 4096)
        assert octets, f"ended before {pattern}: {text}"
        text += octets.decode()
    return text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_a_pipe_it_prints_lines_and_ends_well(tmp_path, number):
    path, ports = write_example(tmp_path)
    with subprocess.Popen(
        [*PYTHON, *COMMAND, "--config", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        text = read_until(process.stdout.fileno(), r"(?m)^  store memory, there for .*\n")
        assert text.count(f"dig @127.0.0.1 -p {ports.dns} ") == 5
        assert text.count(f" --admin 127.0.0.1:{ports.admin}") == 3
        assert re.search(r"^  agent fra: heard \d+ s ago, has a vote$", text, re.MULTILINE)
        assert re.search(r"^  store memory, there for ", text, re.MULTILINE)
        assert re.search(r"^\d\d:\d\d:\d\d site changed site=eu-west state=up", text, re.MULTILINE)
        assert re.search(r"^answers=\d+ per_s=\d+\.\d .*, 0 unanswered", text, re.MULTILINE)
        assert "\x1b" not in text
        process.send_signal(number)
        assert process.wait(timeout=2.0) == 0
        assert process.stderr.read() == b""


def test_a_tour_that_is_ended_early_is_status_1_in_one_line(tmp_path):
    path, _ = write_example(tmp_path)
    with subprocess.Popen(
        [*PYTHON, *COMMAND, "--config", str(path), "--tour"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        read_until(process.stdout.fileno(), r"5\. A region dies\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=2.0) == 1
        assert process.stderr.read() == b"gslb: the tour was ended before its end\n"


@pytest.mark.parametrize("taken", ["dns", "admin", "web"])
def test_a_port_in_use_is_one_line_and_status_1(tmp_path, taken):
    path, ports = write_example(tmp_path)
    host = "127.0.2.1" if taken == "web" else "127.0.0.1"
    with socket.create_server((host, getattr(ports, taken))):
        found = run(path, python=[sys.executable])
    assert (found.returncode, found.stdout) == (1, "")
    (line,) = found.stderr.splitlines()
    assert f"cannot listen on {host}:{getattr(ports, taken)} (TCP): address already in use" in line
    assert "--config COPY" in line


def test_without_redis_server_it_is_one_line_and_status_1(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path, _ = write_example(tmp_path)
    found = run(path, "--redis", python=[sys.executable])
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == f"gslb: {MISSING}\n"


@needs_redis
def test_a_terminal_that_is_closed_ends_the_demo_and_its_redis(tmp_path):
    path, _ = write_example(tmp_path)
    with subprocess.Popen(
        [*PYTHON, *COMMAND, "--config", str(path), "--redis"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        text = read_until(process.stdout.fileno(), r"(?m)^  store redis.*, there for .*\n")
        port = int(re.search(r"redis://:\*\*\*@127\.0\.0\.1:(\d+)/0", text)[1])
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=2.0) == 0
        assert process.stderr.read() == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_json_is_for_the_tour():
    assert CliRunner().invoke(app, ["demo", "--json"]).exit_code == 2


# ---------------------------------------------------------------- on a terminal


@contextmanager
def on_terminal(path):
    """A demo in a terminal of 80 x 40, and the terminal's other end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    try:
        with subprocess.Popen(
            [*PYTHON, *COMMAND, "--config", str(path)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm"},
        ) as process:
            try:
                yield process, ours
            finally:
                process.kill()
        assert termios.tcgetattr(theirs) == before, "the terminal is set back"
    finally:
        os.close(ours)
        os.close(theirs)


def test_on_a_terminal_keys_stop_and_start_regions_and_quit(tmp_path):
    path, _ = write_example(tmp_path)
    with on_terminal(path) as (process, terminal):
        read_until(terminal, r"keys: 1 stop eu-west  2 stop us-east  3 stop ap-south")
        read_until(terminal, r"d drain eu-west  a make fra lie  t traffic  q quit")
        read_until(terminal, r"eu-west +\S*up\b")
        read_until(terminal, r"fra +\S*yes\b")
        os.write(terminal, b"1")
        read_until(terminal, r"eu-west +\S*down\b")
        os.write(terminal, b"a")
        read_until(terminal, r"fra +\S*no\b")
        os.write(terminal, b"t1")
        read_until(terminal, r"1 stop eu-west")
        os.write(terminal, b"x9q")
        drain = read_until_end(terminal, process)
        assert process.wait(timeout=2.0) == 0
        assert "Traceback" not in drain


def read_until_end(terminal, process):
    """What still comes; a process that writes to a full terminal would never end."""
    text, end = "", time.monotonic() + 2.0
    while process.poll() is None and time.monotonic() < end:
        if select.select([terminal], [], [], 0.05)[0]:
            text += os.read(terminal, 4096).decode(errors="replace")
    return text


# ---------------------------------------------------------------- the parts


def on_stage(tmp_path, act):
    async def work():
        async with open_stage(write_example(tmp_path)[0]) as stage:
            await wait_for(
                lambda: all(one.up for one in stage.server.node.health.sites.values()),
                limit_s=DEADLINE_S,
            )
            return await act(stage)

    return asyncio.run(work())


@pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not installed")
def test_the_lines_to_try_show_what_they_promise(tmp_path):
    async def dig(command):
        process = await asyncio.create_subprocess_exec(
            *command.split(), stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0].decode()

    async def act(stage):
        return [await dig(one.command) for one in tries(stage)[:5]]

    nl, us, office, split, referral = on_stage(tmp_path, act)
    assert "127.0.1.1" in nl
    assert re.search(r"CLIENT-SUBNET: 193\.0\.6\.0/24/\d+", nl)
    assert (us, office) == ("127.0.2.1\n", "127.0.3.1\n")
    assert split in {f"127.0.{number}.1\n" for number in (1, 2, 3)}
    assert "ns.sub.gslb.shop.example." in referral
    assert "192.0.2.99" in referral


def test_the_lines_for_operators_work(tmp_path):
    async def gslb(command):
        assert command.startswith(f"{demo_module._name_command()} ")
        words = shlex.split(command)[1:]
        process = await asyncio.create_subprocess_exec(
            *PYTHON, "-m", "gslb", *words, stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        printed = (await process.communicate())[0].decode()
        return process.returncode, printed, is_drained(stage_of[0], "eu-west")

    stage_of = []

    async def act(stage):
        stage_of.append(stage)
        return [await gslb(one.command) for one in tries(stage)[5:]]

    status, drain, undrain = on_stage(tmp_path, act)
    assert (status[0], drain[0], undrain[0]) == (0, 0, 0)
    assert re.search(r"^  iad +iad +yes +", status[1], re.MULTILINE)
    assert re.search(r"eu-west is drained by .* until it is taken back: new racks", drain[1])
    assert (status[2], drain[2], undrain[2]) == (False, True, False)


@pytest.mark.parametrize("on_path", [True, False])
def test_the_command_is_named_as_it_can_be_called(monkeypatch, tmp_path, on_path):
    monkeypatch.setattr(demo_module.shutil, "which", lambda _: "gslb" if on_path else None)
    monkeypatch.setattr(demo_module.sys, "executable", str(tmp_path / "python"))
    monkeypatch.chdir(tmp_path.parent)
    assert demo_module._name_command() == "gslb"  # there is none beside Python
    (tmp_path / "gslb").touch()
    assert demo_module._name_command() == ("gslb" if on_path else f"{tmp_path.name}/gslb")


def test_the_intro_fits_where_it_can_and_tells_how_to_get_dig(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_module.shutil, "which", lambda _: None)

    async def act(stage):
        path = ROOT / "zones" / "gslb.yaml"
        return [[str(line) for line in intro(stage, path, width=width)] for width in (80, 200)]

    narrow, wide = on_stage(tmp_path, act)
    assert max(map(len, narrow)) <= 80
    own_line = [line for line in narrow if line.startswith("  # ")]
    assert len(narrow) == len(wide) + len(own_line)  # comments that do not fit behind
    assert len(own_line) >= 5
    assert any("apt install bind9-dnsutils" in line for line in narrow)


def test_traffic_knows_where_everybody_is_sent_and_counts_what_is_lost(tmp_path):
    async def act(stage):
        traffic = Traffic(Client(stage.dns, timeout_s=0.1), stage.system.sites)
        for network in NETWORKS:
            await traffic.ask(network)
        good = (traffic.asked, traffic.unanswered, dict(traffic.last))
        for server in stage.server.node.udp:
            server.answer = lambda *_: None
        await traffic.ask(NETWORKS[0])
        return good, (traffic.asked, traffic.unanswered, traffic.last["NL"])

    good, lost = on_stage(tmp_path, act)
    assert good == (5, 0, {network.label: network.site for network in NETWORKS})
    assert lost == (6, 1, "no reply")


def test_work_is_stopped_once_however_often_it_is_asked():
    async def work(stop):
        stop()
        stop()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up is not cancelled
            cleaned.append(True)

    cleaned = []
    assert asyncio.run(run_until_stopped(work)) is None
    assert cleaned == [True]


def test_work_that_ends_by_itself_gives_its_value():
    async def work(_stop):
        return 5

    assert asyncio.run(run_until_stopped(work)) == 5
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
