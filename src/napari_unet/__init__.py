"""Train the 2015 U-Net on your own image stack, in napari or without it.

These names, the run folder and the command line are what others may rely on; everything else is
internal. They are imported when first used, so that ``import napari_unet`` loads neither numpy nor
torch.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes longer to import than all of this

if TYPE_CHECKING:
    from typing import Any

    from napari_unet.annotation.weights import weight_map
    from napari_unet.config.training import TrainConfig
    from napari_unet.datasets.registry import open as open_dataset
    from napari_unet.evaluation.comparison import evaluate
    from napari_unet.images.files import open_image
    from napari_unet.prediction.arrays import predict_labels
    from napari_unet.prediction.predict import predict
    from napari_unet.training.run_folder import load_model
    from napari_unet.training.trainer import train

__all__ = [
    "TrainConfig",
    "__version__",
    "evaluate",
    "load_model",
    "open_dataset",
    "open_image",
    "predict",
    "predict_labels",
    "train",
    "weight_map",
]
__version__ = "0.1.0"

_PLACES = {
    "TrainConfig": "config.training:TrainConfig",
    "evaluate": "evaluation.comparison:evaluate",
    "load_model": "training.run_folder:load_model",
    "open_dataset": "datasets.registry:open",
    "open_image": "images.files:open_image",
    "predict": "prediction.predict:predict",
    "predict_labels": "prediction.arrays:predict_labels",
    "train": "training.trainer:train",
    "weight_map": "annotation.weights:weight_map",
}
"""Public name -> module and name in it."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _PLACES[name].partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
