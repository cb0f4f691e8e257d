"""The reference of a comparison: a file of labels, or the truth of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError
from napari_unet.cli.inputs import has_sequences, is_data_set, read_said

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.ctc_folder import Truth
    from napari_unet.images.pixels import Pixels
    from napari_unet.images.stack import Stack

__all__ = ["Reference", "add_reference_arguments", "open_reference"]

LABELLED = "labelled"


@dataclass(frozen=True, eq=False)
class Reference:
    """What is right, where it is known.

    Attributes
    ----------
    pixels
        Label values, those of the plane last.
    scheme
        What they mean.
    slices
        Flat indices of the slices that count; None: all.
    """

    pixels: Pixels
    scheme: LabelScheme
    slices: tuple[int, ...] | None = None

    @property
    def labels(self) -> NDArray[Any]:
        """(..., Y, X) label values."""
        array: NDArray[Any] = self.pixels.array
        return array

    def meet(self, prediction: Pixels) -> NDArray[Any]:
        """Return a prediction in the order of axes of the reference; say what there is to say."""
        from napari_unet.cli.progress import say
        from napari_unet.evaluation.reading import with_background
        from napari_unet.images.matching import matched

        mine = self.pixels
        met = matched(prediction, mine.name, mine.axes, self.labels.shape, mine.places)
        for note in met.notes:
            say(note)
        array: NDArray[Any] = met.array
        others = self.scheme.n_classes - 1
        if "c" in met.axes and array.dtype.kind == "f" and array.shape[-3] == others > 1:
            return with_background(array, -3)  # the window saves what its layer shows
        return array

    def pick(self, prediction: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the slices of a prediction and of the reference that count, both (n, ..., Y, X).

        A prediction of these slices alone is taken as it is.
        """
        if self.slices is None:
            return prediction, self.labels
        chosen, leading = list(self.slices), self.labels.shape[:-2]
        labels = self.labels.reshape(-1, *self.labels.shape[-2:])[chosen]
        if prediction.shape[: len(leading)] == leading:
            rest = prediction.shape[len(leading) :]
            return prediction.reshape(-1, *rest)[chosen], labels
        if prediction.shape[:1] == (len(chosen),):
            return prediction, labels
        return prediction, self.labels


def add_reference_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the reference, and what of it counts."""
    parser.add_argument(
        "reference",
        metavar="REFERENCE",
        help="file of labels; or a data set or a folder of the Cell Tracking Challenge, of which "
        "the annotated frames count",
    )
    parser.add_argument("--sequence", metavar="NN", help="01 (default), 02, ... of such a data set")
    parser.add_argument(
        "--truth",
        choices=("gold", "silver", "both", "markers"),
        help="annotation of such a data set (default gold; the challenge takes DET on markers)",
    )
    parser.add_argument(
        "--sparse",
        action="store_true",
        help="in the reference 0 means not annotated (and does not count), 1 background",
    )
    parser.add_argument(
        "--slices",
        metavar="WHICH",
        help="slices that count, such as 0,4-6; labelled: those that have any label",
    )


def open_reference(args: argparse.Namespace, files: Sequence[Path] | None = None) -> Reference:
    """Open the reference of a command line.

    Parameters
    ----------
    args
        With ``reference``.
    files
        Of a folder of label files, those that are read; None: all.

    Raises
    ------
    InputError
        If the reference has no labels, or the slices asked for do not exist.
    """
    from napari_unet.annotation.labels import propose_scheme
    from napari_unet.cli.progress import say
    from napari_unet.images.pixels import Pixels
    from napari_unet.images.tiff_metadata import places_of

    annotation: Any = "sparse" if args.sparse else "dense"
    if has_sequences(args.reference) or is_data_set(args.reference):
        stack = _open_stack(args)
        labels, slices, scheme = _whole_labels(stack), stack.annotated, stack.scheme
        axes = stack.leading_axes + "yx"
        pixels = Pixels(stack.name, labels, axes, places_of(stack))
    elif args.sequence or args.truth:
        raise InputError(
            f"--sequence and --truth are for data sets of the Cell Tracking Challenge, and "
            f"{args.reference} is none; leave them out."
        )
    else:
        pixels, slices, scheme = _planes_last(read_said(args.reference, files=files)), None, None
    if scheme is None or args.sparse:
        scheme = propose_scheme(pixels.array, annotation)[0]
    say(f"reference: {scheme.describe()}")
    if args.slices:
        slices = _asked(args.slices, pixels.array)
    return Reference(pixels, scheme, slices)


def _planes_last(read: Pixels) -> Pixels:
    """Return labels whose axes say where y and x are with these two last, as rows and columns."""
    order = "".join(axis for axis in read.axes if axis not in "yx") + "yx"
    turned = order != read.axes and sorted(order) == sorted(read.axes)
    return read.in_order(order) if turned else read


def _open_stack(args: argparse.Namespace) -> Stack:
    from napari_unet.datasets import registry as datasets
    from napari_unet.images import files

    truth: Truth = args.truth or "gold"
    if is_data_set(args.reference):
        sequence = args.sequence or "01"
        return datasets.open(args.reference, sequence=sequence, truth=truth, progress=True)
    return files.open_image(args.reference, sequence=args.sequence, truth=truth)


def _whole_labels(stack: Stack) -> NDArray[Any]:
    """Labels over all slices, 0 where a slice has none: those do not count."""
    import numpy as np

    whole = np.zeros((stack.n_slices, *stack.plane_shape), np.int32)
    for i in stack.labelled_slices:
        whole[i] = stack.label_plane(i)
    return whole.reshape(*stack.leading_shape, *stack.plane_shape)


def _asked(text: str, labels: NDArray[Any]) -> tuple[int, ...]:
    import numpy as np

    from napari_unet.annotation.splits import parse_slices

    planes = labels.reshape(-1, *labels.shape[-2:])
    if text == LABELLED:
        found = tuple(np.flatnonzero(planes.any((1, 2))).tolist())
        if not found:
            raise InputError("the reference has no slice with a label; give another reference.")
        return found
    try:
        found = parse_slices(text)
    except InputError:
        found = ()
    if not found or found[-1] >= len(planes):
        raise InputError(
            f"--slices must be {LABELLED}, or numbers from 0 to {len(planes) - 1} such as 0,4-6, "
            f"got {text!r}."
        )
    return found
