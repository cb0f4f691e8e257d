"""Data as training sees them: made from stacks and settings, and the only place that knows how.

It brings stacks to a common pixel size and zooms them, divides them into what trains and what
validates, measures grey-value limits and class weights, and hands out tiles, planes and weight
maps. The trainer, every preview and every check ask here.

Two kinds of pixels: *given* ones of the image as it was opened, and *seen* ones of the image as
the network gets it. Torch is imported only where tiles are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_unet.annotation.labels import check_annotation
from napari_unet.annotation.weights import class_frequencies, class_weights
from napari_unet.base.errors import InputError
from napari_unet.config.size_rule import border, previous_valid_size, smallest_input
from napari_unet.images.grey_ranges import own_ranges, say_ranges
from napari_unet.images.intensity import training_limits
from napari_unet.images.outside import mark_outside, say_outside
from napari_unet.images.resampling import resample, resampled_labels, resampled_shape
from napari_unet.images.stack import Intensity, Stack
from napari_unet.training.alike import check_alike
from napari_unet.training.common_pixels import pixel_sizes, pixel_sizes_differ
from napari_unet.training.copies import say_copies
from napari_unet.training.division import divide, given_guards, seen_split
from napari_unet.training.planes import SeenImages, SeenTruth, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.config.decoding import Decoding
    from napari_unet.config.split import Region
    from napari_unet.config.training import TrainConfig
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.journal import Edit
    from napari_unet.training.sampling import TileSampler
    from napari_unet.training.validation_planes import ValidationPlanes

__all__ = ["Placement", "TrainingData", "like_model"]

SLICES_CHECKED = 64
"""Labelled slices that are looked at for a second class before training."""

PIXELS_AT_ONCE = 2**24
"""Pixels of labels read at once in that search."""


@dataclass(frozen=True)
class Placement:
    """Where seen pixels lie in the given image.

    Attributes
    ----------
    scale
        Given pixels per seen one, along y and x.
    translate
        Of the centre of the first seen pixel, in given pixels.
    """

    scale: tuple[float, float]
    translate: tuple[float, float]

    def seen(
        self, y: NDArray[np.int64], x: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows and columns of the seen pixels in which the middles of given ones lie."""
        rows, cols = (((n + 0.5) / s).astype(np.int64) for n, s in zip((y, x), self.scale))
        return rows, cols


