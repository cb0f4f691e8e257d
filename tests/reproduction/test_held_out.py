"""What is kept from training."""

from __future__ import annotations

import pytest

from napari_unet.base.errors import InputError
from napari_unet.reproduction.held_out import split_for


def test_five_folds_are_contiguous_and_cover_everything_once():
    folds = [split_for(f"fold {k}", range(30), 30, 0).slices for k in range(1, 6)]
    assert folds[0] == (0, 1, 2, 3, 4, 5)
    assert folds[4] == (24, 25, 26, 27, 28, 29)
    assert sum(folds, ()) == tuple(range(30))


def test_sequences_are_the_halves_of_the_joined_stack():
    labelled = (2, 50, 83, 84, 100)
    assert split_for("sequence 01", labelled, 168, 0).slices == (2, 50, 83)
    assert split_for("sequence 02", labelled, 168, 0).slices == (84, 100)


def test_random_and_last():
    random = split_for("random", range(30), 30, 3)
    assert (random.mode, random.fraction, random.seed) == ("random", 0.2, 3)
    assert split_for("last", range(30), 30, 3).mode == "last"


def test_anything_else_is_refused():
    with pytest.raises(InputError, match="fold k"):
        split_for("some", range(30), 30, 0)
