"""``napari-unet evaluate PREDICTION REFERENCE``: how good a prediction is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.quantities import count, score
from napari_unet.cli.inputs import read_array
from napari_unet.cli.progress import say, show_result
from napari_unet.cli.reference import add_reference_arguments, open_reference

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["add", "run"]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "evaluate",
        parents=[common],
        help="compare a prediction with a reference",
        description="Compare a prediction with a reference: IoU (foreground) and pixel accuracy, "
        "and with --metric what papers report.",
    )
    parser.add_argument("prediction", metavar="PREDICTION", type=Path, help="file of predict")
    add_reference_arguments(parser)
    parser.add_argument(
        "--metric",
        action="append",
        choices=("overlap", "isbi2012", "ctc", "objects", "thresholded-iou"),
        default=[],
        help="overlap: IoU and Dice by class, mean IoU; isbi2012: Rand, warping and pixel error, "
        "V_Rand, V_Info (exact with probabilities); ctc: SEG and DET; objects: average precision; "
        "thresholded-iou: the score of the 2025 reproduction. Can be given several times",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare two files; print and return the scores."""
    from napari_unet.cli.scores import evaluate, evaluate_field

    reference = open_reference(args)
    prediction, labels = reference.pick(read_array(args.prediction, probabilities=True))
    result = evaluate(prediction, labels, reference.scheme)
    lines = [f"IoU             {score(result['iou'])}"]
    if len(result["iou_by_class"]) > 2:
        lines += [f"  {name:<13} {score(value)}" for name, value in result["iou_by_class"].items()]
    lines.append(f"pixel accuracy  {score(result['pixel_accuracy'])}")
    if reference.slices is not None:
        lines.insert(0, f"compared        {count(len(reference.slices), 'slice')}")
        result["slices"] = list(reference.slices)
    if args.metric:
        names = tuple(dict.fromkeys(args.metric))
        field = evaluate_field(prediction, labels, names, scheme=reference.scheme, told=say_once())
        lines += [f"{name:<15} {_digits(name, value)}" for name, value in field.items()]
        result["metrics"] = field
    show_result(args, *lines)
    return {"prediction": str(args.prediction), "reference": str(args.reference), **result}


def _digits(name: str, value: float) -> str:
    return f"{value:.6f}" if "error" in name else f"{value:.4f}"


def say_once() -> Callable[[str], None]:
    """Return a function that says what is being done, when that is something else."""
    last = ""

    def tell(text: str) -> None:
        nonlocal last
        doing = text.split(":", maxsplit=1)[0]
        if doing != last and doing.startswith("computing"):
            say(doing)
        last = doing

    return tell
