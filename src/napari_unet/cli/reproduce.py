"""``napari-unet reproduce NAME…``: replay the runs of the paper and of its reproduction."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.output_guard import check_output_file, check_output_folder
from napari_unet.cli.numbers import bounded
from napari_unet.cli.places import places_read
from napari_unet.cli.progress import (
    Interrupted,
    StopOnInterrupt,
    closed_after,
    say,
    show_result,
)
from napari_unet.cli.train import Monitor

if TYPE_CHECKING:
    import argparse

    from napari_unet.reproduction.attempt import Attempt
    from napari_unet.reproduction.table import Experiment

__all__ = ["add", "run"]

IGNORED = "*\n!*/\n!.gitignore\n!*.md\n!/figures/*.png\n!result.json\n!curves.json\n"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "reproduce",
        parents=[common],
        help="replay the experiments of the paper and of its reproduction",
        description="Replay the experiments of the 2015 paper and of its 2025 reproduction, and "
        "report what was published beside what came out. An interrupted command goes on where it "
        "stood; what is done is skipped.",
    )
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="runs, or em, u373, hela, reproduction, as-run, paper, stricter, all; report alone "
        "draws the report again",
    )
    parser.add_argument("--list", action="store_true", help="say which runs there are")
    parser.add_argument("--report", action="store_true", help="only draw the report again")
    parser.add_argument(
        "--scale",
        choices=("full", "narrow"),
        default="full",
        help="full (default): as published, for a GPU; narrow: every run to its end with "
        "8 channels instead of 64, for two CPU cores",
    )
    parser.add_argument(
        "--steps", type=bounded("steps"), metavar="N", help="shorten every run to N steps"
    )
    parser.add_argument(
        "--width", type=bounded("width"), metavar="W", help="W channels instead of 64"
    )
    parser.add_argument(
        "--seeds", type=bounded("seeds"), metavar="K", default=1, help="repeat with K seeds"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.add_argument("--data", metavar="DIR", type=Path, help="folder of the data sets")
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("reproduction"),
        help="where runs, figures and report.md go (default: reproduction)",
    )  # fmt: skip
    parser.add_argument(
        "--page", metavar="FILE", type=Path, help="where the report goes (default: DIR/report.md)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a page of that name, whoever wrote it"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """List, report, or run and report."""
    if args.list:
        return _list(args)
    check_output_folder(args.output, places_read(args))
    _check_page(args)
    if args.report or args.names == ["report"]:
        return _report(args)
    return _reproduce(args)


def _check_page(args: argparse.Namespace) -> None:
    """Find out before the first run that the report would replace something."""
    from napari_unet.reproduction.report import is_report, page_of

    page = page_of(args.output, args.page)
    check_output_file(page, places_read(args), overwrite=args.overwrite, ours=is_report)


def _list(args: argparse.Namespace) -> dict[str, Any]:
    from napari_unet.reproduction.table import EXPERIMENTS, GROUPS

    for group, title in GROUPS.items():
        lines = ["", f"{group}: {title}"]
        for one in EXPERIMENTS.values():
            if one.group == group:
                lines += _lines(one)
        show_result(args, *lines)
    return {"runs": [_as_json(one) for one in EXPERIMENTS.values()]}


def _lines(one: Experiment) -> list[str]:
    from napari_unet.reproduction.table import SETS

    truth = f", {one.truth} truth" if one.data != "em" else ""
    lines = [
        f"  {one.name:<24}{SETS[one.data][0]}: {one.asks}",
        f"  {'':<24}{one.describe_settings()}{truth}; tested on {_tested(one)}",
    ]
    said = _published(one)
    return [*lines, f"  {'':<24}published: {said}"] if said else lines


def _tested(one: Experiment) -> str:
    if one.held_out in ("random", "last"):
        return f"a {one.held_out} fifth".replace("a last", "the last")
    return one.held_out


def _published(one: Experiment) -> str:
    """Return what was published for a run, or for its data set where there is nothing nearer."""
    from napari_unet.reproduction.published import CELLS, EM_CHALLENGE

    if one.published is not None:
        parts = [f"thresholded IoU {one.published.thresholded_iou:g}"]
        if one.published.validation_loss is not None:
            parts.append(f"validation loss {one.published.validation_loss:g}")
        return ", ".join([*parts, *filter(None, [one.published.remark])])
    if one.group != "paper":
        return ""
    if one.data == "em":
        values = EM_CHALLENGE["paper, challenge server"]
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in values.items())
    return f"SEG {CELLS[one.data]['paper, challenge server']:g}"


def _as_json(one: Experiment) -> dict[str, Any]:
    return {
        "name": one.name,
        "group": one.group,
        "data": one.data,
        "asks": one.asks,
        "truth": one.truth,
        "held_out": one.held_out,
        "published": _published(one) or None,
        "settings": one.settings.to_dict(),
    }


def _reproduce(args: argparse.Namespace) -> dict[str, Any]:
    from napari_unet.reproduction.attempt import Attempt, Effort
    from napari_unet.reproduction.table import NARROW, choose

    width = args.width or (NARROW if args.scale == "narrow" else None)
    effort = Effort(args.steps, width, args.device, args.data)
    attempts = [
        Attempt(experiment, seed, args.output, effort)
        for seed in range(args.seeds)  # every run once, before any is repeated
        for experiment in choose(args.names)
    ]
    done, skipped = [], []
    with StopOnInterrupt() as stop:
        for k, attempt in enumerate(attempts, start=1):
            name = f"{attempt.experiment.name}, seed {attempt.seed}"
            if attempt.result() is not None:
                say(f"{k}/{len(attempts)} {name}: done before")
                skipped.append(name)
                continue
            say(f"{k}/{len(attempts)} {name}: {attempt.steps:,} steps in {attempt.folder}")
            _do(attempt, stop)
            done.append(name)
            if k < len(attempts):
                _report(args, quiet=True)  # so that a long series can be looked at meanwhile
    return {"done": done, "skipped": skipped, **_report(args)}


def _do(attempt: Attempt, stop: StopOnInterrupt) -> None:
    """Train and measure one run with a progress bar."""
    from napari_unet.training.events import Diverged, Finished

    _ignore_models(attempt.folder.parents[2])
    monitor = Monitor()
    with closing(monitor), closed_after(attempt.run()) as events:
        for event in events:
            monitor.show(event)
            if stop.requested:
                break
            if isinstance(event, Finished | Diverged):
                monitor.close()
                say("measuring the last network")
    if stop.requested:
        raise Interrupted(
            f"stopped after step {monitor.step:,}, the run is kept; the same command goes on"
        )


def _ignore_models(output: Path) -> None:
    """Keep all but what the report reads, hundreds of megabytes a run, out of version control."""
    from napari_unet.base.atomic_files import write_atomically

    file = output / ".gitignore"
    if not file.exists():
        write_atomically(file, IGNORED.encode())


def _report(args: argparse.Namespace, *, quiet: bool = False) -> dict[str, Any]:
    from napari_unet.reproduction.report import write_report

    file = write_report(args.output, args.page)
    if not quiet:
        show_result(args, f"the report is {file}")
    return {"report": str(file)}
