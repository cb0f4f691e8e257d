"""The sections of the report: tables from results, and what to think of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.base.quantities import duration, size
from napari_unet.config.size_rule import output_size
from napari_unet.reproduction.markdown import NONE, mean_text, number, table
from napari_unet.reproduction.published import CELLS, EM_CHALLENGE
from napari_unet.reproduction.scores import TILES_PER_SLICE
from napari_unet.reproduction.table import EXPERIMENTS, SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_unet.reproduction.result import Result
    from napari_unet.reproduction.table import Experiment

    Results = Mapping[str, Sequence[Result]]

__all__ = ["as_run", "both_ways", "costs", "field", "leak", "not_learnt", "replayed", "stricter"]

EM_COLUMNS = {"Rand error": 4, "warping error": 6, "pixel error": 4, "V_Rand": 4, "V_Info": 4}
"""Metric -> its digits."""


def as_run(some: Sequence[Result]) -> str:
    """Return how far runs went: "full", or what was shortened, or that they diverged."""
    if not some:
        return "not run"
    said = {
        "; ".join(
            part
            for part in (
                f"shortened: {one.training.shortened}" if one.training.shortened else "",
                f"diverged after step {one.training.steps:,}" if one.training.diverged else "",
            )
            if part
        )
        or "full"
        for one in some
    }
    return " / ".join(sorted(said))


def _of(some: Sequence[Result], get: Callable[[Result], float], digits: int = 3) -> str:
    return mean_text([get(one) for one in some], digits)


def _group(name: str) -> list[Experiment]:
    return [one for one in EXPERIMENTS.values() if one.group == name]


def replayed(results: Results) -> str:
    """The 13 runs: the reproduction's final values beside ours, measured in its way."""
    rows = []
    for one in _group("reproduction"):
        some, published = results.get(one.name, ()), one.published
        assert published is not None
        remark = f" ({published.remark})" if published.remark else ""
        rows.append(
            [
                f"`{one.name}`",
                one.describe_settings(),
                as_run(some),
                f"{published.thresholded_iou:g}{remark}",
                _of(some, lambda r: r.scores.augmented.thresholded_iou),
                NONE if published.validation_loss is None else f"{published.validation_loss:g}",
                _of(some, lambda r: r.scores.augmented.loss),
            ]
        )
    return table(
        [
            "run", "settings", "as run", "thresholded IoU, published", "ours",
            "validation loss, published", "ours",
        ],
        rows,
    )  # fmt: skip


def field(results: Results) -> str:
    """The field's metrics of every run, beside what was published on hidden test data."""
    return "\n\n".join(["**ISBI-2012 EM**", _field_em(results), *_field_cells(results)])


def _field_em(results: Results) -> str:
    rows = [
        [name, "published", "30 hidden", *(number(v.get(key), d) for key, d in EM_COLUMNS.items())]
        for name, v in EM_CHALLENGE.items()
    ]
    for one in EXPERIMENTS.values():
        some = results.get(one.name, ())
        if one.data == "em" and (some or one.group == "reproduction"):
            rows.append(_em_row(f"`{one.name}`", some))
    folds = _apart(results, "em")
    if folds:
        rows.append(_em_row(f"mean of {len(folds)} folds", folds))
    head = ["run", "as run", "slices", *EM_COLUMNS]
    return table(head, rows)


def _em_row(name: str, some: Sequence[Result]) -> list[str]:
    slices = sorted({int(one.scores.field.get("slices", 0)) for one in some})
    return [
        name,
        as_run(some),
        " / ".join(map(str, slices)) or NONE,
        *(_field_mean(some, key, digits) for key, digits in EM_COLUMNS.items()),
    ]


def _field_mean(some: Sequence[Result], key: str, digits: int) -> str:
    return mean_text([one.scores.field.get(key, float("nan")) for one in some], digits)


def _field_cells(results: Results) -> Iterable[str]:
    for key, published in CELLS.items():
        rows = [
            [name, "published", "hidden", number(seg, 4), NONE] for name, seg in published.items()
        ]
        for one in EXPERIMENTS.values():
            some = results.get(one.name, ())
            if one.data == key and (some or one.group == "reproduction"):
                rows.append(_cell_row(one.name, some))
        yield f"**{SETS[key][0]}**"
        yield table(["run", "as run", "gold frames", "SEG", "DET"], rows)


def _cell_row(name: str, some: Sequence[Result]) -> list[str]:
    frames = sorted({int(one.scores.field.get("frames", 0)) for one in some})
    return [
        f"`{name}`",
        as_run(some),
        " / ".join(map(str, frames)) or NONE,
        _field_mean(some, "SEG", 4),
        _field_mean(some, "DET", 4),
    ]


def stricter(results: Results) -> str:
    """The fair protocols, and the paper's setting, on slices apart from those that train."""
    rows = []
    for one in [*_group("paper"), *_group("stricter")]:
        held_out = "last fifth" if one.held_out == "last" else one.held_out
        rows.append(_stricter_row(f"`{one.name}`", held_out, results.get(one.name, ())))
    for key, (title, _) in SETS.items():
        some = _apart(results, key)
        if len(some) > 1:
            rows.append(_stricter_row(f"{title}, mean", f"{len(some)} runs", some))
    head = ["run", "tested on", "as run", "IoU", "Rand error", "V_Rand", "SEG", "DET"]
    return table(head, rows)