class TrainingData:
    """What one training learns from and is measured on.

    Making one reads next to nothing (the labels of a stack's only labelled slice, to find a strip
    of it that can validate), so a window may do it at every change of a setting; images are
    resampled and measured when they are first asked for.

    Parameters
    ----------
    stacks
        As they were opened, with labels; one or more.
    config
        The settings of the run. Channels and classes of the network are taken from the stacks.
    limits
        Grey-value limits of a model or run to go on with; None: measured on what trains.
    lazy
        Resample a slice when it is read, to look at a few only.
    painted
        Labels are painted while the network learns: every slice that does not validate may come
        to train, and of sparse annotation nothing is held back.

    Attributes
    ----------
    given : tuple of Stack
        The stacks as they were opened.
    config : TrainConfig
        With the channels and classes of the stacks.
    scheme : LabelScheme
        What label values mean.
    guards : tuple of int
        How far the network sees, in pixels of each given stack.
    given_splits : tuple of Split
        What trains and what validates, in pixels of the given stacks.

    Raises
    ------
    InputError
        If the stacks cannot be trained on together, or not divided as asked.
    """

    def __init__(
        self,
        stacks: Stack | Sequence[Stack],
        config: TrainConfig,
        *,
        limits: Intensity | None = None,
        lazy: bool = False,
        painted: bool = False,
    ) -> None:
        self.given = (stacks,) if isinstance(stacks, Stack) else tuple(stacks)
        check_alike(self.given, config.intensity)
        first = self.given[0]
        assert first.scheme is not None
        self.scheme: LabelScheme = first.scheme
        network = replace(
            config.network, in_channels=first.channels, classes=first.scheme.n_classes
        )
        self.config = replace(config, network=network)
        # Painted labels are read when they are needed: they change in place.
        self._lazy = lazy or painted
        self._painted = painted
        self._sizes = pixel_sizes(self.given, config)
        self._shapes = tuple(
            resampled_shape(stack, size or stack.pixel_size)
            for stack, size in zip(self.given, self._sizes)
        )
        guard = border(network.depth)  # px as the network sees them
        self.guards = given_guards(self.given, self._shapes, guard)
        self.given_splits = divide(self.given, config.split, self.guards, painted=painted)
        parts = zip(self.given, self._shapes, self.given_splits)
        self.splits = tuple(seen_split(*part, guard) for part in parts)
        self._brought = False
        if limits is not None:
            self.take_limits(limits)

    def take_limits(self, limits: Intensity) -> None:
        """Take the grey-value limits that a run or model to go on with brings."""
        self.limits = limits
        self._brought = True

    # -- as the network sees them --------------------------------------------------------------

    @cached_property
    def stacks(self) -> tuple[Stack, ...]:
        """The stacks as the network sees them."""
        marked = (mark_outside(one, self.config.outside, lazy=self._lazy) for one in self.given)
        return tuple(map(self._resampled, marked, self._sizes))

    def _resampled(self, stack: Stack, size: tuple[float, float] | None) -> Stack:
        if size is None:
            return stack
        seen = resample(stack, size, lazy=self._lazy)
        if not self._painted:
            return seen
        labels = resampled_labels(stack, seen.plane_shape, changing=True)
        return seen.with_labels(labels, stack.scheme, stack.annotated)

    @cached_property
    def limits(self) -> Intensity:
        """The grey values that become 0 and 1, measured on pixels that train."""
        return training_limits(self.stacks, self.splits, self.config.intensity)

    @cached_property
    def given_limits(self) -> Intensity:
        """The limits as the given pixels have them, which are read once and not resampled.

        Those of the training where it resamples nothing; else it measures others that differ
        little, since smaller images have less noise.
        """
        marked = tuple(mark_outside(one, self.config.outside, lazy=True) for one in self.given)
        return training_limits(marked, self.given_splits, self.config.intensity)

    @property
    def train_slices(self) -> int:
        """How many slices train, of all stacks."""
        return sum(len(split.train) for split in self.splits)

    @property
    def validation_slices(self) -> int:
        """How many slices validate, of all stacks."""
        return sum(len(split.validation) for split in self.splits)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how the data are taken, a sentence each."""
        notes = [split.note for split in self.given_splits if split.note]
        copies = say_copies(self.given, self.given_splits)
        notes += [copies] if copies else []
        if self.config.pixel_size is None and pixel_sizes_differ(self.given):
            notes.append(
                "The pixels of the stacks differ in size and are taken as they are; a common pixel "
                "size (--pixel-size first, or the box under Data) makes their objects alike."
            )
        if self.config.pixel_size is not None:
            for stack, size, shape in zip(self.given, self._sizes, self._shapes):
                if size is not None:
                    old, new = (" × ".join(map(str, one)) for one in (stack.plane_shape, shape))
                    notes.append(f"{stack.name}: resampled from {old} to {new} pixels a slice.")
        read = self.__dict__.get("stacks", ())  # not for this alone
        notes += self._grey_notes(read)
        notes += [f"{one.name}: {said}" for one in read if (said := say_outside(one))]
        return tuple(notes)

    def _grey_notes(self, read: Sequence[Stack]) -> Iterator[str]:
        """Name stacks whose grey values are not those of the limits that all share."""
        limits: Intensity | None = self.__dict__.get("limits")
        several = self._brought or len(self.given) > 1
        if limits is None or limits.mode == "image" or not several:
            return
        advice = "limits of every slice (--intensity image, or Limits under Data) make them alike."
        if self._brought:
            advice = "scale it likewise, or begin with random weights."
        for stack in read:
            if said := say_ranges(own_ranges(limits, stack), limits, "but the limits are"):
                yield f"The grey values of {stack.name} {said}: {advice}"

    def placement(self, stack_index: int) -> Placement:
        """Where the seen pixels of a stack lie in the given one."""
        before, after = self.given[stack_index].plane_shape, self._shapes[stack_index]
        y, x = (n / m for n, m in zip(before, after))
        return Placement((y, x), ((y - 1) / 2, (x - 1) / 2))

    def before_zoom(self, decoding: Decoding) -> Decoding:
        """Return thresholds that were fitted on seen pixels, in pixels before they are zoomed."""
        return replace(decoding, min_size=round(decoding.min_size / self.config.zoom**2))

    def check_labels(self) -> None:
        """Read labels until there are two classes.

        Raises
        ------
        InputError
            Where everything that is annotated has one class.
        """
        for stack in self.given:
            assert stack.scheme is not None
            check_annotation(_labels_to_check(stack), stack.scheme)

    @cached_property
    def class_weights(self) -> NDArray[np.float64] | None:
        """w_c over the training slices, (K,); kept when labels are edited later."""
        config = self.config.weights
        if config is None or not config.balance:
            return None
        if self._painted:  # they change with every stroke; see `sampling.TileSampler.edited`
            return np.ones(self.scheme.n_classes)
        readers = [SeenTruth(*both, config) for both in zip(self.stacks, self.splits)]
        targets = (target for reader in readers for target in reader.sample_targets())
        shares = class_frequencies(targets, self.scheme.n_classes)
        pixels = round(np.mean([np.prod(one.plane_shape) for one in self.stacks]))
        return class_weights(shares, config.balance, pixels)

    def images(self, stack_index: int, *, blind: bool = True) -> SeenImages:
        """Return the reader of a stack's images; `blind`: what validates is hidden."""
        k = stack_index
        return SeenImages(self.stacks[k], self.splits[k], self.limits, blind)

    def truth(self, stack_index: int, *, blind: bool = True) -> SeenTruth:
        """Return the reader of a stack's labels and weights; `blind`: what validates is hidden."""
        k = stack_index
        return SeenTruth(
            self.stacks[k],
            self.splits[k],
            self.config.weights,
            self.class_weights,
            self.config.network.object_maps,
            blind,
        )

    # -- what is learnt from and measured on ---------------------------------------------------

    def sampler(self, *, tile: int | None = None, device: str = "cpu") -> TileSampler:
        """Return the source of the tiles of every step.

        Parameters
        ----------
        tile
            px, side of the input tile; None: the configured one.
        device
            Where tiles are computed and kept.
        """
        from napari_unet.training.sampling import TileSampler

        config = self.config
        return TileSampler(
            [self.images(k) for k in range(len(self.given))],
            [self.truth(k) for k in range(len(self.given))],
            depth=config.network.depth,
            tile=tile or config.tile,
            batch=config.batch,
            augment=config.augment,
            seed=config.seed,
            stroke_share=config.stroke_share if self._painted else None,
            device=device,
        )

    def validation(self) -> ValidationPlanes:
        """Return the planes that measure the network."""
        from napari_unet.training.validation_planes import ValidationPlanes

        return ValidationPlanes(
            [self.images(k, blind=False) for k in range(len(self.given))],
            [self.truth(k, blind=False) for k in range(len(self.given))],
        )

    def weight_map(self, stack_index: int, i: int) -> NDArray[np.float32]:
        """Return the weights of slice ``i`` as training sees them: (Y, X) float32, seen pixels.

        Raises
        ------
        InputError
            When the slice has no labels.
        """
        if i not in self.given[stack_index].labelled_slices:
            raise InputError(
                f"slice {i} is not annotated, so it has no weight map: go to an annotated one."
            )
        truth = self.truth(stack_index)
        weights: NDArray[np.float32] = truth.window(i, *everything(truth.stack))[1]
        return weights

    def changed(self, config: TrainConfig) -> TrainingData:
        """Return the same stacks with other settings; what these leave as it is is shared."""
        other = TrainingData(self.given, config, lazy=self._lazy)
        for name, key in _KEPT.items():
            if name in self.__dict__ and key(self.config) == key(other.config):
                other.__dict__[name] = self.__dict__[name]
        return other

    def refresh(self, stack_index: int, stack: Stack) -> None:
        """Take edited labels; readers, samplers and planes that are asked for later have them.

        Parameters
        ----------
        stack_index
            Which of the stacks was edited.
        stack
            The edited one, in given pixels; it may hold the same arrays, changed in place. Class
            weights stay, so that the loss keeps its scale.

        Raises
        ------
        InputError
            If it is not the same size, or has no labels.
        """
        before = self.given[stack_index]
        _check_same_shape(before, stack)
        given, seen = list(self.given), list(self.stacks)
        given[stack_index] = stack
        size, was = self._sizes[stack_index], seen[stack_index]
        if stack.image is before.image:
            labels = stack.labels
            if size is not None:
                labels = resampled_labels(stack, was.plane_shape, lazy=self._lazy)
            seen[stack_index] = was.with_labels(labels, stack.scheme, stack.annotated)
        else:
            marked = mark_outside(stack, self.config.outside, lazy=self._lazy)
            seen[stack_index] = self._resampled(marked, size)
        self.given = tuple(given)
        self.__dict__["stacks"] = tuple(seen)

    def edited(self, edit: Edit) -> Region:
        """Where an edit lies in seen pixels: y0, y1, x0, x1.

        Exact for pixels as they are; of resampled ones, all that the edit may have changed.
        """
        k = edit.stack_index
        if self._sizes[k] is None:
            return edit.box
        sides = []
        for axis in (0, 1):
            n, m = self.given[k].plane_shape[axis], self._shapes[k][axis]
            low, high = edit.box[2 * axis : 2 * axis + 2]
            sides += [max(0, low * m // n - 1), min(m, -(-high * m // n) + 1)]
        y0, y1, x0, x1 = sides
        return y0, y1, x0, x1

    def is_resampled(self, stack_index: int) -> bool:
        """Whether the network sees other pixels of a stack than it has."""
        return self._sizes[stack_index] is not None


def _resampling(config: TrainConfig) -> tuple[object, ...]:
    return config.pixel_size, config.zoom, config.outside


def _division(config: TrainConfig) -> tuple[object, ...]:
    return *_resampling(config), config.split, config.network.depth


_KEPT: dict[str, Callable[[TrainConfig], tuple[object, ...]]] = {
    "stacks": _resampling,
    "limits": lambda config: (*_division(config), config.intensity),
    "class_weights": lambda config: (
        *_division(config),
        None if config.weights is None else config.weights.balance,
    ),
}
"""What is made once, and the settings that it depends on."""


def _check_same_shape(old: Stack, new: Stack) -> None:
    before = (old.n_slices, old.channels, *old.plane_shape)
    after = (new.n_slices, new.channels, *new.plane_shape)
    if before != after:
        raise InputError(
            f"edited labels must belong to an image of the same size (slices, channels, y, x) "
            f"{before}, got {after}: start a new run for another image."
        )
    if new.labels is None or new.scheme is None:
        raise InputError(f"{new.name!r} has lost its labels: choose its labels again.")


def like_model(config: TrainConfig, start_from: TrainedModel | None) -> TrainConfig:
    """Return the settings with the network's shape and the zoom of a model to go on with.

    Parameters
    ----------
    config
        As asked for.
    start_from
        The model; None changes nothing.
    """
    if start_from is None:
        return config
    network = replace(start_from.network.config, dropout=config.network.dropout)
    tile = config.tile
    if network.depth != config.network.depth:
        tile = previous_valid_size(max(tile, smallest_input(network.depth)), network.depth)
    return replace(config, network=network, tile=tile, zoom=start_from.zoom)


def _labels_to_check(stack: Stack) -> Iterator[NDArray[np.int32]]:
    """Read labels in bands of rows, so that a large plane is never in memory as a whole."""
    Y, X = stack.plane_shape
    band = max(1, PIXELS_AT_ONCE // X)
    for i in stack.labelled_slices[:SLICES_CHECKED]:
        for y in range(0, Y, band):
            yield stack.label_crop(i, slice(y, min(y + band, Y)), slice(0, X))
