"""Trainings that are killed at every write, fsync and rename, or at any moment, and then resumed.

A process that has loaded everything forks for each attempt, so that one takes tenths of a second.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import CheckpointError
from napari_unet.config.network import UNetConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.stack import Stack
from napari_unet.network.model_file import read_model_file
from napari_unet.training.run_folder import RunFolder, load_model
from napari_unet.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Killed", "kill_and_resume"]

STEPS = 6


@dataclass
class Killed:
    """How many trainings were killed, and those that did not come to the same end."""

    at_points: int = 0
    at_random: int = 0
    bad: list[str] = field(default_factory=list)


def kill_and_resume(
    points: int | None = None,
    moments: int = 0,
    *,
    each: Callable[[Killed], object] | None = None,
    deadline: float | None = None,
) -> Killed:
    """Kill trainings and resume them; all must arrive at the weights of an undisturbed one.

    Parameters
    ----------
    points
        Kill at this many writes, fsyncs and renames, spread evenly; None: at every one.
    moments
        Kill at this many random moments besides.
    each
        Called after every attempt.
    deadline
        In `time.monotonic` seconds; no attempt begins later.
    """
    torch.set_num_threads(1)
    found = Killed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        list(Trainer(_stack(0), _config(), folder / "first").run())
        for start in (None, folder / "first"):
            whole = folder / "whole"
            begun = time.monotonic()
            last = _count_points(whole, start)
            seconds = time.monotonic() - begun
            expected = _outcome(whole)
            chosen = range(last) if points is None else np.linspace(0, last - 1, points).astype(int)
            attempts: list[tuple[int | None, float]] = [(int(k), 0.0) for k in chosen]
            draw = random.Random(0)
            attempts += [(None, draw.uniform(0, seconds)) for _ in range(moments // 2)]
            for point, moment in attempts:
                if deadline is not None and time.monotonic() > deadline:
                    return found
                _attempt(folder / "run", start, point, moment, expected, found)
                if each is not None:
                    each(found)
            shutil.rmtree(whole)
    return found


def _attempt(
    run: Path, start: Path | None, point: int | None, moment: float, expected: Any, found: Killed
) -> None:
    shutil.rmtree(run, ignore_errors=True)
    killed = _fork(lambda: _train(run, start, point), moment if point is None else None)
    found.at_points += point is not None
    found.at_random += point is None
    code = _fork(lambda: _train(run, start, None))
    where = f"point {point}" if point is not None else f"after {moment:.3f} s"
    label = f"killed at {where} ({killed}), {'from a model' if start else 'from nothing'}"
    if code != 0:
        found.bad.append(f"{label}: did not go on ({code})")
    elif _outcome(run) != expected:
        found.bad.append(f"{label}: another end")
    elif left := [path.name for path in run.iterdir() if path.name.startswith(".")]:
        found.bad.append(f"{label}: left {left}")


def _train(run: Path, start: Path | None, kill_at: int | None) -> None:
    """Begin a run, or go on with it; kill this process at a point."""
    points = _Points(kill_at)
    points.install()
    resume = RunFolder(run).exists()
    model = None if resume or start is None else load_model(start)
    trainer = Trainer(_stack(1), _config(), run, resume=resume, start_from=model)
    try:
        list(trainer.run())
    except CheckpointError as error:
        if "begun with the weights of a model" not in str(error):
            raise
        shutil.rmtree(run)  # nothing was learnt yet; the user is told to begin anew
        _train(run, start, None)


def _count_points(run: Path, start: Path | None) -> int:
    """Train without any kill; return how many points there are."""
    reading, writing = os.pipe()

    def train() -> None:
        points = _Points(None)
        points.install()
        model = None if start is None else load_model(start)
        list(Trainer(_stack(1), _config(), run, start_from=model).run())
        os.write(writing, str(points.passed).encode())

    assert _fork(train) == 0
    os.close(writing)
    with os.fdopen(reading) as stream:
        return int(stream.read())


def _fork(work: Callable[[], object], kill_after: float | None = None) -> int:
    """Do something in a copy of this process; return its exit code, or the signal, negative."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 2)
            work()
            code = 0
        except BaseException as error:
            Path(tempfile.gettempdir(), "last-failure").write_text(repr(error))
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _outcome(run: Path) -> Any:
    """Everything that must be the same: weights bit by bit, and what happened at which step."""
    weights = {}
    for which in ("best", "last"):
        model = read_model_file(run / f"{which}.safetensors")
        weights[which] = {k: v.numpy().tobytes() for k, v in model.network.state_dict().items()}
    lines = (run / "history.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    steps = [(e["step"], e["loss"]) for e in events if e["event"] == "Step"]
    return weights, steps


class _Points:
    """Counts writes, fsyncs, renames, removals and openings of files; kills at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.passed = 0
        self._kill_at = kill_at

    def passing(self) -> None:
        if self.passed == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def install(self) -> None:
        for name in ("fsync", "replace", "unlink", "mkdir", "open"):
            setattr(os, name, self._watched(getattr(os, name)))
        opened = io.open

        def opening(file: Any, mode: str = "r", *rest: Any, **keywords: Any) -> Any:
            self.passing()
            stream = opened(file, mode, *rest, **keywords)
            return _Watched(stream, self) if set(mode) & set("wax+") else stream

        io.open = opening  # type: ignore[assignment]

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.passing()
            result = function(*arguments, **keywords)
            self.passing()
            return result

        return call


class _Watched:
    """A file that may be killed in the middle of a write."""

    def __init__(self, stream: Any, points: _Points) -> None:
        self._stream, self._points = stream, points

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B") if not isinstance(content, str) else content
        half = len(view) // 2
        self._points.passing()
        self._stream.write(view[:half])
        self._stream.flush()
        self._points.passing()
        self._stream.write(view[half:])
        self._points.passing()
        return len(view)

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _stack(seed: int) -> Stack:
    rng = np.random.default_rng(seed)
    labels = np.zeros((4, 48, 48), np.uint8)
    for plane in labels:
        for y, x in rng.integers(0, 34, (3, 2)):
            plane[y : y + 12, x : x + 12] = 1
    image = (60 + 120 * labels + rng.normal(0, 25, labels.shape)).clip(0, 255).astype(np.uint8)
    scheme = LabelScheme(kind="classes", values=(0, 1))
    return Stack("blobs", image, "zyx", labels=labels, scheme=scheme)


def _config() -> TrainConfig:
    return TrainConfig(
        network=UNetConfig(depth=1, width=2, dropout=0.2, norm="batch"),
        steps=STEPS, tile=28, batch=2, optimiser="adam", learning_rate=1e-2, validate_every=2,
        checkpoint_every=2, device="cpu",
    )  # fmt: skip
