"""The sections of the report: tables from results, and what to think of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.base.quantities import duration, size
from napari_unet.config.size_rule import output_size
from napari_unet.reproduction.markdown import NONE, mean_text, number, table
from napari_unet.reproduction.published import CELLS, EM_CHALLENGE
from napari_unet.reproduction.scores import TILES_PER_SLICE
from napari_unet.reproduction.table import EXPERIMENTS, NARROW, SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_unet.reproduction.result import Result
    from napari_unet.reproduction.table import Experiment

    Results = Mapping[str, Sequence[Result]]

__all__ = [
    "both_ways",
    "costs",
    "field",
    "leak",
    "not_learnt",
    "replayed",
    "scale_text",
    "stricter",
]

EM_COLUMNS = {"Rand error": 4, "warping error": 6, "pixel error": 4, "V_Rand": 4, "V_Info": 4}
"""Metric -> its digits."""

SCALES = {
    "full": "full, 64 channels and 4,000 steps as published",
    "narrow": f"**narrow**, {NARROW} of 64 channels, everything else as published",
}
"""Scale -> the words for it."""


def scale_text(runs: Iterable[Result]) -> str:
    """Return the scale of a table in words."""
    scales = sorted({one.training.scale for one in runs} & set(SCALES))
    return "Scale: " + (" and ".join(SCALES[s] for s in scales) or "as each row says") + "."


def _name(name: str, some: Sequence[Result]) -> str:
    """Return a run, and what is unusual about it."""
    said = {one.training.scale for one in some} - set(SCALES)
    said |= {f"diverged after step {r.training.steps:,}" for r in some if r.training.diverged}
    if not some:
        return f"{name} (not run yet)"
    return " ".join([name, *(f"({one})" for one in sorted(said))])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], runs: Iterable[Result]) -> str:
    return f"*{scale_text(runs)}*\n\n{table(head, rows)}"


def _runs(results: Results, keep: Callable[[Experiment], bool]) -> list[Result]:
    return [r for name, some in results.items() if keep(EXPERIMENTS[name]) for r in some]


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
                _name(f"`{one.name}`", some),
                one.describe_settings(),
                f"{published.thresholded_iou:g}{remark}",
                _of(some, lambda r: r.scores.augmented.thresholded_iou),
                _of(some, lambda r: r.scores.augmented.spread),
                NONE if published.validation_loss is None else f"{published.validation_loss:g}",
                _of(some, lambda r: r.scores.augmented.loss),
            ]
        )
    head = [
        "run", "settings", "thresholded IoU, published", "ours", "± of one evaluation",
        "validation loss, published", "ours",
    ]  # fmt: skip
    return _table(head, rows, _runs(results, lambda one: one.group == "reproduction"))


def field(results: Results) -> str:
    """The field's metrics of every run, beside what was published on hidden test data."""
    return "\n\n".join(["**ISBI-2012 EM**", _field_em(results), *_field_cells(results)])


def _field_em(results: Results) -> str:
    rows = [
        [
            f"{name} (published)",
            "30 hidden",
            *(number(v.get(key), d) for key, d in EM_COLUMNS.items()),
        ]
        for name, v in EM_CHALLENGE.items()
    ]
    for one in EXPERIMENTS.values():
        some = results.get(one.name, ())
        if one.data == "em" and (some or one.group == "reproduction"):
            rows.append(_em_row(_name(f"`{one.name}`", some), some))
    folds = _apart(results, "em")
    if folds:
        rows.append(_em_row(f"mean of {len(folds)} folds", folds))
    head = ["run", "slices", *EM_COLUMNS]
    return _table(head, rows, _runs(results, lambda one: one.data == "em"))


def _em_row(name: str, some: Sequence[Result]) -> list[str]:
    slices = sorted({int(one.scores.field.get("slices", 0)) for one in some})
    return [
        name,
        " / ".join(map(str, slices)) or NONE,
        *(_field_mean(some, key, digits) for key, digits in EM_COLUMNS.items()),
    ]


def _field_mean(some: Sequence[Result], key: str, digits: int) -> str:
    return mean_text([one.scores.field.get(key, float("nan")) for one in some], digits)


def _field_cells(results: Results) -> Iterable[str]:
    for key, published in CELLS.items():
        rows = [
            [f"{name} (published)", "hidden", number(seg, 4), NONE]
            for name, seg in published.items()
        ]
        for one in EXPERIMENTS.values():
            some = results.get(one.name, ())
            if one.data == key and (some or one.group == "reproduction"):
                rows.append(_cell_row(one.name, some))
        yield f"**{SETS[key][0]}**"
        head = ["run", "gold frames", "SEG", "DET"]
        yield _table(
            head, rows, [r for n, s in results.items() if EXPERIMENTS[n].data == key for r in s]
        )


def _cell_row(name: str, some: Sequence[Result]) -> list[str]:
    frames = sorted({int(one.scores.field.get("frames", 0)) for one in some})
    return [
        _name(f"`{name}`", some),
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
    head = ["run", "tested on", "IoU", "Rand error", "V_Rand", "SEG", "DET"]
    return _table(head, rows, _runs(results, lambda one: one.group in ("paper", "stricter")))


def _stricter_row(name: str, held_out: str, some: Sequence[Result]) -> list[str]:
    return [
        _name(name, some),
        held_out,
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
                _field_mean(random, name, 4),
                _field_mean(apart, name, 4),
                _of(random, lambda r: r.scores.whole.iou),
                _of(apart, lambda r: r.scores.whole.iou),
            ]
        )
    head = [
        "baseline", "random fifth", "held apart", "IoU, random fifth", "IoU, held apart",
    ]  # fmt: skip
    names = {f"{key}-baseline" for key in SETS}
    return _table(
        head, rows, _runs(results, lambda one: one.name in names or one.group == "stricter")
    )


def both_ways(results: Results) -> str:
    """Every run measured in the reproduction's way, and step by step in a comparable one."""
    ious, losses = [], []
    for one in EXPERIMENTS.values():
        some = results.get(one.name, ())
        if not some:
            continue
        tile = output_size(some[0].training.tile, one.settings.network.depth)
        start = [_name(f"`{one.name}`", some), f"{tile}²"]
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
    start = ["run", "tile"]
    all_cell = ("thresholded IoU: every pixel called cell", "IoU: every pixel called cell")
    head = [*start, *(f"thresholded IoU: {w}" for w in ways), "IoU: whole slices", *all_cell]
    everything = _runs(results, lambda _: True)
    first = _table(head, ious, everything)
    head = [*start, *(f"loss: {w}" for w in ways), "no weights: whole slices"]
    second = _table(head, losses, everything)
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
    head = ["run", "compute", "parameters", "time", "a step", "peak memory", "remarks"]
    runs = [one for name in EXPERIMENTS for one in results.get(name, ())]
    return _table(head, [_cost_row(one) for one in runs], runs)


def _cost_row(one: Result) -> list[str]:
    t = one.training
    return [
        _name(f"`{one.experiment}`, seed {one.seed}", [one]),
        t.compute,
        f"{t.parameters:,}",
        duration(t.seconds),
        f"{1000 * t.seconds / max(1, t.steps):,.0f} ms",
        NONE if t.peak_memory is None else size(t.peak_memory),
        "; ".join(t.remarks) or NONE,
    ]