def _stricter_row(name: str, held_out: str, some: Sequence[Result]) -> list[str]:
    return [
        name,
        held_out,
        as_run(some),
        _of(some, lambda r: r.scores.whole.iou),
        *(_field_mean(some, key, 4) for key in ("Rand error", "V_Rand", "SEG", "DET")),
    ]


def _apart(results: Results, data: str) -> list[Result]:
    """The first seed of every stricter run of a data set."""
    chosen = [one.name for one in _group("stricter") if one.data == data]
    return [results[name][0] for name in chosen if name in results]


def leak(results: Results) -> str:
    """The baseline with the reproduction's random split and with far slices held out."""
    rows = []
    for key, (title, _) in SETS.items():
        random = list(results.get(f"{key}-baseline", ()))
        apart = _apart(results, key)
        name = "Rand error" if key == "em" else "SEG"
        rows.append(
            [
                f"{title}, {'Rand error' if key == 'em' else 'SEG'}",
                as_run(random),
                _field_mean(random, name, 4),
                as_run(apart),
                _field_mean(apart, name, 4),
                _of(random, lambda r: r.scores.whole.iou),
                _of(apart, lambda r: r.scores.whole.iou),
            ]
        )
    head = [
        "baseline", "as run (random)", "random fifth", "as run (apart)", "held apart",
        "IoU, random fifth", "IoU, held apart",
    ]  # fmt: skip
    return table(head, rows)


def both_ways(results: Results) -> str:
    """Every run measured in the reproduction's way, and step by step in a comparable one."""
    ious, losses = [], []
    for one in EXPERIMENTS.values():
        some = results.get(one.name, ())
        if not some:
            continue
        tile = output_size(some[0].training.tile, one.settings.network.depth)
        start = [f"`{one.name}`", as_run(some), f"{tile}²"]
        ious.append(
            [
                *start,
                _of(some, lambda r: r.scores.augmented.thresholded_iou),
                _of(some, lambda r: r.scores.tiles.thresholded_iou),
                _of(some, lambda r: r.scores.whole.thresholded_iou),
                _of(some, lambda r: r.scores.whole.iou),
                _trivial(some, "thresholded_iou"),
                _trivial(some, "iou"),
            ]
        )
        losses.append(
            [
                *start,
                _of(some, lambda r: r.scores.augmented.loss),
                _of(some, lambda r: r.scores.tiles.loss),
                _of(some, lambda r: r.scores.whole.loss),
                _of(some, lambda r: r.scores.whole.cross_entropy),
            ]
        )
    tiles = f"{TILES_PER_SLICE} tiles a slice"
    ways = [f"augmented, {tiles}", "the same, not augmented", "whole slices"]
    start = ["run", "as run", "tile"]
    all_cell = ("thresholded IoU: every pixel called cell", "IoU: every pixel called cell")
    head = [*start, *(f"thresholded IoU: {w}" for w in ways), "IoU: whole slices", *all_cell]
    first = table(head, ious)
    second = table([*start, *(f"loss: {w}" for w in ways), "no weights: whole slices"], losses)
    return f"{first}\n\n{second}"


def _trivial(some: Sequence[Result], name: str) -> str:
    """Mean of what calls every pixel a cell; nothing where that was not measured."""
    found = [getattr(r.scores.everything, name) for r in some if r.scores.everything is not None]
    return mean_text(found) if found else NONE


def not_learnt(results: Results) -> str:
    """Say which networks have no better IoU than one that calls every pixel a cell."""
    names = [name for name, some in results.items() if not all(r.scores.learnt for r in some)]
    if not names:
        return ""
    listed = ", ".join(f"`{name}`" for name in EXPERIMENTS if name in names)
    return (
        f"**In IoU no better than calling every pixel a cell: {listed}.** A weight map that "
        "balances the classes moves the threshold away from 0.5, so such a network may find "
        "membranes all the same: the metrics of the field, which try thresholds, tell. These "
        "runs say nothing about which setting is better."
    )


def costs(results: Results) -> str:
    """Time and memory of every run."""
    head = ["run", "as run", "compute", "parameters", "time", "a step", "peak memory", "remarks"]
    runs = [one for name in EXPERIMENTS for one in results.get(name, ())]
    return table(head, [_cost_row(one) for one in runs])


def _cost_row(one: Result) -> list[str]:
    t = one.training
    return [
        f"`{one.experiment}`, seed {one.seed}",
        as_run([one]),
        t.compute,
        f"{t.parameters:,}",
        duration(t.seconds),
        f"{1000 * t.seconds / max(1, t.steps):,.0f} ms",
        NONE if t.peak_memory is None else size(t.peak_memory),
        "; ".join(t.remarks) or NONE,
    ]
