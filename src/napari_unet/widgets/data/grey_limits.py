"""How grey values are taken: the limits, and what NaN mean where an image holds some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.widgets.common.bound import BoundControls
from napari_unet.widgets.common.choices import Combo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_unet.preflight import Finding
    from napari_unet.widgets.common.dock import Dock
    from napari_unet.widgets.common.form import Form

__all__ = ["GreyLimits"]

LIMITS_TIP = (
    "Which grey values become 0 and 1. Of the whole stack: the same for every slice, so that real "
    "differences of brightness count; right for most images. Of every slice: measured anew on "
    "each one, which evens out illumination that drifts, but hides differences of brightness "
    "between slices, and an almost empty slice is stretched until its noise is bright."
)
NAN_TIP = (
    "Pixels that are not a number. What registration and stitching leave beside the image lies "
    "outside of it: it weighs nothing in training, and a prediction is 0 there. Holes in the midst "
    "of the image, such as masked dirt, can be taken so too."
)
ABOUT_NAN = ("outside", "finite")


class GreyLimits:
    """Two controls of a dock, bound to the settings of the session's next run.

    Parameters
    ----------
    dock
        Of the session.
    form
        Where they are added.
    """

    def __init__(self, dock: Dock, form: Form) -> None:
        self.limits = Combo(
            [("of the whole stack", "stack"), ("of every slice", "image")], LIMITS_TIP
        )
        self.nan = Combo(
            [("outside, if at the border", "border"), ("outside, everywhere", "all")], NAN_TIP
        )
        bound = BoundControls(dock)
        bound.add(self.limits, "intensity")
        bound.add(self.nan, "outside")
        form.add("Limits", self.limits)
        form.add("NaN pixels", self.nan)
        self._form = form
        self.show_for(())

    def show_for(self, findings: Iterable[Finding]) -> None:
        """Offer what NaN mean where findings are about some."""
        self._form.show_row(self.nan, any(one.check in ABOUT_NAN for one in findings))
