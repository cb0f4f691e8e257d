"""Thresholds of the decoder are found where objects validate."""

from __future__ import annotations

import numpy as np
import torch

from napari_unet.annotation.labels import LabelScheme
from napari_unet.annotation.object_distance import distance_share
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.decoding import USUAL, Decoding
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.model_file import read_model_file, save_model
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.training.fitting import DecodingFit
from napari_unet.training.run_folder import load_model
from napari_unet.training.trainer import Trainer
from tests.stacks import touching_discs

MAPS = ("distance",)


def test_faint_outputs_get_low_thresholds() -> None:
    """A network that says 0.4 inside and at most 0.3 in the middle has low thresholds."""
    objects = touching_discs()
    fit = DecodingFit()
    assert fit.best() is None
    foreground = np.where(objects > 0, 0.45, 0.05)
    maps = 0.35 * distance_share(objects)[None]
    fit.add(foreground, maps, MAPS, objects, np.ones(objects.shape, bool))
    fitted = fit.best()
    assert fitted is not None
    assert fitted.average_precision == 1
    assert fitted.decoding.threshold < 0.45
    assert fitted.decoding.seed < 0.35
    assert fitted.decoding.valley < 0.35
    assert fit.score(Decoding()) == 0


def _a_plane_with_a_saddle(fit: DecodingFit, *, joined: bool, saddle: float) -> None:
    """Add one; its discs are one object where valleys must be deeper than it, or already are."""
    objects = touching_discs()
    maps = np.maximum(distance_share(objects), saddle * (objects > 0))[None]
    truth = np.where(objects > 0, 1, 0).astype(np.int32) if joined else objects
    fit.add(np.where(objects > 0, 0.9, 0.1), maps, MAPS, truth, np.ones(objects.shape, bool))


def test_what_is_better_by_chance_gives_way_to_what_is_usual() -> None:
    # On one plane of four only valleys deeper than 0.3 are best, on the others any is as good.
    chance = DecodingFit()
    _a_plane_with_a_saddle(chance, joined=True, saddle=0.65)
    for _ in range(3):
        _a_plane_with_a_saddle(chance, joined=False, saddle=0.1)
    fitted = chance.best()
    assert fitted is not None
    assert fitted.decoding == USUAL
    # On all of them it is: that is no chance.
    certain = DecodingFit()
    for _ in range(4):
        _a_plane_with_a_saddle(certain, joined=True, saddle=0.65)
    fitted = certain.best()
    assert fitted is not None
    assert fitted.average_precision == 1
    assert fitted.decoding == Decoding(0.5, 0.4, valley=0.4)


def test_specks_are_left_out() -> None:
    objects = touching_discs()
    specks = np.zeros(objects.shape, bool)
    specks[::24, ::24] = True
    fit = DecodingFit()
    foreground = np.where((objects > 0) | specks, 0.9, 0.1)
    maps = np.where(specks, 0.9, distance_share(objects))[None]
    fit.add(foreground, maps, MAPS, objects, np.ones(objects.shape, bool))
    fitted = fit.best()
    assert fitted is not None
    assert fitted.average_precision == 1
    assert 1 < fitted.decoding.min_size < 400


def test_what_is_not_annotated_does_not_count() -> None:
    objects = touching_discs()
    known = np.zeros(objects.shape, bool)
    known[:48] = True
    foreground = np.where(objects > 0, 0.9, 0.1)
    maps = distance_share(objects)[None].copy()
    foreground[48:] = maps[:, 48:] = 0.9  # one thing that is not there
    fit = DecodingFit()
    fit.add(foreground, maps, MAPS, np.where(known, objects, 0), known)
    assert fit.score(Decoding()) == 1


def test_the_thresholds_go_with_the_model(tmp_path) -> None:
    config = UNetConfig(depth=1, width=2, object_maps=MAPS)
    network = UNet(config, torch.Generator().manual_seed(0))
    scheme, limits = LabelScheme("objects"), Intensity((0.0,), (1.0,))
    model = TrainedModel(network, limits, scheme, decoding=Decoding(0.3, 0.7, 12, 0.15))
    save_model(tmp_path / "m.safetensors", model)
    read = read_model_file(tmp_path / "m.safetensors")
    assert read.decoding == Decoding(0.3, 0.7, 12, 0.15)
    assert read.network.config == config
    assert read.network.classify.out_channels == 3


def test_a_training_fits_them_and_keeps_them_when_resumed(tmp_path) -> None:
    labels = np.stack(
        [touching_discs(), np.roll(touching_discs(), 7, 0), np.roll(touching_discs(), 5, 1)]
    )
    stack = Stack("discs", (labels > 0) * 1.0, "zyx", labels, LabelScheme("objects"))
    config = TrainConfig(
        network=UNetConfig(depth=1, width=4, dropout=0.0, norm="batch", object_maps=MAPS),
        tile=44, batch=2, steps=4, optimiser="adam", learning_rate=1e-2, weights=None,
        augment=AugmentConfig.none(), split=SplitConfig("slices", slices=(2,)), zoom=0.5,
        validate_every=2, checkpoint_every=2, device="cpu",
    )  # fmt: skip
    trainer = Trainer(stack, config, tmp_path / "run")
    assert trainer.decoding == USUAL  # until something validates
    list(trainer.run())
    fitted = load_model(tmp_path / "run").decoding
    assert fitted is not None
    assert trainer.decoding == load_model(tmp_path / "run" / "last.safetensors").decoding
    # Fitted at half the size: areas of the given image are four times as large.
    assert fitted.min_size % 4 == 0
    again = Trainer(stack, config, tmp_path / "run", resume=True)
    list(again.run())
    assert again.decoding == trainer.decoding
