"""Augmentation: one smooth deformation for image, labels and weights, and changed grey values.

A draw has two parts. *Where*: every pixel of the tile is assigned a position
in the source image, by displacements of a coarse grid of control points
(interpolated by a cubic spline), rotation, zoom and flips. *How bright*:
gamma, contrast, brightness and noise, for the image alone. The draw itself is
a handful of numbers; it costs nothing to keep, to show or to repeat.

Legend: ``(H, W)`` tile, ``(Y, X)`` planes that are sampled, ``g`` control
points per side. All positions and displacements are in pixels, row before
column.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812  the name that torch's users know

from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig, _is_number

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = [
    "Deformation",
    "Lookup",
    "adjust_grey",
    "deformed_grid_lines",
    "draw",
    "elastic_field",
    "resample",
    "slice_coordinates",
    "source_coordinates",
]


@dataclass(frozen=True, eq=False)
class Deformation:
    """One draw of the augmentation: parameters only.

    Attributes
    ----------
    displacements
        (2, g, g) float64, px in the tile: of the control points, y and x.
    matrix
        (2, 2) float64: offset from the tile's centre → offset from the source's.
    brightness
        Offset; 0 changes nothing.
    contrast
        Factor about 0.5; 1 changes nothing.
    gamma
        Exponent; 1 changes nothing.
    noise
        Standard deviation; 0 changes nothing.
    noise_seed
        Seed of the noise.
    """

    displacements: NDArray[np.float64]
    matrix: NDArray[np.float64]
    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    noise: float = 0.0
    noise_seed: int = 0

    @classmethod
    def identity(cls) -> Deformation:
        """Return the deformation that moves and changes nothing."""
        return cls(np.zeros((2, 2, 2)), np.eye(2))

    @property
    def on_grid(self) -> bool:
        """Whether whole pixels come from whole pixels: quarter turns and flips alone.

        Then the nearest pixel *is* the linear interpolation, without rounding.
        """
        turn = np.abs(self.matrix)
        is_turn = np.allclose(turn, np.eye(2), atol=1e-12) or np.allclose(
            turn, np.eye(2)[::-1], atol=1e-12
        )
        return bool(is_turn and not self.displacements.any())


def draw(config: AugmentConfig, rng: np.random.Generator) -> Deformation:
    """Draw one deformation.

    The same numbers are taken from `rng` whatever the configuration, so that
    turning one ingredient off leaves the others as they were.

    Parameters
    ----------
    config
        The strengths.
    rng
        Source of randomness.

    Returns
    -------
    Deformation
    """
    angle, log_zoom, contrast, gamma = rng.uniform(-1.0, 1.0, 4)
    flip = np.where(rng.random(2) < 0.5, -1.0, 1.0) if config.flips else rng.random(2) * 0 + 1.0
    brightness = rng.normal()
    noise_seed = int(rng.integers(2**31))
    displacements = rng.normal(size=(2, config.grid, config.grid)) * config.displacement
    angle = math.radians(config.turn + config.rotation * angle)
    low, high = (math.log(z) for z in config.zoom)
    zoom = math.exp(low + (high - low) * (log_zoom + 1) / 2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return Deformation(
        displacements=displacements,
        matrix=flip[:, None] * turn / zoom,
        brightness=config.brightness * float(brightness),
        contrast=math.exp(config.contrast * contrast),
        gamma=math.exp(config.gamma * gamma),
        noise=config.noise,
        noise_seed=noise_seed,
    )


@lru_cache(maxsize=64)
def _spline_matrix(points: int, length: int) -> NDArray[np.float64]:
    """(length, points): values at `points` knots → cubic spline at `length` positions.

    Knots and positions both span the whole side, corner on corner, and the
    spline is mirrored about its end knots. A cubic spline is a sum of B-splines
    β(t); their coefficients c follow from the knot values f by solving
    (c[k-1] + 4 c[k] + c[k+1]) / 6 = f[k].
    """
    position = np.linspace(0.0, points - 1, length)
    values = _mirrored_basis(position, points)
    at_knots = _mirrored_basis(np.arange(points, dtype=float), points)
    return values @ np.linalg.inv(at_knots)


def _mirrored_basis(position: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """(positions, points): cubic B-splines at the knots, mirrored about the end knots."""
    basis = np.zeros((len(position), points))
    first = np.floor(position).astype(int) - 1
    period = 2 * (points - 1)
    for k in range(4):
        knot = first + k
        t = np.abs(position - knot)
        beta = np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.maximum(2 - t, 0) ** 3 / 6)
        folded = np.mod(knot, period)
        np.add.at(basis, (np.arange(len(position)), np.minimum(folded, period - folded)), beta)
    return basis


def elastic_field(
    displacements: NDArray[np.float64],
    shape: tuple[int, int],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Interpolate the displacements of control points to every pixel.

    Equal to ``scipy.ndimage.map_coordinates(grid, coords, order=3,
    mode="mirror")`` on the grid that is aligned with the tile's corners, but
    computed as two matrix products A·D·Bᵀ with matrices that are kept.

    Parameters
    ----------
    displacements
        (2, g, g) px, g ≥ 2.
    shape
        (H, W) of the tile.
    device, dtype
        Where and in which precision the large product is computed.

    Returns
    -------
    Tensor
        (2, H, W) px.

    References
    ----------
    Ronneberger, Fischer, Brox 2015, section 3.1; Unser 1999, "Splines: a
    perfect fit for signal and image processing".
    """
    height, width = shape
    points = displacements.shape[1:]
    down = _spline_matrix(points[0], height) @ displacements  # (2, H, g)
    across = _spline_matrix(points[1], width).T  # (g, W)
    return torch.as_tensor(down).to(device, dtype) @ torch.as_tensor(across).to(device, dtype)


