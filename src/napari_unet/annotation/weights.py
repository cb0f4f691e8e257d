"""Weight maps: how much each pixel counts in the loss.

paper   w = w_c + w0·exp(−(d1 + d2)² / 2σ²)                                    (w0 = 10, σ = 5 px)
fiji    foreground 1, background v + w0·exp(−(d1 + d2)² / 2σ²) + (1 − v)·exp(−d1² / 2σ1²)
                                                  (w0 = 50, σ = 6 px, v = 0.1, σ1 = 10 px)

d1, d2: distance from a pixel to the nearest and the second nearest object, which is the distance
to the centre of the object's nearest pixel, so 0 inside the object. The paper's formula holds for
background and foreground pixels alike: inside an object d1 = 0 and d2 is the distance to the next
object. Where there is no second object, d2 is infinite and the border term is 0.

Ronneberger, Fischer, Brox, U-Net: convolutional networks for biomedical image segmentation,
MICCAI 2015, equation 2; Falk et al., U-Net: deep learning for cell counting, detection, and
morphometry, Nature Methods 16 (2019), and its Fiji plugin.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.distances import two_nearest
from napari_unet.annotation.labels import (
    LabelScheme,
    Target,
    integer_labels,
    read_target,
    separate_touching,
)
from napari_unet.base.errors import InputError
from napari_unet.config.weights import Balance, Preset, WeightConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "balanced_weights",
    "class_frequencies",
    "class_weights",
    "target_weights",
    "weight_map",
]

TOLERANCE = 1e-3  # of the weight


def class_frequencies(targets: Iterable[Target], n_classes: int) -> NDArray[np.float64]:
    """Return the fraction of known pixels that each class has, over all targets together.

    Parameters
    ----------
    targets
        The training slices.
    n_classes
        K, background included.

    Returns
    -------
    ndarray of float64, shape (K,)
        Sums to 1; all 0 where nothing is known.
    """
    counts = np.zeros(n_classes)
    for target in targets:
        counts += np.bincount(target.classes[target.known], minlength=n_classes)
    shares: NDArray[np.float64] = counts / max(counts.sum(), 1)
    return shares


def balanced_weights(frequencies: ArrayLike) -> NDArray[np.float64]:
    """Return w_c = N / (K·N_c), so that every class counts the same and the mean weight is 1.

    Parameters
    ----------
    frequencies
        (K,) N_c / N of each class.

    Returns
    -------
    ndarray of float64, shape (K,)
        A class without pixels is not counted in K and gets 1.
    """
    shares = np.asarray(frequencies, np.float64)
    present = shares > 0
    weights = np.ones(len(shares))
    weights[present] = 1 / (present.sum() * shares[present])
    return weights


def class_weights(
    frequencies: ArrayLike, balance: Balance, pixels: int
) -> NDArray[np.float64] | None:
    """Return w_c of every class, as a `WeightConfig` asks for.

    Parameters
    ----------
    frequencies
        (K,) N_c / N of each class.
    balance
        See `WeightConfig`.
    pixels
        Of a slice.

    Returns
    -------
    ndarray of float64, shape (K,), or None
        None where every class weighs 1. A class without pixels gets 1.
    """
    if not balance:
        return None
    if balance != "pixels":
        return balanced_weights(frequencies)
    shares = np.asarray(frequencies, np.float64)
    return np.divide(1, shares * pixels, out=np.ones(len(shares)), where=shares > 0)


def weight_map(
    labels: ArrayLike,
    *,
    preset: Preset = "paper",
    w0: float | None = None,
    sigma: float | None = None,
    balance: Balance = True,
    class_weights: ArrayLike | None = None,
    known: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    background: float = 0.1,
    sigma1: float = 10.0,
    tolerance: float = TOLERANCE,
) -> NDArray[np.float32]:
    """Return the weight map of one labelled plane.

    Parameters
    ----------
    labels
        (Y, X); 0 is background. With one value beside 0 (a mask: bool, 0/1, 0/255) the objects
        are its 4-connected components; with more, every id is one object and stays it, even where
        two of them touch.
    preset, w0, sigma, balance, background, sigma1
        See `WeightConfig`. The Fiji preset first makes the one-pixel gap between touching objects.
    class_weights
        (K,) weight of each class, in place of balancing this plane.
    known
        (Y, X) bool; weights are 0 where it is False. Default: all known.
    classes
        (Y, X) class index where there are more than background and foreground.
    tolerance
        Largest error of a weight, from leaving out objects far away.

    Returns
    -------
    ndarray of float32, shape (Y, X)

    Raises
    ------
    InputError
        If labels are not a 2D label image, shapes differ, or a setting is not usable.
    """
    config = WeightConfig(preset, w0, sigma, balance, background, sigma1)
    target = _target_of(labels, gap=preset == "fiji")
    kinds: NDArray[Any] = target.classes
    sure = target.known
    if classes is not None:
        kinds = integer_labels(_plane(classes, "classes", sure.shape))
        # What the gap took from an object is background, whatever class the object has.
        kinds = np.where((target.objects == 0) & (np.asarray(labels) != 0), 0, kinds)
    if known is not None:
        sure = _plane(known, "known", sure.shape).astype(bool)
    target = Target(kinds.astype(np.uint8), target.objects, sure)
    return target_weights(target, config, class_weights, tolerance=tolerance)


def _target_of(labels: ArrayLike, *, gap: bool) -> Target:
    values = integer_labels(labels)
    used = int(values.max(initial=0))
    if ((values == 0) | (values == used)).all():
        target = read_target(values > 0, LabelScheme("classes"))
    else:
        target = read_target(values, LabelScheme("objects", gap=False))
    if not gap:
        return target
    objects = separate_touching(target.objects)
    return Target((objects > 0).astype(np.uint8), objects, target.known)


def _plane(array: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    plane = np.asarray(array)
    if plane.shape != shape:
        raise InputError(f"{name} must have the shape of the labels {shape}, got {plane.shape}.")
    return plane


def target_weights(
    target: Target,
    config: WeightConfig,
    class_weights: ArrayLike | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> NDArray[np.float32]:
    """Return the weight map of a target.

    Parameters
    ----------
    target
        Classes, objects and known pixels of one plane; touching objects keep touching here.
    config
        Which formula, with which numbers.
    class_weights
        (K,) weight of each class for "paper" and "none"; None: balanced over this target alone
        if ``config.balance``, else 1. The Fiji preset has its own and takes none.
    tolerance
        Largest error of a weight.

    Returns
    -------
    ndarray of float32, shape (Y, X)
        0 where the target is not known.

    Raises
    ------
    InputError
        If there are fewer class weights than classes, or the tolerance is not positive.
    """
    if not tolerance > 0:
        raise InputError(f"tolerance must be more than 0, got {tolerance!r}.")
    if config.preset == "fiji":
        weights = _fiji(target, config, tolerance)
    else:
        weights = _of_classes(target, config, class_weights)
        _add_border(weights, target.objects, config, tolerance)
    weights[~target.known] = 0
    return weights


def _of_classes(
    target: Target, config: WeightConfig, given: ArrayLike | None
) -> NDArray[np.float32]:
    """Return w_c of every pixel."""
    n_classes = int(target.classes.max(initial=0)) + 1
    if given is None:
        shares = class_frequencies([target], n_classes)
        given = class_weights(shares, config.balance, target.classes.size)
    table = np.asarray(np.ones(n_classes) if given is None else given, np.float32)
    if table.ndim != 1 or len(table) < n_classes:
        raise InputError(
            f"class weights must be one per class, {n_classes} at least, got shape {table.shape}."
        )
    return np.take(table, target.classes)


def _reach(height: float, sigma: float, tolerance: float) -> int:
    """Return the whole distance from which height·exp(−d²/2σ²) is below the tolerance."""
    if height <= tolerance:
        return 0
    return math.ceil(sigma * math.sqrt(2 * math.log(height / tolerance)))


def _gaussian(distances: NDArray[np.float32], height: float, sigma: float) -> NDArray[np.float32]:
    bell: NDArray[np.float32] = np.exp(distances * distances * np.float32(-0.5 / sigma**2))
    return bell * np.float32(height)


def _add_border(
    weights: NDArray[np.float32], objects: NDArray[Any], config: WeightConfig, tolerance: float
) -> None:
    """Add w0·exp(−(d1 + d2)² / 2σ²) in place."""
    reach = _reach(config.resolved_w0, config.resolved_sigma, tolerance)
    if reach == 0:
        return
    # Since d1 <= d2, d1 + d2 within reach implies that d1 is within half of it.
    for block in two_nearest(objects, (reach + 1) // 2, reach):
        both = np.sqrt(block.nearest) + np.sqrt(block.second)
        weights[block.rows, block.cols] += _gaussian(
            both, config.resolved_w0, config.resolved_sigma
        )


def _fiji(target: Target, config: WeightConfig, tolerance: float) -> NDArray[np.float32]:
    v = config.background
    border = _reach(config.resolved_w0, config.resolved_sigma, tolerance / 2)
    rim = _reach(1 - v, config.sigma1, tolerance / 2)
    weights = np.empty(target.objects.shape, np.float32)
    for block in two_nearest(target.objects, max(rim, (border + 1) // 2), border):
        nearest, second = np.sqrt(block.nearest), np.sqrt(block.second)
        weights[block.rows, block.cols] = (
            v
            + _gaussian(nearest + second, config.resolved_w0, config.resolved_sigma)
            + _gaussian(nearest, 1 - v, config.sigma1)
        )
    weights[target.classes > 0] = 1
    return weights
