"""What the truth itself allows: SEG of silver truth, and of gold truth that is a pixel off.

Usage: ``python scripts/truths.py``. No network: silver truth is scored as if it were a prediction
of gold, and so is gold itself, a pixel larger or smaller all around, or halved in size and brought
back as a network at half the size gives it. Results are kept in docs/recipe/truths/, and
`recipe_page.py` writes them down.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from recipe import CELL_SETS, RESULTS
from scipy import ndimage

from napari_unet.annotation.labels import LabelScheme
from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.comparison import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CROSS = ndimage.generate_binary_structure(2, 1)


def grown(labels: NDArray[Any]) -> NDArray[Any]:
    """Return objects a pixel larger, where there is room between them."""
    return np.where(labels > 0, labels, ndimage.grey_dilation(labels, footprint=CROSS))


def shrunk(labels: NDArray[Any]) -> NDArray[Any]:
    """Return objects without the pixels that have something else beside them."""
    least, most = (
        one(labels, footprint=CROSS, mode="nearest")
        for one in (ndimage.grey_erosion, ndimage.grey_dilation)
    )
    return np.where(least == most, labels, 0)


def halved(labels: NDArray[Any]) -> NDArray[Any]:
    """Return objects at every other pixel, each shown as two by two."""
    doubled = labels[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
    return doubled[: labels.shape[0], : labels.shape[1]]


def measure(name: str, sequence: str) -> dict[str, float]:
    """Return SEG of everything that stands for gold truth here."""
    gold, silver = (datasets.open(name, None, sequence, truth) for truth in ("gold", "silver"))
    frames = gold.labelled_slices
    true = np.stack([gold.label_plane(i) for i in frames])
    shared = [i for i in frames if i in silver.labelled_slices]

    def seg(found: NDArray[Any], labels: NDArray[Any]) -> float:
        scheme = LabelScheme("objects")
        return round(evaluate(found, labels, "ctc", kind="objects", scheme=scheme)["SEG"], 5)

    def of_gold(change: Callable[[NDArray[Any]], NDArray[Any]]) -> float:
        return seg(np.stack([change(plane) for plane in true]), true)

    return {
        "silver": seg(
            np.stack([silver.label_plane(i) for i in shared]),
            np.stack([gold.label_plane(i) for i in shared]),
        ),
        "grown": of_gold(grown),
        "shrunk": of_gold(shrunk),
        "halved": of_gold(halved),
    }


def main() -> None:
    """Measure both sets and sequences."""
    folder = RESULTS / "truths"
    folder.mkdir(parents=True, exist_ok=True)
    for data, name in CELL_SETS.items():
        for sequence in ("01", "02"):
            found = measure(name, sequence)
            print(data, sequence, found, flush=True)
            text = json.dumps({"sequence": sequence, **found}, indent=1)
            (folder / f"{data}-{sequence}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