def source_coordinates(
    deformation: Deformation,
    shape: tuple[int, int],
    centre: tuple[float, float],
    device: torch.device | str = "cpu",
) -> Tensor:
    """Position in the source of each pixel of a tile: centre + matrix · (offset + field).

    Parameters
    ----------
    deformation
        The draw.
    shape
        (H, W) of the tile.
    centre
        Row and column of the source that the tile's middle, ((H-1)/2, (W-1)/2),
        shows when nothing is displaced. Halves, for even sides, keep whole
        pixels on whole pixels.
    device
        Where the coordinates are wanted.

    Returns
    -------
    Tensor
        (2, H, W) float32, rows then columns.
    """
    height, width = shape
    kind: dict[str, Any] = {"device": device, "dtype": torch.float32}
    y = (torch.arange(height, **kind) - (height - 1) / 2)[:, None]
    x = (torch.arange(width, **kind) - (width - 1) / 2)[None, :]
    if deformation.displacements.any():
        field = elastic_field(deformation.displacements, shape, **kind)
        y, x = field[0].add_(y), field[1].add_(x)
    coords = torch.empty((2, height, width), **kind)
    for axis, ((by_y, by_x), middle) in enumerate(zip(deformation.matrix.tolist(), centre)):
        torch.add(y * by_y, x, alpha=by_x, out=coords[axis]).add_(middle)
    return coords


def slice_coordinates(
    deformation: Deformation,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    shape: tuple[int, int],
    origin: tuple[int, int] = (0, 0),
    device: torch.device | str = "cpu",
) -> Tensor:
    """Position in the source of pixels of a slice that is deformed as a whole, about its middle.

    Parameters
    ----------
    deformation
        The draw; its control points span the slice.
    rows, cols
        Pixels of the deformed slice, inside it.
    shape
        (Y, X) of the slice.
    origin
        Row and column of the source that the positions count from.
    device
        Where the coordinates are wanted.

    Returns
    -------
    Tensor
        (2, len(rows), len(cols)) float32, rows then columns.
    """
    middle = [(n - 1) / 2 for n in shape]
    offset = np.zeros((2, len(rows), len(cols)))
    if deformation.displacements.any():
        down, across = (
            _spline_matrix(points, length)[at]
            for points, length, at in zip(deformation.displacements.shape[1:], shape, (rows, cols))
        )
        offset += down @ deformation.displacements @ across.T
    offset[0] += (rows - middle[0])[:, None]
    offset[1] += (cols - middle[1])[None, :]
    places = np.einsum("ab,bhw->ahw", deformation.matrix, offset)
    places += np.subtract(middle, origin)[:, None, None]
    return torch.from_numpy(places.astype(np.float32)).to(device)


_MODES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
_RIM = 2  # px that a cubic looks at beyond the last whole position
Order: TypeAlias = Literal["nearest", "linear", "cubic", "spline"]


