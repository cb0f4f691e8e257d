"""The window at the end of the demo: ``python -m napari_unet.widgets.demo_window NAME FOLDER``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

__all__ = ["fill_viewer", "main"]


def fill_viewer(viewer: Viewer, name: str, folder: Path, data: Path | None = None) -> None:
    """Show a data set, its prediction, and the dock with the whole path.

    Parameters
    ----------
    viewer
        Empty.
    name
        Of the data set.
    folder
        Where the demo wrote its results.
    data
        Folder of the data sets.
    """
    from napari.layers import Layer

    from napari_unet.app.session import session_of
    from napari_unet.datasets import registry as datasets
    from napari_unet.images.files import open_image
    from napari_unet.training.run_folder import load_model
    from napari_unet.widgets.data.samples import stack_layers

    stack = datasets.open(name, data)
    for layer in stack_layers(stack):
        viewer.add_layer(Layer.create(*layer))
    image, labels = viewer.layers[0], viewer.layers[-1]
    labels.visible = False
    prediction = viewer.add_labels(
        open_image(folder / "prediction.tif").image,
        name=f"{stack.name} · prediction",
        scale=image.scale,
        translate=image.translate,
        units=image.units,
        opacity=0.4,
    )
    viewer.layers.selection.active = prediction
    viewer.window.add_plugin_dock_widget("napari-unet-trainer", "U-Net")
    session_of(viewer).model = load_model(folder / "run")


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the window and wait until it is closed."""
    import napari

    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path)
    args = parser.parse_args(arguments)
    fill_viewer(napari.Viewer(title="napari-unet demo"), args.name, args.folder, args.data)
    napari.run()


if __name__ == "__main__":
    main()
