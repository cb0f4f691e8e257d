"""``napari-unet predict RUN IMAGE -o OUT.tif``: predict an image or stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.cli.inputs import add_image_arguments, open_image
from napari_unet.cli.progress import (
    Bar,
    Interrupted,
    StopOnInterrupt,
    closed_after,
    say,
    show_result,
)
from napari_unet.errors import DataSetError, InputError
from napari_unet.quantities import count, duration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_unet.model import TrainedModel
    from napari_unet.stack import Stack

__all__ = ["add", "predict_to_file", "run"]

KINDS = ("labels", "probabilities", "instances")


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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Predict; return where the result is."""
    _check_target(args.output_file)
    from napari_unet.checkpoint import load_model

    model = load_model(args.model)
    stack = open_image(args)
    return predict_to_file(
        args,
        model,
        stack,
        args.output_file,
        kind=args.output,
        tile=_tile(args.tile, model),
        device=args.device,
        threshold=args.threshold,
        min_size=args.min_size,
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
    threshold: float = 0.5,
    min_size: int = 0,
    each: Callable[[int, NDArray[np.float32]], object] | None = None,
) -> dict[str, Any]:
    """Predict a stack into a TIFF that appears only when it is complete.

    Parameters
    ----------
    args
        For ``--json``.
    model, stack, tile, device
        As in `napari_unet.predict.predict`.
    file
        The TIFF.
    kind
        "labels", "probabilities" or "instances".
    threshold, min_size
        Of instances.
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
    from napari_unet.predict import predict

    start = time.perf_counter()
    finish = _finisher(kind, model, threshold, min_size)
    channels = model.network.config.classes if kind == "probabilities" else None
    with (
        StopOnInterrupt() as stop,
        closed_after(predict(model, stack, tile=tile, device=device)) as tiles,
    ):
        counter = _Counter()
        planes = _planes(tiles, model, stack, stop, counter)
        finished = (finish(plane) for plane in _seen(planes, each))
        shape, dtype = write_planes(file, finished, stack, channels)
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
    stop: StopOnInterrupt,
    counter: _Counter,
) -> Iterator[NDArray[np.float32]]:
    """Assemble tiles to whole planes of probabilities (K, Y, X), slice by slice."""
    import numpy as np

    bar: Bar | None = None
    plane = np.empty((model.network.config.classes, *stack.plane_shape), np.float32)
    covered = 0
    try:
        for tile in tiles:
            if stop.requested:
                raise Interrupted("stopped before the prediction was complete, nothing was written")
            bar = bar or Bar(tile.total, "tile")
            if tile.note:
                bar.say(tile.note)
                bar.resize(tile.total)
                covered = 0
            plane[:, tile.rows, tile.cols] = tile.probabilities
            covered += tile.probabilities[0].size
            counter.tiles = tile.done
            bar.show(tile.done, tile.seconds_left)
            if covered == plane[0].size:
                covered = 0
                yield plane
    except OSError as error:
        raise DataSetError(
            f"{stack.name} cannot be read ({error}); check its disk, and predict again."
        ) from error
    finally:
        if bar is not None:
            bar.close()


def _finisher(kind: str, model: TrainedModel, threshold: float, min_size: int) -> Any:
    """Return the function that makes a plane of the output from probabilities (K, Y, X)."""
    if kind == "probabilities":
        return lambda plane: plane
    if kind == "labels":
        return lambda plane: model.scheme.encode(plane.argmax(0))
    from napari_unet.instances import instances

    return lambda plane: instances(plane, threshold=threshold, min_size=min_size)


def _tile(asked: int | None, model: TrainedModel) -> int | None:
    """Return a side that the network can take, and say when it is not the one asked for."""
    if asked is None:
        return None
    from napari_unet.tiles import next_valid_size

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
