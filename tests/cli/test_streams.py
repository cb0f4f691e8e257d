"""Standard output and error of any kind, signals at any moment, errors of the system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from napari_unet.base import explained as said_by
from napari_unet.base import places
from napari_unet.base.errors import DataSetError, DeviceError, InputError
from napari_unet.base.explained import explained, means_no_memory
from napari_unet.base.plain_text import printable
from napari_unet.cli import main
from napari_unet.cli.progress import StopOnInterrupt

posix = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors are POSIX")
PROGRAM = [sys.executable, "-m", "napari_unet"]


def run(*arguments, **keywords):
    keywords = {"capture_output": True, "timeout": 120, **keywords}
    return subprocess.run([*PROGRAM, *map(str, arguments)], **keywords)


def in_shell(line: str, **environment: str):
    """Run a line of the shell in which $UNET is the program."""
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        timeout=120,
        env={**os.environ, "UNET": " ".join(PROGRAM), **environment},
    )


@contextmanager
def killed_at_last(process):
    """Leave no process behind, whatever a test found."""
    try:
        yield
    finally:
        process.kill()


# ------------------------------------------------------------------------------------- streams


@posix
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_help_and_results_are_printed_in_any_encoding(tmp_path, encoding):
    for line in ("$UNET train --help", "$UNET data list"):
        done = in_shell(line, PYTHONIOENCODING=encoding, COLUMNS="80")
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        done.stdout.decode(encoding)


@posix
@pytest.mark.parametrize("encoding", ["utf-8"])
def test_names_that_are_no_text_are_said(tmp_path, encoding):
    name = os.fsdecode(b"\xff\xe9\x1b[2J\xe2\x80\xae.tif")
    done = run("info", name, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr
    assert b"\\udcff" in done.stderr


@posix
@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        (">&- 2>&- <&-", 0),
        (">/dev/full", 2),
        (">/dev/full 2>/dev/full", 2),
        ("| head -c 1 >/dev/null; exit ${PIPESTATUS[0]}", 0),
        ("| true; exit ${PIPESTATUS[0]}", 0),
        ("2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}", 0),
    ],
)
def test_streams_that_take_nothing(redirected, code):
    done = in_shell(f"$UNET data list --json {redirected}")
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@posix
@pytest.mark.parametrize("redirected", [">&- 2>/dev/full"])
def test_a_training_goes_on_when_nobody_listens(tmp_path, redirected):
    done = in_shell(f"$UNET train synthetic -o {tmp_path}/run --steps 1 --tile 44 {redirected}")
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "run" / "run.json").read_bytes()
    assert content.startswith(b"{")
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_what_is_invisible_is_written_out():
    assert printable("µ → ✓ é\u00a0x\n") == "µ → ✓ é\u00a0x\n"
    assert printable("a\x1b]0;x\x07b\r\u202e\u2028\udcff") == (
        r"a\x1b]0;x\x07b\r\u202e\u2028\udcff"
    )


# ------------------------------------------------------------------------------------- signals


@posix
@pytest.mark.parametrize("module", ["argparse", "numpy", "torch"])
def test_ctrl_c_at_any_moment_is_no_traceback(tmp_path, module):
    """The interpreter says which module it has just imported; that is the moment."""
    command = [sys.executable, "-X", "importtime", "-m", "napari_unet"]
    command += ["train", "synthetic", "-o", str(tmp_path / "run"), "--steps", "9999"]
    # What runs in the background of a shell ignores Ctrl-C, and so would this.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    with process, killed_at_last(process):
        assert process.stderr is not None
        for line in process.stderr:
            if line.rstrip().endswith(f" {module}"):
                break
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in rest


@posix
def test_a_closed_terminal_saves_and_the_run_goes_on(tmp_path):
    run_folder = tmp_path / "run"
    command = [*PROGRAM, "train", "synthetic", "-o", run_folder, "--steps", "9999", "--tile", "44"]
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGHUP, before)
    with process, killed_at_last(process):
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 1/"):
                break
        process.send_signal(signal.SIGHUP)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "the run is kept" in rest
    assert (run_folder / "state.pt").exists()
    assert not (run_folder / ".lock").exists()


@posix
def test_what_is_ignored_stays_ignored():
    """Under nohup a closed terminal is none of ours."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopOnInterrupt():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) not in (before[signal.SIGTERM], signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) == before[signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ------------------------------------------------------------------------- errors of the system


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (PermissionError(13, "Permission denied", "/x"), DataSetError, "/x cannot be used"),
        (OSError(36, "File name too long", "a" * 300), DataSetError, "File name too long"),
        (OSError(12, "Cannot allocate memory"), DeviceError, "Memory does not suffice"),
        (MemoryError(), DeviceError, "Memory does not suffice"),
        (RecursionError("maximum"), InputError, "nested too deeply"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), InputError, "encoding"),
        (OSError("no number"), DataSetError, "no number"),
        (RuntimeError("could not create a primitive"), DeviceError, "Memory does not suffice"),
    ],
)
def test_errors_of_the_system_are_one_sentence(error, kind, said):
    told = explained(error)
    assert type(told) is kind
    assert said in str(told)
    assert "\n" not in str(told)
    assert str(told).endswith(".")


