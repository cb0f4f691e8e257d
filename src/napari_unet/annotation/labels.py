"""What label values mean: from a painted array to classes, objects and known pixels, and back.

Shapes: labels, classes, objects and known are (Y, X) unless said otherwise; K is the number of
classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from scipy import ndimage

from napari_unet.annotation.grey_images import FEW_IDS, count_neighbours, refuse_picture
from napari_unet.base.errors import InputError
from napari_unet.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LabelScheme",
    "Target",
    "annotated_classes",
    "check_annotation",
    "foreground_probability",
    "integer_labels",
    "likeliest",
    "propose_from_parts",
    "propose_scheme",
    "read_target",
    "separate_touching",
]

MAX_CLASSES = 255  # a class index is one byte, and napari shows as many colours
MAX_CLASS_VALUE = 65535  # bounds the lookup table from label value to class
MAX_OBJECT_ID = 2**31 - 1  # object ids are int32
UNDEFINED = 255  # class index of a label value that the scheme does not name

# What propose_scheme looks at: enough to see every class, little enough for a click.
MANY_COMPONENTS = 3.0  # mean pieces per slice from which one value cannot be one object
PER_CLASS = 1000  # ids of a class, where objects are numbered by class × 1000 + number
FIRST = 10  # greatest number that the first object of a class has, as some may be gone
SCAN_LIMIT = 2**26  # pixels; a larger array is sampled
SAMPLED_PLANES = 16
SAMPLED_SIDE = 2048


@dataclass(frozen=True)
class LabelScheme(Settings):
    """What the values of a labels array mean.

    Parameters
    ----------
    kind
        "objects": every id is one object. "classes": every value is a class.
    annotation
        "dense": every pixel is annotated, 0 is background. "sparse": 0 is not annotated, 1 is
        background, 2 and more are objects or classes.
    values
        Label value of each class, background first: what labels are read with, and what
        predictions are written with. Empty: (0, 1), or (1, 2) with sparse annotation. For objects
        of several classes: the first id of each class, ascending, such as (0, 1000, 2000); of
        one class these two are the only choice, so any other is replaced.
    names
        One per class. Empty: "background" and "foreground", or "class 1", "class 2", ...
    colours
        "#rrggbb" or None (the viewer's choice), one per class. Empty: all None.
    ignore
        Label value of pixels that weigh nothing; None: there is no such value.
    gap
        Make a one-pixel background gap between touching objects (kind "objects" only).

    Raises
    ------
    InputError
        If the settings contradict one another.
    """

    described_as: ClassVar[str] = "label schemes"

    kind: Literal["objects", "classes"] = "objects"
    annotation: Literal["dense", "sparse"] = "dense"
    values: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    colours: tuple[str | None, ...] = ()
    ignore: int | None = None
    gap: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ("objects", "classes"):
            raise InputError(f"kind of labels must be 'objects' or 'classes', got {self.kind!r}.")
        if self.annotation not in ("dense", "sparse"):
            raise InputError(f"annotation must be 'dense' or 'sparse', got {self.annotation!r}.")
        default = (0, 1) if self.annotation == "dense" else (1, 2)
        counts = self.kind == "classes" or len(self.values) > 2
        values = self.values if counts and self.values else default
        self._fill("values", tuple(_whole(value, "class value") for value in values))
        default_names: tuple[str, ...] = ("background", "foreground")
        if len(values) != 2:
            default_names = ("background", *(f"class {k}" for k in range(1, len(values))))
        self._fill("names", tuple(self.names) or default_names)
        self._fill("colours", tuple(self.colours) or (None,) * len(values))
        if self.ignore is not None:
            self._fill("ignore", _whole(self.ignore, "ignore"))
        self._check_values()
        self._check_appearance()

    def _fill(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)  # the way to complete a frozen dataclass

    def _check_values(self) -> None:
        if not 2 <= len(self.values) <= MAX_CLASSES:
            raise InputError(
                f"classes must be 2 to {MAX_CLASSES}, background included, got {len(self.values)}."
            )
        if len(set(self.values)) != len(self.values):
            raise InputError(f"every class needs a label value of its own, got {self.values}.")
        if max(self.values) > MAX_CLASS_VALUE:
            raise InputError(
                f"class values must be at most {MAX_CLASS_VALUE}, got {max(self.values)}; "
                "for object ids choose kind 'objects'."
            )
        if self.annotation == "sparse" and 0 in self.values:
            raise InputError(
                f"with sparse annotation 0 means 'not annotated', but 0 is one of the class values "
                f"{self.values}; give the classes values from 1 on, or choose dense annotation."
            )
        if self.kind == "objects" and list(self.values) != sorted(self.values):
            raise InputError(
                f"the first ids of the classes must ascend, background first, got {self.values}."
            )
        taken = self.values if self.kind == "classes" else self.values[:1]
        if self.ignore in taken:
            raise InputError(
                f"the ignored label value must not be a class, got ignore={self.ignore} among the "
                f"class values {taken}; choose another value."
            )

    def _check_appearance(self) -> None:
        for field, entries in (("names", self.names), ("colours", self.colours)):
            if len(entries) != self.n_classes:
                raise InputError(
                    f"{field} must be one per class, {self.n_classes} in all, got {len(entries)}."
                )
        for colour in self.colours:
            if colour is not None and not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
                raise InputError(f"a class colour must read '#rrggbb', got {colour!r}.")

    @property
    def n_classes(self) -> int:
        """Number of classes K, background included: 2 for objects of one class."""
        return len(self.values)

    def describe(self) -> str:
        """Say in one line how label values are read.

        Examples
        --------
        >>> LabelScheme("classes", values=(0, 255)).describe()
        'every value is a class: 0 background, 255 foreground'
        >>> LabelScheme(annotation="sparse", ignore=9).describe()
        '0 is not annotated, 1 background, every other value one object; 9 does not count'
        """
        sparse = self.annotation == "sparse"
        if self.kind == "objects":
            known = "0 is not annotated, 1 background" if sparse else "0 is background"
            said = f"{known}, every other value one object"
            if self.n_classes > 2:
                listed = [f"from {v} on {n}" for v, n in zip(self.values[1:], self.names[1:])]
                said += f": {', '.join(listed)}"
        else:
            listed = [f"{v} {name}" for v, name in zip(self.values, self.names)]
            more = [f"and {len(listed) - 6} more"] if len(listed) > 7 else []
            listed = [*listed[:6], *more] if more else listed
            known = "0 is not annotated, every other value is a class" if sparse else ""
            said = f"{known or 'every value is a class'}: {', '.join(listed)}"
        return said + ("" if self.ignore is None else f"; {self.ignore} does not count")

    def encode(self, classes: ArrayLike) -> NDArray[Any]:
        """Return the label values of class indices: the way back from a prediction.

        Parameters
        ----------
        classes
            Class indices 0 .. K-1, any shape, any integer dtype.

        Returns
        -------
        ndarray
            Same shape; uint8 where every class value fits, else uint16 (the dtypes that a labels
            layer refreshes fast).
        """
        dtype = np.uint8 if max(self.values) <= 255 else np.uint16
        table: NDArray[Any] = np.asarray(self.values, dtype)
        return np.take(table, np.asarray(classes))


def likeliest(probabilities: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the class of the greatest probability, the first of equals, of every pixel.

    As ``argmax(0)``, in a tenth of the time for a few classes.

    Parameters
    ----------
    probabilities
        (K, ...), K at most 255; logits will do.

    Returns
    -------
    ndarray
        (...), uint8.
    """
    best = probabilities[0]
    classes = np.zeros(best.shape, np.uint8)
    for k, candidate in enumerate(probabilities[1:], start=1):
        better = candidate > best
        np.copyto(classes, k, where=better, casting="unsafe")
        if k + 1 < len(probabilities):
            best = np.where(better, candidate, best)
    return classes


def foreground_probability(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of not being background.

    Parameters
    ----------
    probabilities
        (K, ...) of all classes, background first; other maps may follow them.

    Returns
    -------
    ndarray
        (...): 1 minus class 0; 0 where all are 0, which is outside of the image.
    """
    inside: NDArray[Any] = 1 - probabilities[0]
    if probabilities[0].size and probabilities[0].min() == 0:
        inside[~probabilities.any(0)] = 0
    return inside


@dataclass(frozen=True, eq=False)
class Target:
    """What the network should say about one plane.

    Attributes
    ----------
    classes
        (Y, X) uint8 class index, 0 = background; 0 also where not known.
    objects
        (Y, X) int32 object ids after the gap, 0 = none. For kind "classes": the 4-connected
        components of every non-background class, numbered from 1.
    known
        (Y, X) bool, False where the pixel is not annotated or ignored.
    """

    classes: NDArray[np.uint8]
    objects: NDArray[np.int32]
    known: NDArray[np.bool_]


def integer_labels(labels: ArrayLike, of: str = "") -> NDArray[np.int32]:
    """Return labels of any numeric dtype as int32, refusing what cannot be a label.

    The one place where labels are checked and made whole numbers; whatever takes label values
    further on takes int32 from here.

    Parameters
    ----------
    labels
        Any shape; bool, any integer, or floats that are whole numbers.
    of
        What they are the labels of, for errors.

    Returns
    -------
    ndarray of int32
        Same shape; a view where the input is int32 already.

    Raises
    ------
    InputError
        For other dtypes, NaN or infinite values, fractions, negative values, and values that do
        not fit into 32 bits.
    """
    array, whose = np.asarray(labels), f"labels of {of!r}" if of else "labels"
    if array.dtype.kind not in "biuf":
        raise InputError(f"{whose} must be whole numbers, got dtype {array.dtype}: convert them.")
    if array.dtype.kind == "f":
        _check_whole(array, whose)
    if array.size and array.dtype.kind in "if" and array.min() < 0:
        raise InputError(
            f"{whose} must be 0 or more, got {array.min():g}: replace negative values, for example "
            "by 0 (background)."
        )
    wide = array.dtype.itemsize >= 4 and array.dtype != np.int32
    if array.size and wide and array.max() >= MAX_OBJECT_ID + 1:
        raise InputError(
            f"{whose} must be at most {MAX_OBJECT_ID}, got {array.max():.0f}: number the objects "
            "anew from 1."
        )
    return array.astype(np.int32, copy=False)


def _check_whole(array: NDArray[Any], whose: str) -> None:
    if not np.isfinite(array).all():
        raise InputError(
            f"{whose} must be whole numbers, got NaN or infinite values: replace them by 0 or by "
            "an ignored label value."
        )
    fractions = array != np.rint(array)
    if fractions.any():
        raise InputError(
            f"{whose} must be whole numbers, got {array[fractions][0]:g}: choose a labels layer, "
            "not an image or a probability map."
        )
    exact = 2 ** (np.finfo(array.dtype).nmant + 1)
    if array.size and exact < float(array.max()) <= MAX_OBJECT_ID:
        raise InputError(
            f"{whose} are {array.dtype}, which tells whole numbers apart up to {exact} only, got "
            f"{array.max():.0f}: save them as integers."
        )


def _checked(labels: ArrayLike) -> NDArray[np.int32]:
    """Label values as `integer_labels` returns them: int32 was checked where it was read."""
    if isinstance(labels, np.ndarray) and labels.dtype == np.int32:
        return labels
    return integer_labels(labels)


def _whole(value: Any, what: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{what} must be a whole number, got {value!r}.")
    if not 0 <= value <= MAX_OBJECT_ID:
        raise InputError(f"{what} must be between 0 and {MAX_OBJECT_ID}, got {value}.")
    return int(value)


def _check_not_rgb(shape: tuple[int, ...]) -> None:
    # A stack of planes 3 or 4 pixels wide is no stack that anybody segments.
    if len(shape) >= 3 and shape[-1] in (3, 4):
        raise InputError(
            f"labels must hold one value per pixel, got shape {shape}, which looks like an RGB "
            "picture; save the annotation as a label image with one whole number per pixel."
        )


def _classify(labels: NDArray[np.int32], scheme: LabelScheme) -> NDArray[np.uint8]:
    """Return the class index of every pixel, any shape; UNDEFINED where it is not known."""
    if scheme.kind == "objects":
        classes = _class_of_ids(labels, scheme)
    else:
        table = np.full(max(scheme.values) + 2, UNDEFINED, np.uint8)  # last entry: larger values
        table[list(scheme.values)] = np.arange(scheme.n_classes)
        classes = table[np.minimum(labels, len(table) - 1)]
        _check_all_defined(labels, classes, scheme)
    if scheme.annotation == "sparse":
        classes[labels == 0] = UNDEFINED
    if scheme.ignore is not None:
        classes[labels == scheme.ignore] = UNDEFINED
    return classes


def _class_of_ids(labels: NDArray[np.int32], scheme: LabelScheme) -> NDArray[np.uint8]:
    """Return the class of every pixel: that of the greatest first id not above its own id."""
    if scheme.n_classes == 2:
        return (labels > scheme.values[0]).astype(np.uint8)
    classes = np.searchsorted(scheme.values[1:], labels, side="right").astype(np.uint8)
    strange = (classes == 0) & (labels > scheme.values[0])
    if scheme.ignore is not None:
        strange &= labels != scheme.ignore
    if strange.any():
        raise InputError(
            f"ids of objects must be {scheme.values[1]} ({scheme.names[1]!r}) or more, got "
            f"{labels[strange][0]}; number it by its class, or say which ids are which."
        )
    return classes


def _check_all_defined(
    labels: NDArray[np.int32], classes: NDArray[np.uint8], scheme: LabelScheme
) -> None:
    strange = classes == UNDEFINED
    if scheme.annotation == "sparse":
        strange &= labels != 0
    if scheme.ignore is not None:
        strange &= labels != scheme.ignore
    if strange.any():
        raise InputError(
            f"labels must have one of the class values {scheme.values}, got {labels[strange][0]}; "
            "add it to the classes, make it the ignored value, or choose kind 'objects'."
        )


def read_target(labels: ArrayLike, scheme: LabelScheme) -> Target:
    """Return classes, objects and known pixels of one labelled plane.

    Parameters
    ----------
    labels
        (Y, X) label values; bool, integers, or whole floats.
    scheme
        What the values mean.

    Returns
    -------
    Target
        New arrays; the input is left alone.

    Raises
    ------
    InputError
        If labels are not 2D, cannot be labels, or hold a value that is none of the classes.
    """
    shape = np.shape(labels)
    _check_not_rgb(shape)
    if len(shape) != 2:
        raise InputError(f"labels must be 2D (Y, X), got shape {shape}; pass one slice at a time.")
    values = _checked(labels)
    classes = _classify(values, scheme)
    known = classes != UNDEFINED
    classes[~known] = 0
    if scheme.kind == "classes":
        return Target(classes, _components(classes), known)
    # Ignored pixels count as no object here, so the objects beside them keep their edge.
    objects = np.where(classes > 0, values, np.int32(0))
    if scheme.gap:
        objects = separate_touching(objects)
        classes[objects == 0] = 0
    return Target(classes, objects, known)


def _components(classes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the 4-connected components of all non-background classes, numbered from 1 on."""
    objects = np.zeros(classes.shape, np.int32)
    count = 0
    for k in np.flatnonzero(np.bincount(classes.ravel(), minlength=1)[1:]) + 1:
        pieces, n = ndimage.label(classes == k)
        inside = pieces > 0
        objects[inside] = pieces[inside] + count
        count += n
    return objects


def separate_touching(objects: NDArray[Any]) -> NDArray[Any]:
    """Return the objects with a one-pixel background gap wherever two of them touch.

    A pixel whose upper or left 8-neighbour (the four that precede it row by row) belongs to
    another object becomes background. Since of any two neighbours one precedes the other, no two
    8-neighbours of different objects are left. An object thinner than 2 pixels may vanish.

    Parameters
    ----------
    objects
        (Y, X) integer ids, 0 = background.

    Returns
    -------
    ndarray
        (Y, X), same dtype, a new array.

    References
    ----------
    Falk et al., U-Net: deep learning for cell counting, detection, and morphometry,
    Nature Methods 16 (2019), and its Fiji plugin.
    """
    touches = np.zeros(objects.shape, bool)
    inner = slice(1, None)
    for here, before in (
        ((slice(None), inner), (slice(None), slice(None, -1))),  # left
        ((inner, slice(None)), (slice(None, -1), slice(None))),  # above
        ((inner, inner), (slice(None, -1), slice(None, -1))),  # above left
        ((inner, slice(None, -1)), (slice(None, -1), inner)),  # above right
    ):
        neighbour = objects[before]
        touches[here] |= (neighbour != 0) & (neighbour != objects[here])
    return np.where(touches, objects.dtype.type(0), objects)


def annotated_classes(labels: ArrayLike, scheme: LabelScheme) -> set[int]:
    """Return the indices of the classes that some pixel has.

    Parameters
    ----------
    labels
        Label values, any shape.
    scheme
        What the values mean.

    Raises
    ------
    InputError
        If labels cannot be labels, or hold a value that is none of the classes.
    """
    classes = _classify(_checked(labels), scheme)
    counts = np.bincount(classes.ravel(), minlength=UNDEFINED + 1)[:UNDEFINED]
    return set(np.flatnonzero(counts).tolist())


def check_annotation(labels: NDArray[Any] | Iterable[ArrayLike], scheme: LabelScheme) -> None:
    """Check that there is something to learn: at least two classes in all slices together.

    Parameters
    ----------
    labels
        An array of any shape, or an iterable of arrays (the labelled slices). It is read only
        until the second class appears.
    scheme
        What the values mean.

    Raises
    ------
    InputError
        If nothing is annotated, or a single class only.
    """
    seen: set[int] = set()
    for part in [labels] if isinstance(labels, np.ndarray) else labels:
        seen |= annotated_classes(part, scheme)
        if len(seen) >= 2:
            return
    if not seen:
        raise InputError(
            "at least two classes must be annotated, got no annotated pixel; paint some background "
            f"(label {scheme.values[0]}) and some foreground (label {scheme.values[1]})."
        )
    (only,) = seen
    if only == 0 and scheme.values[0] == 0:
        raise InputError(
            "at least two classes must be annotated, but all labels are 0 (background); paint some "
            "objects, or choose the labels layer that holds them."
        )
    raise InputError(
        f"at least two classes must be annotated, but every annotated pixel is "
        f"{scheme.names[only]!r}; paint some of another class, or check what 0 means (background "
        "or not annotated)."
    )


def propose_scheme(
    labels: Any, annotation: Literal["dense", "sparse"] = "dense"
) -> tuple[LabelScheme, str]:
    """Propose what label values mean, with one sentence that says why.

    Parameters
    ----------
    labels
        (..., Y, X) label values; numpy, dask or zarr. More than 2**26 pixels are sampled.
    annotation
        What the user says about 0: background ("dense") or not annotated ("sparse").

    Returns
    -------
    LabelScheme
        Classes for a mask (0 and one more value) and where each of a few values forms many
        separate pieces; objects otherwise.
    str
        The reason, for the user.

    Raises
    ------
    InputError
        If the values cannot be labels, or the array looks like an RGB picture.
    """
    shape = tuple(labels.shape) if hasattr(labels, "shape") else np.shape(labels)
    _check_not_rgb(shape)
    if len(shape) < 2:
        raise InputError(f"labels must have at least the axes (Y, X), got shape {shape}.")
    return propose_from_parts(_planes_to_look_at(labels, shape), annotation)


def propose_from_parts(
    parts: Iterable[ArrayLike], annotation: Literal["dense", "sparse"] = "dense"
) -> tuple[LabelScheme, str]:
    """Propose what label values mean from planes, or parts of planes; see `propose_scheme`.

    Parameters
    ----------
    parts
        (h, w) label values each.
    annotation
        What the user says about 0.
    """
    counts: dict[int, int] = {}
    pieces: dict[int, list[int]] = {}
    unmarked = {0} if annotation == "dense" else {0, 1}
    neighbours = np.zeros(3, np.int64)
    for part in parts:
        plane = _checked(part)
        neighbours += count_neighbours(plane)
        values, n = np.unique(plane, return_counts=True)
        for value, pixels in zip(values.tolist(), n.tolist()):
            counts[value] = counts.get(value, 0) + pixels
        if len(set(counts) - unmarked) <= FEW_IDS:  # else they are no classes, in whatever pieces
            for value in set(values.tolist()) - unmarked:
                pieces.setdefault(value, []).append(_count_pieces(plane == value))
    if len(counts) > FEW_IDS:
        refuse_picture(neighbours, "labels")
    if annotation == "sparse":
        return _propose_sparse(set(counts) - {0}, pieces)
    scheme, reason = _propose_dense(set(counts), pieces)
    if counts.get(0, 0) > 0.9 * sum(counts.values()) and len(counts) > 1:
        reason += " Most pixels are 0: if 0 means 'not annotated', choose sparse annotation."
    return scheme, reason


def _planes_to_look_at(labels: Any, shape: tuple[int, ...]) -> Iterator[ArrayLike]:
    leading, (height, width) = shape[:-2], shape[-2:]
    n = int(np.prod(leading))
    chosen = list(range(n))
    rows, cols = slice(None), slice(None)
    if n * height * width > SCAN_LIMIT:
        chosen = sorted(set(np.linspace(0, n - 1, min(n, SAMPLED_PLANES)).astype(int)))
        rows, cols = (
            slice(max(0, (s - SAMPLED_SIDE) // 2), (s + SAMPLED_SIDE) // 2) for s in (height, width)
        )
    for i in chosen:
        yield integer_labels(labels[(*np.unravel_index(i, leading), rows, cols)])


def _count_pieces(mask: NDArray[np.bool_]) -> int:
    """Count 4-connected pieces at least a tenth as large as the largest: specks are slips."""
    components, n = ndimage.label(mask)
    sizes = np.bincount(components.ravel(), minlength=n + 1)[1:]
    return int((sizes >= 0.1 * sizes.max()).sum())


def _are_classes(values: set[int], pieces: dict[int, list[int]]) -> bool:
    if not 2 <= len(values) <= FEW_IDS:
        return False
    return float(np.median([np.mean(pieces[v]) for v in values])) >= MANY_COMPONENTS


def _propose_dense(values: set[int], pieces: dict[int, list[int]]) -> tuple[LabelScheme, str]:
    marked = sorted(values - {0})
    if not marked:
        return LabelScheme(), "Nothing is labelled yet; every label will be one object."
    if len(marked) == 1 and marked[0] <= MAX_CLASS_VALUE:
        return LabelScheme("classes", values=(0, marked[0])), (
            f"One label value beside 0, so this is a mask: 0 is background, {marked[0]} foreground."
        )
    if 0 not in values and len(marked) <= FEW_IDS and marked[-1] <= MAX_CLASS_VALUE:
        return LabelScheme("classes", values=tuple(marked)), (
            f"No pixel is 0 and there are only {len(marked)} label values, so each value is a "
            f"class, and {marked[0]} is background."
        )
    if _are_classes(set(marked), pieces) and marked[-1] <= MAX_CLASS_VALUE:
        return LabelScheme("classes", values=(0, *marked)), (
            f"Each of the {len(marked)} label values marks many separate pieces, so each value is "
            "a class of its own."
        )
    if firsts := _first_ids(set(marked)):
        return LabelScheme(values=(0, *firsts)), _by_thousands(firsts)
    return LabelScheme(), (
        f"There are {len(marked)} label values, each in one piece or few, so each value is one "
        "object of the same class."
    )


def _propose_sparse(marked: set[int], pieces: dict[int, list[int]]) -> tuple[LabelScheme, str]:
    foreground = sorted(marked - {1})
    few = len(foreground) <= 1 or _are_classes(set(foreground), pieces)
    if few and (not foreground or foreground[-1] <= MAX_CLASS_VALUE):
        values = (1, *(foreground or [2]))
        return LabelScheme("classes", "sparse", values=values), (
            "0 is not annotated, 1 is background, and each other label value is a class."
        )
    if firsts := _first_ids(set(foreground)):
        return LabelScheme("objects", "sparse", (1, *firsts)), _by_thousands(firsts)
    return LabelScheme("objects", "sparse"), (
        f"0 is not annotated, 1 is background, and each of the {len(foreground)} other label "
        "values is one object."
    )


def _first_ids(ids: set[int]) -> tuple[int, ...]:
    """Return the first id of each class where objects are numbered by class; else nothing."""
    thousands = sorted({value // PER_CLASS for value in ids})
    if thousands[0] == 0 or not 2 <= len(thousands) <= FEW_IDS or len(ids) <= len(thousands):
        return ()
    firsts = tuple(PER_CLASS * k for k in thousands)
    if not all(any(first <= value <= first + FIRST for value in ids) for first in firsts):
        return ()  # a part of what is numbered through, such as 1240 to 2310
    return firsts if firsts[-1] <= MAX_CLASS_VALUE else ()


def _by_thousands(firsts: tuple[int, ...]) -> str:
    return (
        f"All label values are {firsts[0]} or more, in {len(firsts)} thousands that are counted "
        "from their beginning, so each value is one object, and its thousands are its class."
    )