class Lookup:
    """Positions in planes of one size, prepared once for every plane that is sampled there.

    Beyond the borders of the planes lies their mirror image. Positions there are folded back
    once, and planes get a mirrored rim for the neighbours of the outermost positions: half
    the time of grid_sample's own mirroring, which folds every neighbour by itself.

    Parameters
    ----------
    coords
        (2, h, w) float32, rows and columns in pixels of the planes, any distance outside.
        Taken over: its values change.
    shape
        (Y, X) of the planes.
    """

    def __init__(self, coords: Tensor, shape: tuple[int, int]) -> None:
        self._rim = 0 if _is_well_inside(coords, shape) else _RIM
        if self._rim:
            _fold(coords, shape)
        # grid_sample counts from -1 to 1 between the first and the last pixel.
        scale = [2 / max(1, size + 2 * self._rim - 1) for size in shape]
        start = [self._rim * factor - 1 for factor in scale]
        self._by, self._to = torch.tensor([scale, start], device=coords.device)[:, :, None, None]
        self._grid = coords.mul_(self._by).add_(self._to)

    def inner(self, margin: int) -> Lookup:
        """Return the same without the outer pixels of the tile."""
        inner = copy(self)
        inner._grid = self._grid[:, margin:-margin, margin:-margin]
        return inner

    def __call__(self, planes: Tensor, order: Order = "linear") -> Tensor:
        """Sample planes: (C, Y, X) of any dtype → (C, h, w); see `resample`."""
        values = planes.to(torch.float32)
        if self._rim:
            values = _with_rim(values)
        if order == "spline":
            return self._spline(values)
        sampled = _sampled(values, self._grid, order)
        return sampled.to(planes.dtype) if order == "nearest" else sampled

    def _spline(self, values: Tensor) -> Tensor:
        """Weigh the 4 × 4 neighbours by cubic B-splines: four linear lookups, between them.

        Of two neighbours with weights a and b, the linear value at b/(a + b) of the way from one
        to the other is their weighted mean; so a pair takes one lookup (Sigg, Hadwiger 2005).
        """
        at = (self._grid - self._to) / self._by
        below = torch.floor(at)
        t = at - below
        u = 1 - t
        outer, inner = u**3 / 6, 2 / 3 - t**2 + t**3 / 2
        first = outer + inner  # of the pair below - 1, below; the other pair has the rest
        low = below - 1 + inner / first
        high = below + 1 + t**3 / 6 / (1 - first)
        total = torch.zeros(())
        for y, of_y in ((low[0], first[0]), (high[0], 1 - first[0])):
            for x, of_x in ((low[1], first[1]), (high[1], 1 - first[1])):
                grid = torch.stack([y, x]) * self._by + self._to
                total = total + of_y * of_x * _sampled(values, grid, "linear")
        return total

    def classes(self, plane: Tensor, order: Literal["nearest", "spline"] = "nearest") -> Tensor:
        """Sample class indices (Y, X) → (h, w): the nearest, or which weighs most in a spline."""
        if order == "nearest":
            return self(plane[None], "nearest")[0]
        values = torch.unique(plane)
        chosen: Tensor = values[self(plane == values[:, None, None], "spline").argmax(0)]
        return chosen


def _sampled(values: Tensor, grid: Tensor, order: str) -> Tensor:
    # It wants x before y: exchanging the axes of the planes instead copies nothing.
    return F.grid_sample(
        values.mT[None],
        grid.permute(1, 2, 0)[None],
        mode=_MODES[order],
        padding_mode="border",
        align_corners=True,
    )[0]


def resample(planes: Tensor, coords: Tensor, order: Order = "linear") -> Tensor:
    """Sample planes at given positions; beyond their borders they are mirrored.

    Parameters
    ----------
    planes
        (C, Y, X), any dtype; numbers up to 2^24 are kept exactly.
    coords
        (2, h, w) float32, rows and columns in pixels of the planes, any distance outside.
    order
        "nearest" for labels; for grey values "linear", "cubic" (cubic convolution), or "spline"
        (cubic B-spline, no prefilter).

    Returns
    -------
    Tensor
        (C, h, w) in the dtype of `planes` for "nearest", otherwise float32.
    """
    return Lookup(coords.clone(), (planes.shape[-2], planes.shape[-1]))(planes, order)


