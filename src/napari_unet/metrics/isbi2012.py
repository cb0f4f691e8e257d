"""The ISBI-2012 metrics."""

from __future__ import annotations

from napari_unet.metrics.pixel import pixel_error, pixel_f_score
from napari_unet.metrics.rand import rand_error, rand_score

__all__ = ["pixel_error", "pixel_f_score", "rand_error", "rand_score"]
