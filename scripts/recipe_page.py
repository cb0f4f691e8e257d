"""Write docs/recipe.md from the results that `recipe.py` has kept in docs/recipe/.

Usage: ``python scripts/recipe_page.py``. An ingredient counts as helping, or harming, only where
it changes a score by more than chance does, as seen between seeds.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from recipe import DOCS, VARIANTS

SETS = {
    "em": ("ISBI-2012 EM", "v_rand", ("v_rand", "rand_error", "pixel_error", "warping_error")),
    "u373": ("PhC-C2DH-U373", "seg", ("seg", "det")),
    "hela": ("DIC-C2DH-HeLa", "seg", ("seg", "det")),
}
HEADINGS = {
    "v_rand": "V_Rand",
    "rand_error": "Rand error",
    "pixel_error": "pixel error",
    "warping_error": "warping error",
    "seg": "SEG",
    "det": "DET",
}
LOWER_IS_BETTER = {"rand_error", "pixel_error", "warping_error"}


@dataclass(frozen=True)
class Row:
    """The mean over the seeds of a variant."""

    what: str
    seeds: int
    seconds: float
    scores: dict[str, float]
    mirrored: dict[str, float]


def read() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return set -> variant -> results of its seeds."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted((DOCS / "recipe").glob("*.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        data, _, name = result["name"].partition("-")
        found[data][name].append(result)
    return found


def row(results: list[dict[str, Any]]) -> Row:
    """Average over seeds."""

    def mean(kind: str) -> dict[str, float]:
        return {
            name: statistics.fmean(result[kind][name] for result in results)
            for name in results[0][kind]
        }

    seconds = statistics.fmean(result["seconds"] for result in results)
    return Row(results[0]["what"], len(results), seconds, mean("plain"), mean("mirrored"))


def chance(variants: dict[str, list[dict[str, Any]]], name: str) -> tuple[float, int] | None:
    """Standard deviation of a score over seeds, pooled over the variants that have several.

    Also its degrees of freedom; None where no variant has two seeds.
    """
    squares, freedom = 0.0, 0
    for results in variants.values():
        values = [result["plain"][name] for result in results]
        if len(values) > 1:
            squares += (len(values) - 1) * statistics.variance(values)
            freedom += len(values) - 1
    return (math.sqrt(squares / freedom), freedom) if freedom else None


def verdict(change: float, noise: float | None, name: str) -> str:
    """Say in a word what a change of a score means."""
    if noise is None or abs(change) <= noise:
        return "–"
    better = (change < 0) == (name in LOWER_IS_BETTER)
    return "helps" if better else "harms"


def table(data: str, variants: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return one section of the page."""
    title, first, names = SETS[data]
    base = row(variants["base"])
    found = chance(variants, first)
    heads = " | ".join(HEADINGS[name] for name in names)
    lines = [
        f"## {title}",
        "",
        (
            f"| variant | seeds | {heads} | {HEADINGS[first]} changes by | | "
            f"{HEADINGS[first]}, mirrored |"
        ),
        "|---" * (len(names) + 5) + "|",
    ]
    ordered = sorted(variants, key=lambda name: (name != "base", name in FINAL, ORDER.index(name)))
    for name in ordered:
        one = row(variants[name])
        values = " | ".join(f"{one.scores[n]:.4f}" for n in names)
        change = one.scores[first] - base.scores[first]
        noise = None
        if found is not None:
            noise = 2 * found[0] * math.sqrt(1 / one.seeds + 1 / base.seeds)
        said = "" if name == "base" else verdict(change, noise, first)
        shift = "" if name == "base" else f"{change:+.4f}"
        lines.append(
            f"| {one.what} | {one.seeds} | {values} | {shift} | {said} | "
            f"{one.mirrored[first]:.4f} |"
        )
    words = ["", _chance_in_words(HEADINGS[first], found), ""]
    runs = [variants[name] for name in ordered]
    return [*lines, *words, *_thresholds(runs), *_mergers(runs)]


THRESHOLDS = {
    "plain": "fitted",
    "usual thresholds": "seed height 0.5",
    "usual valley": "valley 0.2",
    "mirrored": "mirrored, fitted",
    "mirrored, usual thresholds": "mirrored, seed height 0.5",
    "mirrored, usual valley": "mirrored, valley 0.2",
}


def _thresholds(variants: list[list[dict[str, Any]]]) -> list[str]:
    """Return SEG and DET of networks with object maps by the thresholds of their decoder."""
    rows = [runs for runs in variants if all("usual thresholds" in one for one in runs)]
    if not rows:
        return []

    def cell(runs: list[dict[str, Any]], way: str) -> str:
        if not all(way in one for one in runs):
            return ""
        means = (statistics.fmean(one[way][name] for one in runs) for name in ("seg", "det"))
        return ", ".join(f"{mean:.3f}" for mean in means)

    heads = " | ".join(THRESHOLDS.values())
    return [
        "SEG and DET by the settings of the decoder; what is not fitted has a threshold of 0.5.",
        "Without numbers for the valley, it was fitted by seed height.",
        "",
        f"| variant | {heads} |",
        "|---" * (len(THRESHOLDS) + 1) + "|",
        *(
            f"| {runs[0]['what']} | " + " | ".join(cell(runs, way) for way in THRESHOLDS) + " |"
            for runs in rows
        ),
        "",
    ]


