"""A network that learns what separates objects: from labels to tiles, loss and validation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.object_distance import distance_share
from napari_unet.annotation.splits import Split
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import border
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.compute import Compute
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_array, predict_probabilities
from napari_unet.prediction.outputs import Output
from napari_unet.training.data import TrainingData
from napari_unet.training.learner import Learner
from napari_unet.training.plane_tensors import PlaneTensors
from napari_unet.training.trainer import Finished, Step, Trainer, Validated, train
from tests.stacks import touching_discs

if TYPE_CHECKING:
    from napari_unet.training.sampling import Batch, TileSampler

DEPTH, TILE = 1, 44
UNIT = Intensity((0.0,), (1.0,))
MAPS = ("distance",)
LEARNT = UNetConfig(depth=DEPTH, width=4, dropout=0.0, norm="batch", object_maps=MAPS)


def stack_of(labels: np.ndarray, annotation: str = "dense") -> Stack:
    image = (labels > 0).astype(np.float32) + 0.1
    return Stack("discs", image[None], "zyx", labels[None], LabelScheme("objects", annotation))


def data_of(
    stack: Stack, augment: AugmentConfig | None = None, maps=MAPS, **split: object
) -> TrainingData:
    config = TrainConfig(
        network=UNetConfig(depth=DEPTH, object_maps=maps), tile=TILE, batch=4, weights=None,
        augment=augment or AugmentConfig.none(), split=SplitConfig("none"),
    )  # fmt: skip
    data = TrainingData(stack, config, limits=UNIT)
    given = {"train": (0,), "validation": (), "region": None, "guard": 0} | split
    data.splits = (Split(**given),)
    return data


def sampler_of(*args: object, **changes: object) -> TileSampler:
    return data_of(*args, **changes).sampler()


def where(tile, side: int) -> tuple[slice, slice]:
    """Rows and columns of the plane that a tile without deformation shows."""
    half = (TILE - border(DEPTH)) / 2
    rows, cols = (slice(int(c - half + 0.5), int(c + half + 0.5)) for c in tile.centre)
    return rows, cols


@pytest.mark.parametrize("windowed", [False, True])
def test_an_object_cut_by_a_tile_keeps_its_distances(monkeypatch, windowed) -> None:
    if windowed:
        monkeypatch.setattr(PlaneTensors, "_prepares_whole", lambda self, tile: False)
    labels = touching_discs()
    whole = distance_share(labels)
    mirrored = np.pad(whole, 60, mode="reflect")
    sampler = sampler_of(stack_of(labels))
    for index in range(12):
        tile = sampler.tile(0, index)
        rows, cols = (slice(s.start + 60, s.stop + 60) for s in where(tile, 96))
        np.testing.assert_allclose(tile.maps[0].numpy(), mirrored[rows, cols], atol=1e-6)


def test_distances_follow_the_deformation() -> None:
    # A tile twice as large shows the same shares, not half of them.
    labels = touching_discs()
    zoomed = replace(AugmentConfig.none(), zoom=(2.0, 2.0))
    tiles = [sampler_of(stack_of(labels), zoomed).tile(0, k) for k in range(6)]
    assert max(float(tile.maps.max()) for tile in tiles) > 0.95
    for tile in tiles:  # outside of objects it is 0, but for what interpolation takes over
        assert tile.maps[0][tile.classes == 0].max() < 0.2


def test_objects_not_painted_teach_nothing() -> None:
    labels = touching_discs() + 1  # 1 is background, and every disc but some is painted
    unpainted = np.isin(labels, [2, 13, 24]) | (labels == 1)
    sparse = np.where(unpainted, 0, labels)
    sparse[40:56, 0:8][labels[40:56, 0:8] == 1] = 1  # some background
    sampler = sampler_of(stack_of(sparse, "sparse"))
    batch = sampler.batch(0)
    assert batch.maps.isnan().any()
    assert (batch.maps[:, 0].isnan() == (batch.weights == 0)).all()
    share = distance_share(np.where(labels > 1, labels, 0))
    seen = {round(float(v), 4) for v in batch.maps[~batch.maps.isnan()]}
    assert seen <= {round(float(v), 4) for v in share[~unpainted]} | {0.0}


def test_of_several_classes_the_pieces_of_each_are_objects() -> None:
    """Discs that touch are of two classes, so each is an object with its own distances."""
    discs = touching_discs()
    classes = np.where(discs > 0, 1 + (discs // 10 + discs) % 2, 0)  # a chessboard
    scheme = LabelScheme("classes", values=(0, 1, 2))
    pieces = [ndimage.label(classes == k)[0] for k in (1, 2)]
    objects = pieces[0] + np.where(pieces[1] > 0, pieces[1] + pieces[0].max(), 0)
    image = (classes > 0).astype(np.float32)[None]
    stack = Stack("discs", image, "zyx", classes[None], scheme)
    data = data_of(stack, validation=(0,))
    (plane,) = data.validation()
    np.testing.assert_array_equal(plane.maps[0], distance_share(objects))
    tile = data.sampler().tile(0, 0)
    assert set(np.unique(tile.classes)) == {0, 1, 2}


def gradients(batch: Batch, micro: int = 4) -> dict[str, torch.Tensor]:
    network = UNet(LEARNT, torch.Generator().manual_seed(1))
    config = TrainConfig(network=LEARNT, tile=TILE, batch=4, loss="weighted mean")
    learner = Learner(network, config, Compute())
    learner.micro = micro
    learner.network.eval()  # the statistics of batch normalisation depend on the parts
    learner._accumulate(batch)
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def test_an_object_of_a_class_has_both() -> None:
    """Touching discs, numbered by class: the tile has their classes, and distances of each disc."""
    ids = touching_discs()
    labels = np.where(ids % 2 > 0, 1000 + ids, np.where(ids > 0, 2000 + ids, 0))
    scheme = LabelScheme(values=(0, 1000, 2000))
    sampler = sampler_of(stack_of(labels).with_labels(labels[None], scheme))
    classes = np.where(ids % 2 > 0, 1, np.where(ids > 0, 2, 0))
    shares = distance_share(ids)
    whole = 0
    for index in range(12):
        tile = sampler.tile(0, index)
        rows, cols = where(tile, 96)
        if min(rows.start, cols.start) >= 0 and max(rows.stop, cols.stop) <= 96:
            whole += 1
            apart = shares[rows, cols] > 0.2  # the gap between two objects is of neither
            np.testing.assert_array_equal(tile.classes[apart], classes[rows, cols][apart])
            np.testing.assert_allclose(tile.maps[0].numpy(), shares[rows, cols], atol=1e-6)
    assert whole


def test_what_is_not_painted_changes_no_gradient() -> None:
    labels = touching_discs() + 1
    sparse = np.where(labels % 3 == 0, labels, 0)
    sparse[:2] = 1
    batch = sampler_of(stack_of(sparse, "sparse")).batch(0)
    before = gradients(batch)
    unknown = batch.weights == 0
    other = replace(batch, classes=torch.where(unknown, 1 - batch.classes, batch.classes))
    for name, gradient in gradients(other).items():
        assert torch.equal(gradient, before[name]), name


def test_a_batch_in_parts_is_the_batch() -> None:
    batch = sampler_of(stack_of(touching_discs())).batch(0)
    whole, parts = gradients(batch), gradients(batch, micro=1)
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-6)


def test_validation_has_the_same_distances() -> None:
    labels = touching_discs()
    (plane,) = data_of(stack_of(labels), validation=(0,)).validation()
    np.testing.assert_array_equal(plane.maps[0], distance_share(labels))
    (bare,) = data_of(stack_of(labels), maps=(), validation=(0,)).validation()
    assert bare.maps.shape == (0, *labels.shape)


def test_objects_cut_by_the_validation_region_are_not_known() -> None:
    labels = touching_discs()
    sampler = sampler_of(stack_of(labels), region=(36, 60, 36, 60))
    cut = np.unique(labels[36:60, 36:60])
    for index in range(8):
        tile = sampler.tile(0, index)
        rows, cols = where(tile, 96)
        if min(rows.start, cols.start) >= 0 and max(rows.stop, cols.stop) <= 96:
            unknown = tile.maps[0].isnan().numpy()
            # Those whose visible part touches the region, and what lies inside it.
            assert unknown[np.isin(labels[rows, cols], cut[cut > 0])].all()


def test_it_learns_distances(tmp_path) -> None:
    labels = np.stack(
        [touching_discs(), np.roll(touching_discs(), 7, 0), np.roll(touching_discs(), 5, 1)]
    )
    stack = Stack("discs", labels.astype(np.float32) % 5, "zyx", labels, LabelScheme("objects"))
    config = TrainConfig(
        network=LEARNT, tile=TILE, batch=4, steps=40, optimiser="adam", learning_rate=1e-2,
        loss="weighted mean", weights=None, split=SplitConfig("slices", slices=(2,)),
        validate_every=20, device="cpu",
    )  # fmt: skip
    events = list(train(stack, config, tmp_path / "run"))
    losses = [event.loss for event in events if isinstance(event, Step)]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    first, last = (event for event in events if isinstance(event, Validated))
    assert last.loss < first.loss
    assert isinstance(events[-1], Finished)


def test_objects_of_two_classes_are_learnt_and_found() -> None:
    """Bright discs are of one class, dim ones of another."""
    ids = np.where(distance_share(touching_discs()) > 0.3, touching_discs(), 0)
    bright = ids % 2 > 0
    labels = np.where(bright, 1000 + ids, np.where(ids > 0, 2000 + ids, 0))
    image = np.where(ids > 0, np.where(bright, 1.0, 0.5), 0.0).astype(np.float32)
    stack = Stack("discs", image[None], "zyx", labels[None])
    config = TrainConfig(
        network=LEARNT, tile=TILE, batch=4, steps=200, optimiser="adam", learning_rate=1e-2,
        loss="weighted mean", weights=None, split=SplitConfig("none"), device="cpu",
    )  # fmt: skip
    trainer = Trainer(stack, config)
    list(trainer.run())
    model = trainer.snapshot()
    assert model.network.config.classes == 3
    found = predict_array(model, stack, output=Output("objects", seed=0.1))[0]
    likely = predict_probabilities(model, stack)[0, :3].argmax(0)
    middles = [(12 + 24 * k, 12 + 24 * j) for k in range(4) for j in range(4)]
    assert len({int(found[at]) for at in middles} - {0}) == len(middles)
    assert [int(likely[at]) for at in middles] == [1 if bright[at] else 2 for at in middles]
