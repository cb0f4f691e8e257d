"""``napari-unet info RUN``: what was trained, on what, with which result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError
from napari_unet.base.quantities import count, duration, score
from napari_unet.cli.progress import show_result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

__all__ = ["add", "run"]


STATES = ("Step", "Diverged", "Finished")
"""Events the last of which says how far a run is: one that has finished can be given more steps."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "info",
        parents=[common],
        help="say what a run trained, on what, with which result",
        description="Say what a run trained, on what, with which result.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="run folder or model file")
    parser.add_argument(
        "--config", action="store_true", help="print its settings alone, for train --config"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print and return the description of a run or of a model file."""
    if args.run_folder.is_file() and args.run_folder.name != "run.json":
        if args.config:
            raise InputError(
                f"{args.run_folder} is a model, which has no settings of a training: give the "
                "folder of its run."
            )
        return _model_info(args)
    from napari_unet.training.run_folder import RunFolder

    path = args.run_folder.parent if args.run_folder.is_file() else args.run_folder
    folder = RunFolder(path)
    description = folder.description()
    if "config" in description:
        folder.config()  # says which setting is wrong
    if args.config:
        if not args.json:
            show_result(args, json.dumps(description["config"], indent=2))
        return dict(description["config"])
    result = _result_of(folder.history()) | _painted(path)
    pictures = [str(file) for file in folder.pictures.files().values()]
    snapshots = list(folder.snapshots.files())
    lines = _run_lines(path, description, result)
    if pictures:
        lines.append(f"{'Pictures':<10} {len(pictures)}, one a validation, the last {pictures[-1]}")
    if snapshots:
        lines.append(f"{'Snapshots':<10} of the steps {', '.join(f'{n:,}' for n in snapshots)}")
    show_result(args, *lines)
    return {
        "run": str(path),
        **description,
        "result": result,
        "pictures": pictures,
        "snapshots": snapshots,
    }


def _result_of(history: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how far a run came and its best validation."""
    best = [one for one in history if one.get("event") == "Validated" and one.get("best")]
    states = [one for one in history if one.get("event") in STATES]
    last = states[-1] if states else {}
    steps = [one for one in states if one.get("event") == "Step"]
    return {
        "steps": max((entry.get("step") or 0 for entry in history), default=0),
        "planned": (steps[-1].get("steps") if steps else None) or None,
        "seconds": last.get("seconds") if last.get("event") == "Finished" else None,
        "finished": last.get("event") == "Finished",
        "diverged": last.get("message") if last.get("event") == "Diverged" else None,
        "best": {k: v for k, v in best[-1].items() if k != "event"} if best else None,
    }


def _painted_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "strokes" not in result:
        return []
    return [("Painted", f"{count(result['strokes'], 'stroke')}, {result['painted_pixels']:,} px")]


def _painted(path: Path) -> dict[str, Any]:
    """Return how much was painted into a run."""
    from napari_unet.training.journal import FILE_NAME, Journal

    if not (path / FILE_NAME).is_file():
        return {}
    journal = Journal(path)
    return {"strokes": len(journal.edits), "painted_pixels": journal.pixels()}


def _run_lines(path: Path, description: Mapping[str, Any], result: dict[str, Any]) -> list[str]:
    data = [_data_line(one) for one in description.get("data", [])]
    versions = description.get("versions", {})
    rows = [
        ("Run", str(path)),
        ("Created", description.get("created", "?")),
        *(("Data", line) for line in data),
        ("Network", _network_line(description.get("config", {}).get("network", {}))),
        ("Training", _training_line(description.get("config", {}), result)),
        ("Compute", _compute_line(description.get("compute", {}))),
        ("Best", _best_line(result.get("best"))),
        *_painted_rows(result),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return [f"{name:<10} {text}" for name, text in rows]


def _network_line(network: dict[str, Any]) -> str:
    return (
        f"depth {network.get('depth')}, width {network.get('width')}, "
        f"{network.get('in_channels')} → {network.get('classes')} channels"
    )


def _training_line(config: dict[str, Any], result: dict[str, Any]) -> str:
    state = "not finished: train --resume goes on"
    if result["finished"]:
        seconds = result["seconds"]
        state = "finished" if seconds is None else f"finished in {duration(seconds)}"
    elif result["diverged"]:
        state = result["diverged"]
    planned = result["planned"] or config.get("steps", 0)
    return (
        f"preset {config.get('preset')}, seed {config.get('seed')}, {config.get('optimiser')}, "
        f"{result['steps']:,} of {count(planned, 'step')}, {state}"
    )


def _compute_line(compute: dict[str, Any]) -> str:
    layout = ", channels last" if compute.get("channels_last") else ""
    threads = count(compute.get("threads", 0), "thread")
    return f"{compute.get('device')}, {compute.get('dtype')}{layout}, {threads}"


def _best_line(best: dict[str, Any] | None) -> str:
    if best is None:
        return "not validated"
    return (
        f"step {best.get('step') or 0:,}: IoU {_score(best.get('iou'))}, pixel accuracy "
        f"{_score(best.get('pixel_accuracy'))}, validation loss {_score(best.get('loss'))}"
    )


def _data_line(data: dict[str, Any]) -> str:
    shape = " × ".join(str(n) for n in data.get("shape", []))
    digest = str(data.get("image", ""))[:12]
    return (
        f"{data.get('name')}: {shape} ({data.get('axes')}), {data.get('dtype')}, sha256 {digest}…"
    )


def _score(value: float | None) -> str:
    return "–" if value is None else score(value)


def _model_info(args: argparse.Namespace) -> dict[str, Any]:
    from napari_unet.training.run_folder import load_model

    model = load_model(args.run_folder)
    config = model.network.config
    show_result(
        args,
        f"Model      {args.run_folder}",
        f"Data       {model.name}",
        f"Network    depth {config.depth}, width {config.width}, "
        f"{config.in_channels} → {config.classes} channels, "
        f"{model.network.parameter_count:,} parameters",
        f"Classes    {', '.join(model.scheme.names) or model.scheme.kind}",
    )
    return {
        "model": str(args.run_folder),
        "name": model.name,
        "network": config.to_dict(),
        "labels": model.scheme.to_dict(),
        "pixel_size": model.pixel_size,
        "run": model.run,
    }
