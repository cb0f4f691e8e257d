"""``napari-unet weights LABELS -o w.tif``: the weight map that training would have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError
from napari_unet.base.output_guard import check_output_file
from napari_unet.base.quantities import count
from napari_unet.cli.inputs import add_reading_arguments, open_labels
from napari_unet.cli.label_options import add_label_arguments
from napari_unet.cli.places import places_read
from napari_unet.cli.progress import show_result
from napari_unet.cli.settings_options import add_settings, given_settings, with_

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_unet.training.data import TrainingData

__all__ = ["add", "run"]

BIG = 2**32 - 2**25  # bytes from which a TIFF needs 64-bit offsets


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "weights",
        parents=[common],
        help="write the weight map of labels",
        description="Write how much each pixel of labels weighs in training: the same map that a "
        "training on them computes, with class weights over all their slices.",
    )
    parser.add_argument("labels", metavar="LABELS", help="labels, or a data set that has some")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="TIFF, 32-bit float"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE, whoever wrote it")
    add_reading_arguments(parser)
    add_label_arguments(parser)
    add_settings(parser, ("weights",))
    parser.set_defaults(run=run, truth=None, annotated=None)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the map; return where it is and what it is like."""
    from napari_unet.config.split import SplitConfig
    from napari_unet.config.training import TrainConfig
    from napari_unet.training.data import TrainingData

    if args.output.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"weights are written as TIFF, got {args.output.name!r}: say -o w.tif.")
    check_output_file(args.output, places_read(args), overwrite=args.overwrite)
    stack = open_labels(args)
    content = with_(TrainConfig(split=SplitConfig("none")), given_settings(args))
    config = TrainConfig.from_dict(content)
    data = TrainingData(stack, config, lazy=True)
    greatest, mean = _write(args.output, data)
    weights = data.class_weights
    by_class = None if weights is None else [float(w) for w in weights]
    of_classes = ", ".join(f"{w:.4g}" for w in by_class or ())
    show_result(
        args,
        f"{count(len(stack.labelled_slices), 'slice')}, weights up to {greatest:.4g}, "
        f"{mean:.4g} on average",
        *([f"of the classes {of_classes}"] if of_classes else []),
        f"the weight map is {args.output}",
    )
    return {
        "file": str(args.output),
        "slices": list(stack.labelled_slices),
        "greatest": greatest,
        "mean": mean,
        "class_weights": by_class,
    }


def _write(path: Path, data: TrainingData) -> tuple[float, float]:
    """Write the maps of all slices, 0 where there are no labels; return greatest and mean."""
    import numpy as np
    import tifffile

    from napari_unet.base.atomic_files import replaced_file
    from napari_unet.base.output_guard import SOFTWARE
    from napari_unet.images.tiff_metadata import describe, places_of

    (stack,) = data.given
    shape = (*stack.leading_shape, *stack.plane_shape)
    axes = stack.leading_axes + "yx"
    keywords = describe(axes, shape, np.dtype(np.float32), places_of(stack), imagej=False)
    big = 4 * int(np.prod(shape, dtype=np.int64)) > BIG
    found: list[tuple[float, float, int]] = []

    def maps() -> Iterator[NDArray[np.float32]]:
        for i in range(stack.n_slices):
            if i not in stack.labelled_slices:
                yield np.zeros(stack.plane_shape, np.float32)
                continue
            plane = data.weight_map(0, i)
            known = plane[plane > 0]
            found.append((float(plane.max()), float(known.sum(dtype=np.float64)), known.size))
            yield plane

    with (
        replaced_file(path) as stream,
        tifffile.TiffWriter(stream, ome=keywords["ome"], bigtiff=big) as writer,
    ):
        writer.write(
            maps(),
            shape=shape,
            dtype=np.float32,
            photometric="minisblack",
            compression="deflate",
            metadata=keywords["metadata"],
            software=SOFTWARE,
        )
    pixels = sum(n for *_, n in found)
    return max(top for top, *_ in found), sum(s for _, s, _ in found) / max(1, pixels)
