"""Measure what each ingredient of a training gains; `recipe_page.py` writes it down.

Usage: ``python scripts/recipe.py [NAME …] [--seeds 0 1] [--list]``. A run trains one
variant of the base settings of a kind of data on one part and measures it on another that it
never saw: EM slices 0 to 23 and 24 to 29; of the cell sets one sequence (silver truth, or both)
and the other (gold truth, SEG and DET). The network of the last step is measured, as it is and
averaged over mirrored and rotated versions. What is done is skipped; results are kept in
docs/recipe/.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.decoding import USUAL, Decoding
from napari_unet.config.presets import PRESETS
from napari_unet.config.split import SplitConfig
from napari_unet.config.weights import WeightConfig
from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.comparison import evaluate
from napari_unet.evaluation.metrics import ctc_seg, error_map
from napari_unet.prediction.arrays import predict_array, predict_probabilities
from napari_unet.prediction.outputs import Output
from napari_unet.training.trainer import Finished, Prepared, Step, TrainConfig, Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_unet.config.network import ObjectMap
    from napari_unet.images.ctc_folder import Truth
    from napari_unet.images.stack import Stack
    from napari_unet.network.trained_model import TrainedModel

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULTS = DOCS / "recipe"
EM_HELD_OUT = tuple(range(24, 30))
NO_SPLIT = SplitConfig(mode="none")
CELL_SETS = {"u373": "phc-c2dh-u373", "hela": "dic-c2dh-hela"}
SMALLEST = {"u373": 500, "hela": 500}  # px of an object, about a twentieth of a cell

NEVER = 10**6
GREY = {"brightness": 0.1, "contrast": 0.2, "gamma": 0.2}
BASE = replace(
    PRESETS["fast"], steps=400, validate_every=NEVER, checkpoint_every=NEVER, preset="recipe"
)
CELLS = replace(BASE, network=replace(BASE.network, depth=4), tile=316)
BEST = {"em": "best", "u373": "best-cells", "hela": "best-cells"}


@dataclass(frozen=True)
class Variant:
    """The base of its kind of data, with something changed."""

    what: str
    settings: TrainConfig
    zoom: float = 1.0
    truth: Truth = "silver"  # that a cell set is trained with


Named = tuple[str, "Variant"]


def _common(base: TrainConfig, zoom: float) -> Iterator[Named]:
    """What is worth asking of any kind of data."""

    def one(what: str, **changes: Any) -> Variant:
        return Variant(what, replace(base, **changes), zoom)

    def augmented(what: str, **changes: Any) -> Variant:
        return one(what, augment=replace(base.augment, **changes))

    yield "base", one("base")
    yield "no-border", one("no border weights", weights=WeightConfig(preset="none"))
    yield "no-balance", one("classes not balanced", weights=WeightConfig(balance=False))
    yield "fiji", one("Fiji's weight map", weights=WeightConfig(preset="fiji"))
    yield "dice", one("Dice term added to the loss", loss="dice")
    yield "constant", one("constant rate 0.001", schedule="constant", learning_rate=1e-3)
    sgd = {"optimiser": "sgd", "momentum": 0.99, "learning_rate": 1e-2}
    yield "sgd", one("SGD, momentum 0.99, rate 0.01", **sgd)
    bare = replace(base.network, norm="none")
    yield "no-norm", one("no normalisation, rate 0.001", network=bare, learning_rate=1e-3)
    yield "grey", augmented("grey values changed", **GREY)
    yield "linear", augmented("tiles interpolated linearly", interpolation="linear")
    yield (
        "grey-linear",
        augmented(
            "grey values changed, tiles interpolated linearly", interpolation="linear", **GREY
        ),
    )
    yield "no-elastic", augmented("no elastic deformation", displacement=0.0)
    yield "no-zoom", augmented("no random zoom", zoom=(1.0, 1.0))
    yield "upright", augmented("no rotation, no flips", rotation=0.0, flips=False)
    yield "flips", one("flips alone", augment=replace(AugmentConfig.none(), flips=True))
    yield "no-augment", one("no augmentation", augment=AugmentConfig.none())
    yield "wide", one("32 channels", network=replace(base.network, width=32))
    yield "long", one("twice the steps", steps=2 * base.steps)
    yield "longer", one("five times the steps", steps=5 * base.steps)
    yield "per-image", one("grey-value limits of each image", intensity="image")


def _em_variants() -> Iterator[Named]:
    yield from _common(BASE, 1.0)
    yield "no-weights", Variant("no weights at all", replace(BASE, weights=None))
    small = replace(BASE, tile=188, batch=16)
    yield "small-tiles", Variant("16 tiles of 188² (100² output each)", small)
    large = replace(BASE, tile=484, batch=1)
    yield "large-tile", Variant("1 tile of 484² (396² output)", large)
    deep = replace(BASE, network=replace(BASE.network, depth=4), tile=380)
    yield "deep", Variant("4 poolings, tiles of 380²", deep)


def _cell_variants() -> Iterator[Named]:
    yield from _common(CELLS, 0.5)
    yield "full-size", Variant("full resolution", CELLS)
    fiji = replace(CELLS, steps=1000, weights=WeightConfig(preset="fiji"))
    yield "fiji-1000", Variant("Fiji's weight map, 1,000 steps", fiji, 0.5)
    wide = replace(CELLS, network=replace(CELLS.network, width=32), steps=1000, loss="dice")
    yield "wide-dice", Variant("32 channels, 1,000 steps, Dice term", wide, 0.5)
    shallow = replace(CELLS, network=replace(CELLS.network, depth=3), tile=284)
    yield "shallow", Variant("3 poolings, tiles of 284²", shallow, 0.5)


def _object_variants() -> Iterator[Named]:
    """What tells cells apart: the base with object maps, whose outputs the decoder reads."""
    flat = WeightConfig(preset="none")

    def one(what: str, *maps: ObjectMap, **changes: Any) -> Variant:
        network = replace(CELLS.network, object_maps=maps)
        return Variant(what, replace(CELLS, network=network, **{"weights": flat, **changes}), 0.5)

    yield "distance", one("distance share, no border weights", "distance")
    yield "distance-even", one("distance share, no weights at all", "distance", weights=None)
    fiji = WeightConfig(preset="fiji")
    yield "distance-fiji", one("distance share, Fiji's weight map", "distance", weights=fiji)
    yield "neighbour", one("distance share and closeness of the neighbour", "distance", "neighbour")
    yield "interior", one("interior without boundary", "interior")
    grey = replace(CELLS.augment, **GREY)
    yield "distance-grey", one("distance share, grey values changed", "distance", augment=grey)
    yield "distance-1000", one("distance share, 1,000 steps", "distance", steps=1000)


def _best(data: str, truth: Truth = "silver", what: str = "", **changes: Any) -> Variant:
    """The preset that this page led to, as users get it; with something changed."""
    settings = replace(PRESETS[BEST[data]], validate_every=NEVER, checkpoint_every=NEVER)
    gold = ", gold truth as well" if truth == "both" else ""
    return Variant(
        f"the preset {settings.preset!r}{gold}{what}",
        replace(settings, **changes),
        settings.zoom,
        truth,
    )


def _best_variants(data: str) -> Iterator[Named]:
    yield f"{data}-best-both", _best(data, "both")
    limits = ", grey-value limits of each image"
    yield f"{data}-best-both-image", _best(data, "both", limits, intensity="image")


VARIANTS: dict[str, Variant] = {
    **{f"em-{name}": variant for name, variant in _em_variants()},
    **{f"{data}-{name}": v for data in SMALLEST for name, v in _cell_variants()},
    **{f"{data}-{name}": v for data in SMALLEST for name, v in _object_variants()},
    **{f"{data}-best": _best(data) for data in BEST},
    **{name: variant for data in SMALLEST for name, variant in _best_variants(data)},
}


def run(name: str, seed: int) -> dict[str, Any]:
    """Train a variant and measure it."""
    variant = VARIANTS[name]
    data = name.split("-", maxsplit=1)[0]
    config = replace(variant.settings, seed=seed, zoom=variant.zoom)
    if data == "em":
        model, course = train(datasets.open("isbi2012-em"), replace(config, split=_em_split()))
        scores = {key: _em_scores(model, mirror) for key, mirror in MIRRORED.items()}
    else:
        model, course, scores = _cells(data, config, variant.truth)
    return {"name": name, "seed": seed, "what": variant.what, **course, **scores}


MIRRORED = {"plain": False, "mirrored": True}


def _em_split() -> SplitConfig:
    return SplitConfig(mode="slices", slices=EM_HELD_OUT)


def train(stack: Stack, config: TrainConfig) -> tuple[TrainedModel, dict[str, Any]]:
    """Train to the end; return the network of the last step and how it went."""
    trainer = Trainer(stack, config)
    begun, used, compute, losses = time.perf_counter(), time.process_time(), "", []
    for event in trainer.run():
        if isinstance(event, Prepared):
            compute = event.compute
        elif isinstance(event, Step):
            losses.append(event.loss)
            if event.step % 100 == 0:
                print(f"  step {event.step}: {np.mean(losses[-100:]):.4f}", flush=True)
        elif isinstance(event, Finished):
            break
    course = {
        "steps": len(losses),
        "seconds": round(time.perf_counter() - begun, 1),
        "processor_seconds": round(time.process_time() - used, 1),
        "compute": compute,
        "loss": round(float(np.mean(losses[-50:])), 4),
        "config": config.to_dict(),
    }
    return trainer.snapshot(), course


def _em_scores(model: TrainedModel, mirror: bool) -> dict[str, float]:
    stack = datasets.open("isbi2012-em")
    options: dict[str, Any] = {"slices": EM_HELD_OUT, "mirror_average": mirror}
    foreground = predict_probabilities(model, stack, **options)[:, 1].clip(0, 1)
    labels = np.stack([stack.label_plane(i) for i in EM_HELD_OUT])
    found = evaluate(foreground, labels, "isbi2012", kind="probabilities", scheme=stack.scheme)
    names = ("V_Rand", "V_Info", "Rand error", "pixel error", "warping error")
    return {name.lower().replace(" ", "_"): round(found[name], 6) for name in names}


def _cells(
    data: str, config: TrainConfig, truth: Truth
) -> tuple[TrainedModel, dict[str, Any], dict[str, Any]]:
    """Train on sequence 01, measure on 02 with gold truth."""
    name = CELL_SETS[data]
    model, course = train(datasets.open(name, None, "01", truth), config)
    if model.decoding is not None:
        course["decoding"] = model.decoding.to_dict()
    return model, course, all_cell_scores(data, model)


def all_cell_scores(data: str, model: TrainedModel) -> dict[str, Any]:
    """Score a network on sequence 02 in every way."""
    name, smallest = CELL_SETS[data], SMALLEST[data]
    gold, markers = (datasets.open(name, None, "02", kind) for kind in ("gold", "markers"))
    ways = {"plain": Output("objects", min_size=smallest, fill_holes=True)}
    if model.decoding is not None:
        ways["plain"] = Output("objects", fill_holes=True)
        for way, usual in {"usual thresholds": Decoding(), "usual valley": USUAL}.items():
            settings = replace(usual, min_size=smallest).to_dict()
            ways[way] = Output("objects", fill_holes=True, **settings)
    scores = {way: cell_scores(model, gold, markers, output) for way, output in ways.items()}
    mirrored = {way.replace("plain", ""): output for way, output in ways.items()}
    for way, output in mirrored.items():
        name = f"mirrored, {way}" if way else "mirrored"
        scores[name] = cell_scores(model, gold, markers, output, mirror=True)
    return scores


def cell_scores(
    model: TrainedModel, gold: Stack, markers: Stack, output: Output, *, mirror: bool = False
) -> dict[str, Any]:
    """Return SEG on the frames with gold truth, DET on their markers, and what is wrong."""
    frames = gold.labelled_slices
    found = predict_array(model, gold, slices=frames, mirror_average=mirror, output=output)
    objects = np.stack(list(found))
    cells, dots = (np.stack([truth.label_plane(i) for i in frames]) for truth in (gold, markers))

    def score(name: str, labels: NDArray[np.int32]) -> float:
        scheme = LabelScheme("objects")
        return round(evaluate(objects, labels, "ctc", kind="objects", scheme=scheme)[name], 5)

    return {
        "seg": score("SEG", cells),
        "det": score("DET", dots),
        "cells": sum(np.unique(plane[plane > 0]).size for plane in cells),
        **mergers(objects, cells),
    }


def mergers(objects: NDArray[np.int32], cells: NDArray[np.int32]) -> dict[str, Any]:
    """How many cells hang together with another one, and SEG without those."""
    merged = {
        (error.slice_index, cell)
        for error in error_map(objects, cells).errors
        if error.kind == "false merge"
        for cell in error.reference_ids
    }
    others = cells.copy()
    for i, cell in merged:
        others[i][cells[i] == cell] = 0
    return {"merged": len(merged), "seg_others": round(ctc_seg(objects, others), 5)}


def result_file(name: str, seed: int) -> Path:
    """Where a result is kept."""
    return RESULTS / f"{name}-seed-{seed}.json"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="variants; see --list")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print(*(f"{name:18} {variant.what}" for name, variant in VARIANTS.items()), sep="\n")
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for name in arguments.names:
            file = result_file(name, seed)
            if not file.exists():
                print(name, seed, flush=True)
                result = run(name, seed)
                file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            result = json.loads(file.read_text(encoding="utf-8"))
            print(name, seed, result["seconds"], result["plain"], result["mirrored"], flush=True)


if __name__ == "__main__":
    main()
