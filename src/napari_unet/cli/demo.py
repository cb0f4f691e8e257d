"""``napari-unet demo``: the whole path once, on real data where there is any."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import InputError
from napari_unet.base.output_guard import check_output_folder
from napari_unet.base.quantities import count, duration
from napari_unet.base.regular_files import is_regular, read_whole
from napari_unet.cli.numbers import bounded
from napari_unet.cli.places import places_read
from napari_unet.cli.predict import predict_to_file
from napari_unet.cli.progress import say, show_result
from napari_unet.cli.train import train_to_end

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_unet.evaluation.scores import Scores
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.prediction.pieces import Piece
    from napari_unet.report.page import Curves, Report
    from napari_unet.training.events import Event
    from napari_unet.training.run_folder import RunFolder
    from napari_unet.training.trainer import Trainer

__all__ = ["add", "run"]


MARK = ".demo"
"""File beside a demo's run that says which run it is, so that only that one is ever cleared."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "demo",
        parents=[common],
        help="train, predict and report on an example stack",
        description="Train briefly on the ISBI-2012 EM stack, predict it, write a report with "
        "pictures, and open napari with the result where there is a screen. Without the data "
        "and without a network it takes a synthetic stack.",
    )
    parser.add_argument("--data", metavar="DIR", type=Path, help="folder of the data sets")
    parser.add_argument("--steps", type=bounded("steps"), metavar="N", help="steps of the training")
    parser.add_argument("--no-window", action="store_true", help="do not open napari at the end")
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("demo"), help="where it all goes"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, predict, report, and open the window."""
    check_output_folder(args.output, places_read(args))
    from napari_unet.report.demo import demo_config, open_demo_stack, scores
    from napari_unet.report.page import Curves, write_report
    from napari_unet.training.run_folder import RunFolder
    from napari_unet.training.trainer import Trainer

    name, stack, remark = open_demo_stack(args.data)
    say(remark or f"data: {stack.name}, {count(stack.n_slices, 'slice')}")
    config = demo_config(name, args.steps)
    folder = RunFolder(args.output / "run")
    _begin_anew(folder, args.output)
    trainer, curves = Trainer(stack, config, folder.path), Curves()

    def each(event: Event) -> None:
        _mark(folder, args.output)
        curves.add(event)

    trained = train_to_end(trainer, "napari-unet demo (it begins anew)", each)

    model = folder.read_model()
    predicted, planes = _predict(args, model, stack, trainer.data.splits[0].validation)
    found = scores(stack, planes)
    report = _report(stack, remark, trainer, curves, planes, trained, predicted, found)
    page = write_report(args.output, _with_progress(report, folder))
    show_result(args, report.summary, f"the report is {page}")
    opened = _open_window(args, name)
    return {
        "data": name,
        "remark": remark or None,
        "report": str(page),
        "prediction": predicted["file"],
        **trained,
        "validation": {"slices": len(found.slices), **found.to_dict()},
        "window": opened,
    }


def _with_progress(report: Report, folder: RunFolder) -> Report:
    """Add the pictures of the validations, where there are any."""
    from napari_unet.report.page import progress_picture

    pictures = folder.pictures.files()
    if not pictures:
        return report
    caption = (
        "The first slice that validates, from the first validation to the last: image, labels, "
        "prediction and errors, orange where too much was found and blue where something is "
        "missing."
    )
    shown = ("progress.png", caption, progress_picture(pictures))
    return replace(report, pictures=[*report.pictures, shown])


def _begin_anew(folder: RunFolder, output: Path) -> None:
    """Clear what the last demo made there; refuse where something is not known to be a demo's.

    Raises
    ------
    InputError
        The sentence names what is in the way.
    """
    from napari_unet.training.run_folder import RUN_FILES

    made = ("prediction.tif", "report.html", "pictures", *(f"run/{name}" for name in RUN_FILES))
    present = [name for name in made if os.path.lexists(output / name)]
    if not present:
        return
    if not _is_marked(folder, output):
        raise InputError(
            f"{output / present[0]} is there, and no demo of this version made it; name another "
            "folder with -o, or remove it."
        )
    with folder.locked():
        folder.clear()


def _mark(folder: RunFolder, output: Path) -> None:
    """Note, once, that the run in that folder is the demo's."""
    if not _is_marked(folder, output):
        write_atomically(output / MARK, _sum_of(folder))


