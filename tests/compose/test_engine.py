"""Where the demo cannot run, one line says why, with exit status 2: fake engines in PATH."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.compose.place import COMPOSE

FAILS = "exit 1"
DOCKER = """case "$1 $2" in
    "info ") ;;
    "compose version") echo {version} ;;
    *) exit 1 ;;
esac"""
ENGINE_ONLY = 'case "$1" in info) ;; *) exit 1 ;; esac'


def run(folder: Path, programs: Mapping[str, str], *arguments: str, **environment: str):
    """Runs demo.sh of a copy of compose/, with these programs before all others."""
    fakes = folder / "bin"
    fakes.mkdir()
    for name, text in {
        "docker": FAILS,
        "docker-compose": FAILS,
        "podman": FAILS,
        **programs,
    }.items():
        (fakes / name).write_text(f"#!/bin/sh\n{text}\n")
        (fakes / name).chmod(0o755)
    if "podman-compose" not in programs:
        (fakes / "podman-compose").write_text(f"#!/bin/sh\n{FAILS}\n")
        (fakes / "podman-compose").chmod(0o755)
    for name in ("demo.sh", "engine.sh", "tour.sh", "secrets.sh"):
        shutil.copy(COMPOSE / name, folder / name)
    return subprocess.run(
        [folder / (arguments[0] if arguments else "demo.sh"), *arguments[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PATH": f"{fakes}:{os.environ['PATH']}", **environment},
    )


@pytest.mark.parametrize(
    ("programs", "line"),
    [
        pytest.param(
            {},
            "no container engine: neither docker nor podman answers; install one, or start its"
            " service",
            id="none",
        ),
        pytest.param(
            {"docker": DOCKER.format(version="2.3.3")},
            "docker compose is 2.3.3, which is too old: 2.20.0 is the least",
            id="old plugin",
        ),
        pytest.param(
            {
                "docker": ENGINE_ONLY,
                "docker-compose": "echo 1.29.2",
            },
            "docker-compose is 1.29.2, which is too old: 2.20.0 is the least",
            id="docker-compose 1",
        ),
        pytest.param(
            {"docker": ENGINE_ONLY},
            "docker has no compose: install its plugin (docker-compose-plugin), 2.20.0 or newer",
            id="docker without compose",
        ),
        pytest.param(
            {"podman": ENGINE_ONLY},
            "podman has no compose: install podman-compose, 1.3.0 or newer",
            id="podman without compose",
        ),
        pytest.param(
            {"podman": ENGINE_ONLY, "podman-compose": "echo podman-compose version 1.0.3"},
            "podman-compose is 1.0.3, which is too old: 1.3.0 is the least",
            id="old podman-compose",
        ),
    ],
)
@pytest.mark.parametrize("command", [("up", "--detach"), ("down",), ("test",)], ids=" ".join)
def test_an_engine_that_will_not_do_is_one_line(tmp_path, programs, line, command):
    done = run(tmp_path, programs, "demo.sh", *command)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"demo.sh: {line}\n")


GOOD = {"docker": DOCKER.format(version="v2.30.1")}


@pytest.mark.parametrize(
    ("variable", "kind", "name"),
    [
        ("DEMO_DNS1", socket.SOCK_DGRAM, "udp"),
        ("DEMO_DNS2", socket.SOCK_STREAM, "tcp"),
        ("DEMO_ADMIN1", socket.SOCK_STREAM, "tcp"),
        ("DEMO_ADMIN2", socket.SOCK_STREAM, "tcp"),
    ],
)
def test_a_port_in_use_is_one_line_before_anything_is_made(tmp_path, variable, kind, name):
    free = {key: str(port) for key, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        done = run(tmp_path, GOOD, "demo.sh", "up", "--detach", **{**free, variable: str(port)})

    what = f"port {port} ({name}) of this host is in use"
    line = f"{what}: stop who uses it, or set {variable} to another one"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"demo.sh: {line}\n")
    assert not (tmp_path / "secrets").exists()


PORTS = ("DEMO_DNS1", "DEMO_DNS2", "DEMO_ADMIN1", "DEMO_ADMIN2")


def free_ports(number: int) -> list[int]:
    """Ports that nobody has at the moment, for TCP at least."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def test_what_is_no_port_is_one_line(tmp_path):
    done = run(tmp_path, GOOD, "demo.sh", "up", "--detach", DEMO_DNS1="dns")

    assert (done.returncode, done.stderr) == (2, "demo.sh: DEMO_DNS1 is no port: dns\n")


def test_a_compose_that_fails_is_shown_with_what_it_said(tmp_path):
    shutil.copytree(COMPOSE / "config", tmp_path / "config")
    free = {key: str(port) for key, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    talks = DOCKER.format(version="2.30.1").replace("*) exit 1", "*) echo no space left; exit 1")

    done = run(tmp_path, {"docker": talks}, "demo.sh", "up", "--detach", **free)

    assert done.returncode == 2
    assert "no space left\n" in done.stderr
    assert done.stderr.endswith("demo.sh: failed: build\n")


def test_the_tour_needs_a_demo_that_runs(tmp_path):
    done = run(tmp_path, GOOD, "tour.sh")

    line = "tour.sh: the demo does not run: make demo-compose ARGS=--detach\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


@pytest.mark.parametrize("arguments", [(), ("up", "--verbose"), ("fly",)], ids=str)
def test_a_command_that_makes_no_sense_is_one_line(tmp_path, arguments):
    done = run(tmp_path, {}, "demo.sh", *arguments)

    assert done.returncode == 2
    assert done.stderr == "demo.sh: usage: demo.sh up [--detach] | down | test\n"
