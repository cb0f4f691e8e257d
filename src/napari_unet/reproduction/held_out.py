"""Which slices of an experiment's stack are kept from training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.base.errors import InputError
from napari_unet.config.split import SplitConfig
from napari_unet.reproduction.table import FOLDS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["split_for"]


def split_for(held_out: str, labelled: Sequence[int], n_slices: int, seed: int) -> SplitConfig:
    """Return the split that an experiment asks for.

    Parameters
    ----------
    held_out
        See `napari_unet.reproduction.table.Experiment`.
    labelled
        Slices that have labels, ascending.
    n_slices
        Of the stack. Of two joined sequences the first has half of them.
    seed
        Of a random split.

    Raises
    ------
    InputError
        If it is none of the known ways.
    """
    kind, _, which = held_out.partition(" ")
    if kind == "random":
        return SplitConfig(mode="random", fraction=0.2, seed=seed)
    if kind == "last":
        return SplitConfig(mode="last", fraction=0.2)
    if kind == "fold":
        block = np.array_split(np.asarray(labelled), FOLDS)[int(which) - 1]
        return SplitConfig(mode="slices", slices=tuple(block.tolist()))
    if kind == "sequence":
        second = which == "02"
        chosen = tuple(i for i in labelled if (i >= n_slices // 2) == second)
        return SplitConfig(mode="slices", slices=chosen)
    raise InputError(f"expected random, last, fold k or sequence NN, got {held_out!r}.")
