"""The journal of a painted training: every edit, and the step from which each is learnt.

``journal.jsonl`` in the run folder grows by whole lines of two kinds::

    {"edit": 17, "stack": 0, "slice": 3, "box": [y0, y1, x0, x1], "dtype": "uint8", "values": "…"}
    {"step": 120, "edits": 18, "right": [0.94]}

The first is written when something was painted; ``values`` are the labels of the box afterwards
(zlib, base64), so undo and erase are edits like any other. The second says that the first 18 edits
are in what step 121 learns, and how much of the new ones the network had right before. The file is
the one truth of a painted run: the labels can be painted again from it alone, and a run that is
resumed or replayed takes every edit at its step.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

import numpy as np
from pydantic import Field, with_config
from typing_extensions import TypedDict

from napari_unet.base.errors import CheckpointError
from napari_unet.base.quantities import count
from napari_unet.base.records import record_of
from napari_unet.base.regular_files import read_whole

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FILE_NAME", "Edit", "Effect", "Journal"]

FILE_NAME = "journal.jsonl"
Count = Annotated[int, Field(ge=0, le=10**12)]
Share = Annotated[float, Field(ge=0, le=1)]


@with_config(extra="forbid")
class _EditLine(TypedDict):
    edit: Count
    stack: Count
    slice: Count
    box: tuple[Count, Count, Count, Count]
    dtype: Literal["uint8", "uint16", "int32"]
    values: str


@with_config(extra="forbid")
class _EffectLine(TypedDict):
    step: Count
    edits: Count
    right: list[Share | None]
    strokes: NotRequired[Count]


@dataclass(frozen=True, eq=False)
class Edit:
    """Labels that were changed: one stroke, one fill, one undo.

    Attributes
    ----------
    stack_index, slice_index
        Where.
    box
        y0, y1, x0, x1 in pixels of the slice; y1 and x1 are the first outside.
    values
        (y1 - y0, x1 - x0) label values of the box afterwards.
    """

    stack_index: int
    slice_index: int
    box: tuple[int, int, int, int]
    values: NDArray[Any]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        y0, y1, x0, x1 = self.box
        return slice(y0, y1), slice(x0, x1)


@dataclass(frozen=True)
class Effect:
    """From which step on edits are learnt.

    Attributes
    ----------
    step
        Steps that were done before; the next one learns from the edits.
    edits
        How many edits are in effect, counted from the first of the run.
    right
        Of each new edit, the share of its pixels that the network had right before it learnt them;
        NaN where there was nothing to be right about (erased).
    strokes
        How many strokes of a script are painted by then; 0 without one.
    """

    step: int
    edits: int
    right: tuple[float, ...] = ()
    strokes: int = 0


class Journal:
    """Edits and effects in the order in which they came; safe to use from several threads.

    Parameters
    ----------
    folder
        Of the run; None keeps the record in memory alone.

    Raises
    ------
    CheckpointError
        When the file is there and is no journal. A last line that was torn off is forgotten.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._file = None if folder is None else folder / FILE_NAME
        self._whole: int | None = None  # bytes, where the file ends in a line that was torn off
        self._unsaved = b""  # lines for which there was no room
        self._is_saved = False  # whether the file is there, unless somebody took it away
        self.edits: list[Edit] = []
        self.effects: list[Effect] = []
        if self._file is not None and self._file.exists():
            self._read(self._file)
            self._is_saved = True

    @property
    def in_effect(self) -> int:
        """How many edits are in effect."""
        return self.effects[-1].edits if self.effects else 0

    def pixels(self) -> int:
        """Count the pixels that were painted or erased, each time that they were."""
        slices: dict[tuple[int, int], NDArray[Any]] = {}
        for where in {(edit.stack_index, edit.slice_index) for edit in self.edits}:
            boxes = [e.box for e in self.edits if (e.stack_index, e.slice_index) == where]
            slices[where] = np.zeros((max(b[1] for b in boxes), max(b[3] for b in boxes)), np.int32)
        changed = 0
        for edit in self.edits:
            window = slices[edit.stack_index, edit.slice_index][edit.window]
            changed += int(np.count_nonzero(window != edit.values))
            window[:] = edit.values
        return changed

    def add(self, edit: Edit, *, later: bool = False) -> None:
        """Record an edit; it is in the file when this returns.

        Parameters
        ----------
        edit
            What was painted.
        later
            It is written with whatever is recorded next, or by `save`.

        Raises
        ------
        CheckpointError
            When the file cannot be written; the edit is kept in memory, and counts.
        """
        with self._lock:
            self.edits.append(edit)
            line = _edit_line(len(self.edits) - 1, edit)
            if later and self._file is not None:
                self._unsaved += line
            else:
                self._write(line)

    def save(self) -> None:
        """Write what is not in the file yet; see `add`."""
        with self._lock:
            if self._unsaved:
                self._write(b"")

    def take_effect(self, effect: Effect) -> None:
        """Record from which step on edits are learnt; see `add`."""
        with self._lock:
            self.effects.append(effect)
            self._write(_effect_line(effect))

    def until(self, step: int) -> int:
        """How many edits are in effect when `step` steps are done."""
        done = [effect.edits for effect in self.effects if effect.step <= step]
        return max(done, default=0)

    def forget_after(self, step: int) -> list[Effect]:
        """Take back effects after `step` and return them, for a run that goes on from there.

        The file is left as it is: an effect that is recorded again says the same once more.
        """
        with self._lock:
            later = [effect for effect in self.effects if effect.step > step]
            self.effects = [effect for effect in self.effects if effect.step <= step]
        return later

    def _write(self, line: bytes) -> None:
        if self._file is None:
            return
        self._unsaved += line
        if self._is_saved and not self._file.exists():  # its folder was moved, or removed
            edits = map(_edit_line, range(len(self.edits)), self.edits)
            self._unsaved, self._whole = b"".join((*edits, *map(_effect_line, self.effects))), None
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab", buffering=0) as stream:
                if self._whole is not None:
                    stream.truncate(self._whole)
                self._whole = stream.seek(0, os.SEEK_END)
                # One write: the system has it even if this process is killed next.
                if stream.write(self._unsaved) < len(self._unsaved):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._unsaved, self._whole, self._is_saved = b"", None, True
        except OSError as error:
            raise CheckpointError(
                f"what was painted could not be saved in {self._file} ({error.strerror}): "
                "make room or choose another folder; it is still in the layer."
            ) from error

    def _read(self, file: Path) -> None:
        from napari_unet.network.compute import available_memory  # loads torch

        content = read_whole(file, "journal")
        room = available_memory("cpu")
        whole, torn = content.rsplit(b"\n", 1) if b"\n" in content else (b"", content)
        # The line that was being written when everything stopped, or is being written now: it goes
        # when this journal writes, which a look at it does not.
        self._whole = len(content) - len(torn) if torn else None
        for number, line in enumerate(filter(None, whole.split(b"\n")), start=1):
            try:
                room -= self._take(line, room)
            except (ValueError, zlib.error) as error:
                raise CheckpointError(
                    f"line {number} of {file} is damaged ({error}): restore the file, or remove "
                    "that line and those after it."
                ) from error

    def _take(self, line: bytes, room: int) -> int:
        """Take a line, of which the labels may have so many bytes; return how many they have."""
        if b'"edit"' in line:
            told = record_of(_EditLine, line)
            if told["edit"] > len(self.edits):
                raise ValueError(f"edit {len(self.edits)} is missing before it")
            if told["edit"] < len(self.edits):  # painted again by a resumed run
                return 0
            self.edits.append(_edit_from_json(told, room))
            return self.edits[-1].values.nbytes
        found = record_of(_EffectLine, line)
        right = tuple(np.nan if share is None else share for share in found["right"])
        effect = Effect(found["step"], found["edits"], right, found.get("strokes", 0))
        # A resumed run records again what took effect after the step that it went on from.
        before = [
            one for one in self.effects if one.step <= effect.step and one.edits < effect.edits
        ]
        new = effect.edits - (before[-1].edits if before else 0)
        if effect.edits > len(self.edits) or len(right) != new:
            raise ValueError(f"it is about {count(len(right), 'edit')} of {new}")
        self.effects = [*before, effect]
        return 0


