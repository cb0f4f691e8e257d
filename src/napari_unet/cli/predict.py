"""``napari-unet predict RUN IMAGE -o OUT.tif``: predict an image or stack."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.base.output_guard import check_output_file
from napari_unet.base.quantities import count, duration
from napari_unet.cli.inputs import add_image_arguments, open_image
from napari_unet.cli.measure import (
    add_link_arguments,
    asked_linking,
    check_table,
    named_classes,
    write_table,
)
from napari_unet.cli.numbers import bounded
from napari_unet.cli.places import places_read
from napari_unet.cli.predict_folder import predict_folder
from napari_unet.cli.progress import (
    Bar,
    Interrupted,
    StopOnInterrupt,
    closed_after,
    say,
    show_result,
)
from napari_unet.config.offers import OUTPUTS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.object_table import ObjectTable, TableMaker
    from napari_unet.prediction.outputs import Output
    from napari_unet.prediction.pieces import Piece

__all__ = ["add", "predict_to_file", "run"]

OFFERS = {
    "": "",
    "match pixels": "; --pixel-size auto resamples the image for it",
    "measure grey values": "; --intensity image measures them anew",
}
"""What the options say to an offer of `napari_unet.prediction.image_remarks`."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "predict",
        parents=[common],
        help="predict an image or stack into a TIFF, or every image of a folder",
        description="Predict an image or stack, tile by tile and without seams, into a TIFF. Of a "
        "folder every image is predicted into a file of its own where OUT is a folder (a name "
        "without .tif); their sizes may differ.",
    )
    parser.add_argument("model", metavar="RUN", type=Path, help="run folder or model file")
    parser.add_argument(
        "--step",
        type=bounded("steps"),
        metavar="N",
        help="the network as it was after N steps, of those that the run kept; info RUN lists them",
    )
    add_image_arguments(parser)
    parser.add_argument(
        "-o",
        "--output-file",
        metavar="OUT",
        type=Path,
        required=True,
        help="a .tif, or a folder for one file per image of a folder",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a file of that name, whoever wrote it",
    )
    _add_output(parser)
    _add_reading(parser)
    parser.set_defaults(run=run)


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Declare what is made of the probabilities."""
    parser.add_argument(
        "--output",
        type=lambda name: "objects" if name == "instances" else name,  # as it was called
        choices=tuple(OUTPUTS),
        default="labels",
        help=" ".join(f"{name}: {says}" for name, says in OUTPUTS.items()),
    )
    parser.add_argument(
        "--threshold",
        type=bounded("threshold"),
        metavar="T",
        help="foreground probability from which a pixel belongs to an object (default: what the "
        "model was fitted to, else 0.5)",
    )
    parser.add_argument(
        "--seed-height",
        type=bounded("seed_height"),
        metavar="H",
        help="for models that separate touching objects: how sure, 0 to 1, the middle of an "
        "object must be; higher loses faint ones (default: what the model was fitted to)",
    )
    parser.add_argument(
        "--valley",
        type=bounded("valley"),
        metavar="V",
        help="for the same models: how much less sure, 0 to 1, it must be between two middles for "
        "them to be two objects; lower separates more, 0 goes by the seed height alone (default: "
        "what the model was fitted to)",
    )
    parser.add_argument(
        "--min-size",
        type=bounded("min_size"),
        metavar="N",
        help="pixels below which an object is left out (default: what the model was fitted to, "
        "else 0)",
    )
    parser.add_argument(
        "--fill-holes", action="store_true", help="make holes of an object a part of it"
    )
    add_link_arguments(parser)
    parser.add_argument(
        "--table",
        metavar="CSV",
        type=Path,
        help="measure every object (with --output objects) and write a table",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Declare how the image is read and computed."""
    parser.add_argument(
        "--tile", type=bounded("tile"), metavar="N", help="largest side of an input tile, in pixels"
    )
    parser.add_argument(
        "--region",
        type=bounded("side"),
        nargs=4,
        metavar=("Y0", "Y1", "X0", "X1"),
        help="predict only these rows and columns of every slice; Y1 and X1 are the first outside",
    )
    parser.add_argument(
        "--pixel-size",
        choices=("auto",),
        help="auto: resample the image to the pixel size that the model was trained at, and the "
        "result back",
    )
    parser.add_argument(
        "--intensity",
        choices=("model", "image"),
        default="model",
        help="which grey values count as dark and bright: those of the images that the model "
        "learnt from (default), or those of this image, measured anew",
    )
    parser.add_argument(
        "--outside",
        choices=("border", "all"),
        default="border",
        help="pixels that are NaN and lie outside of the image, where the result is 0: those that "
        "reach the border of their slice (default), or all",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.add_argument(
        "--mirror-average",
        action="store_true",
        help="average over the eight mirrored and rotated versions of every tile: a little "
        "better, in eight times the time",
    )


OF_OBJECTS = ("threshold", "seed_height", "valley", "min_size", "fill_holes", "link")
OF_SEEDS = ("seed_height", "valley")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Predict; return where the result is."""
    output = _output(args)
    if output.kind != "objects":
        for option in _given(args, OF_OBJECTS):
            raise InputError(f"{option} is of objects: add --output objects, or leave it out.")
    many = _is_for_each(args)
    if not many:
        _check_target(args)
    if args.table is not None:
        if output.kind != "objects":
            raise InputError("--table measures objects: add --output objects.")
        check_table(args.table, args)
    from napari_unet.training.run_folder import load_model

    model = load_model(args.model, args.step)
    if not model.network.config.object_maps:
        for option in _given(args, OF_SEEDS):
            raise InputError(
                f"{option} is for models that separate touching objects, and {args.model} did not "
                "learn to: leave it out."
            )
    options: dict[str, Any] = {
        "output": output,
        "region": None if args.region is None else tuple(args.region),
        "tile": _tile(args.tile, model),
        "device": args.device,
        "mirror_average": args.mirror_average,
    }
    channels = model.network.config.in_channels
    if many:
        return predict_folder(args, channels, partial(_predict_one, args, model, options))
    stack = open_image(args, channels)
    result, measured = _predict_one(args, model, options, stack, args.output_file)
    return result | write_table(args, measured)


def _given(args: argparse.Namespace, names: Sequence[str]) -> Iterator[str]:
    """Yield those of some options that are on the command line."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value is not False:
            yield f"--{name.replace('_', '-')}"


def _is_for_each(args: argparse.Namespace) -> bool:
    """Whether images of a folder are to be predicted into files of a folder, whatever it is called.

    A zarr is one image, although it is a folder.
    """
    from napari_unet.images.files import SUFFIXES
    from napari_unet.images.ome_zarr import is_zarr

    names_a_file = args.output_file.suffix.lower() in SUFFIXES
    return Path(args.image).is_dir() and not is_zarr(args.image) and not names_a_file


def _output(args: argparse.Namespace) -> Output:
    from napari_unet.prediction.outputs import Output

    return Output(
        args.output,
        threshold=args.threshold,
        seed=args.seed_height,
        min_size=args.min_size,
        valley=args.valley,
        fill_holes=args.fill_holes,
        link=asked_linking(args),
    )


def _predict_one(
    args: argparse.Namespace,
    model: TrainedModel,
    options: dict[str, Any],
    stack: Stack,
    file: Path,
) -> tuple[dict[str, Any], ObjectTable | None]:
    """Predict one image into a file; say what is worth knowing about it before."""
    from napari_unet.images.outside import mark_outside, say_outside
    from napari_unet.prediction.image_remarks import image_remarks
    from napari_unet.prediction.object_table import TableMaker

    stack = mark_outside(stack, args.outside, lazy=True)
    if said := say_outside(stack):
        say(f"{stack.name}: {said}")
    match_pixels = args.pixel_size is not None
    for remark in image_remarks(
        model, stack, match_pixels=match_pixels, grey_values=args.intensity
    ):
        say(remark.text + OFFERS[remark.offer])
    table = None
    if args.table is not None:
        table = TableMaker(stack, named_classes(model.scheme), linked=args.link)
    result = predict_to_file(
        args,
        model,
        stack,
        file,
        table=table,
        match_pixels=match_pixels,
        grey_values=args.intensity,
        **options,
    )
    return result, None if table is None else table.table()


def predict_to_file(
    args: argparse.Namespace,
    model: TrainedModel,
    stack: Stack,
    file: Path,
    *,
    output: Output | None = None,
    table: TableMaker | None = None,
    region: Region | None = None,
    watch: Callable[[Piece], object] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Predict a stack into a TIFF that appears only when it is complete.

    Parameters
    ----------
    args
        For ``--json``.
    model, stack, region, **options
        As in `napari_unet.prediction.predict.predict`.
    file
        The TIFF.
    output
        What the file holds; labels by default.
    table
        Measures the objects that are predicted.
    watch
        Called with every piece as the network gives it: values (K, h, w).

    Returns
    -------
    dict
        File, shape, dtype, tiles and seconds.

    Raises
    ------
    Interrupted
        On Ctrl-C; a previous file of that name stays.
    """
    import time

    from napari_unet.prediction.files import write_tiff
    from napari_unet.prediction.outputs import Output
    from napari_unet.prediction.pieces import extent_of
    from napari_unet.prediction.predict import predict
    from napari_unet.prediction.room import check_room

    start = time.perf_counter()
    output = output or Output()
    check_room(
        model, stack, output, region,
        tile=options.get("tile"), match_pixels=options.get("match_pixels", False),
    )  # fmt: skip
    prediction = predict(model, stack, region=region, **options)
    with StopOnInterrupt() as stop, closed_after(prediction) as pieces:
        shown = _Shown(stack.name, stop, watch)
        extent = extent_of(stack, region)
        measured = None if table is None else table.add_plane
        finished = output.finished(shown.pieces(pieces), model, extent, measured)
        shape, dtype = write_tiff(file, finished, output, model.scheme, stack, region=region)
    seconds = time.perf_counter() - start
    show_result(
        args,
        f"{count(stack.n_slices, 'slice')} in {duration(seconds)}, {count(shown.tiles, 'tile')}",
        f"the {output.kind} are in {file}",
    )
    return {
        "file": str(file),
        "output": output.kind,
        "shape": list(shape),
        "dtype": dtype,
        "tiles": shown.tiles,
        "seconds": round(seconds, 3),
    }


class _Shown:
    """Shows how far a prediction is while its pieces pass."""

    def __init__(
        self, name: str, stop: StopOnInterrupt, watch: Callable[[Piece], object] | None
    ) -> None:
        self._name, self._stop, self._watch = name, stop, watch
        self.tiles = 0

    def pieces(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        bar: Bar | None = None
        try:
            for piece in pieces:
                if self._stop.requested:
                    raise Interrupted(
                        "stopped before the prediction was complete, nothing was written"
                    )
                bar = bar or Bar(piece.total, "tile")
                if piece.note:
                    bar.say(piece.note)
                    bar.resize(piece.total)
                if self._watch is not None:
                    self._watch(piece)
                self.tiles = piece.done
                bar.show(piece.done, piece.seconds_left)
                yield piece  # whoever writes the last one asks for no more
        except OSError as error:
            raise DataSetError(
                f"{self._name} cannot be read ({error}); check its disk, and predict again."
            ) from error
        finally:
            if bar is not None:
                bar.close()


def _tile(asked: int | None, model: TrainedModel) -> int | None:
    """Return a side that the network can take, and say when it is not the one asked for."""
    if asked is None:
        return None
    from napari_unet.config.size_rule import next_valid_size

    size = next_valid_size(asked, model.network.config.depth)
    if size != asked:
        say(f"tiles have {size} pixels a side instead of {asked}, the next that the network takes")
    return size


def _check_target(args: argparse.Namespace) -> None:
    """Find out before computing that the result could not be written."""
    file = check_output_file(args.output_file, places_read(args), overwrite=args.overwrite)
    if file.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"the output must be a .tif or .tiff file, got {file.name!r}; rename it.")
