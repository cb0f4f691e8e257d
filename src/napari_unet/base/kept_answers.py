"""Small answers that processes share in one JSON file, none of which is lost."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import CheckpointError
from napari_unet.base.locks import held
from napari_unet.base.records import RecordError, record_from, record_of
from napari_unet.base.regular_files import read_whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KeptAnswers"]

T = TypeVar("T")

LARGEST = 10_000_000  # bytes; real ones have a few thousand
PATIENCE = 5.0  # seconds; the others need milliseconds


class KeptAnswers(Generic[T]):
    """Answers by key, in a file of a cache.

    Parameters
    ----------
    file
        It need not exist; one that is damaged counts as empty.
    kind
        The type of an answer; see `base.records.record_of`. Others are left where they are.
    most
        Answers that are kept; the oldest go first.
    """

    def __init__(self, file: Path, kind: type[T], most: int = 10_000):
        self._file, self._kind, self._most = file, kind, most

    def get(self, key: str) -> T | None:
        """Return an answer, or None where there is none of the right type."""
        try:
            return record_from(self._kind, self._read()[key])
        except (KeyError, RecordError):
            return None

    def put(self, key: str, answer: T) -> bool:
        """Keep an answer beside those that others keep meanwhile; False where that cannot be."""
        deadline = time.monotonic() + PATIENCE
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            while True:
                with held(self._file.with_name(f".{self._file.name}.lock")) as mine:
                    if mine:
                        known = self._read()
                        known.pop(key, None)  # the newest is the last
                        kept = dict([*known.items(), (key, answer)][-self._most :])
                        write_atomically(self._file, json.dumps(kept, indent=1).encode())
                        return True
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.01)
        except (OSError, CheckpointError):
            return False

    def _read(self) -> dict[str, Any]:
        try:
            return record_of(dict[str, Any], read_whole(self._file, "cache", LARGEST))
        except (RecordError, CheckpointError):
            return {}
