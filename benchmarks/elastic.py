"""Elastic deformation and augmentation, against scipy and elasticdeform.

The field: 3 × 3 control points to a displacement of every pixel of a 572² tile, where scipy
evaluates the same cubic spline. The whole: image, labels and weights of a tile deformed by one
field; ours also rotates, mirrors, zooms and changes grey values in that time, which elasticdeform
is not asked to do. Both take the nearest pixel of the labels, interpolate weights linearly, and
the image linearly, or as our default does, by cubics: cubic convolution here, cubic splines there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import elasticdeform
import numpy as np
import torch
from scipy.ndimage import map_coordinates

from benchmarks.result import Line, Result
from benchmarks.samples import picture
from benchmarks.timing import check, interleaved, ratio, spread
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.training.augmentation import (
    Deformation,
    Lookup,
    adjust_grey,
    draw,
    elastic_field,
    source_coordinates,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["deform_plainly", "run"]

Order = Literal["linear", "cubic"]
SIDE, MARGIN = 572, 92
SHAPE = (SIDE, SIDE)
MIDDLE = ((SIDE - 1) / 2, (SIDE - 1) / 2)


def run(quick: bool) -> Result:
    """Compare field and whole augmentation, with one thread and with all."""
    repeats = 3 if quick else 15
    rng = np.random.default_rng(0)
    drawn = draw(AugmentConfig(), rng)
    planes = _planes()
    agrees = _check(drawn, planes)
    threads = torch.get_num_threads()
    lines = _field(drawn.displacements, repeats)
    for count in dict.fromkeys((threads, 1)):
        torch.set_num_threads(count)
        lines += _whole(drawn, planes, repeats, f"{count} thread{'s' if count > 1 else ''}")
    torch.set_num_threads(threads)
    return Result(agrees, lines)


def _planes() -> list[NDArray[np.float32]]:
    """Image, labels and weights of a tile."""
    image = picture(SIDE).astype(np.float32) / 255
    labels = (image > 0.5).astype(np.float32)
    return [image, labels, (1 + 10 * image**4).astype(np.float32)]


def deform_plainly(
    planes: list[NDArray[np.float32]], displacements: NDArray[np.float64], order: Order = "linear"
) -> list[NDArray[np.float32]]:
    """Deform image, labels and weights by elasticdeform: linear or cubic, nearest, linear."""
    deformed: list[NDArray[np.float32]] = elasticdeform.deform_grid(
        planes, displacements, order=[{"linear": 1, "cubic": 3}[order], 0, 1], mode="mirror"
    )
    return deformed


def _scipy_field(displacements: NDArray[np.float64]) -> NDArray[np.float64]:
    at = np.meshgrid(*(np.linspace(0, 2, n) for n in SHAPE), indexing="ij")
    return np.stack([map_coordinates(part, at, order=3, mode="mirror") for part in displacements])


def _augment(
    drawn: Deformation, planes: list[torch.Tensor], order: Order = "linear", margin: int = 0
) -> list[torch.Tensor]:
    image, labels, weights = planes
    lookup = Lookup(source_coordinates(drawn, SHAPE, MIDDLE), SHAPE)
    inner = lookup.inner(margin) if margin else lookup
    deformed = lookup(image, order)
    return [adjust_grey(deformed, drawn), inner(labels, "nearest"), inner(weights)]


def _check(drawn: Deformation, planes: list[NDArray[np.float32]]) -> str:
    ours = elastic_field(drawn.displacements, SHAPE).numpy()
    field = float(np.abs(ours - _scipy_field(drawn.displacements)).max())
    check(field, 1e-10, "fields")
    only = Deformation(drawn.displacements, np.eye(2))
    tensors = [torch.from_numpy(plane)[None] for plane in planes]
    mine, theirs = _augment(only, tensors), deform_plainly(planes, drawn.displacements)
    image = float(np.abs(mine[0][0].numpy() - theirs[0]).max())
    check(image, 1e-3, "deformed images")
    smooth = deform_plainly(planes, drawn.displacements, "cubic")[0]
    cubic = float(np.abs(_augment(only, tensors, "cubic")[0][0].numpy() - smooth).mean())
    check(cubic, 0.01, "images interpolated by cubics (mean)")
    labels = float((mine[1][0].numpy() != theirs[1]).mean())
    check(labels, 1e-3, "deformed labels (share of pixels)")
    return (
        f"fields within {field:.1g} px of scipy's; with the same displacements alone, images "
        f"within {image:.1g} of elasticdeform's (0 to 1), labels equal but for {labels:.4%} of the "
        "pixels (positions half way between two)"
    )


def _field(displacements: NDArray[np.float64], repeats: int) -> list[Line]:
    seconds = interleaved(
        {
            "ours": lambda: elastic_field(displacements, SHAPE, dtype=torch.float32),
            "scipy": lambda: _scipy_field(displacements),
        },
        repeats,
    )
    found = ratio(seconds["scipy"], seconds["ours"])
    times = {name: spread(values).show() for name, values in seconds.items()}
    detail = f"{times['scipy']} against {times['ours']}"
    what = "the field of a 572² tile, against scipy's map_coordinates"
    return [Line(what, found.median, "×", found.low, found.high, detail=detail)]


def _whole(
    drawn: Deformation, planes: list[NDArray[np.float32]], repeats: int, threads: str
) -> list[Line]:
    tensors = [torch.from_numpy(plane)[None] for plane in planes]
    seconds = interleaved(
        {
            "all": lambda: _augment(drawn, tensors),
            "needed": lambda: _augment(drawn, tensors, "linear", MARGIN),
            "plain linear": lambda: deform_plainly(planes, drawn.displacements),
            "cubic": lambda: _augment(drawn, tensors, "cubic"),
            "plain cubic": lambda: deform_plainly(planes, drawn.displacements, "cubic"),
        },
        repeats,
    )
    times = {name: spread(values).show() for name, values in seconds.items()}
    lines = []
    for name, peer, what, target in (
        ("all", "plain linear", "image, labels and weights of 572²", 10.0),
        ("needed", "plain linear", "the same, labels and weights where the network answers", None),
        ("cubic", "plain cubic", "the image by cubics, the default", 10.0),
    ):
        found = ratio(seconds[peer], seconds[name])
        detail = f"{times[peer]} against {times[name]}"
        text = f"{what}, against elasticdeform, {threads}"
        lines.append(Line(text, found.median, "×", found.low, found.high, target, detail=detail))
    return lines
