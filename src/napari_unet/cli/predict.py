"""``napari-unet predict RUN IMAGE -o OUT.tif``: predict an image or stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.base.quantities import count, duration
from napari_unet.cli.inputs import add_image_arguments, open_image
from napari_unet.cli.progress import (
    Bar,
    Interrupted,
    StopOnInterrupt,
    closed_after,
    say,
    show_result,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_unet.config.split import Region
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["add", "predict_to_file", "run"]

KINDS = ("labels", "probabilities", "instances")
NOTED = 0.1  # pixels that differ by more than this share are worth a remark


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "predict",
        parents=[common],
        help="predict an image or stack into a TIFF",
        description="Predict an image or stack, tile by tile and without seams, into a TIFF.",
    )
    parser.add_argument("model", metavar="RUN", type=Path, help="run folder or model file")
    add_image_arguments(parser)
    parser.add_argument("-o", "--output-file", metavar="OUT.tif", type=Path, required=True)
    parser.add_argument(
        "--output",
        choices=KINDS,
        default="labels",
        help="label values of the training labels (default), probabilities of all classes as "
        "channels, or separate objects",
    )
    parser.add_argument(
        "--tile", type=int, metavar="N", help="largest side of an input tile, in pixels"
    )
    parser.add_argument(
        "--region",
        type=int,
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
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.5,
        metavar="T",
        help="foreground probability from which a pixel belongs to an instance (default 0.5)",
    )
    parser.add_argument(
        "--min-size",
        type=int,
        default=0,
        metavar="N",
        help="pixels below which an instance is left out (default 0)",
    )
    parser.add_argument(
        "--fill-holes", action="store_true", help="make holes of an instance a part of it"
    )
    parser.add_argument(
        "--mirror-average",
        action="store_true",
        help="average over the eight mirrored and rotated versions of every tile: a little "
        "better, in eight times the time",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Predict; return where the result is."""
    _check_target(args.output_file)
    from napari_unet.training.run_folder import load_model

    model = load_model(args.model)
    stack = open_image(args)
    match_pixels = args.pixel_size is not None
    _say_zoom(model, stack, match_pixels=match_pixels)
    return predict_to_file(
        args,
        model,
        stack,
        args.output_file,
        kind=args.output,
        tile=_tile(args.tile, model),
        device=args.device,
        mirror_average=args.mirror_average,
        objects={
            "threshold": args.threshold,
            "min_size": args.min_size,
            "fill_holes": args.fill_holes,
        },
        region=None if args.region is None else tuple(args.region),
        match_pixels=match_pixels,
    )


