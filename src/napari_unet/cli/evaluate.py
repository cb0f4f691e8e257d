"""``napari-unet evaluate PREDICTION REFERENCE``: how good a prediction is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.quantities import count
from napari_unet.cli.inputs import read_said
from napari_unet.cli.progress import say, show_result
from napari_unet.cli.reference import add_reference_arguments, open_reference
from napari_unet.config.offers import METRICS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from napari_unet.evaluation.comparison import Doing, ReadAs

__all__ = ["add", "run"]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "evaluate",
        parents=[common],
        help="compare a prediction with a reference",
        description="Compare a prediction with a reference: IoU, Dice and pixel accuracy, and with "
        "--metric what papers report. The Evaluate dock shows the same numbers. The files of two "
        "folders are paired by their names.",
    )
    parser.add_argument("prediction", metavar="PREDICTION", help="file of predict")
    add_reference_arguments(parser)
    parser.add_argument(
        "--metric",
        action="append",
        choices=tuple(METRICS),
        default=[],
        help="can be given several times; overlap always comes first. "
        + " ".join(f"{name}: {says}" for name, (_, says) in METRICS.items()),
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare two files; print and return the scores."""
    from napari_unet.evaluation.comparison import evaluate

    files, answers = _paired(args)
    reference = open_reference(args, answers)
    one, other = Path(args.prediction), Path(args.reference)
    if one.exists() and other.exists() and one.samefile(other):
        say(f"{one} is compared with itself")
    read = read_said(args.prediction, probabilities=True, files=files)
    prediction, labels = reference.pick(reference.meet(read))
    names = ("overlap", *args.metric)
    scores = evaluate(prediction, labels, names, scheme=reference.scheme, told=say_once())
    lines = str(scores).splitlines()
    result: dict[str, Any] = {"pixels": scores.pixels, "scores": scores.to_dict()}
    if reference.slices is not None:
        lines.insert(0, f"compared {count(len(reference.slices), 'slice')}")
        result["slices"] = list(reference.slices)
    show_result(args, *lines)
    return {"prediction": str(args.prediction), "reference": str(args.reference), **result}


def _paired(args: argparse.Namespace) -> tuple[list[Path] | None, list[Path] | None]:
    """Return the files of two folders that belong together; None where one is no such folder."""
    from napari_unet.images.files import is_series
    from napari_unet.images.folders import answering_files, image_files

    if not (is_series(args.prediction) and is_series(args.reference)):
        return None, None
    files, answers = answering_files(Path(args.prediction), Path(args.reference))
    if left := len(image_files(Path(args.prediction))) - len(files):
        say(f"{count(left, 'prediction')} without a reference not compared")
    return files, answers


def say_once() -> Callable[[Doing | ReadAs], None]:
    """Return a function that says what is being computed, when that is something else."""
    from napari_unet.evaluation.comparison import ReadAs

    last = ""

    def tell(doing: Doing | ReadAs) -> None:
        nonlocal last
        if isinstance(doing, ReadAs):
            say(f"prediction: {doing.text}")
        elif doing.text != last and doing.text.startswith("computing"):
            say(doing.text)
        last = doing.text

    return tell
