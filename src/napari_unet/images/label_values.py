"""Label values out of pixels: what was meant by a mask that a picture format has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_unet.base.errors import DataSetError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_unet.images.pixels import Pixels

__all__ = ["MASK_TOPS", "MaskCut", "joined_masks", "label_values", "mask_cut", "refuse_copy"]

JPEG_NOISE = 64  # of 255; at sharp edges a low quality reaches further than that
JPEG_BLURRED = 0.05  # share of the pixels beyond it from which on it is no mask
FLAT_NOISE = 16  # of 255; as far from 0 and 255 no flat part of a mask is
FLAT = 8  # range of values within 5 × 5 pixels of a flat part
FEWEST = 9  # pixels of a flat part that are no accident
OWN_INDEX = 2**20  # greatest value up to which it is not looked up
MASK_TOPS = (1, 255, 65535)  # foreground of masks, depending on the program

NotedLabels = tuple["NDArray[Any]", tuple[str, ...]]


def label_values(pixels: Pixels, name: str, *, probabilities: bool = False) -> NotedLabels:
    """Return label values, one per pixel, and what is to be said about how they were read.

    Parameters
    ----------
    pixels
        Of a file, in memory.
    name
        Of the file, for errors and notes.
    probabilities
        Whether fractions are probabilities, which stay as they are.

    Returns
    -------
    numpy.ndarray
        Without a channel axis of colour; values as stored wherever they can be labels as they
        are. Not yet checked to be whole numbers, see `annotation.labels.integer_labels`.
    tuple of str

    Raises
    ------
    DataSetError
        When values were changed so that labels cannot be told any more: several colours, grey
        values of a JPEG, objects or classes whose edges were blurred.
    """
    if not pixels.array.size:
        raise DataSetError(f"{name} holds no pixel: choose the file that holds the labels.")
    array, notes = _without_colour(pixels, name)
    cut = mask_cut(array, name, lossy=pixels.lossy, probabilities=probabilities)
    if cut is None:
        return array, notes
    return cut.applied(array), (*notes, cut.said)


@dataclass(frozen=True)
class MaskCut:
    """How a mask whose values were changed becomes one of two values again.

    Attributes
    ----------
    at
        The least value that is foreground.
    top
        What foreground becomes.
    said
        A sentence about it.
    """

    at: float
    top: float
    said: str

    def applied(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the mask, with the dtype that it has."""
        mask: NDArray[Any] = np.where(array >= self.at, self.top, 0).astype(array.dtype)
        return mask


def mask_cut(
    array: NDArray[Any], name: str, *, lossy: bool = False, probabilities: bool = False
) -> MaskCut | None:
    """Return how a mask is to be cut; None where values are labels as they are.

    Parameters
    ----------
    array
        (..., Y, X), all of the values or a sample of them.
    name
        Of the file.
    lossy
        Whether compression has changed values.
    probabilities
        Whether fractions are probabilities, which stay as they are.

    Raises
    ------
    DataSetError
        As `label_values`.
    """
    if lossy and array.dtype == np.uint8:
        return _cut_of_jpeg(array, name)
    if probabilities and array.dtype.kind == "f":
        return None
    return _cut_of_blurred(array, name)


def refuse_copy(name: str, image: Any, labels: Any) -> None:
    """Refuse an image once more as its labels, under another name.

    Parameters
    ----------
    name
        Of the image.
    image, labels
        Arrays; those that are not in memory are not compared.

    Raises
    ------
    InputError
        They are the same, and no mask.
    """
    both = isinstance(image, np.ndarray) and isinstance(labels, np.ndarray)
    if not both or image.shape != labels.shape or image.dtype != labels.dtype:
        return
    if np.array_equal(image, labels) and len(np.unique(image)) > 3:
        raise InputError(
            f"the labels of {name!r} are the image itself: choose the file that holds labels."
        )


def joined_masks(labels: NDArray[Any]) -> NDArray[Any]:
    """Return a series of masks of which some are of 0 and 1, others of 0 and 255, as one.

    Parameters
    ----------
    labels
        (N, ..., Y, X).

    Returns
    -------
    numpy.ndarray
        With one foreground value, the greatest; the same array where it is no such series.
    """
    if labels.ndim < 3 or labels.dtype.kind not in "bui" or not labels.size:
        return labels
    tops = labels.max(axis=(-2, -1))
    found = sorted({int(top) for top in np.unique(tops)} - {0})
    if len(found) < 2 or not set(found) <= set(MASK_TOPS):
        return labels
    if np.any((labels != 0) & (labels != tops[..., None, None])):
        return labels
    joined: NDArray[Any] = np.where(labels != 0, labels.dtype.type(found[-1]), 0)
    return joined.astype(labels.dtype, copy=False)


def _without_colour(pixels: Pixels, name: str) -> NotedLabels:
    array: NDArray[Any] = pixels.array
    if pixels.palette is not None:
        used = pixels.palette[np.unique(array)]
        grey = len(used) > 0 and bool((used == used[:, :1]).all())
        indices: NDArray[Any] = pixels.palette[:, 0][array] if grey else array
        return indices, ()
    if not pixels.samples:
        return array, ()
    array = np.moveaxis(array, pixels.axes.index("c"), -1)
    alpha = array[..., -1] if array.shape[-1] in (2, 4) else None
    colours: NDArray[Any] = array if alpha is None else array[..., :-1]
    if alpha is not None and np.ptp(alpha) and not np.ptp(colours, axis=(-3, -2)).any():
        return alpha, (f"{name}: the mask is taken from the alpha channel, the rest is empty.",)
    tolerance = JPEG_NOISE if pixels.lossy else 0
    spread = colours.max(axis=-1).astype(np.float64) - colours.min(axis=-1)
    if spread.max() > tolerance:
        raise DataSetError(
            f"{name} is a colour picture, but labels must be one whole number per pixel: save them "
            "as a grey or indexed image."
        )
    one_channel: NDArray[Any] = colours[..., 0]
    return one_channel, ()


