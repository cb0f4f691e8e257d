"""``python -m benchmarks.quality.page``: docs/quality.md and its figure, of what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.quality.results import RESULTS, Course, read_all
from benchmarks.quality.tasks import TASKS, Task
from benchmarks.quality.tools import TOOLS
from napari_unet.base.quantities import duration
from napari_unet.report.curves import Curve, draw_curves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["best_score", "page", "picture"]

PICTURE = "images/quality.png"
PAGE = """# Beside what people would pick instead

Printed by `python -m benchmarks.quality.page` from the results in `docs/quality/`. Every tool is
trained from scratch on the same images, on one thread of a CPU without a GPU, and is asked what it
knows after so many seconds of the processor: those that its own process computed, all threads
together, so that other programs on the computer do not count. Measuring, and fitting thresholds,
are not counted.{processors}

- **Cells** (DIC-C2DH-HeLa, PhC-C2DH-U373): trained on sequence 01 with silver truth, scored on the
  gold truth of 02 (SEG and DET by `evaluation.metrics`, of the frames with gold truth). Thresholds
  are fitted on frames of 01 alone.
- **EM** (ISBI-2012): trained on slices 0 to 23, V_Rand and V_Info on 24 to 29 at the best
  threshold, as the challenge has them.

One seed each; how far seeds of ours scatter is in [the recipe](recipe.md). Networks that were
trained before on other people's cells, as Cellpose ships them, are another way, and not asked about
here.

![Scores over the seconds of the processor]({picture})

{tables}

{ahead}

## How each is used

{how}

## Again

```
bash benchmarks/quality/environments.sh ENVIRONMENTS         # the peers, one environment each
{commands}
python -m benchmarks.quality.page
```
"""


def best_score(task: Task, point: dict[str, Any]) -> tuple[float, str]:
    """Return the greatest score of a point, and the way to predict that had it."""
    return max((scores[task.score], way) for way, scores in point["scores"].items())


def page(courses: Sequence[Course]) -> str:
    """Return the text of the page.

    Parameters
    ----------
    courses
        What was measured; what was not is named on the page.
    """
    tables = [_table(task, [c for c in courses if c.task == task.name]) for task in TASKS.values()]
    how = [f"- **{_title(name, courses)}**: {tool.how}" for name, tool in TOOLS.items()]
    commands = [_command(tool, task) for tool in TOOLS for task in TOOLS[tool].tasks]
    return PAGE.format(
        picture=PICTURE,
        processors=_processors(courses),
        tables="\n\n".join(tables),
        ahead=_ahead(courses),
        how="\n".join(how),
        commands="\n".join(commands),
    )


def picture(courses: Sequence[Course]) -> NDArray[np.uint8]:
    """Draw the best score of every tool over the seconds, a frame for each kind of data."""
    frames = []
    for task in TASKS.values():
        curves = [
            Curve(
                TOOLS[course.tool].title,
                [point["seconds"] for point in course.points],
                [best_score(task, point)[0] for point in course.points],
                TOOLS[course.tool].colour,
            )
            for course in courses
            if course.task == task.name
        ]
        longest = max((x for curve in curves for x in curve.x), default=600.0)
        title = f"{task.title}: {task.score} over processor seconds"
        frames.append(draw_curves(curves, title, (520, 320), (0, 1.05 * longest), (0.0, 1.0)))
    return np.concatenate(frames, axis=1)


def _table(task: Task, courses: Sequence[Course]) -> str:
    names = list(dict.fromkeys(n for c in courses for p in c.points for n in p["scores"]["plain"]))
    rows = [f"## {task.title}"]
    if names:
        heads = [*names, *(f"{name}, mirrored" for name in names)]
        rows += [
            "",
            f"| tool | processor time | steps | {' | '.join(heads)} |",
            "|---" * (3 + len(heads)) + "|",
        ]
    points = [(point, course.tool) for course in courses for point in course.points]
    points.sort(key=lambda one: (one[0]["budget"], list(TOOLS).index(one[1])))
    for point, tool in points:
        ways = [point["scores"].get(way, {}) for way in ("plain", "mirrored")]
        cells = [f"{way[name]:.3f}" if name in way else "" for way in ways for name in names]
        spent = f"{TOOLS[tool].title} | {duration(point['seconds'])} | {point['steps']}"
        rows.append(f"| {spent} | {' | '.join(cells)} |")
    measured = {course.tool for course in courses if course.points}
    missing = [t.title for n, t in TOOLS.items() if task.name in t.tasks and n not in measured]
    if missing:
        rows += ["", f"Not measured yet: {', '.join(missing)}."]
    return "\n".join(rows)


def _ahead(courses: Sequence[Course]) -> str:
    """Say where a peer has the better score when both were asked for the same time."""
    ours = {(c.task, p["budget"]): p for c in courses if c.tool == "ours" for p in c.points}
    compared, behind = 0, []
    for course in (c for c in courses if c.tool != "ours"):
        for point in course.points:
            mine = ours.get((course.task, point["budget"]))
            if mine is None:
                continue
            compared += 1
            task = TASKS[course.task]
            its, our = best_score(task, point)[0], best_score(task, mine)[0]
            if its > our:
                when = duration(point["budget"])
                behind.append(
                    f"- **{TOOLS[course.tool].title} is ahead** on {task.title} after {when}: "
                    f"{task.score} {its:.3f}, ours {our:.3f}."
                )
    if behind:
        return "\n".join(behind)
    if not compared:
        return "No peer was asked for the same time as ours yet."
    return (
        f"In none of the {compared} comparisons where both were asked for the same time is a peer "
        "ahead; the tables say what each took of it."
    )


def _title(name: str, courses: Sequence[Course]) -> str:
    versions = next((c.about.get("versions", {}) for c in courses if c.tool == name), {})
    told = ", ".join(f"{package} {version}" for package, version in versions.items())
    return TOOLS[name].title + (f" ({told})" if told else "")


def _processors(courses: Sequence[Course]) -> str:
    found = sorted({c.about["processor"] for c in courses if "processor" in c.about})
    return f" Processor: {', '.join(found)}." if found else ""


def _command(tool: str, task: str) -> str:
    places = "" if tool == "ours" else " --environments ENVIRONMENTS"
    return f"python -m benchmarks.quality {tool} {task} --seconds 120 300 600 1800 3600{places}"


def main() -> None:
    """Write page and figure."""
    docs, courses = RESULTS.parent, read_all()
    (docs / "quality.md").write_text(page(courses), encoding="utf-8")
    Image.fromarray(picture(courses)).save(docs / PICTURE, optimize=True)


if __name__ == "__main__":
    main()
