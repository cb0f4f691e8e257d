"""Whether the labels lie where the image says: pixel sizes, shift, and exchanged axes.

Labels are drawn along edges of the image. So the gradient magnitude G of the image and the
boundaries B of the labels correlate best where the labels belong; a clearly better place elsewhere
means that they are shifted. The correlation of G with all shifts of B comes from one product in
the Fourier domain.

Legend: ``C`` channels, ``(h, w)`` crop, ``(R)`` = 2·REACH + 1 shifts along an axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft, ndimage

from napari_unet.base.quantities import count
from napari_unet.preflight.finding import Finding
from napari_unet.preflight.sample import spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.images.stack import Stack
    from napari_unet.preflight.sample import Sample

__all__ = ["check_alignment", "check_placement", "correlations", "edge_strength", "label_edges"]

REACH = 8  # px, farthest shift looked for
CROPS = 6  # slices looked at
SIDE = 768  # px, of a crop
NEARBY = 2  # px; people draw along the inner or the outer flank of an edge
CLEARLY = 0.75  # of the best correlation; real annotations have 0.80 and more where they lie
LEAST = 0.05  # correlation; annotations that follow edges have 0.07 and more
NOISE = 5.0  # standard deviations of the correlation of unrelated pictures
CORRELATED = 20.0  # px² around a pixel of G that are not independent of it
HALF = 0.5  # of the best correlation when turned
AGREEING = 2 / 3  # share of the crops in which that place is clearly better
LOCAL = 33  # px; what varies more slowly than this is no edge
LARGE = 1e18  # grey value beyond which squares do not fit into float32
BLUR = 1.0  # px, against the noise of the image


def check_placement(
    stack: Stack, scale: Sequence[float], translate: Sequence[float] = ()
) -> Iterator[Finding]:
    """Compare pixel size and position of the labels with the image's.

    Parameters
    ----------
    stack
        The image, with its scale and translation.
    scale, translate
        Of the labels, per axis, those of the plane last; () where not known.

    Yields
    ------
    Finding
        A warning where they differ.
    """
    axes = stack.axes.replace("c", "")
    n = min(len(scale), len(axes))
    image = stack.scale[len(axes) - n :]
    labels = tuple(scale[len(scale) - n :])
    if n and not np.allclose(image, labels, rtol=1e-3):
        unknown = np.allclose(labels, 1)
        yield Finding(
            "info" if unknown else "warning",
            f"The labels have a pixel size of {_sizes(labels)} and the image of {_sizes(image)}, "
            "but pixel is taken for pixel; "
            + (
                "give the labels that of the image."
                if unknown
                else "check that they belong together."
            ),
            "give the image's pixel size" if unknown else None,
            check="scale",
        )
        return
    n = min(len(translate), 2)
    origin = np.asarray(stack.translate)[-2:][2 - n :]
    moved = (np.asarray(translate[len(translate) - n :]) - origin) / np.asarray(stack.scale)[-2:][
        2 - n :
    ]
    if n and np.abs(moved).max() > 0.5:
        yield Finding(
            "warning",
            f"The labels are placed {_vector(moved.round(1).tolist())} pixels beside the image, "
            "but pixel is taken for pixel; check that they belong together.",
            check="scale",
        )


def _sizes(values: Sequence[float]) -> str:
    return " × ".join(f"{v:.4g}" for v in values)


def _vector(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{v:g}" for v in values) + ")"


# -- shift and orientation ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Crop:
    """Edges of image and labels at the same place.

    Attributes
    ----------
    image : ndarray (h, w) float32
        Edge strength, without slow variations.
    labels : ndarray (h, w) float32
        1 at boundaries.
    whole : bool
        The crop is a whole slice.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.float32]
    whole: bool