def _is_marked(folder: RunFolder, output: Path) -> bool:
    if not (is_regular(output / MARK) and folder.exists()):
        return False
    return read_whole(output / MARK, "mark", 1000) == _sum_of(folder)


def _sum_of(folder: RunFolder) -> bytes:
    """SHA-256 of the description of a run, which no other run has."""
    content = read_whole(folder.path / "run.json", "run description")
    return hashlib.sha256(content).hexdigest().encode()


def _predict(
    args: argparse.Namespace, model: TrainedModel, stack: Stack, validation: Sequence[int]
) -> tuple[dict[str, Any], dict[int, NDArray[np.float32]]]:
    """Predict the stack into a file; keep the probabilities (K, Y, X) of what validates."""
    from napari_unet.prediction.pieces import collect

    kept: list[Piece] = []
    predicted = predict_to_file(
        args,
        model,
        stack,
        args.output / "prediction.tif",
        watch=lambda piece: kept.append(piece) if piece.slice_index in validation else None,
    )
    given = (model.network.config.outputs,)  # object maps follow the classes
    planes = collect(kept, stack, slices=validation, channels=given)
    return predicted, dict(zip(validation, planes[:, : model.scheme.n_classes]))


def _report(
    stack: Stack,
    remark: str,
    trainer: Trainer,
    curves: Curves,
    planes: dict[int, NDArray[np.float32]],
    trained: dict[str, Any],
    predicted: dict[str, Any],
    found: Scores,
) -> Report:
    from napari_unet.report.page import Report, overview, slice_panels, tile_panel

    shown = next(iter(planes))
    panels = slice_panels(stack, shown, trainer.model, planes[shown])
    panels.append(tile_panel([trainer.sampler.tile(step, 0) for step in range(4)]))
    slices = count(len(found.slices), "slice")
    texts = {row.name: row.text for row in found.rows}
    facts = [
        ("Data", f"{stack.name}, {' × '.join(str(n) for n in stack.image.shape)}, {stack.dtype}"),
        ("Training", f"{count(trained['steps'], 'step')} in {duration(trained['seconds'])}"),
        ("Compute", trainer.learner.compute.describe()),
        ("Prediction", f"{count(stack.n_slices, 'slice')} in {duration(predicted['seconds'])}"),
        ("Validation", f"{slices} that training never saw"),
        *((row.name, row.text) for row in found.rows),
    ]
    if remark:
        facts.insert(1, ("Remark", remark))
    caption = (
        f"Slice {shown}, which training never saw: image, weight map and augmented tiles above; "
        "predicted objects, errors and the course of the training below."
    )
    return Report(
        f"U-Net on {stack.name}",
        f"{count(trained['steps'], 'step')} of training reached IoU {texts['IoU']} and pixel "
        f"accuracy {texts['pixel accuracy']} on {slices} that training never saw",
        facts,
        [("overview.png", caption, overview(panels, curves))],
        [
            "napari-unet train IMAGE LABELS -o RUN",
            "napari-unet predict RUN IMAGE -o prediction.tif",
            "napari-unet evaluate prediction.tif LABELS",
        ],
    )


def _open_window(args: argparse.Namespace, name: str) -> bool:
    """Show stack and prediction in napari, in a process of its own; say why not, else."""
    reason = "--no-window was given" if args.no_window else _no_window()
    if reason:
        say(f"napari is not opened, because {reason}")
        return False
    say("opening napari; close its window to end the demo")
    command = [sys.executable, "-m", "napari_unet.widgets.demo_window", name, str(args.output)]
    if args.data is not None:
        command += ["--data", str(args.data)]
    ended = subprocess.run(command, check=False).returncode  # noqa: S603 - our own module
    if ended:
        say("napari's window could not be shown; everything else is done")
    return ended == 0


def _no_window() -> str:
    """Return why no window can be opened, or ""."""
    import importlib.util

    if importlib.util.find_spec("napari") is None:
        return "it is not installed: pip install 'napari-unet-trainer[all]'"
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_screen:
        return "there is no screen"
    return ""
