"""A synthetic stack that looks like electron microscopy of nerve tissue, made without a network.

Cells are the regions of a power diagram (Aurenhammer, SIAM J. Comput. 16:78, 1987) whose seeds
drift from slice to slice; mitochondria and vesicles inside them are as dark as the membranes, so
that no threshold separates the two. Legend: ``N`` slices, ``(Y, X)`` plane, lengths in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import InputError
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

__all__ = ["SCHEME", "generate", "synthetic_stack"]

SCHEME = LabelScheme(kind="classes", values=(0, 255), names=("membrane", "cell"))
SCALE = (50.0, 4.0, 4.0)  # nm, that of the ISBI-2012 stack

AREA_PER_CELL = 1100.0  # px²
CYTOPLASM, MEMBRANE = 156.0, 44.0  # mean grey values


def synthetic_stack(shape: tuple[int, int, int] = (12, 256, 256), seed: int = 0) -> Stack:
    """Make a labelled stack.

    Parameters
    ----------
    shape
        (N, Y, X).
    seed
        The same seed gives the same stack.

    Returns
    -------
    Stack
        uint8; labels 0 membrane and 255 cell, as in the ISBI-2012 challenge.
    """
    image, labels = generate(shape, seed)
    return Stack(
        "synthetic",
        image,
        "zyx",
        labels=labels,
        scheme=SCHEME,
        scale=SCALE,
        units=("nanometer",) * 3,
    )


def generate(
    shape: tuple[int, int, int] = (12, 256, 256), seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make image and labels of a synthetic stack.

    Parameters
    ----------
    shape
        (N, Y, X), each plane at least 32 × 32.
    seed
        Of the random generator.

    Returns
    -------
    image, labels
        (N, Y, X) uint8 each; labels are 0 on membranes and 255 inside cells.

    Raises
    ------
    InputError
        When the shape has not three axes or its planes are too small.
    """
    if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 32:
        raise InputError(
            f"a synthetic stack must be (N, Y, X) with planes of at least 32 × 32, got {shape}: "
            "choose a larger shape."
        )
    rng = np.random.default_rng([seed, 2015])
    cells = _Cells.draw(rng, shape)
    thickness = 1.7 * np.exp(0.22 * _smooth_noise(rng, shape, (2, 9, 9)))
    oblique = _oblique(rng, shape)
    image = np.empty(shape, np.float32)
    labels = np.empty(shape, np.uint8)
    warp = _warp(rng, shape)
    organelles = _Organelles.draw(rng, shape)
    for z in range(shape[0]):
        own, depth = cells.section(z, warp[:, z])
        labels[z] = np.where(depth > thickness[z], 255, 0)
        plane = cells.grey[own] + 9.0 * _texture(rng, shape[1:], 2.0, 5.0)
        organelles.paint(plane, z, own, depth)
        _paint_membrane(plane, depth, thickness[z], oblique[z])
        image[z] = plane
    return _record(rng, image), labels


