"""R11: whatever happens to the disk or to the process, the last good health is read back."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.errors import StoreError
from gslb.store.state_dir import StateDir, compose_state, parse_state

DATA = b'{"sites":{"eu-west":true}}\n\x00\xff'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state"


def state_dir(path, at=1000.5):
    return StateDir(path, lambda: at)


def names(path):
    return sorted(os.listdir(path))


def test_what_was_saved_last_is_loaded(path):
    for number in range(3):
        state_dir(path, 1000.0 + number).save(f"state {number}".encode())
    assert state_dir(path).load() == (b"state 2", 1002.0)


def test_nothing_saved_is_nothing_loaded(path):
    assert state_dir(path).load() is None
    path.mkdir()
    assert state_dir(path).load() is None


def test_r11_five_generations_are_kept(path):
    for number in range(12):
        state_dir(path).save(str(number).encode())
    assert names(path) == [f"health-{number}.json" for number in (10, 11, 12, 8, 9)]


def test_a_new_process_goes_on_where_the_last_one_ended(path):
    StateDir(path).save(b"1")
    StateDir(str(path)).save(b"2")
    assert names(path) == ["health-1.json", "health-2.json"]


def test_files_are_for_their_user_only(path):
    state_dir(path).save(DATA)
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "health-1.json").stat().st_mode & 0o077 == 0


@given(st.binary(max_size=100), st.floats(0, 1e12))
def test_any_octets_come_back_as_they_were(data, saved_at):
    assert parse_state(compose_state(data, saved_at)) == (data, saved_at)


@given(st.binary(max_size=300))
def test_any_other_octets_are_refused(octets):
    with pytest.raises(ValueError):
        parse_state(octets)


def test_r11_every_flipped_bit_is_noticed():
    octets = compose_state(DATA, 1000.5)
    for at in range(len(octets)):
        for bit in range(8):
            with pytest.raises(ValueError):
                parse_state(octets[:at] + bytes([octets[at] ^ 1 << bit]) + octets[at + 1 :])


def test_r11_every_truncation_is_noticed():
    octets = compose_state(DATA, 1000.5)
    for length in range(len(octets)):
        with pytest.raises(ValueError):
            parse_state(octets[:length])
    with pytest.raises(ValueError):
        parse_state(octets + b"x")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "folder", "unreadable"])
def test_r11_a_broken_generation_is_passed_over(path, caplog, damage):
    for number in range(3):
        state_dir(path).save(f"state {number}".encode())
    newest = path / "health-3.json"
    octets = newest.read_bytes()
    match damage:
        case "flip":
            newest.write_bytes(octets[:-1] + b"X")
        case "cut":
            newest.write_bytes(octets[: len(octets) // 2])
        case "empty":
            newest.write_bytes(b"")
        case "folder":
            newest.unlink()
            newest.mkdir()
        case "unreadable":
            newest.unlink()
            newest.symlink_to(path / "nowhere")
    assert state_dir(path).load() == (b"state 1", 1000.5)
    assert [record.getMessage() for record in caplog.records] == ["saved health passed over"]


def test_r11_when_all_generations_are_broken_there_is_none(path):
    for _ in range(6):
        state_dir(path).save(DATA)
    for name in names(path):
        (path / name).write_bytes(b"broken")
    assert state_dir(path).load() is None
    state_dir(path).save(b"new")
    assert state_dir(path).load() == (b"new", 1000.5)


def test_what_is_not_ours_is_left_alone(path):
    path.mkdir()
    for name in ("health-1.json.bak", "health-x.json", "notes.new", "health-1.json.new"):
        (path / name).write_bytes(b"x")
    state_dir(path).save(DATA)
    assert names(path) == ["health-1.json", "health-1.json.bak", "health-x.json", "notes.new"]


# ---------------------------------------------------------------- the disk fails


@pytest.mark.parametrize("step", ["open", "write", "fsync", "rename", "listdir"])
@pytest.mark.parametrize("fault", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_r11_a_disk_that_fails_costs_one_save(path, monkeypatch, step, fault):
    state_dir(path).save(b"before")

    def fail(*_, **__):
        raise OSError(fault, os.strerror(fault))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(StoreError, match=os.strerror(fault)):
            state_dir(path).save(b"after")
    assert state_dir(path).load() in ((b"before", 1000.5), (b"after", 1000.5))
    assert not [name for name in names(path) if name.endswith(".new")]
    state_dir(path).save(b"later")
    assert state_dir(path).load() == (b"later", 1000.5)


def test_r11_a_short_write_is_gone_on_with(path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    state_dir(path).save(DATA)
    assert state_dir(path).load() == (DATA, 1000.5)


def test_a_folder_that_cannot_be_read_is_said(path):
    path.write_bytes(b"a file")
    with pytest.raises(StoreError, match="Not a directory"):
        state_dir(path).load()
    with pytest.raises(StoreError, match="File exists"):
        state_dir(path).save(DATA)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB; only root may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system takes root")
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small file system is not allowed here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_r11_a_full_disk_keeps_what_was_saved_before(small_disk):
    folder = state_dir(small_disk)
    folder.save(b"before")
    with pytest.raises(StoreError, match="No space left on device"):
        folder.save(bytes(100_000))
    assert folder.load() == (b"before", 1000.5)
    folder.save(b"after")
    assert folder.load() == (b"after", 1000.5)


# ---------------------------------------------------------------- the process dies

DIE = textwrap.dedent(
    """
    import os, signal, sys
    from gslb.store.state_dir import StateDir

    # Each child is killed at another system call: before it, and after it; a write is cut in half.
    CALLS = ("open", "write", "fsync", "rename", "close", "unlink", "listdir", "mkdir")
    real = {name: getattr(os, name) for name in CALLS}

    def arm(deadly):
        seen = 0
        def wrap(name):
            def call(*arguments, **options):
                nonlocal seen
                seen += 1
                if seen == deadly:
                    os.kill(os.getpid(), signal.SIGKILL)
                if name == "write":
                    arguments = (arguments[0], arguments[1][: max(1, len(arguments[1]) // 2)])
                return real[name](*arguments, **options)
            return call
        for name in CALLS:
            setattr(os, name, wrap(name))

    root = sys.argv[1]
    for deadly in range(1, 1000):
        path = f"{root}/{deadly}"
        for number in range(5):
            StateDir(path, lambda: 1000.0).save(b"before")
        child = os.fork()
        if child == 0:
            arm(deadly)
            StateDir(path, lambda: 2000.0).save(b"after" * 10)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            print(deadly)
            break
    """
)


def test_r11_killed_at_any_step_the_state_is_the_old_one_or_the_new_one(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", DIE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    steps = int(done.stdout)
    assert steps > 10  # so many calls there are to die at, and one more to survive
    found = []
    for deadly in range(1, steps + 1):
        path = tmp_path / str(deadly)
        loaded = state_dir(path).load()
        assert loaded in ((b"before", 1000.0), (b"after" * 10, 2000.0))
        found.append(loaded[1])
        state_dir(path).save(b"next")
        assert state_dir(path).load() == (b"next", 1000.5)
        assert len(names(path)) == 5  # what the crash had left behind is gone
    assert found == sorted(found)  # old up to one step, new from there on
    assert set(found) == {1000.0, 2000.0}