def _mergers(variants: list[list[dict[str, Any]]]) -> list[str]:
    """Return what the cells cost that hang together with another one."""
    ways = [
        (runs[0]["what"], THRESHOLDS[way], [one[way] for one in runs])
        for runs in variants
        for way in THRESHOLDS
        if all("merged" in one.get(way, {}) for one in runs)
    ]
    if not ways:
        return []

    def cells(what: str, way: str, runs: list[dict[str, Any]]) -> str:
        cells, merged, seg, others = (
            statistics.fmean(one[name] for one in runs)
            for name in ("cells", "merged", "seg", "seg_others")
        )
        return f"| {what}, {way} | {merged:.3g} of {cells:.3g} | {seg:.3f} | {others:.3f} |"

    return [
        "What cells cost that hang together with another one (by a tenth of their area or more):",
        "",
        "| variant | cells that hang together | SEG | SEG of the others |",
        "|---|---|---|---|",
        *(cells(*one) for one in ways),
        "",
    ]


def _chance_in_words(heading: str, found: tuple[float, int] | None) -> str:
    if found is None:
        return (
            "No variant was run with two seeds, so it is not known what is chance: no verdict (–)."
        )
    degrees = "1 degree" if found[1] == 1 else f"{found[1]} degrees"
    return (
        f"Over the seeds of one variant {heading} has a standard deviation of {found[0]:.4f} "
        f"(pooled, {degrees} of freedom). A change counts where it is more than twice that of "
        "the difference of the two means; a smaller one shows nothing (–)."
    )


def truths() -> list[str]:
    """Return what `truths.py` has measured."""
    lines = [TRUTHS, "| set | sequence | " + " | ".join(OFF.values()) + " |", "|---" * 6 + "|"]
    for file in sorted((DOCS / "recipe" / "truths").glob("*.json")):
        one = json.loads(file.read_text(encoding="utf-8"))
        values = " | ".join(f"{one[name]:.3f}" for name in OFF)
        lines.append(f"| {SETS[file.stem.partition('-')[0]][0]} | {one['sequence']} | {values} |")
    return [*lines, ""]


OFF = {
    "silver": "silver truth",
    "grown": "gold, a pixel larger",
    "shrunk": "gold, a pixel smaller",
    "halved": "gold, halved and back",
}
TRUTHS = """## What the truth itself allows

Silver truth scored as if it were a prediction of gold truth, and gold truth of itself with its rims
moved, or at half the size at which the networks above see it: SEG, by `python scripts/truths.py`.
A network that learns from silver truth alone can hardly be expected above its column.
"""
FINAL = ("best", "best-both", "best-both-image")
ORDER = [name.partition("-")[2] for name in VARIANTS]


def _computed(found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Say in which precision the runs were computed."""
    runs = [run for variants in found.values() for results in variants.values() for run in results]
    words = Counter(run["compute"].split(", ")[1] for run in runs).most_common()
    counted = ", ".join(f"{n} in {precision}" for precision, n in words)
    return f"All {len(runs)} runs were computed on a CPU: {counted}."


HEAD = """# What each ingredient gains

Printed by `python scripts/recipe_page.py` from the results in `docs/recipe/`, which
`python scripts/recipe.py NAME …` makes (`--list` names them). The base is the preset *fast* with
400 steps: a narrow U-Net (16 channels, batch normalisation, Adam on one cycle, the paper's weight
map) and 4 tiles a step that are bent, turned, zoomed and mirrored, interpolated by cubics, with
grey values as they are. For the cell sets it has 4 poolings, tiles of 316² and images at half the
size. Every other line changes what it names. All is measured on what no training saw, at its last
step: EM on slices 24 to 29 of a training on 0 to 23; the cell sets on the gold truth of sequence 02
after a training on sequence 01 with silver truth (where it says so, with its gold truth as well, on
the few frames that have it), objects being the 4-connected parts of probability above 0.5, filled,
without those below 500 pixels, or, of a network with object maps, those of its decoder with
thresholds fitted on slices of 01. EM scores are at the best threshold,
as the challenge has them. "Mirrored" averages the prediction over the eight mirrored and rotated
versions of every tile.
{computed}

What the presets took from it: batch normalisation and Adam on one cycle, without which so short a
training falls far behind; several tiles a step instead of a large one; tiles whose grey values stay
as they are, and that are blurred no more than needed; for cells that touch, the distance share, the
largest gain on this page, though of single runs. More steps of the narrow network gain more
than a wider one in the same time, above all with mirrored views. On EM no more than chance showed:
the border term of the weight map, its balance of classes, even all of it; a Dice term; elastic
deformation next to turning and mirroring. They stay as in the paper. Few steps favour little
deformation; with more steps, or fewer slices, that may turn.
"""


def main() -> None:
    """Write the page."""
    found = read()
    lines = [HEAD.format(computed=_computed(found))]
    for data in SETS:
        if "base" in found.get(data, {}):
            lines += table(data, found[data])
    lines += truths()
    (DOCS / "recipe.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
