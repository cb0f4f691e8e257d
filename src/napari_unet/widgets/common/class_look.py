"""Names and colours of classes: read from the annotation's layer, put on the prediction's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_unet.widgets.common.layer_facts import tell, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels

    from napari_unet.annotation.labels import LabelScheme

__all__ = ["class_colours", "class_names", "dress", "rename_class"]

NAME_COLUMNS = ("name", "class", "label")


def class_names(layer: Labels) -> dict[int, str]:
    """Read what label values are called.

    Parameters
    ----------
    layer
        Its features may have a column "name" (or "class", "label") beside "index", the label
        value, as napari shows under the pointer. Names given by `rename_class` come first.
    """
    features = layer.features
    columns = {str(column).lower(): column for column in features.columns}
    named = next((columns[one] for one in NAME_COLUMNS if one in columns), None)
    names: dict[int, str] = {}
    if named is not None and "index" in columns:
        for value, name in zip(features[columns["index"]], features[named]):
            if isinstance(name, str) and name:
                names[int(value)] = name
    return names | told(layer, "class_names", {})


def rename_class(layer: Labels, value: int, name: str) -> None:
    """Keep a name with the layer, so that it is known when the layer is chosen again."""
    tell(layer, class_names={**told(layer, "class_names", {}), value: name})


def class_colours(layer: Labels, values: Iterable[int]) -> tuple[str | None, ...]:
    """Read the colour that a layer shows each label value in.

    Returns
    -------
    tuple of str or None
        "#rrggbb", or None for what is transparent, as 0 is.
    """
    return tuple(_hex(layer.get_color(value)) for value in values)


def _hex(rgba: Any) -> str | None:
    if rgba is None or float(rgba[3]) == 0:
        return None
    red, green, blue = (round(255 * float(part)) for part in rgba[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def dress(layer: Labels, scheme: LabelScheme) -> None:
    """Show a prediction in the colours of its classes; the pointer shows their names.

    Background is transparent, also where the annotation had a colour for it.

    Parameters
    ----------
    layer
        Its values are those of the scheme.
    scheme
        Of the model that predicts.
    """
    layer.features = {"index": list(scheme.values), "name": list(scheme.names)}
    if any(scheme.colours[1:]):
        nothing = np.zeros(4)
        shown: dict[int | None, Any] = {None: nothing, 0: nothing, scheme.values[0]: nothing}
        own = layer.colormap
        for value, colour in zip(scheme.values[1:], scheme.colours[1:]):
            shown[value] = colour or own.map(value)
        layer.colormap = DirectLabelColormap(color_dict=shown)