@dataclass(frozen=True, eq=False)
class _Cells:
    """Seeds of the power diagram: where each cell is in every slice, and how grey."""

    seeds: NDArray[Any]  # (N, S, 2) y, x
    radii: NDArray[Any]  # (S,) the weights are their squares
    grey: NDArray[Any]  # (S,)

    @classmethod
    def draw(cls, rng: Generator, shape: tuple[int, int, int]) -> _Cells:
        N, Y, X = shape
        margin = 40.0
        count = max(4, round((Y + 2 * margin) * (X + 2 * margin) / AREA_PER_CELL))
        start = rng.uniform((-margin, -margin), (Y + margin, X + margin), (count, 2))
        steps = rng.normal(0, 1.6, (N, count, 2)) + rng.normal(0, 1.2, (count, 2))
        steps[0] = 0
        # A few large cell bodies among many thin fibres.
        radii = rng.lognormal(2.6, 0.55, count).clip(4, 48)
        grey = CYTOPLASM + rng.normal(0, 9, count)
        return cls(start + np.cumsum(steps, 0), radii, grey)

    def section(self, z: int, warp: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Return the cell of every pixel of slice ``z`` and the distance to its border.

        Both (Y, X). The power distance |p − s|² − r² becomes a plain one when every seed is
        lifted by √(R² − r²), R the largest radius, so that a KD-tree finds the nearest.
        """
        lift = np.sqrt(self.radii.max() ** 2 - self.radii**2)
        tree = KDTree(np.column_stack([self.seeds[z], lift]))
        points = (np.indices(warp.shape[1:]) + warp).reshape(2, -1)
        _, nearest = tree.query(np.column_stack([*points, np.zeros(points.shape[1])]))
        own = nearest.reshape(warp.shape[1:])
        inside = np.ones(own.shape, bool)
        inside[1:] &= own[1:] == own[:-1]
        inside[:, 1:] &= own[:, 1:] == own[:, :-1]
        return own, ndimage.distance_transform_edt(inside)


def _warp(rng: Generator, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Displacements (2, N, Y, X) that bend the straight borders of the diagram."""
    parts = [
        9.0 * _smooth_noise(rng, shape, (3, 18, 18)) + 1.6 * _smooth_noise(rng, shape, (1, 5, 5))
        for _ in "yx"
    ]
    return np.stack(parts)


def _oblique(rng: Generator, shape: tuple[int, int, int]) -> NDArray[Any]:
    """0 … 1 (N, Y, X): how far a membrane runs obliquely through the slice and fades."""
    steep = _smooth_noise(rng, shape, (0.7, 14, 14))
    return np.asarray(1 / (1 + np.exp(-3 * (steep - 1.3))))


def _paint_membrane(
    plane: NDArray[Any], depth: NDArray[Any], thickness: NDArray[Any], oblique: NDArray[Any]
) -> None:
    """Darken towards the cell's border; an oblique membrane is wider and paler."""
    width = 1.15 * thickness * (1 + 1.3 * oblique)
    strength = np.exp(-((depth / width) ** 2)) * (1 - 0.45 * oblique)
    plane += (MEMBRANE - plane) * strength


@dataclass(frozen=True, eq=False)
class _Organelles:
    """Mitochondria and vesicles: ellipsoids (z, y, x), radii, angle and kind."""

    centres: NDArray[Any]  # (M, 3)
    radii: NDArray[Any]  # (M, 3)
    angles: NDArray[Any]  # (M,)
    mitochondrion: NDArray[np.bool_]  # (M,)

    @classmethod
    def draw(cls, rng: Generator, shape: tuple[int, int, int]) -> _Organelles:
        N, Y, X = shape
        many = max(2, round(N / 3 * Y * X / 3500))
        small = max(8, round(N * Y * X / 300))
        kind = np.arange(many + small) < many
        # Vesicles come in swarms, where a synapse is.
        swarms = rng.uniform((0, 0, 0), shape, (max(2, small // 16), 3))
        centres = swarms[rng.integers(len(swarms), size=many + small)]
        centres = centres + rng.normal(0, (0.8, 14, 14), centres.shape)
        centres[kind] = rng.uniform((0, 0, 0), shape, (many, 3))
        long = np.where(kind, rng.uniform(9, 17, kind.size), rng.uniform(2.6, 4.2, kind.size))
        short = np.where(kind, long * rng.uniform(0.5, 0.85, kind.size), long * 0.9)
        deep = np.where(kind, rng.uniform(1.2, 2.6, kind.size), 0.6)
        return cls(
            centres, np.column_stack([deep, long, short]), rng.uniform(0, np.pi, kind.size), kind
        )

    def paint(
        self, plane: NDArray[Any], z: int, own: NDArray[np.intp], depth: NDArray[Any]
    ) -> None:
        """Draw what slice ``z`` cuts, each organelle inside the cell that holds its centre."""
        for k in np.flatnonzero(np.abs(self.centres[:, 0] - z) < self.radii[:, 0]).tolist():
            _, cy, cx = self.centres[k]
            if not (0 <= cy < plane.shape[0] and 0 <= cx < plane.shape[1]):
                continue
            reach = int(self.radii[k, 1]) + 4
            rows = slice(max(0, int(cy) - reach), int(cy) + reach + 1)
            cols = slice(max(0, int(cx) - reach), int(cx) + reach + 1)
            y, x = np.ogrid[rows, cols]
            y, x = y[: plane.shape[0] - rows.start] - cy, x[:, : plane.shape[1] - cols.start] - cx
            here = (own[rows, cols] == own[int(cy), int(cx)]) & (depth[rows, cols] > 3.5)
            self._draw_one(plane[rows, cols], k, z, y, x, here)

    def _draw_one(
        self,
        patch: NDArray[Any],
        k: int,
        z: int,
        y: NDArray[Any],
        x: NDArray[Any],
        here: NDArray[np.bool_],
    ) -> None:
        deep, long, short = self.radii[k]
        short, long = (
            r * np.sqrt(1 - ((z - self.centres[k, 0]) / deep) ** 2) for r in (short, long)
        )
        cos, sin = np.cos(self.angles[k]), np.sin(self.angles[k])
        along, across = cos * y + sin * x, cos * x - sin * y
        radius = np.sqrt((along / max(long, 1)) ** 2 + (across / max(short, 1)) ** 2)
        outside = (radius - 1) * max(short, 1)  # about the distance to the outline
        rim = np.exp(-((outside / 1.3) ** 2))
        if self.mitochondrion[k]:
            inside = 1 / (1 + np.exp(2 * outside))
            cristae = 12 * np.cos(along * 1.1 + 0.6 * np.sin(across / 2))
            patch -= np.where(here, inside * (50 + cristae) + 38 * rim, 0)
        else:
            patch -= np.where(here, 60 * rim, 0)


def _record(rng: Generator, image: NDArray[Any]) -> NDArray[np.uint8]:
    """Image (N, Y, X) as the microscope would record it: blur, uneven light, noise, 8 bits."""
    N = len(image)
    image = ndimage.gaussian_filter(image, (0, 0.8, 0.8))
    shade = _smooth_noise(rng, image.shape, (1.5, 70, 70))
    image *= (1 + 0.06 * shade) * (1 + rng.normal(0, 0.02, (N, 1, 1)))
    image += 6.0 * rng.standard_normal(image.shape, np.float32)
    image += 19.0 * np.stack([_texture(rng, image.shape[1:], 0.9, 4.0) for _ in range(N)])
    recorded: NDArray[np.uint8] = np.rint(image).clip(0, 255).astype(np.uint8)
    return recorded


def _texture(rng: Generator, shape: tuple[int, ...], fine: float, coarse: float) -> NDArray[Any]:
    """Noise (Y, X) of unit deviation without structure below ``fine`` or above ``coarse``."""
    noise = rng.standard_normal(shape, np.float32)
    noise = ndimage.gaussian_filter(noise, fine) - ndimage.gaussian_filter(noise, coarse)
    return np.asarray(noise / noise.std())


def _smooth_noise(
    rng: Generator, shape: tuple[int, ...], sigma: tuple[float, ...]
) -> NDArray[np.float32]:
    """Noise of ``shape``, zero mean and unit deviation, smooth over ``sigma`` pixels.

    Drawn on a grid as coarse as the smoothness allows, then interpolated.
    """
    step = [max(1, int(s / 2)) for s in sigma]
    coarse = tuple(n // s + 4 for n, s in zip(shape, step))
    noise = rng.standard_normal(coarse, np.float32)
    noise = ndimage.gaussian_filter(noise, [s / k for s, k in zip(sigma, step)], mode="wrap")
    noise -= noise.mean()
    noise /= noise.std()
    for axis, (n, k) in enumerate(zip(shape, step)):
        noise = _interpolate(noise, axis, n, k)
    return noise


def _interpolate(coarse: NDArray[Any], axis: int, n: int, step: int) -> NDArray[np.float32]:
    """Linear interpolation to ``n`` samples along an axis, ``step`` of them per coarse one."""
    if step == 1:
        return coarse.take(np.arange(n), axis)
    position = np.arange(n) / step
    before = position.astype(int)
    shape = [1] * coarse.ndim
    shape[axis] = n
    weight = (position - before).astype(np.float32).reshape(shape)
    low, high = coarse.take(before, axis), coarse.take(before + 1, axis)
    fine: NDArray[np.float32] = low + (high - low) * weight
    return fine