def check_alignment(sample: Sample) -> Iterator[Finding]:
    """Look for labels that lie beside what they mark, or are turned or mirrored.

    Parameters
    ----------
    sample
        Of a stack with labels; edges are taken from at most six crops of 768 pixels.

    Yields
    ------
    Finding
        At most one warning, where another place is clearly better in most of the crops.
    """
    crops = list(_crops(sample))
    if not crops:
        return
    surfaces = np.stack([correlations(crop.image, crop.labels) for crop in crops])
    pixels = sum(crop.image.size for crop in crops)
    least = max(LEAST, NOISE * math.sqrt(CORRELATED / pixels))
    turned = _better_turned(crops, surfaces, least)
    if turned:
        yield Finding(
            "warning",
            f"The labels follow the edges of the image only when they are {turned}; check the "
            "order of their axes in the program that wrote them.",
            check="orientation",
        )
        return
    shift = _better_shift(surfaces, least)
    if shift is not None:
        dy, dx = shift
        yield Finding(
            "warning",
            "The labels seem to lie beside what they mark: they follow the edges of the image "
            f"better when they are moved about {_moved(dy, dx)}; move them, or check that they "
            "were drawn on this image.",
            check="shift",
        )


def _better_shift(surfaces: NDArray[np.float64], least: float) -> tuple[int, int] | None:
    """Return rows and columns by which to move the labels; None if they lie well."""
    mean = surfaces.mean(0)  # (R, R)
    best = np.array(np.unravel_index(mean.argmax(), mean.shape)) - REACH
    peak, here = mean.max(), mean[REACH, REACH]
    if np.abs(best).max() <= NEARBY or peak < least or here > CLEARLY * peak:
        return None
    dy, dx = int(best[0]), int(best[1])
    there = surfaces[:, REACH + dy, REACH + dx]
    agreeing = np.mean(surfaces[:, REACH, REACH] <= CLEARLY * there)
    return (dy, dx) if agreeing >= AGREEING else None


def _moved(dy: int, dx: int) -> str:
    """Words for a shift: "3 pixels down and 2 pixels left"."""
    parts = []
    if dy:
        parts.append(f"{count(abs(dy), 'pixel')} {'down' if dy > 0 else 'up'}")
    if dx:
        parts.append(f"{count(abs(dx), 'pixel')} {'right' if dx > 0 else 'left'}")
    return " and ".join(parts)


def _better_turned(crops: Sequence[_Crop], surfaces: NDArray[np.float64], least: float) -> str:
    """Return how to turn the labels so that they fit; "" if they fit as they are."""
    if not all(crop.whole for crop in crops):
        return ""
    here = surfaces.mean(0).max()
    square = all(crop.labels.shape[0] == crop.labels.shape[1] for crop in crops)
    for name, (turn, keeps_shape) in TURNS.items():
        if keeps_shape or square:
            there = np.mean([_correlation(crop.image, turn(crop.labels)) for crop in crops])
            if there >= least and here <= HALF * there:
                return name
    return ""


Turn = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]
TURNS: dict[str, tuple[Turn, bool]] = {
    "transposed (rows and columns exchanged)": (lambda b: b.T, False),
    "mirrored left to right": (lambda b: b[:, ::-1], True),
    "mirrored top to bottom": (lambda b: b[::-1], True),
    "turned by 180 degrees": (lambda b: b[::-1, ::-1], True),
    "turned by 90 degrees to the left": (lambda b: np.rot90(b), False),
    "turned by 90 degrees to the right": (lambda b: np.rot90(b, -1), False),
    "transposed along the other diagonal": (lambda b: b[::-1, ::-1].T, False),
}
"""What may happen to a picture between two programs, and whether its shape stays."""


