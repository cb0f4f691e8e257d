"""``napari-unet evaluate PREDICTION REFERENCE``: how good a prediction is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.cli.inputs import read_array
from napari_unet.cli.progress import show_result
from napari_unet.quantities import score

if TYPE_CHECKING:
    import argparse

__all__ = ["add", "run"]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "evaluate",
        parents=[common],
        help="compare a prediction with a reference",
        description="Compare a prediction with a reference: IoU (foreground) and pixel accuracy.",
    )
    parser.add_argument("prediction", metavar="PREDICTION", type=Path, help="file of predict")
    parser.add_argument("reference", metavar="REFERENCE", type=Path, help="file of labels")
    parser.add_argument(
        "--sparse",
        action="store_true",
        help="in the reference 0 means not annotated (and does not count), 1 background",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare two files; print and return the scores."""
    from napari_unet.cli.scores import evaluate

    result = evaluate(read_array(args.prediction), read_array(args.reference), sparse=args.sparse)
    lines = [f"IoU             {score(result['iou'])}"]
    if len(result["iou_by_class"]) > 2:
        lines += [f"  {name:<13} {score(value)}" for name, value in result["iou_by_class"].items()]
    lines.append(f"pixel accuracy  {score(result['pixel_accuracy'])}")
    show_result(args, *lines)
    return {"prediction": str(args.prediction), "reference": str(args.reference), **result}
