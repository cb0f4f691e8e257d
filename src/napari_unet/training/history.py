"""The events of a run, one a line of ``history.jsonl``, and typed when they are read."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from napari_unet.base.atomic_files import replaced_file, unwritable
from napari_unet.base.records import RecordError, record_of
from napari_unet.base.regular_files import opened
from napari_unet.network.model_file import damaged, to_json
from napari_unet.training.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["History", "events_of"]

LONGEST_LINE = 1_000_000  # bytes; real ones have a few hundred


def _entry_type() -> Any:
    """All fields of all events; any but the event's name may be missing, or null for no number."""
    fields: dict[str, Any] = {"event": Required[str]}
    for event in typing.get_args(Event):
        for name, kind in typing.get_type_hints(event).items():
            fields[name] = kind | None if isinstance(kind, type | types.UnionType) else kind
    entry: Any = TypedDict("Entry", fields, total=False)  # type: ignore[misc]
    return with_config(extra="allow")(entry)


Entry = _entry_type()

KINDS = {kind.__name__: kind for kind in typing.get_args(Event)}
HINTS = {kind: typing.get_type_hints(kind) for kind in KINDS.values()}


class History:
    """The history file of a run.

    Parameters
    ----------
    file
        It need not exist yet.
    """

    def __init__(self, file: Path):
        self.file = file
        self._is_whole = False

    def append(self, event: Any) -> None:
        """Add one event, a dataclass or a mapping, as one line.

        Raises
        ------
        CheckpointError
            The disk is full or the place cannot be written.
        """
        if dataclasses.is_dataclass(event) and not isinstance(event, type):
            entry = {"event": type(event).__name__, **dataclasses.asdict(event)}
        else:
            entry = dict(event)
        try:
            if not self._is_whole:
                _drop_torn_line(self.file)
            self._is_whole = False  # until the line is there, should the disk be full
            with self.file.open("ab") as stream:
                stream.write((to_json(entry) + "\n").encode())
            self._is_whole = True
        except OSError as error:
            raise unwritable(self.file, error) from error

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the events so far, oldest first; a last line that was cut off is left out.

        Raises
        ------
        CheckpointError
            The file cannot be read, or a line is no event; the sentence names line and field.
        """
        if not self.file.exists():
            return
        with opened(self.file, "history") as stream:
            number = 0
            while (line := stream.readline(LONGEST_LINE)).endswith(b"\n"):
                number += 1
                try:
                    yield record_of(Entry, line)
                except RecordError as error:
                    raise damaged(self.file, f"history (line {number})", error) from None
            if len(line) == LONGEST_LINE:
                raise damaged(self.file, f"history (line {number + 1})", "it does not end")

    def rewind(self, step: int) -> None:
        """Forget the events after a step, as a resumed run will make them anew."""
        with replaced_file(self.file) as stream:
            for entry in self.entries():
                if (entry.get("step") or 0) <= step:
                    stream.write((to_json(entry) + "\n").encode())


def events_of(entries: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    """Make the events again that a history keeps; one that lacks what it needs is left out.

    Parameters
    ----------
    entries
        As `History.entries` has them; null for what is no number.

    Yields
    ------
    Event
        Of the kinds that there are; other entries are left out.
    """
    for entry in entries:
        kind = KINDS.get(entry["event"])
        if kind is None:
            continue
        values = {name: entry[name] for name in HINTS[kind] if entry.get(name) is not None}
        values = {name: math.nan for name, hint in HINTS[kind].items() if hint is float} | values
        with suppress(TypeError):
            yield kind(**values)


def _drop_torn_line(file: Path) -> None:
    """Cut an unfinished last line, left by a kill or a full disk, off a text file."""
    if not file.exists():
        return
    with file.open("r+b") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - LONGEST_LINE))
        tail = stream.read()
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            stream.truncate(size - len(tail) + whole)
