"""The named data sets under File → Open Sample, and stacks as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_unet.widgets.common.layer_facts import as_metadata
from napari_unet.widgets.common.layer_stack import LayerStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.types import LayerData

    from napari_unet.images.stack import Stack

__all__ = [
    "labels_layer",
    "open_dic_c2dh_hela",
    "open_isbi2012_em",
    "open_phc_c2dh_u373",
    "open_synthetic",
    "show_stacks",
    "stack_layers",
]


def open_isbi2012_em() -> list[LayerData]:
    """Open the electron-microscopy stack of the ISBI-2012 challenge."""
    return _open("isbi2012-em")


def open_phc_c2dh_u373() -> list[LayerData]:
    """Open glioblastoma cells in phase contrast, of the Cell Tracking Challenge."""
    return _open("phc-c2dh-u373")


def open_dic_c2dh_hela() -> list[LayerData]:
    """Open HeLa cells in differential interference contrast, of the Cell Tracking Challenge."""
    return _open("dic-c2dh-hela")


def open_synthetic() -> list[LayerData]:
    """Open the synthetic stack, which needs no network."""
    return _open("synthetic")


def _open(name: str) -> list[LayerData]:
    from napari_unet.datasets import registry as datasets

    return stack_layers(datasets.open(name))


def stack_layers(stack: Stack) -> list[LayerData]:
    """Return a stack as layer data: the image, and its labels where it has some.

    What a layer cannot say (which slices are annotated, what values mean) goes
    into its metadata, see `layer_facts`.
    """
    spatial = stack.axes.replace("c", "")
    by_axis = dict(zip(spatial, zip(stack.scale, stack.translate, stack.units)))
    rgb = stack.axes.endswith("c") and stack.channels in (3, 4) and stack.dtype == np.uint8
    pixels, axes = (stack.image, stack.axes) if rgb else _channels_before_planes(stack)
    shown = axes[:-1] if rgb else axes
    image = _spacing([by_axis.get(a, (1.0, 0.0, "pixel")) for a in shown])
    image |= {"name": stack.name, "axis_labels": tuple(shown), "rgb": rgb}
    source = None if stack.source is None else stack.source.to_dict()
    image["metadata"] = as_metadata(axes=axes, source=source)
    layers: list[LayerData] = [(pixels, image, "image")]
    if stack.labels is not None and stack.scheme is not None:
        layers.append(labels_layer(stack, f"{stack.name} labels"))
    return layers


def show_stacks(viewer: Any, stacks: Sequence[Stack]) -> tuple[list[Layer], tuple[LayerStack, ...]]:
    """Add stacks to a viewer.

    Parameters
    ----------
    viewer
        Where.
    stacks
        One or several; the first is the one to look at.

    Returns
    -------
    first : list of Layer
        The image, and its labels where it has some.
    further : tuple of LayerStack
        The others with labels, to be learned from as well.
    """
    shown = [[Layer.create(*one) for one in stack_layers(stack)] for stack in stacks]
    for layers in shown:
        for layer in layers:
            viewer.add_layer(layer)
    further = tuple(
        LayerStack(*layers, axes=stack.axes, scheme=stack.scheme, annotated=stack.annotated)
        for stack, layers in zip(stacks[1:], shown[1:])
        if stack.labels is not None
    )
    return shown[0], further


def _channels_before_planes(stack: Stack) -> tuple[Any, str]:
    """Image and axes with y and x last, which the viewer shows as the plane."""
    axes = stack.axes
    if axes[-2:] == "yx":
        return stack.image, axes
    order = [*(a for a in axes if a not in "yx"), "y", "x"]
    image = stack.image
    if not hasattr(image, "transpose"):  # zarr
        import dask.array as da

        image = da.from_array(image)
    return image.transpose([axes.index(a) for a in order]), "".join(order)


def labels_layer(stack: Stack, name: str, *, visible: bool = True) -> LayerData:
    """Return the labels of a stack as layer data."""
    assert stack.scheme is not None
    spatial = stack.axes.replace("c", "")
    labels = _spacing(list(zip(stack.scale, stack.translate, stack.units)))
    labels |= {"name": name, "axis_labels": tuple(spatial), "opacity": 0.5, "visible": visible}
    labels["metadata"] = as_metadata(
        scheme=stack.scheme.to_dict(),
        annotated=None if stack.annotated is None else list(stack.annotated),
    )
    return _whole_labels(stack), labels, "labels"


def _spacing(per_axis: Sequence[tuple[float, float, str]]) -> dict[str, Any]:
    scale, translate, units = zip(*per_axis)
    return {"scale": scale, "translate": translate, "units": units}


def _whole_labels(stack: Stack) -> Any:
    """The labels over all slices: zeros where a stack has labels of some slices only."""
    spatial = stack.axes.replace("c", "")
    shape = tuple(stack.image.shape[stack.axes.index(a)] for a in spatial)
    labels: Any = stack.labels
    if tuple(labels.shape) == shape:
        return labels
    whole = np.zeros((stack.n_slices, *shape[-2:]), np.asarray(labels[:0]).dtype)
    for i in stack.labelled_slices:
        whole[i] = stack.label_plane(i)
    return whole.reshape(shape)
