"""The report of a demo: one self-contained page, and its pictures as files of their own."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from napari_unet.annotation.labels import read_target
from napari_unet.annotation.weights import target_weights
from napari_unet.base.atomic_files import write_atomically
from napari_unet.config.weights import WeightConfig
from napari_unet.evaluation.pictures import (
    Panel,
    colour_objects,
    grey,
    magma,
    mark_errors,
    montage,
    outline,
    panels,
)
from napari_unet.prediction.objects import instances
from napari_unet.report.curves import Curve, draw_curves, smooth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel
    from napari_unet.training.sampling import Tile

__all__ = [
    "Curves",
    "Report",
    "overview",
    "progress_picture",
    "slice_panels",
    "tile_panel",
    "write_report",
]

CYAN = (0, 220, 220)


@dataclass
class Curves:
    """What a training told about its course.

    Attributes
    ----------
    steps, losses
        Of every step.
    validated, validation_losses, ious
        Of every validation.
    """

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    validated: list[int] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)

    def add(self, event: Any) -> None:
        """Take an event of the trainer; those that say nothing about the course are ignored."""
        kind = type(event).__name__
        if kind == "Step":
            self.steps.append(event.step)
            self.losses.append(event.loss)
        elif kind == "Validated":
            self.validated.append(event.step)
            self.validation_losses.append(event.loss)
            self.ious.append(event.iou)

    def picture(self, size: tuple[int, int] = (600, 600)) -> NDArray[np.uint8]:
        """Draw loss above, IoU below."""
        half = (size[0], size[1] // 2)
        width = max(1, len(self.losses) // 25)
        losses = [
            Curve("", self.steps, self.losses, "grey"),
            Curve("training", self.steps, smooth(self.losses, width), "blue"),
            Curve("validation", self.validated, self.validation_losses, "orange"),
        ]
        ious = [Curve("", self.validated, self.ious, "orange")]
        span = (0.0, float(max([1, *self.steps, *self.validated])))
        drawn = (
            draw_curves(losses, "loss", half, span),
            draw_curves(ious, "IoU on validation", half, span),
        )
        return np.concatenate(drawn)


@dataclass(frozen=True, eq=False)
class Report:
    """All that the page shows.

    Parameters
    ----------
    title, summary
        The first lines.
    facts
        Rows of the table: name and value.
    pictures
        File name, what it shows, picture.
    commands
        How to do the same with one's own stack.
    """

    title: str
    summary: str
    facts: Sequence[tuple[str, str]]
    pictures: Sequence[tuple[str, str, Image]]
    commands: Sequence[str]


def slice_panels(
    stack: Stack,
    i: int,
    model: TrainedModel,
    probabilities: NDArray[np.float32],
    weights: WeightConfig | None = None,
) -> list[Panel]:
    """Show one slice: image, weight map, prediction, errors.

    Parameters
    ----------
    stack
        With labels.
    i
        Flat index of the slice.
    model
        Its intensity makes grey values.
    probabilities
        (K, Y, X) predicted for this slice.
    weights
        The paper's by default.
    """
    assert stack.scheme is not None
    image = grey(model.intensity.for_slice(stack, i).normalise(stack.image_plane(i)))
    target = read_target(stack.label_plane(i), stack.scheme)
    weighted = target_weights(target, weights or WeightConfig())
    top = float(np.percentile(weighted, 99.5))
    predicted = probabilities.argmax(0) > 0
    return [
        Panel(f"slice {i}", image),
        Panel(f"weight map, 0 to {top:.1f}", magma(weighted, top)),
        Panel("predicted objects", colour_objects(image, instances(probabilities))),
        Panel(
            "errors: wrong orange, missed blue",
            mark_errors(image // 2 + 60, predicted, target.classes > 0, target.known),
        ),
    ]


def tile_panel(tiles: Sequence[Tile], columns: int = 2) -> Panel:
    """Show augmented tiles as the network gets them; the frame is what it answers for."""
    pictures = []
    for tile in tiles:
        picture = grey(tile.image.cpu().numpy())
        margins = [(a - b) // 2 for a, b in zip(picture.shape[:2], tile.classes.shape)]
        rows, cols = (slice(m, m + n) for m, n in zip(margins, tile.classes.shape))
        pictures.append(outline(picture, rows, cols, CYAN))
    return Panel("augmented tiles, output framed", montage(pictures, columns))


def progress_picture(files: Mapping[int, Path], most: int = 4) -> Image:
    """Lay the pictures of validations below one another, first and last among them.

    Parameters
    ----------
    files
        Step -> picture, see `napari_unet.training.validation_pictures.ValidationPictures`.
    most
        How many, evenly spaced.
    """
    steps = list(files)
    chosen = {steps[round(k)] for k in np.linspace(0, len(steps) - 1, min(most, len(steps)))}
    strips = [np.asarray(PIL.Image.open(files[s]).convert("RGB")) for s in sorted(chosen)]
    return PIL.Image.fromarray(montage(strips, 1))


def overview(items: Sequence[Panel], curves: Curves) -> Image:
    """Lay everything out in one picture, three panels a row."""
    image, weights, predicted, errors, tiles = items
    order = [image, weights, tiles, predicted, errors, Panel("training", curves.picture())]
    return panels(order, columns=3)


def write_report(folder: Path, report: Report) -> Path:
    """Write ``report.html`` with its pictures inside, and the pictures beside it.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CheckpointError
        When the folder cannot be written.
    """
    figures = []
    for name, caption, picture in report.pictures:
        content = _png(picture)
        write_atomically(folder / "pictures" / name, content)
        data = base64.b64encode(content).decode()
        alt = html.escape(caption, quote=True)
        figures.append(
            f'<figure><img alt="{alt}" src="data:image/png;base64,{data}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    page = PAGE.format(
        title=html.escape(report.title),
        summary=html.escape(report.summary),
        facts="".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in report.facts
        ),
        figures="\n".join(figures),
        commands=html.escape("\n".join(report.commands)),
    )
    file = folder / "report.html"
    write_atomically(file, page.encode())
    return file


def _png(picture: Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem;
        color: #222; background: #fff }}
th {{ text-align: left; font-weight: 600; padding-right: 1.5rem; vertical-align: top }}
figure {{ margin: 2rem 0 }} img {{ max-width: 100% }} figcaption {{ color: #555 }}
pre {{ background: #f3f3f3; padding: 1rem; overflow-x: auto }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
<table>{facts}</table>
{figures}
<h2>The same with your own stack</h2>
<pre>{commands}</pre>
</body></html>
"""