@pytest.mark.parametrize(
    "words",
    [
        "could not create a primitive",
        "can't start new thread",
        "std::bad_alloc",
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: 12 bytes",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "CUDNN_STATUS_ALLOC_FAILED",
        "unable to mmap 4096 bytes from file <x>: Cannot allocate memory (12)",
        "Unable to allocate 3.2 GiB for an array",
    ],
)
def test_little_memory_is_recognised_in_all_its_words(words):
    assert means_no_memory(RuntimeError(words))
    assert not means_no_memory(ValueError(words))
    assert not means_no_memory(RuntimeError("the size of tensor a must match"))


def test_what_was_not_foreseen_is_no_sentence():
    assert explained(KeyError("x")) is None
    assert explained(RuntimeError("shapes differ")) is None
    assert said_by.explained(InputError("mine")).args == ("mine",)


@pytest.mark.parametrize("error", [MemoryError(), PermissionError(13, "Denied", "f"), EOFError()])
def test_one_net_catches_what_the_system_raises(monkeypatch, capsys, error):
    from napari_unet.cli import info

    def fail(_args):
        raise error

    monkeypatch.setattr(info, "run", fail)
    if isinstance(error, EOFError):
        with pytest.raises(EOFError):  # a mistake of ours is not hidden
            main(["info", "x"])
        return
    assert main(["info", "x"]) == 2
    assert capsys.readouterr().err.startswith("napari-unet: ")


@pytest.mark.parametrize("name", ["a" * 300, "b/" * 2500, "loop/x"])
@pytest.mark.parametrize(
    "command",
    [
        ["info", "{}"],
        ["check", "{}"],
        ["check", "{}", "{}"],
        ["train", "{}", "{}", "-o", "run"],
        ["train", "synthetic", "-o", "{}", "--steps", "1", "--tile", "44"],
        ["train", "synthetic", "-o", "run", "--like", "{}"],
        ["train", "synthetic", "-o", "run", "--from", "{}"],
        ["train", "synthetic", "-o", "{}", "--resume"],
        ["train", "synthetic", "-o", "run", "--config", "{}"],
        ["predict", "{}", "{}", "-o", "out.tif"],
        ["evaluate", "{}", "{}"],
        ["data", "list", "--data", "{}"],
        ["demo", "--data", "{}", "-o", "demo"],
    ],
)
def test_paths_that_cannot_be_are_one_sentence(tmp_path, monkeypatch, capsys, name, command):
    monkeypatch.chdir(tmp_path)
    if os.name == "posix":
        Path("loop").symlink_to("loop")
    try:
        code = main([part.replace("{}", name) for part in command])
    except SystemExit as left:
        code = left.code
    assert code == 2
    err = capsys.readouterr().err
    assert err.strip()
    assert "Traceback" not in err


@posix
def test_a_user_without_a_home_has_places(monkeypatch):
    def nowhere(*_, **__):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_path", nowhere)
    monkeypatch.setattr("platformdirs.user_documents_dir", nowhere)
    monkeypatch.setattr(Path, "home", nowhere)
    assert places.cache_folder().is_absolute()
    assert places.documents_folder().is_absolute()
    assert places.home_folder() is None


def test_answers_of_many_processes_are_all_kept(tmp_path):
    from napari_unet.base.kept_answers import KeptAnswers

    file = tmp_path / "cache" / "compute.json"

    def keep(first: int) -> None:
        for key in range(first, first + 25):
            assert KeptAnswers(file, int).put(str(key), key)

    threads = [threading.Thread(target=keep, args=(25 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = KeptAnswers(file, int)
    assert [kept.get(str(key)) for key in range(200)] == list(range(200))
    assert sorted(path.name for path in file.parent.iterdir()) == ["compute.json"]


@pytest.mark.parametrize("content", [b"\xff", b"[" * 100_000, b'{"k": "x"}', b'{"k": null}', b""])
def test_an_answer_of_another_type_is_none(tmp_path, content):
    from napari_unet.base.kept_answers import KeptAnswers

    file = tmp_path / "rates.json"
    file.write_bytes(content)
    kept = KeptAnswers(file, float)
    assert kept.get("k") is None
    assert kept.put("k", 2.5)
    assert kept.get("k") == 2.5
