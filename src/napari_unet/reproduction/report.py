"""``report.md``: what was published beside what was found, with figures, times and doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import InputError
from napari_unet.base.quantities import count
from napari_unet.reproduction import sections
from napari_unet.reproduction.figures import FIGURES, draw_figure
from napari_unet.reproduction.result import read_results
from napari_unet.reproduction.table import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_unet.reproduction.figures import Figure
    from napari_unet.reproduction.result import Result

__all__ = ["write_report"]


def write_report(output: Path) -> Path:
    """Draw the figures and write ``report.md`` of all runs that are done.

    Parameters
    ----------
    output
        Folder of the runs.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InputError
        If no run there is done.
    """
    results = read_results(output)
    if not results:
        raise InputError(
            f"expected finished runs in {output / 'runs'}, but there is none: run one."
        )
    text = PAGE.format(
        extent="\n\n".join(filter(None, [_extent(results), sections.not_learnt(results)])),
        replayed=sections.replayed(results),
        figures=_figures(results, output),
        field=sections.field(results),
        stricter=sections.stricter(results),
        leak=sections.leak(results),
        both_ways=sections.both_ways(results),
        costs=sections.costs(results),
    )
    file = output / "report.md"
    write_atomically(file, text.encode())
    return file


def _figures(results: Mapping[str, Sequence[Result]], output: Path) -> str:
    """Draw what can be drawn; return the text around it."""
    texts = []
    for figure in FIGURES:
        picture, file = draw_figure(figure, results, output), output / "figures" / figure.file
        if picture:
            write_atomically(file, picture)
            texts.append(_figure_text(figure, results))
        else:
            file.unlink(missing_ok=True)  # of an earlier report
    return "\n\n".join(texts)


def _figure_text(figure: Figure, results: Mapping[str, Sequence[Result]]) -> str:
    """Return heading, picture, and how far its runs went."""
    names = [name for row in figure.drawn(results) for name, _ in row.runs if name in results]
    went: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        went.setdefault(sections.as_run(results[name][:1]), []).append(f"`{name}`")
    caption = "; ".join(f"{', '.join(some)}: {said}" for said, some in went.items())
    picture = f"![{figure.title}](figures/{figure.file})"
    return f"### {figure.title}\n\n{picture}\n\n{caption}."


def _extent(results: Mapping[str, Sequence[Result]]) -> str:
    """Say how many runs there are and whether they are full."""
    runs = [one for some in results.values() for one in some]
    short = [one for one in runs if one.training.shortened]
    said = (
        f"{count(len(results), 'run')} of {len(EXPERIMENTS)} done, "
        f"{count(len(runs), 'training')} in all"
    )
    if not short:
        return f"{said}, every one in full."
    return (
        f"{said}. **Shortened trainings: {len(short)} of {len(runs)}**, with fewer steps or fewer "
        "channels than the full run, as each table says. Their values do not tell what the full "
        "runs reach."
    )


PAGE = """# The paper and its reproduction, replayed

{extent}

Every value is of the network after the *last* step, never of the best one, which would have been
chosen by what it is measured on. Several seeds, folds or sequences give mean ± standard deviation
(number of them).

## The 13 runs of the reproduction

Published values are final ones read off the reproduction's plots. Ours are measured in its way:
thresholded IoU and weighted loss on augmented tiles of the run's own size. Both mislead; see
*The same numbers both ways*.

{replayed}

## Figures

Of the first seed. Training loss is a running mean over a fortieth of the training. Validation is
on whole slices that are not augmented, so its curves can be compared within a row, and IoU is the
plain one. The grey line is what calling every pixel a cell would score: a network learns where it
rises above. Losses with and without the weight map have different units.

{figures}

## The metrics of the field

