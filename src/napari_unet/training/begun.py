"""What a painting is on, from its first stroke on: kept until the run describes itself.

A run is described once its data are measured, the way to compute is chosen and the network is
built, seconds after the first stroke. Strokes are saved at once, and need to be found again with
the image that they belong to. No torch is needed for this.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_unet.base.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_unet.images.stack import Stack

__all__ = ["FILE_NAME", "FORMAT", "note_begun"]

FILE_NAME = "painting.json"
FORMAT = "napari-unet painting"


def note_begun(run: Path, stacks: Sequence[Stack], started_from: str | None = None) -> None:
    """Write what is painted on into the folder of a run; see `training.painted_run`.

    Parameters
    ----------
    run
        The folder.
    stacks
        The images with the labels that are painted.
    started_from
        Name of the model that training begins with; None: random weights.

    Raises
    ------
    CheckpointError
        The folder cannot be written.
    """
    scheme = stacks[0].scheme
    content = {
        "format": FORMAT,
        "format_version": 1,
        "data": [stack.fingerprint(quick=True) for stack in stacks],
        "sources": [None if one.source is None else one.source.to_dict() for one in stacks],
        "labels": {} if scheme is None else scheme.to_dict(),
        "started_from": started_from,
    }
    write_atomically(run / FILE_NAME, (json.dumps(content, indent=2) + "\n").encode())
