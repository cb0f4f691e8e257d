"""One picture a validation: how the same slice is segmented as the training goes on."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import CheckpointError
from napari_unet.evaluation.pictures import colour_objects, grey, mark_errors, montage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.training.validation_planes import ValidationPlane

__all__ = ["ValidationPictures", "validation_picture"]

LARGEST = 256  # px, of a side: small enough to keep one of every validation
COLOURS = 128  # of the file


class ValidationPictures:
    """The pictures in the folder of a run: ``validations/step-000200.png`` and so on.

    Parameters
    ----------
    run
        The folder of the run.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / "validations"

    def files(self) -> dict[int, Path]:
        """Return the pictures by step, first validation first."""
        found = {}
        for file in sorted(self.folder.glob("step-*.png")):
            match = re.fullmatch(r"step-(\d+)\.png", file.name)
            if match:
                found[int(match[1])] = file
        return dict(sorted(found.items()))

    def keep(self, step: int, plane: ValidationPlane, predicted: NDArray[np.integer]) -> None:
        """Draw a validation and write its file.

        Parameters
        ----------
        step
            The step after which it was done.
        plane
            Always the same one of a run.
        predicted
            (Y, X) class of every pixel.

        Raises
        ------
        CheckpointError
            If it cannot be written.
        """
        stream = io.BytesIO()
        picture = Image.fromarray(validation_picture(plane, predicted))
        picture.quantize(COLOURS).save(stream, "PNG", optimize=True)
        write_atomically(self.folder / f"step-{step:06}.png", stream.getvalue())

    def forget(self, after: int = -1) -> None:
        """Remove the pictures of later steps, as a resumed run will make them anew.

        Raises
        ------
        CheckpointError
            If they cannot be removed.
        """
        try:
            for step, file in self.files().items():
                if step > after:
                    file.unlink(missing_ok=True)
            with suppress(OSError):  # there is something in it still
                self.folder.rmdir()
        except OSError as error:
            raise CheckpointError(
                f"the pictures in {self.folder} cannot be removed ({error}): free that folder."
            ) from error


def validation_picture(plane: ValidationPlane, predicted: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Draw image, truth, prediction and errors side by side.

    Parameters
    ----------
    plane
        (C, Y, X) image; pixels of weight 0 have no truth, and no error.
    predicted
        (Y, X) class of every pixel.

    Returns
    -------
    ndarray (h, w, 3) uint8
        Every pixel one of the image, or one of several where it is larger than 256 px. Errors are
        orange where another class was found, blue where background was.
    """
    every = -(-max(predicted.shape) // LARGEST)
    image, truth, found, known = (
        part[..., ::every, ::every]
        for part in (plane.image, plane.classes, predicted, plane.weights > 0)
    )
    shown = grey(image)
    wrong = found != truth
    errors = mark_errors(shown, wrong & (found > 0), wrong & (found == 0), known)
    tinted = (colour_objects(shown, classes) for classes in (np.where(known, truth, 0), found))
    return montage([shown, *tinted, errors], 4)
