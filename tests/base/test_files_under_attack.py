"""Writing beside others, beside planted links and after killed processes; reading anything."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from napari_unet.base.atomic_files import replaced_file, write_atomically
from napari_unet.base.errors import CheckpointError
from napari_unet.base.locks import held
from napari_unet.base.regular_files import is_regular, opened, read_whole

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and kills are POSIX")


def run_killed(script: str, *arguments: Path) -> None:
    """Run a script that prints a line and then waits; kill it after the line."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()


# ------------------------------------------------------------------------------------- writing


def test_two_writers_at_once_leave_one_whole_file(tmp_path):
    file = tmp_path / "out.tif"
    with replaced_file(file) as first:
        first.write(b"first " * 1000)
        with replaced_file(file) as second:
            second.write(b"second")
        assert file.read_bytes() == b"second"
        first.write(b"end")
    assert file.read_bytes() == b"first " * 1000 + b"end"
    assert list(tmp_path.iterdir()) == [file]


def test_many_writers_at_once_leave_one_of_their_files(tmp_path):
    file = tmp_path / "f"

    def write(content: bytes) -> None:
        for _ in range(20):
            write_atomically(file, content * 1000)

    threads = [threading.Thread(target=write, args=(bytes([65 + n]),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = file.read_bytes()
    assert len(content) == 1000
    assert len(set(content)) == 1
    assert list(tmp_path.iterdir()) == [file]


@posix
def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    tokens = iter(["00000000", "00000001", "00000002"])
    monkeypatch.setattr("napari_unet.base.atomic_files.secrets.token_hex", lambda _: next(tokens))
    (tmp_path / ".out.tif.00000000.part").symlink_to(victim)
    (tmp_path / ".out.tif.part").symlink_to(victim)  # a name that could be known
    write_atomically(tmp_path / "out.tif", b"result")
    assert victim.read_bytes() == b"mine"
    assert (tmp_path / "out.tif").read_bytes() == b"result"


@posix
def test_what_a_killed_writer_left_is_removed_by_the_next_and_a_living_ones_stays(tmp_path):
    script = """
    import sys, time
    from napari_unet.base.atomic_files import replaced_file
    with replaced_file(sys.argv[1]) as stream:
        stream.write(b"half")
        print("ready", flush=True)
        time.sleep(60)
    """
    file = tmp_path / "out.tif"
    run_killed(script, file)
    foreign = tmp_path / ".out.tif.notes.part"
    foreign.write_bytes(b"somebody else's")
    assert len(list(tmp_path.glob(".out.tif.????????.part"))) == 1
    with replaced_file(file) as living:
        living.write(b"whole")
        write_atomically(file, b"other")
    assert sorted(tmp_path.iterdir()) == [foreign, file]
    assert file.read_bytes() == b"whole"


@posix
def test_what_is_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(CheckpointError, match="no regular file"):
            write_atomically(tmp_path / name, b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path):
    file = tmp_path / ("é" * 125 + ".tif")  # 254 bytes
    write_atomically(file, b"x")
    write_atomically(file, b"y")
    assert file.read_bytes() == b"y"
    with pytest.raises(CheckpointError, match="could not be written"):
        write_atomically(tmp_path / ("a" * 300), b"x")


# --------------------------------------------------------------------------------------- locks


def test_a_lock_is_held_once_and_then_gone(tmp_path):
    path = tmp_path / ".lock"
    with held(path) as first, held(path) as second:
        assert (first, second) == (True, False)
    assert not path.exists() or os.name == "nt"
    with held(path) as again:
        assert again


@posix
def test_a_killed_holder_holds_nothing(tmp_path):
    path = tmp_path / ".lock"
    script = """
    import sys, time, pathlib
    from napari_unet.base.locks import held
    with held(pathlib.Path(sys.argv[1])) as mine:
        print("ready" if mine else "not mine", flush=True)
        time.sleep(60)
    """
    run_killed(script, path)
    assert path.exists()
    with held(path) as mine:
        assert mine


def test_of_many_that_take_a_lock_in_turn_never_two_hold_it(tmp_path):
    inside, most, taken = 0, 0, 0
    guard = threading.Lock()

    def take() -> None:
        nonlocal inside, most, taken
        for _ in range(200):
            with held(tmp_path / ".lock") as mine:
                if mine:
                    with guard:
                        inside, taken = inside + 1, taken + 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert taken > 0


# ------------------------------------------------------------------------------------- reading


@posix
def test_pipes_and_devices_are_refused_at_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        assert not is_regular(path)
        with pytest.raises(CheckpointError, match="no regular file"):
            read_whole(path, "model file")


def test_too_large_a_file_is_refused_unread(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"12345")
    assert read_whole(file, "model file", most=5) == b"12345"
    with pytest.raises(CheckpointError, match=r"f has 5 B, and at most 4 B can be read"):
        read_whole(file, "model file", most=4)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "nul\0l", "loop"])
def test_names_that_no_file_can_have_are_said(tmp_path, name):
    if os.name == "posix":
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert not is_regular(tmp_path / name)
    with (
        pytest.raises(CheckpointError, match=r"cannot be read|There is no"),
        opened(tmp_path / name, "model file"),
    ):
        pass