def _correlation(g: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Correlation coefficient of two pictures (h, w); 0 where one is constant."""
    deviation = float(g.std() * b.std())
    return float(((g - g.mean()) * (b - b.mean())).mean()) / deviation if deviation else 0.0


def correlations(g: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlate a picture with another at all shifts up to `REACH` pixels.

    Parameters
    ----------
    g, b
        (h, w) each, larger than 2·REACH pixels a side.

    Returns
    -------
    ndarray of float64, shape (R, R)
        Entry [REACH + dy, REACH + dx] is the correlation of g with b moved down by dy and right
        by dx: of the inner part of b with the part of g that it then covers, whose mean and
        spread are taken from all of g.
    """
    inner = b[REACH:-REACH, REACH:-REACH].astype(np.float64)
    inner -= inner.mean()
    centred = g - g.mean(dtype=np.float64)
    size = math.sqrt(float((inner**2).sum()) * inner.size) * float(centred.std())
    n = 2 * REACH + 1
    if size == 0:
        return np.zeros((n, n))
    shape = [fft.next_fast_len(k, real=True) for k in g.shape]
    product = fft.rfft2(centred, shape) * np.conj(fft.rfft2(inner, shape))
    sums: NDArray[np.float64] = fft.irfft2(product, shape)[:n, :n]
    return sums / size


# -- edges ----------------------------------------------------------------------------------


def _crops(sample: Sample) -> Iterator[_Crop]:
    scheme = sample.stack.scheme
    assert scheme is not None
    marked = [one for one in sample.label_parts if (one[1] != one[1].flat[0]).any()]
    for (i, rows, cols), part in spread(marked, CROPS):
        edges = label_edges(part, scheme)
        r, c = _busiest(edges)
        edges = edges[r, c]
        if not edges.any() or min(edges.shape) <= 4 * REACH:
            continue
        rows = slice(rows.start + r.start, rows.start + r.stop)
        cols = slice(cols.start + c.start, cols.start + c.stop)
        values = sample.stack.image_crop(i, rows, cols)
        if np.isfinite(values).all():
            yield _Crop(edge_strength(values), edges, edges.shape == sample.stack.plane_shape)


def _busiest(edges: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the square of `SIDE` pixels with most boundaries; all of a smaller part."""
    Y, X = edges.shape
    tops = range(0, max(1, Y - SIDE // 2), SIDE // 2)
    lefts = range(0, max(1, X - SIDE // 2), SIDE // 2)
    places = [(slice(y, min(y + SIDE, Y)), slice(x, min(x + SIDE, X))) for y in tops for x in lefts]
    return max(places, key=lambda place: float(edges[place].sum()))


def label_edges(labels: NDArray[np.int32], scheme: LabelScheme) -> NDArray[np.float32]:
    """Mark the pixels on both sides of every boundary between known labels.

    Parameters
    ----------
    labels
        (h, w) label values.
    scheme
        Says which of them mean "not known": where annotation ends, there is no edge.

    Returns
    -------
    ndarray of float32, shape (h, w)
        0 or 1.
    """
    known = np.ones(labels.shape, bool)
    if scheme.annotation == "sparse":
        known &= labels != 0
    if scheme.ignore is not None:
        known &= labels != scheme.ignore
    edges = np.zeros(labels.shape, np.float32)
    for here, there in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        boundary = (labels[here] != labels[there]) & known[here] & known[there]
        edges[here][boundary] = 1
        edges[there][boundary] = 1
    return edges


def edge_strength(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the gradient magnitude of a picture above that of its surroundings.

    Parameters
    ----------
    image
        (C, h, w) grey values; every channel counts by its own range.

    Returns
    -------
    ndarray of float32, shape (h, w)
        About 0 on average.
    """
    total = np.zeros(image.shape[1:], np.float32)
    for plane in image:
        values = ndimage.gaussian_filter(_moderate(plane), BLUR)
        gy, gx = np.gradient(values)
        magnitude = np.hypot(gy, gx)
        magnitude -= ndimage.uniform_filter(magnitude, LOCAL)
        deviation = float(magnitude.std())
        if deviation > 0:
            total += magnitude / deviation
    return total


def _moderate(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Grey values as float32; those whose squares it does not hold on a smaller scale."""
    greatest = float(np.abs(plane.astype(np.float64)).max(initial=0))
    if greatest < LARGE:
        return plane.astype(np.float32)
    return (plane / greatest).astype(np.float32)
