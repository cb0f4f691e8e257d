"""``napari-unet suggest RUN IMAGE [LABELS]``: where to paint next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.cli.inputs import add_image_arguments, open_image, open_labelled
from napari_unet.cli.progress import show_result

if TYPE_CHECKING:
    import argparse

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

__all__ = ["add", "run"]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "suggest",
        parents=[common],
        help="list places of an image where painting helps most",
        description="List places of an image that the network of a run is not sure of, the best "
        "first and spread over the stack; nothing is listed where something was painted.",
    )
    parser.add_argument("model", metavar="RUN", type=Path, help="run folder")
    add_image_arguments(parser)
    parser.add_argument(
        "labels",
        metavar="LABELS",
        nargs="?",
        help="what was painted so far, 0 where nothing was; without it, what was painted in RUN",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Look through the image; return the places."""
    from napari_unet.training.run_folder import RunFolder
    from napari_unet.training.stack_scan import suggest

    folder = RunFolder(args.model)
    model = folder.read_model()
    opened = open_image if args.labels is None else open_labelled
    stack = _with_painted(args, opened(args, model.network.config.in_channels), model)
    places = suggest(model, stack, folder.config(), device=args.device)
    lines = []
    for place in places:
        where = " ".join(map(str, stack.index(place.slice_index))) or "–"
        y, x = place.middle
        lines.append(f"slice {where:>4} · row {y:5.0f}, column {x:5.0f} · {place.reason}")
    show_result(args, *lines or ["The network is sure wherever it looked."])
    return {
        "places": [
            {
                "slice": stack.index(place.slice_index),
                "box": place.box,
                "score": place.score,
                "why": place.reason,
            }
            for place in places
        ]
    }


def _with_painted(args: argparse.Namespace, stack: Stack, model: TrainedModel) -> Stack:
    """Return the stack with what was painted on it."""
    from napari_unet.training.journal import FILE_NAME
    from napari_unet.training.painted_run import PaintedRun
    from napari_unet.training.painting import to_paint

    blank = to_paint(stack.with_labels(None), model.scheme.names)
    labels = None if args.labels is None else stack.labels
    if labels is None and (args.model / FILE_NAME).is_file():
        painted = PaintedRun(args.model)
        if not painted.misfit([stack.with_labels(None)]):
            labels = painted.painting([stack]).whole(0)
    return blank if labels is None else blank.with_labels(labels, blank.scheme)