def _is_well_inside(coords: Tensor, shape: tuple[int, int]) -> bool:
    """Whether a plane holds all positions with all their neighbours.

    Never said of a GPU's positions: asking would wait for all it has been given.
    """
    if coords.device.type != "cpu":
        return False
    ends = [axis.aminmax() for axis in coords]
    return all(low >= 1 and high < size - _RIM for (low, high), size in zip(ends, shape))


def _fold(coords: Tensor, shape: tuple[int, int]) -> None:
    """Fold positions outside 0..Y-1, 0..X-1 back, as mirrors in the outermost pixels do."""
    for axis, size in zip(coords.abs_(), shape):
        last = size - 1
        if last == 0:
            axis.zero_()
            continue
        if axis.device.type != "cpu" or axis.max() > 2 * last:
            axis.remainder_(2 * last)
        axis.sub_(last).abs_().neg_().add_(last)  # last - |position - last|


def _with_rim(planes: Tensor) -> Tensor:
    """Planes with a mirrored rim: (C, Y + 4, X + 4)."""
    if min(planes.shape[-2:]) > _RIM:
        return F.pad(planes[None], (_RIM,) * 4, mode="reflect")[0]
    for axis in (1, 2):  # narrower than the rim: mirrored to and fro
        period = max(1, 2 * (planes.shape[axis] - 1))
        at = torch.arange(-_RIM, planes.shape[axis] + _RIM, device=planes.device) % period
        planes = planes.index_select(axis, torch.minimum(at, period - at))
    return planes


def adjust_grey(image: Tensor, deformation: Deformation) -> Tensor:
    """Change the grey values of a tile: gamma, then contrast and brightness, then noise.

    Parameters
    ----------
    image
        (C, H, W) float32, normalised to about 0..1. Values below 0 are mirrored
        through 0 by gamma, so that the order of grey values is kept.
    deformation
        The draw.

    Returns
    -------
    Tensor
        Same shape, device and dtype; `image` is left alone.
    """
    if deformation.gamma != 1.0:
        # exp(γ·log) takes half the time of pow, and 0 stays 0.
        image = torch.copysign(image.abs().log_().mul_(deformation.gamma).exp_(), image)
    offset = 0.5 - 0.5 * deformation.contrast + deformation.brightness
    if deformation.contrast != 1.0 or offset != 0.0:
        image = (image * deformation.contrast).add_(offset)
    if deformation.noise > 0.0:
        # Drawn on the CPU, so that every device sees the same noise.
        generator = torch.Generator().manual_seed(deformation.noise_seed)
        noise = torch.randn(image.shape, generator=generator, dtype=image.dtype)
        image = image + deformation.noise * noise.to(image.device)
    return image


def deformed_grid_lines(
    deformation: Deformation, shape: tuple[int, int], spacing: float = 48.0
) -> list[NDArray[np.float64]]:
    """Show a deformation as the image of a square mesh.

    The mesh is drawn on the source, symmetric about the tile's centre; the
    lines are where the tile shows it. Without deformation they are straight.

    Parameters
    ----------
    deformation
        The draw.
    shape
        (H, W) of the tile.
    spacing
        px of the source between two lines.

    Returns
    -------
    list of ndarray
        Each (n, 2): rows and columns in the tile, one polyline.

    Raises
    ------
    InputError
        If the spacing is not positive.
    """
    from skimage.measure import find_contours

    if not _is_number(spacing) or spacing <= 0:
        raise InputError(f"spacing of the grid must be more than 0 px, got {spacing!r}.")
    coords = source_coordinates(deformation, shape, (0.0, 0.0)).numpy()
    # The field is smooth: every fourth pixel, and the last, place a line to a tenth of a pixel.
    rows, cols = (np.unique([*range(0, size, 4), size - 1]) for size in shape)
    lines: list[NDArray[np.float64]] = []
    for values in coords[:, rows[:, None], cols[None, :]].astype(float):
        if min(values.shape) < 2:
            continue
        first, last = math.ceil(values.min() / spacing), math.floor(values.max() / spacing)
        for k in range(first, last + 1):
            lines += [
                np.stack(
                    [
                        np.interp(line[:, 0], np.arange(len(rows)), rows),
                        np.interp(line[:, 1], np.arange(len(cols)), cols),
                    ],
                    axis=1,
                )
                for line in find_contours(values, k * spacing)
            ]
    return lines
