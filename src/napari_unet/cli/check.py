"""``napari-unet check IMAGE LABELS``: what is wrong with a stack, before training on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import UNetError
from napari_unet.cli.inputs import add_stack_arguments, open_images, open_training_stacks
from napari_unet.cli.progress import show_result
from napari_unet.cli.streams import print_json

if TYPE_CHECKING:
    import argparse

    from napari_unet.config.training import TrainConfig
    from napari_unet.images.stack import Stack
    from napari_unet.preflight import Finding

__all__ = ["add", "run"]

SIGNS = {"error": "error  ", "warning": "warning", "info": "       "}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "check",
        parents=[common],
        help="say what is wrong with an image and its labels, before training",
        description="Look at an image and its labels as training would take them, and measure "
        "one training step. The exit code is 2 if training could not begin.",
    )
    add_stack_arguments(parser)
    parser.add_argument(
        "--preset", default="fast", help="of the measured step: fast, best or paper"
    )
    parser.add_argument("--device", default="auto", help="of the step: auto, cpu, cuda or mps")
    parser.add_argument("--no-step", action="store_true", help="measure no training step")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print and return what was found; ends the program with 2 if training could not begin."""
    stacks = open_training_stacks(args) if _is_about_labels(args) else open_images(args)
    findings: list[Finding] = []
    for stack in stacks:
        findings += _look_at(args, stack, named=len(stacks) > 1)
    stack, step = stacks[0], None
    if stack.labels is not None and not args.no_step and not _grave(findings):
        step = _measure(args, stack, _config(args, stack), findings)
    result = {
        "image": args.image,
        "labels": args.labels,
        "ready": not _grave(findings) and stack.labels is not None,
        "findings": [one.to_dict() for one in findings],
        "step": step,
    }
    if _grave(findings):
        if args.json:
            print_json(result)
        raise SystemExit(2)
    return result


def _look_at(args: argparse.Namespace, stack: Stack, *, named: bool) -> list[Finding]:
    """Print and return what is found about one stack, of several under its name."""
    from napari_unet.preflight import find

    if named:
        show_result(args, f"{stack.name}:")
    findings = []
    for finding in find(stack, _config(args, stack), labels_scale=_labels_scale(args)):
        findings.append(finding)
        _show(args, finding)
    return findings


def _config(args: argparse.Namespace, stack: Stack) -> TrainConfig:
    from napari_unet.config.presets import preset_for
    from napari_unet.config.training import TrainConfig

    name = preset_for(args.preset, None if stack.scheme is None else stack.scheme.kind)
    return TrainConfig.preset_named(name, device=args.device)


def _is_about_labels(args: argparse.Namespace) -> bool:
    """Tell whether anything was said that only labels have; an image alone may be checked too."""
    said = (args.labels, args.annotated, args.truth, args.annotation, args.kind, args.classes)
    return any(said) or args.ignore is not None


def _labels_scale(args: argparse.Namespace) -> tuple[float, ...]:
    """Return the pixel size (y, x) that the labels file states, if there is one."""
    if args.labels is None:
        return ()
    from napari_unet.images import files

    try:
        places = files.read_labels(args.labels, probabilities=True, lazy_above=0).places
        return (places["y"].size, places["x"].size) if {"y", "x"} <= set(places) else ()
    except UNetError:  # read another way, or complained about elsewhere
        return ()


def _grave(findings: list[Finding]) -> bool:
    return any(one.severity == "error" for one in findings)


def _measure(
    args: argparse.Namespace, stack: Stack, config: TrainConfig, findings: list[Finding]
) -> dict[str, Any] | None:
    """Measure a step; add what it says to the findings."""
    from napari_unet.preflight import Finding, measure_step

    cost = None
    try:
        cost = measure_step(stack, config)
        findings.append(cost.finding())
    except UNetError as error:
        findings.append(Finding("error", str(error), check="step"))
    _show(args, findings[-1])
    return None if cost is None else cost.to_dict()


def _show(args: argparse.Namespace, finding: Finding) -> None:
    show_result(args, f"{SIGNS[finding.severity]}  {finding.text}")