Published values are of the challenges' hidden test data; ours are of slices held out from the
published training data, so they are near, not the same. EM: the best of 11 thresholds, as the
challenge does. Cells: SEG on the gold segmentation and DET on the tracking markers, both of the
held-out frames that have gold truth; objects are the 4-connected parts of probability above 0.5,
nothing filled and nothing left out. The reproduction's runs have a random split, which flatters
(see *The same numbers both ways*).

{field}

## Stricter protocols

EM: five contiguous blocks of six slices, each held out once. Cells: trained on the gold truth of
one sequence and tested on the other. The paper's setting is tested on the last six slices, and on
sequence 02. Grey-value limits (two percentiles) are measured on all images, no labels are.

{stricter}

## The same numbers both ways

**The random split leaks.** Slices of a stack, and frames of a film, look like their neighbours. A
random fifth lies between training slices, so the network is asked about cells that it has all but
seen. Held apart, the same training gives the right-hand values. (In the cell sets they differ by
the truth as well: silver truth of most frames against gold truth of a few.)

{leak}

**Augmented validation** measures the network on deformed, rotated and magnified tiles that nobody
wants to segment, and other ones every time. The second column has the same tiles as they are.

**Tiles of unequal size** are unequal samples. The output tile lies anywhere inside the image, its
context is mirrored: a corner pixel is in few tiles, one in the middle in most of those with 324²
output. A step of 16 small tiles has 74,000 output pixels, one of 4 large tiles 420,000. On whole
slices every run is measured on every pixel.

**The thresholded IoU** rises in steps: 0 up to an IoU of 0.5, then 0.1 more for every 0.05, 1 above
0.95. It is not an IoU; the next column is (mean over images). The last two columns are what calling
every pixel a cell scores without any network: in EM, most pixels of which are cell, more than half.

**A loss with weights** has no unit: without the weight map the same network has another loss. The
last column of the second table counts every pixel once.

{both_ways}

## Time and memory

Time is that of steps and validations over all sessions. Memory is what torch held at most on a
GPU, or the whole process on a CPU, in the last session.

{costs}

## Settings and assumptions

- *Tiles.* The reproduction feeds 512² and gets 324². Its poolings drop odd rows, so the last four
  rows and columns are never used; 508² is the valid size that yields the same 324². Likewise 252²
  for 256², both with 68² output.
- *Augmentation.* σ 10 px on a grid of 3 × 3 points, rotation uniform in ±30°. "Zoom 1.5" is taken
  as a magnification from 1 to 1.5; flips and grey values are not changed. The grid spans a tile;
  in the reproduction's code it spans the image, so small tiles are bent less there. The runs *as
  run* have the code's: the whole slice turned by 30° and magnified 1.5 times, whatever the sample.
- *Split.* A random fifth of the slices, of both sequences together; another one for every seed,
  the same for all runs with that seed. The reproduction's split has no seed: each of its runs
  validates on other slices, so its runs differ by that as well.
- *Images.* Ours are the published TIFFs, grey values between two percentiles. The reproduction's
  EM images and labels are JPEGs, which are lossy.
- *Weight map.* Of EM alone, as in the reproduction.
- *Validation* here has no dropout; the reproduction's code leaves it on.
- *Truth.* EM: inside a cell or membrane. Cells: silver truth > 0 for the reproduction's runs, gold
  objects (touching ones parted by a pixel) for the others.
- *Loss.* Cross-entropy times the paper's weight map (w0 = 10, σ = 5 px, balanced classes), divided
  by the number of pixels. *SGD* has momentum 0.99, *Adam* 0.9 and 0.999; rates are constant.
- *The paper's setting*: one tile of 572² a step, SGD 0.001 with momentum 0.99, dropout 0.5, our
  augmentation. The paper does not say how many steps; as many as the reproduction's are taken.

## How to run it

```
napari-unet reproduce all -o DIR
```

does all {runs} runs in full, and goes on where it was interrupted. `--steps` and `--width` shorten,
`--seeds` repeats, `napari-unet reproduce --report -o DIR` draws this report again.
""".replace("{runs}", str(len(EXPERIMENTS)))
