"""The words for numbers that docks and command line share, see `napari_unet.quantities`."""

from napari_unet.quantities import about, count, duration, rate, score, size

__all__ = ["about", "count", "duration", "rate", "score", "size"]
