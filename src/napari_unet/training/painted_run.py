"""A run that was painted into, as its folder tells it: to go on with, or to be done again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError, UNetError
from napari_unet.datasets.reopened import open_again
from napari_unet.images.source import Source
from napari_unet.training import begun, run_description
from napari_unet.training.journal import FILE_NAME, Journal
from napari_unet.training.painting import Painting, with_empty_labels
from napari_unet.training.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.run_description import Description

__all__ = ["PaintedRun"]


class PaintedRun:
    """What a run was painted on, and what was painted.

    Parameters
    ----------
    path
        The folder of the run.

    Raises
    ------
    InputError
        Nothing was painted into it.
    CheckpointError
        There is no run, or its description cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / FILE_NAME).is_file():
            raise InputError(
                f"nothing was painted in {path}: name the folder of a run with a {FILE_NAME}."
            )
        self._told = _description(path)
        self._data: list[Any] = list(self._told.get("data", ()))
        self.scheme = LabelScheme.from_dict(self._told.get("labels", {}))

    @property
    def sources(self) -> tuple[Source, ...]:
        """How its images were opened, each once; () where that is not known of all of them."""
        told = self._told.get("sources", ())
        if len(told) != len(self._data) or None in told:
            return ()
        return tuple(dict.fromkeys(Source.from_dict(one) for one in told if one is not None))

    def open_images(self) -> tuple[Stack, ...]:
        """Open its images where they were.

        Raises
        ------
        InputError
            Nobody knows where they were, or they are not there any more.
        """
        stacks: list[Stack] = []
        try:
            for source in self.sources:
                axes = self._data[min(len(stacks), len(self._data) - 1)].get("axes")
                stacks += open_again(source, axes)
        except UNetError as error:
            raise InputError(
                f"the image that {self.path} was painted on cannot be opened again ({error}): "
                "name it before the options."
            ) from error
        if not stacks:
            raise InputError(
                f"{self.path} does not say which file it was painted on: name the image before "
                "the options."
            )
        return tuple(stack.with_labels(None) for stack in stacks)

    @property
    def remark(self) -> str:
        """What is not as it was when it ended, where it ended before its training began."""
        model = self._told.get("started_from")
        if RunFolder(self.path).exists() or model is None:
            return ""
        return f"It ended before the weights of {model} were saved with it, so it begins without."

    def misfit(self, stacks: Sequence[Stack]) -> str:
        """Say why these images cannot be those that were painted on, as far as shapes tell it."""
        shapes = [list(stack.image.shape) for stack in stacks]
        painted = [list(one.get("shape", ())) for one in self._data]
        axes = [one.get("axes") for one in self._data]
        if shapes == painted and [stack.axes for stack in stacks] == axes:
            return ""
        names = ", ".join(
            f"{one.get('name')!r} ({' × '.join(map(str, one.get('shape', ())))})"
            for one in self._data
        )
        return f"{self.path.name} was painted on {names}: open that first."

    def other_scale(self, stacks: Sequence[Stack]) -> str:
        """Say which image has pixels of another size than when its training began."""
        for stack, told in zip(stacks, self._data):
            now, then = (stack.scale, stack.units), (told.get("scale"), told.get("units"))
            is_other = None not in then and now != tuple(map(tuple, then))
            if is_other and RunFolder(self.path).exists():
                return (
                    f"the pixels of {stack.name!r} are {_size(*now)} now, and were {_size(*then)} "
                    f"when {self.path.name} was painted: give the image that scale and unit again."
                )
        return ""

    def blank(self, stacks: Sequence[Stack]) -> tuple[Stack, ...]:
        """Return its images with empty labels, as they were before anything was painted.

        Parameters
        ----------
        stacks
            The images; labels that they have are left aside.

        Raises
        ------
        InputError
            They are not those that were painted on.
        """
        misfit = self.misfit(stacks)
        if misfit:
            raise InputError(misfit)
        return tuple(self._blank(stack, told) for stack, told in zip(stacks, self._data))

    def _blank(self, stack: Stack, told: dict[str, Any]) -> Stack:
        quick = bool(told.get("quick"))
        if stack.with_labels(None).fingerprint(quick=quick)["image"] != told.get("image"):
            raise InputError(
                f"the pixels of {stack.name!r} are not those that {self.path.name} was painted on: "
                "open the same image, as it was."
            )
        annotated = told.get("annotated")
        return with_empty_labels(
            stack,
            self.scheme,
            np.dtype(told.get("labels_dtype", "uint16")),
            None if annotated is None else tuple(annotated),
        )

    def first_model(self) -> TrainedModel | None:
        """Return the model whose weights it began with; None where they were random.

        Raises
        ------
        CheckpointError
            They are not there any more.
        """
        if self._told.get("started_from") is None:
            return None
        return RunFolder(self.path).snapshots.read(0)

    def painting(self, stacks: Sequence[Stack], *, live: bool = False) -> Painting:
        """Return all that was painted, to go on in the same folder; errors as `blank`.

        Parameters
        ----------
        stacks
            Its images, with pixels of the same size.
        live
            More may come from a window.
        """
        if other := self.other_scale(stacks):
            raise InputError(other)
        return Painting(self.blank(stacks), Journal(self.path), live=live)


def _size(scale: Sequence[float], units: Sequence[str]) -> str:
    return f"{' × '.join(f'{n:g}' for n in scale)} {units[-1]}"


def _description(path: Path) -> Description:
    """What a run says of itself; of one that ended before it could, what was painted on."""
    run, file = RunFolder(path), path / begun.FILE_NAME
    if not run.exists() and file.is_file():
        return run_description.read(file, begun.FORMAT)
    return run.description()