def _cut_of_jpeg(array: NDArray[np.uint8], name: str) -> MaskCut | None:
    """0 and 255 again, which the compression scatters; anything else cannot be told."""
    if len(np.unique(array)) <= 2:
        return None
    values = array.astype(np.int16)
    far = np.minimum(values, 255 - values)
    window = (1,) * (array.ndim - 2) + (5, 5)
    ranges = ndimage.maximum_filter(values, window) - ndimage.minimum_filter(values, window)
    plateau = (ranges <= FLAT) & (far > FLAT_NOISE)
    blurred = (far > JPEG_NOISE).mean() > JPEG_BLURRED
    if blurred or np.count_nonzero(plateau) >= FEWEST or values.max() < 128:
        raise DataSetError(
            f"{name} cannot hold labels, because JPEG compression changes their values: save them "
            "as PNG or TIFF."
        )
    said = f"{name}: the values of a JPEG mask are taken as 0 below 128, else as 255."
    return MaskCut(128, 255, said)


def _cut_of_blurred(array: NDArray[Any], name: str) -> MaskCut | None:
    """A mask whose edges were blurred by resizing, thresholded; other labels as they are."""
    plateaus = _plateaus_of_blurred(array)
    if plateaus is None:
        return None
    if len(plateaus) > 1:
        raise DataSetError(
            f"{name} has been resized with interpolation, which invents label values along every "
            "edge: resize the labels with nearest neighbours."
        )
    top = plateaus[0]
    said = f"whose values are taken as {top:g} from {top / 2:g} on, else as 0."
    return MaskCut(top / 2, top, f"{name}: a mask with blurred edges, {said}")


def _plateaus_of_blurred(array: NDArray[Any]) -> list[float] | None:
    """Values that fill areas, where all others only line their edges; None for usual labels.

    A value *lines an edge* when hardly any of its pixels has its like above and to the left. Ids
    of objects fill areas; so do classes. Three such values or more that line most of the rims of
    areas, which hold a good part of what is marked, are the work of interpolation.
    """
    if array.dtype.kind not in "uif" or array.ndim < 2 or min(array.shape[-2:]) < 3:
        return None
    steps = array
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or not (array % 1).any():
            return None
        # Interpolation leaves rounding errors on the areas.
        steps = np.rint(array * (255 / np.abs(array).max()))
    values, where, zero = _indexed(steps)
    marked_pixels = where != zero  # usually few, and counting takes time
    # NumPy 2.0 counts no uint64.
    counts = np.bincount(where[marked_pixels].astype(np.intp, copy=False), minlength=len(values))
    counts[zero] += where.size - counts.sum()
    if np.count_nonzero(counts) < 5:
        return None
    present = (counts > 0) & (values != 0)
    # What has enough flat pixels in a part of the rows lines no edge, and nothing does usually.
    few = _flats(where, marked_pixels, len(values), every=4)
    if np.count_nonzero(present & (few <= 0.05 * counts)) < 3:
        return None
    flats = _flats(where, marked_pixels, len(values))
    filling = (flats > 0.2 * counts) | (values == 0)  # the background, whatever is left of it
    lining = ~filling & (flats <= 0.05 * counts) & present
    full, marked = filling & (values > 0), values != 0
    enough = counts[full].sum() >= 0.25 * counts[marked].sum()
    if not enough or lining.sum() < max(3, 0.5 * (np.count_nonzero(counts) - 1)):
        return None
    beyond = lining & (np.abs(values) > 1.2 * values[full].max())  # more than cubics overshoot
    if counts[beyond].sum() > 0.1 * counts[lining].sum():
        return None
    window = np.ones((1,) * (array.ndim - 2) + (3, 3), bool)
    area, edges = full[where], lining[where]
    near = ndimage.binary_dilation(area, window, iterations=4)
    rim = area & ndimage.binary_dilation(~area, window)
    lined = np.count_nonzero(rim & ndimage.binary_dilation(edges, window))
    stray = np.count_nonzero(edges & ~near)
    if stray > 0.4 * np.count_nonzero(edges) or lined < 0.5 * np.count_nonzero(rim):
        return None
    return [float(np.median(array[where == k])) for k in np.flatnonzero(full)]


def _flats(
    where: NDArray[Any], chosen: NDArray[np.bool_], n: int, every: int = 1
) -> NDArray[np.int64]:
    """Count, per value, the chosen pixels that have their like above and to the left."""
    here = where[..., 1::every, 1:]
    flat = (here == where[..., :-1:every, 1:]) & (here == where[..., 1::every, :-1])
    counted = here[flat & chosen[..., 1::every, 1:]].astype(np.intp, copy=False)
    counts: NDArray[np.int64] = np.bincount(counted, minlength=n)
    return counts


def _indexed(steps: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Values, the index of each pixel's among them, and that of 0, or -1 where there is none.

    Small whole numbers are their own index.
    """
    if steps.dtype.kind in "ui" and steps.size and steps.min() >= 0 and steps.max() < OWN_INDEX:
        return np.arange(int(steps.max()) + 1), steps, 0
    values, where = np.unique(steps, return_inverse=True)
    return values, where.reshape(steps.shape), int(np.max(np.flatnonzero(values == 0), initial=-1))
