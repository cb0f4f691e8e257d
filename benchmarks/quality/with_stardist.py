"""StarDist as its example notebooks use it; run in its own environment with a folder.

https://github.com/stardist/stardist/tree/main/examples/2D: data, training, thresholds, prediction.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from clock import Clock
from csbdeep.utils import normalize
from exchange import Request, keep_point
from stardist import fill_label_holes
from stardist.models import Config2D, StarDist2D

LATEST = 10**6  # epochs; the clock ends it
HALF = 2  # images are seen at half size


def halved(plane: np.ndarray) -> np.ndarray:
    """Means of 2 × 2 pixels; both sides are even."""
    y, x = plane.shape
    return plane.reshape(y // HALF, HALF, x // HALF, HALF).mean((1, 3))


def doubled(labels: np.ndarray) -> np.ndarray:
    """Labels at the size of the image."""
    return labels.repeat(HALF, 0).repeat(HALF, 1)


class Augmenter:
    """Flips, quarter turns, other grey values and noise: those of the notebook."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Change a pair of image and labels."""
        rng = self.rng
        turns, flip = rng.integers(4), rng.integers(2)
        image, mask = np.rot90(image, turns), np.rot90(mask, turns)
        if flip:
            image, mask = image[::-1], mask[::-1]
        image = image * rng.uniform(0.6, 2) + rng.uniform(-0.2, 0.2)
        return image + 0.02 * rng.uniform() * rng.normal(size=image.shape), mask


class Measuring(keras.callbacks.Callback):
    """Fits the thresholds and predicts when the seconds are there; ends the training."""

    def __init__(self, model: StarDist2D, kept: tuple, request: Request, folder: Path) -> None:
        super().__init__()
        self.stardist, self.kept, self.folder = model, kept, folder
        self.test = [normalize(halved(one), 1, 99.8, axis=(0, 1)) for one in request.test]
        self.due, self.steps = list(request.seconds), 0
        self.clock = Clock()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:  # noqa: ARG002
        """After every step."""
        self.steps += 1
        if self.steps % 10 == 0:
            print(f"  step {self.steps}, {self.clock.seconds:.0f} s", logs, flush=True)
        while self.due and self.clock.seconds >= self.due[0]:
            budget, seconds = self.due.pop(0), self.clock.seconds
            with self.clock.paused():
                self.stardist.optimize_thresholds(*self.kept, save_to_json=False)
                found = [doubled(self.stardist.predict_instances(one)[0]) for one in self.test]
            how = "probability > {:.2f}, overlap < {:.1f}".format(*self.stardist.thresholds)
            keep_point(
                self.folder,
                found,
                budget=budget,
                seconds=round(seconds, 1),
                steps=self.steps,
                how=f"{self.steps} steps, {how}",
            )
        if not self.due:
            self.model.stop_training = True


def main(folder: Path) -> None:
    """Train once, measure on the way."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    request = Request.read(folder)
    keras.utils.set_random_seed(request.seed)
    images = [normalize(halved(one), 1, 99.8, axis=(0, 1)) for one in request.images]
    labels = [fill_label_holes(one[::HALF, ::HALF]) for one in request.labels]
    order = np.random.RandomState(42).permutation(len(images))
    n_kept = max(1, round(0.15 * len(order)))
    kept, rest = order[-n_kept:], order[:-n_kept]
    held = [images[i] for i in kept], [labels[i] for i in kept]
    config = Config2D(
        n_rays=32, grid=(2, 2), use_gpu=False, n_channel_in=1, train_tensorboard=False
    )
    with tempfile.TemporaryDirectory() as place:
        model = StarDist2D(config, name="stardist", basedir=place)
        model.prepare_for_training()
        measuring = Measuring(model, held, request, folder)
        model.callbacks.append(measuring)
        model.train(
            [images[i] for i in rest],
            [labels[i] for i in rest],
            validation_data=held,
            augmenter=Augmenter(request.seed),
            seed=request.seed,
            epochs=LATEST,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
