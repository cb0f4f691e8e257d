"""Whatever is done to a labels layer reaches the training, in whatever view it is done."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.session import session_of
from napari_unet.training.journal import Journal
from napari_unet.training.painting import Painting
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.layers import put_on_slice
from napari_unet.widgets.train.labels_watch import LabelsWatch
from napari_unet.widgets.train.new_labels import new_labels

from .conftest import pump, until


@pytest.fixture
def watching(model, qapp):
    """Watch labels that are painted on an image; returns the painting and what failed."""
    watches, failed = [], []

    def watch():
        session = session_of(model)
        painting = Painting([session.stack], live=True)
        watches.append(LabelsWatch(model, session.source, painting))
        watches[0].failed.connect(failed.append)
        return painting

    def seen():
        pump(0.1)
        until(lambda: not watches[0].is_looking)
        assert not failed

    yield watch, seen
    for one in watches:
        one.stop()


def begun(model, image, watch, axes=None):
    """New labels on an image, and the painting that follows them."""
    session = session_of(model)
    session.use(LayerStack(model.add_image(image), axes=axes))
    labels = new_labels(model, session, session.stack, session.image_layer)
    labels.brush_size = 5
    return labels, watch()


def test_undo_and_redo_count_in_a_slice_that_is_not_shown(model, cells, watching):
    watch, seen = watching
    labels, painting = begun(model, cells[0], watch)
    for z in (2, 3):
        model.dims.set_point(0, z)
        labels.paint((z, 70, 30), 2)
    seen()
    model.dims.set_point(0, 5)
    for act, left in ((labels.undo, [2]), (labels.undo, []), (labels.redo, [2])):
        act()
        seen()
        assert [z for z in range(6) if painting.drawn(0, z).any()] == left


def test_what_is_undone_in_a_hidden_layer_counts_at_the_end(model, cells, qapp):
    session = session_of(model)
    session.use(LayerStack(model.add_image(cells[0])))
    labels = new_labels(model, session, session.stack, session.image_layer)
    painting = Painting([session.stack], live=True)
    watch = LabelsWatch(model, session.source, painting)
    model.dims.set_point(0, 2)
    labels.paint((2, 70, 30), 2)
    until(lambda: not watch.is_looking)
    model.dims.set_point(0, 4)
    labels.visible = False
    labels.undo()
    watch.stop()
    assert not painting.whole(0).any()


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
@pytest.mark.parametrize("brush", [2, 3])
def test_strokes_and_undo_count_in_any_view(model, cells, watching, order, brush):
    watch, seen = watching
    labels, painting = begun(model, cells[0], watch)
    model.dims.order = order
    for axis, place in enumerate((2, 50, 30)):
        model.dims.set_point(axis, place)
    labels.n_edit_dimensions = brush
    labels.paint((2, 50, 30), 2)
    seen()
    assert labels.data.any()
    assert np.array_equal(painting.whole(0), labels.data)
    labels.undo()
    seen()
    assert not painting.whole(0).any()


def test_strokes_and_undo_count_in_the_volume_view(model, cells, watching):
    watch, seen = watching
    labels, painting = begun(model, cells[0], watch)
    model.dims.ndisplay = 3
    labels.n_edit_dimensions = 3
    labels.paint((2, 50, 30), 2)
    labels.fill((2, 50, 30), 1)
    seen()
    assert len(np.unique(np.nonzero(labels.data)[0])) > 1
    assert np.array_equal(painting.whole(0), labels.data)
    labels.undo()
    labels.undo()
    seen()
    assert not painting.whole(0).any()


def test_strokes_count_in_several_axes(model, cells, watching):
    watch, seen = watching
    labels, painting = begun(model, np.stack([cells[0][:4]] * 2), watch, axes="tzyx")
    model.dims.set_point(0, 1)
    model.dims.set_point(1, 3)
    labels.n_edit_dimensions = 4
    labels.paint((1, 3, 50, 30), 2)
    seen()
    assert labels.data[0].any()
    assert np.array_equal(painting.whole(0), labels.data)


def test_labels_that_were_moved_on_their_image_are_where_their_pixels_are(model, cells, watching):
    watch, seen = watching
    labels, painting = begun(model, cells[0], watch)
    labels.translate = (2, 0, 0)
    model.dims.set_point(0, 4)
    labels.paint((2, 40, 30), 2)
    seen()
    assert np.array_equal(painting.whole(0), labels.data)


def few(model, image, shape, watch, **where):
    image = model.add_image(image)
    labels = model.add_labels(np.zeros(shape, np.uint8), **where)
    model.dims.set_point(0, 4)
    put_on_slice(labels, image, model)
    scheme = LabelScheme("classes", "sparse", (1, 2), ("background", "foreground"))
    session_of(model).use(LayerStack(image, labels, scheme=scheme))
    return labels, watch()


def test_strokes_on_labels_of_a_plane_count_wherever_the_viewer_is(model, cells, watching):
    watch, seen = watching
    labels, painting = few(model, cells[0], (96, 112), watch)
    model.dims.set_point(0, 1)
    labels.paint((50, 30), 2)
    seen()
    assert np.array_equal(painting.drawn(0, 4), labels.data)
    labels.undo()
    seen()
    assert not painting.whole(0).any()


def test_strokes_on_labels_of_a_few_slices_count_in_these(model, cells, watching):
    watch, seen = watching
    labels, painting = few(model, cells[0], (2, 96, 112), watch, translate=(3, 0, 0))
    labels.n_edit_dimensions = 3
    labels.paint((1, 50, 30), 2)
    seen()
    assert labels.data.any((1, 2)).all()
    assert np.array_equal(painting.drawn(0, 3), labels.data[0])
    assert np.array_equal(painting.drawn(0, 4), labels.data[1])
    labels.undo()
    seen()
    assert not painting.whole(0).any()


def test_what_a_full_disk_did_not_take_is_saved_at_the_end(model, cells, qapp, tmp_path):
    session = session_of(model)
    session.use(LayerStack(model.add_image(cells[0])))
    labels = new_labels(model, session, session.stack, session.image_layer)
    painting, failed = Painting([session.stack], Journal(tmp_path / "run"), live=True), []
    watch = LabelsWatch(model, session.source, painting)
    watch.failed.connect(failed.append)
    (tmp_path / "run").write_text("in the way")
    labels.paint((2, 70, 30), 2)
    until(lambda: failed)
    (tmp_path / "run").unlink()
    watch.stop()
    assert len(failed) == 1
    (edit,) = Journal(tmp_path / "run").edits
    assert edit.slice_index == 2
