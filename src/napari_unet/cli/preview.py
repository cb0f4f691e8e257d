"""``napari-unet preview IMAGE LABELS -o tiles.png``: the tiles that a training would draw."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError
from napari_unet.base.output_guard import check_output_file
from napari_unet.base.quantities import count
from napari_unet.cli.inputs import (
    add_several_arguments,
    add_stack_arguments,
    open_training_stacks,
)
from napari_unet.cli.places import places_read
from napari_unet.cli.progress import show_result
from napari_unet.cli.train import add_training_settings, training_config

if TYPE_CHECKING:
    import argparse

    from napari_unet.training.sampling import Tile

__all__ = ["add", "run"]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "preview",
        parents=[common],
        help="write the augmented tiles that a training would draw",
        description="Write the first tiles that a training with these settings draws: as a "
        "picture with the part framed that the network answers for, or as a TIFF of numbers.",
    )
    add_stack_arguments(parser)
    add_several_arguments(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help=".png: tiles side by side, the output framed; .tif: for every tile its image "
        "channels, class and weight, 32-bit float, 0 outside the output",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE, whoever wrote it")
    parser.add_argument("--tiles", metavar="N", type=int, default=9, help="how many (default 9)")
    parser.add_argument("--like", metavar="RUN", type=Path, help="with the settings of a run")
    add_training_settings(parser)
    parser.set_defaults(run=run, resume=False, replay=None, strokes=None)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the tiles; return where they are and where they come from."""
    from napari_unet.config.bounds import check_number
    from napari_unet.training.data import TrainingData

    suffix = args.output.suffix.lower()
    if suffix not in (".png", ".tif", ".tiff"):
        raise InputError(f"tiles are written as PNG or TIFF, got {args.output.name!r}.")
    check_number("tiles", args.tiles, "--tiles")
    check_output_file(args.output, places_read(args), overwrite=args.overwrite)
    stacks = open_training_stacks(args)
    config = training_config(args, stacks[0].scheme)
    sampler = TrainingData(stacks, config, lazy=True).sampler()
    tiles = [sampler.tile(*divmod(k, config.batch)) for k in range(args.tiles)]
    (_write_picture if suffix == ".png" else _write_numbers)(args.output, tiles)
    show_result(
        args,
        f"{count(len(tiles), 'tile')} of {sampler.tile_side} px, output {sampler.output_side} px",
        f"the tiles are {args.output}",
    )
    return {
        "file": str(args.output),
        "tile": sampler.tile_side,
        "output": sampler.output_side,
        "tiles": [
            {"stack": one.stack_index, "slice": one.slice_index, "centre": list(one.centre)}
            for one in tiles
        ],
    }


def _write_picture(path: Path, tiles: list[Tile]) -> None:
    import io

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from napari_unet.base.atomic_files import write_atomically
    from napari_unet.base.output_guard import SOFTWARE
    from napari_unet.report.page import tile_panel

    columns = math.ceil(math.sqrt(len(tiles)))
    stream, told = io.BytesIO(), PngInfo()
    told.add_text("Software", SOFTWARE)
    Image.fromarray(tile_panel(tiles, columns).picture).save(stream, "PNG", pnginfo=told)
    write_atomically(path, stream.getvalue())


def _write_numbers(path: Path, tiles: list[Tile]) -> None:
    import numpy as np
    import tifffile

    from napari_unet.base.atomic_files import replaced_file
    from napari_unet.base.output_guard import SOFTWARE

    planes = []
    for one in tiles:
        margin = (one.image.shape[-1] - one.classes.shape[-1]) // 2
        inner = np.pad(np.stack([one.classes, one.weights]), [(0, 0), *[(margin, margin)] * 2])
        planes.append(np.concatenate([one.image.numpy(), inner]))
    with replaced_file(path) as stream, tifffile.TiffWriter(stream) as writer:
        writer.write(
            np.stack(planes).astype(np.float32),
            photometric="minisblack",
            compression="deflate",
            metadata={"axes": "QCYX"},
            software=SOFTWARE,
        )
