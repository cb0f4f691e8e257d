"""The report: answers first, then what was published beside what was found, then doubts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import InputError
from napari_unet.base.quantities import count
from napari_unet.reproduction import answers, sections
from napari_unet.reproduction.figures import FIGURES, draw_answers, draw_figure
from napari_unet.reproduction.result import read_results
from napari_unet.reproduction.table import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_unet.reproduction.figures import Figure
    from napari_unet.reproduction.result import Result

__all__ = ["is_report", "page_of", "write_report"]


def write_report(output: Path, page: Path | None = None) -> Path:
    """Draw the figures and write the report of all runs that are done.

    Parameters
    ----------
    output
        Folder of the runs; only their ``result.json`` and ``curves.json`` are read.
    page
        The report; None: ``report.md`` in that folder.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InputError
        If no run there is done.
    """
    found = read_results(output)
    results = {name: found[name] for name in EXPERIMENTS if name in found}
    if not results:
        raise InputError(
            f"expected finished runs in {output / 'runs'}, but there is none: run one."
        )
    page = page_of(output, page)
    pictures = os.path.relpath(output / "figures", page.parent).replace(os.sep, "/")
    for name, picture in draw_answers(results):
        _keep(output / "figures" / name, picture)
    text = PAGE.format(
        extent=_extent(results),
        not_learnt=sections.not_learnt(results),
        questions=answers.questions(results, pictures),
        statements=answers.statements(results),
        replayed=sections.replayed(results),
        figures=_figures(results, output, pictures),
        field=sections.field(results),
        stricter=sections.stricter(results),
        leak=sections.leak(results),
        both_ways=sections.both_ways(results),
        costs=sections.costs(results),
    )
    write_atomically(page, text.encode())
    return page


def page_of(output: Path, page: Path | None = None) -> Path:
    """Return where the report goes; arguments as of `write_report`."""
    return page or output / "report.md"


def is_report(path: Path) -> bool:
    """Tell an existing file that `write_report` wrote from a person's own."""
    heading = PAGE.partition("\n")[0].encode()
    with path.open("rb") as file:
        return file.read(len(heading)) == heading


def _keep(file: Path, picture: bytes) -> None:
    if picture:
        write_atomically(file, picture)
    else:
        file.unlink(missing_ok=True)  # of an earlier report


def _figures(results: Mapping[str, Sequence[Result]], output: Path, pictures: str) -> str:
    """Draw what can be drawn; return the text around it."""
    texts = []
    for figure in FIGURES:
        picture = draw_figure(figure, results, output)
        _keep(output / "figures" / figure.file, picture)
        if picture:
            texts.append(_figure_text(figure, results, pictures))
    return "\n\n".join(texts)


def _figure_text(figure: Figure, results: Mapping[str, Sequence[Result]], pictures: str) -> str:
    """Return heading, picture, and at which scale its runs are."""
    names = dict.fromkeys(n for row in figure.drawn(results) for n, _ in row.runs if n in results)
    scale = sections.scale_text(results[name][0] for name in names)
    picture = f"![{figure.title}]({pictures}/{figure.file})"
    return f"### {figure.title}\n\n{picture}\n\n*{scale}*"


def _extent(results: Mapping[str, Sequence[Result]]) -> str:
    """Say how many runs there are, and at which scale."""
    runs = [one for some in results.values() for one in some]
    return (
        f"{count(len(results), 'run')} of {len(EXPERIMENTS)} done, {count(len(runs), 'training')} "
        f"in all. {sections.scale_text(runs)}"
    )


PAGE = """# The paper and its reproduction, replayed

`napari-unet reproduce` repeats the experiments of the 2015 paper and of its 2025 reproduction with
the trainer that everybody uses. This page is printed from the results by
`napari-unet reproduce report`.

{extent}

## The questions

An answer rests on three seeds of both runs. A run is *better* or *worse* if it is so with every
seed, and by more than the standard deviation of the differences; the same seed has the same split.
EM is measured by V_Rand, the challenge's own score, which tries all thresholds: a weight map that
balances the classes moves the threshold of an IoU. All on whole slices that training never saw.

{questions}

## What the article states

As far as its plots, its beginning, its conclusions and its public code go. *Refuted* and
*confirmed* by runs take three seeds of both, as above.

{statements}

{not_learnt}

Every value below is of the network after the *last* step, never of the best one, which would have
been chosen by what it is measured on. Several seeds, folds or sequences give mean ± standard
deviation (number of them).

## The 13 runs of the reproduction

Published values are final ones read off the reproduction's plots. Ours are measured in its way:
thresholded IoU and weighted loss on augmented tiles of the run's own size. *± of one evaluation* is
how much its score of one and the same network changes from one evaluation to the next, which is of
one random tile a slice: six tiles of EM. Both scores mislead; see *The same numbers both ways*.

{replayed}

## Figures

Of the first seed. Training loss is the mean over an eightieth of the training. Validation is
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
- *Scale narrow.* 8 channels instead of 64, everything else as published, so that every run comes
  to its end on two CPU cores: a step of the baseline took 0.27 s there on one idle core, with 12
  channels 0.49 s, with 16 channels 0.62 s. A narrow network is no small copy of a wide one; what
  is found with it holds for it.
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
napari-unet reproduce --list                                       # every run, what it asks
napari-unet reproduce all -o full                                  # 64 channels, for a GPU
napari-unet reproduce reproduction as-run --scale narrow -o narrow # for two CPU cores
napari-unet reproduce em-baseline em-no-weights --scale narrow --seeds 3 -o narrow
napari-unet reproduce report -o narrow                             # print the report again
```

The data sets are fetched, or taken from `--data DIR` or `NAPARI_UNET_DATA`. What is done is
skipped, what was interrupted goes on where it stood, and the report is kept up to date after each
run. Runs are named one by one, by data set (`em`, `u373`, `hela`), by group (`reproduction`,
`as-run`, `paper`, `stricter`), or `all`. `--steps` and `--width` make other scales, which every
table names.
A full run is 2.9 TFLOP a step, 4,000 steps.

```
report.md  figures/*.png
runs/NAME/seed-N/result.json      what came out
                 curves.json      losses and IoU over the steps
                 run.json         settings, data and versions: replays the run
                 history.jsonl  best.safetensors  last.safetensors  state.pt
```

`result.json` and `curves.json` are all that the report reads, and all that a `.gitignore` beside
them leaves to version control. The committed ones are of the scale *narrow*, printed by
`napari-unet reproduce report -o docs/reproduction --page docs/reproduction.md`.
"""
