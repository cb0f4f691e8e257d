"""What a finding of the pre-flight offers, done to the layers and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unet.preflight import apply_fix
from napari_unet.widgets.common.layer_facts import tell
from napari_unet.widgets.data.file_pixel_size import FilePixelSize, give_pixel_size

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_unet.app.session import Session
    from napari_unet.images.stack import Stack
    from napari_unet.preflight import Finding
    from napari_unet.widgets.data.layer_choice import LayerChoice

__all__ = ["mend"]


def mend(finding: Finding, session: Session, layers: LayerChoice) -> bool:
    """Do what a finding offers.

    Parameters
    ----------
    finding
        About the stack of the session.
    session
        Its settings may change.
    layers
        The layers that the stack is made of, and how they are read.

    Returns
    -------
    bool
        Whether the stack must be looked at anew; other changes are heard of.
    """
    stack, fix, labels = session.stack, finding.fix, layers.labels.value
    if stack is None or fix is None:
        return False
    if isinstance(finding, FilePixelSize):
        give_pixel_size(layers.image.value, stack.axes, finding)
        if labels is not None and session.stack is not None and np.allclose(labels.scale, 1):
            _give_pixel_size_of(session.stack, labels)
    elif fix == "zoom":
        session.change(zoom=finding.zoom or 1.0)
    elif fix == "take NaN as outside":
        session.change(outside="all")
    elif fix == "make gaps":
        layers.gap.setChecked(True)
    elif fix == "give the image's pixel size":
        _give_pixel_size_of(stack, labels)
    else:
        if fix == "read other axes":
            layers.use_axes(finding.axes or stack.axes)
        elif fix in ("read as objects", "read as classes"):
            layers.kind.value = fix.removeprefix("read as ")
        else:
            tell(labels, annotated=list(apply_fix(stack, fix).annotated or ()))
        return True
    return False


def _give_pixel_size_of(stack: Stack, labels: Labels) -> None:
    """Give labels the scale and units of their image along the axes they have, the plane's last."""
    n = min(len(stack.scale), labels.ndim)
    own, its = labels.ndim - n, len(stack.scale) - n
    labels.units = (*labels.units[:own], *stack.units[its:])
    labels.scale = (*labels.scale[:own], *stack.scale[its:])
