"""What the Data dock runs in the background to open a sample: fetch it once, then read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import UNetError

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack

__all__ = ["Cancelled", "SampleJob"]


class Cancelled(UNetError):  # noqa: N818 (it is no error)
    """The user does not want it any more."""


class SampleJob:
    """Opens one named data set; knows how far it is, and can be cancelled from the window.

    Parameters
    ----------
    name
        One of ``datasets.names()``.
    options
        Of ``datasets.open``: ``data_dir``, ``sequence``, ``truth``.
    """

    def __init__(self, name: str, **options: Any) -> None:
        self._name, self._options = name, options
        self._done = self._total = 0
        self._cancelled = False

    def open(self) -> Stack:
        """Open it; called in the worker's thread.

        Raises
        ------
        Cancelled
            After ``cancel``; nothing half fetched is left behind.
        """
        from napari_unet.datasets import registry as datasets

        return datasets.open(self._name, progress=self._on_progress, **self._options)

    def cancel(self) -> None:
        """End the download at its next piece."""
        self._cancelled = True

    def describe(self) -> str:
        """One line for the window."""
        title = SAMPLES[self._name]
        if self._cancelled:
            return f"Cancelling {title} …"
        if not self._total:
            return f"Opening {title} …"
        return f"Fetching {title}, once: {self._done / self._total:.0%} …".replace("%", " %")

    def _on_progress(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        if self._cancelled:
            raise Cancelled("cancelled.")


SAMPLES = {
    "isbi2012-em": "ISBI-2012 EM",
    "phc-c2dh-u373": "PhC-C2DH-U373",
    "dic-c2dh-hela": "DIC-C2DH-HeLa",
    "synthetic": "Synthetic membranes",
}
"""Name of each data set, and what the user reads."""