def predict_to_file(
    args: argparse.Namespace,
    model: TrainedModel,
    stack: Stack,
    file: Path,
    *,
    kind: str = "labels",
    tile: int | None = None,
    device: str = "auto",
    mirror_average: bool = False,
    objects: Mapping[str, Any] | None = None,
    region: Region | None = None,
    match_pixels: bool = False,
    each: Callable[[int, NDArray[np.float32]], object] | None = None,
) -> dict[str, Any]:
    """Predict a stack into a TIFF that appears only when it is complete.

    Parameters
    ----------
    args
        For ``--json``.
    model, stack, tile, device, mirror_average, match_pixels
        As in `napari_unet.prediction.predict.predict`.
    file
        The TIFF.
    kind
        "labels", "probabilities" or "instances".
    objects
        Settings of `napari_unet.prediction.objects.instances`.
    region
        y0, y1, x0, x1 of what is predicted of every slice; None: all.
    each
        Called with the flat index and the probabilities (K, Y, X) of every slice; the array is
        used again for the next one.

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

    from napari_unet.cli.tiff import write_planes
    from napari_unet.prediction.predict import predict

    start = time.perf_counter()
    finish = _finisher(kind, model, objects or {})
    channels = model.network.config.classes if kind == "probabilities" else None
    prediction = predict(
        model, stack, region=region, tile=tile, device=device,
        mirror_average=mirror_average, match_pixels=match_pixels,
    )  # fmt: skip
    with StopOnInterrupt() as stop, closed_after(prediction) as tiles:
        counter = _Counter()
        planes = _planes(tiles, model, stack, region, stop, counter)
        finished = (finish(plane) for plane in _seen(planes, each))
        shape, dtype = write_planes(file, finished, stack, channels, region=region)
    seconds = time.perf_counter() - start
    show_result(
        args,
        f"{count(stack.n_slices, 'slice')} in {duration(seconds)}, {count(counter.tiles, 'tile')}",
        f"the {kind} are in {file}",
    )
    return {
        "file": str(file),
        "output": kind,
        "shape": list(shape),
        "dtype": dtype,
        "tiles": counter.tiles,
        "seconds": round(seconds, 3),
    }


class _Counter:
    tiles = 0


def _seen(
    planes: Iterator[NDArray[np.float32]], each: Callable[[int, NDArray[np.float32]], object] | None
) -> Iterator[NDArray[np.float32]]:
    """Show each plane to ``each`` on its way."""
    for i, plane in enumerate(planes):
        if each is not None:
            each(i, plane)
        yield plane


def _planes(
    tiles: Iterator[Any],
    model: TrainedModel,
    stack: Stack,
    region: Region | None,
    stop: StopOnInterrupt,
    counter: _Counter,
) -> Iterator[NDArray[np.float32]]:
    """Assemble tiles to planes of probabilities (K, Y, X), slice by slice."""
    import numpy as np

    bar: Bar | None = None
    y0, y1, x0, x1 = region or (0, stack.plane_shape[0], 0, stack.plane_shape[1])
    shape = max(0, min(y1, stack.plane_shape[0]) - y0), max(0, min(x1, stack.plane_shape[1]) - x0)
    plane = np.empty((model.network.config.classes, *shape), np.float32)
    begun: int | None = None
    try:
        for tile in tiles:
            if stop.requested:
                raise Interrupted("stopped before the prediction was complete, nothing was written")
            bar = bar or Bar(tile.total, "tile")
            if tile.note:
                bar.say(tile.note)
                bar.resize(tile.total)
            if begun is not None and tile.slice_index != begun:
                yield plane
            begun = tile.slice_index
            rows = slice(tile.rows.start - y0, tile.rows.stop - y0)
            cols = slice(tile.cols.start - x0, tile.cols.stop - x0)
            plane[:, rows, cols] = tile.probabilities
            counter.tiles = tile.done
            bar.show(tile.done, tile.seconds_left)
        if begun is not None:
            yield plane
    except OSError as error:
        raise DataSetError(
            f"{stack.name} cannot be read ({error}); check its disk, and predict again."
        ) from error
    finally:
        if bar is not None:
            bar.close()


def _say_zoom(model: TrainedModel, stack: Stack, *, match_pixels: bool) -> None:
    """Say that the image is resampled for the network, or that its pixels differ."""
    from napari_unet.images.resampling import relative_pixel_size
    from napari_unet.images.zoom import zoom_for, zoomed_shape

    zoom = zoom_for(model, stack, match_pixels=match_pixels)
    if zoom != (1.0, 1.0):
        shapes = (stack.plane_shape, zoomed_shape(stack.plane_shape, zoom))
        old, new = (" × ".join(map(str, shape)) for shape in shapes)
        say(
            f"the image is resampled from {old} to {new} pixels a slice, as the model learnt it, "
            "and the result back"
        )
        return
    relative = relative_pixel_size(stack, model.pixel_size, model.run.get("unit"))
    if not match_pixels and relative and max(abs(r - 1) for r in relative) > NOTED:
        say(
            f"the pixels of {stack.name} are {_times(relative)} as large as those that the "
            "model learnt from; --pixel-size auto resamples the image for it"
        )


def _times(relative: tuple[float, float]) -> str:
    y, x = (f"{r:.3g}" for r in relative)
    return f"{y} times" if y == x else f"{y} (y) and {x} (x) times"


def _finisher(kind: str, model: TrainedModel, objects: Mapping[str, Any]) -> Any:
    """Return the function that makes a plane of the output from probabilities (K, Y, X)."""
    if kind == "probabilities":
        return lambda plane: plane
    from napari_unet.annotation.labels import likeliest

    if kind == "labels":
        return lambda plane: model.scheme.encode(likeliest(plane))
    from napari_unet.prediction.objects import instances

    return lambda plane: instances(plane, **objects)


def _tile(asked: int | None, model: TrainedModel) -> int | None:
    """Return a side that the network can take, and say when it is not the one asked for."""
    if asked is None:
        return None
    from napari_unet.config.size_rule import next_valid_size

    size = next_valid_size(asked, model.network.config.depth)
    if size != asked:
        say(f"tiles have {size} pixels a side instead of {asked}, the next that the network takes")
    return size


def _check_target(file: Path) -> None:
    """Find out before computing that the result could not be written."""
    if file.is_dir():
        raise InputError(f"the output must be a file, but {file} is a folder; name a file in it.")
    if file.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"the output must be a .tif or .tiff file, got {file.name!r}; rename it.")
