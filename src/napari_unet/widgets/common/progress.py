"""How far a job has come, beside the button that ends it."""

from __future__ import annotations

from math import isfinite

from qtpy.QtWidgets import QProgressBar

from napari_unet.widgets.common.buttons import button
from napari_unet.widgets.common.form import Row

__all__ = ["ProgressRow"]


class ProgressRow(Row):
    """A thin bar and a Cancel button; hidden until something runs.

    Parameters
    ----------
    tip
        What Cancel does.
    """

    def __init__(self, tip: str) -> None:
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(6)
        self.cancel = button("&Cancel", tip)
        super().__init__(self.bar, self.cancel, stretch=0)
        self.hide()

    def begin(self) -> None:
        """Show it; how much there is to do is not known yet."""
        self.bar.setRange(0, 0)
        self.cancel.setEnabled(True)
        self.show()

    def show_share(self, share: float) -> None:
        """Show the share that is done, 0 to 1; NaN: not known."""
        known = isfinite(share)
        self.bar.setRange(0, 100 if known else 0)
        self.bar.setValue(round(100 * share) if known else 0)
