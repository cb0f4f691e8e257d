"""All settings of a run, and the presets; no torch, so that forms come at once."""

from napari_unet.config import presets as presets  # gives TrainConfig its presets