def _edit_line(number: int, edit: Edit) -> bytes:
    packed = zlib.compress(np.ascontiguousarray(edit.values).tobytes(), 1)
    told = {
        "edit": number,
        "stack": edit.stack_index,
        "slice": edit.slice_index,
        "box": list(edit.box),
        "dtype": edit.values.dtype.name,
        "values": base64.b64encode(packed).decode(),
    }
    return _line(told)


def _effect_line(effect: Effect) -> bytes:
    right = [None if np.isnan(share) else share for share in effect.right]
    told = {"step": effect.step, "edits": effect.edits, "right": right}
    return _line(told | ({"strokes": effect.strokes} if effect.strokes else {}))


def _line(told: dict[str, Any]) -> bytes:
    return (json.dumps(told, separators=(",", ":")) + "\n").encode()


def _edit_from_json(line: _EditLine, room: int) -> Edit:
    """Return an edit that takes no more bytes than there is room for."""
    y0, y1, x0, x1 = line["box"]
    height, width, dtype = y1 - y0, x1 - x0, line["dtype"]
    if min(height, width) < 1:
        raise ValueError("its box is empty")
    size = height * width * np.dtype(dtype).itemsize
    if size > room:
        raise ValueError("its box does not fit into memory")
    raw = zlib.decompressobj().decompress(base64.b64decode(line["values"], validate=True), size + 1)
    if len(raw) != size:
        raise ValueError("its values do not fill its box")
    values = np.frombuffer(raw, dtype).reshape(height, width)
    if int(values.min()) < 0:
        raise ValueError("its values are below 0")
    return Edit(line["stack"], line["slice"], line["box"], values)
