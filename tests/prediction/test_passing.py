"""Pieces are written while they pass, and held by nobody; a folder is one loop for all faces."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import tifffile

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.images.stack import Stack
from napari_unet.prediction.files import write_passing, write_tiff
from napari_unet.prediction.folders import (
    FolderDone,
    ImageBegun,
    ImageDone,
    ImageFailed,
    predict_each,
)
from napari_unet.prediction.object_table import ObjectTable
from napari_unet.prediction.outputs import Output
from napari_unet.prediction.pieces import Piece

SCHEME = LabelScheme()
STACK = Stack("s", np.zeros((10, 16, 20), np.uint8), "zyx")
OUTPUT = Output("labels")


class Values(np.ndarray):
    """An array that can be watched."""


def pieces(watched=None):
    """Quarters of every slice."""
    rng = np.random.default_rng(0)
    total = 4 * STACK.n_slices
    for k in range(total):
        i, quarter = divmod(k, 4)
        y, x = 8 * (quarter // 2), 10 * (quarter % 2)
        values = rng.integers(0, 2, (8, 10)).astype(np.uint8).view(Values)
        if watched is not None:
            watched.append(weakref.ref(values))
        yield Piece((i,), i, slice(y, y + 8), slice(x, x + 10), values, k + 1, total, 0.0)


def test_what_passes_is_written_and_not_held(tmp_path):
    watched: list[weakref.ref] = []
    most = 0
    for event in write_passing(tmp_path / "a.tif", pieces(watched), OUTPUT, SCHEME, STACK):
        del event
        most = max(most, sum(ref() is not None for ref in watched))
    assert len(watched) == 40
    assert most <= 10  # of a band of rows, and what is under way
    write_tiff(tmp_path / "b.tif", pieces(), OUTPUT, SCHEME, STACK)
    a, b = (tifffile.imread(tmp_path / name) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(a, b)
    assert a.any()


@pytest.mark.parametrize("after", [0, 1, 20, 39])
@pytest.mark.parametrize("how", ["closed", "error"])
def test_what_is_given_up_leaves_the_former_file(tmp_path, after, how):
    (tmp_path / "a.tif").write_bytes(b"former")

    def broken():
        for k, piece in enumerate(pieces()):
            if k == after:
                raise InputError("no more")
            yield piece

    events = pieces() if how == "closed" else broken()
    passing = write_passing(tmp_path / "a.tif", events, OUTPUT, SCHEME, STACK)
    if how == "closed":
        for _ in range(after):
            next(passing)
        passing.close()
    else:
        with pytest.raises(InputError, match="no more"):
            list(passing)
    assert (tmp_path / "a.tif").read_bytes() == b"former"
    assert [one.name for one in tmp_path.iterdir()] == ["a.tif"]


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    watched: list[weakref.ref] = []
    passing = write_passing(tmp_path / "file" / "a", pieces(watched), OUTPUT, SCHEME, STACK)
    with pytest.raises(CheckpointError):
        list(passing)
    assert len(watched) < 5


# -- the loop ---------------------------------------------------------------------------------


def table(n):
    return ObjectTable({"id": np.arange(n)}, n, (n,))


def images(tmp_path, *names):
    return {(tmp_path / f"{name}.png",): tmp_path / "out" / f"{name}.tif" for name in names}


def read(member):
    if member[0].stem == "broken":
        raise InputError("cannot be read")
    return STACK


def predict(_stack, target):
    yield "on the way"
    yield ImageDone(target, table(2))


def test_what_fails_is_told_and_the_others_go_on(tmp_path):
    found = list(predict_each(images(tmp_path, "a", "broken", "b"), read, predict))
    assert [type(event) for event in found] == [
        ImageBegun, str, ImageDone, ImageBegun, ImageFailed, ImageBegun, str, ImageDone, FolderDone
    ]  # fmt: skip
    over = found[-1]
    assert (list(over.done), over.failed) == (["a.png", "b.png"], {"broken.png": "cannot be read"})
    assert over.table.columns["file"].tolist() == ["a.png", "a.png", "b.png", "b.png"]


def test_the_table_of_what_was_done_is_there_when_somebody_stops(tmp_path):
    each = predict_each(images(tmp_path, "a", "b", "c"), read, predict, tmp_path / "t.csv")
    for event in each:
        if isinstance(event, ImageBegun) and event.number == 3:
            break
    each.close()
    rows = (tmp_path / "t.csv").read_text(encoding="utf-8-sig").splitlines()
    assert rows == ["file,id", "a.png,0", "a.png,1", "b.png,0", "b.png,1"]
