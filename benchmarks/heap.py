"""Freed memory that stays at hand, against the system's usual way.

glibc gives large blocks back as soon as they are freed, and new pages are cleared when they are
first touched. In fresh processes, in turn: a forward pass of a large tile, and training steps,
with the heap kept as every training and prediction keeps it, and without.
"""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.result import Line, Result
from benchmarks.timing import check, ratio

__all__ = ["run"]

CHILD = """
import contextlib, json, statistics, sys, time
import torch
from benchmarks.ceiling import learner_and_batch
from napari_unet.network.compute import choose, limit_threads
from napari_unet.base.kept_memory import kept_heap, share_one_heap
from napari_unet.network.inference import forward_logits, network_for_inference
from napari_unet.network.unet import UNet
from napari_unet.network.tiles import previous_valid_size
from napari_unet.config.presets import PRESETS

keep, repeats = sys.argv[1] == "kept", int(sys.argv[2])
if keep:
    share_one_heap()

def seconds(work):
    work()
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)

took = {}
with kept_heap() if keep else contextlib.nullcontext():
    config = PRESETS["fast"].network
    way = choose("cpu", config, purpose="predict")
    limit_threads(way)
    ready = network_for_inference(UNet(config, torch.Generator().manual_seed(0)), way)
    for side in (604, 1120, 2048):
        side = previous_valid_size(side, config.depth)
        image = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
        took[f"forward pass, fast preset, {side}²"] = seconds(
            lambda: forward_logits(ready, image, way)
        )
    answer = float(forward_logits(ready, image, way).mean())
    for name in ("fast", "paper"):
        learner, batch = learner_and_batch(PRESETS[name], choose("cpu", PRESETS[name].network))
        took[f"training step, {name} preset"] = seconds(lambda: learner.learn(batch))
print(json.dumps({"took": took, "answer": answer}))
"""


def run(quick: bool) -> Result:
    """Time both ways, each three times in a fresh process."""
    found: dict[str, list[dict[str, float]]] = {"kept": [], "usual": []}
    answers = set()
    for _ in range(1 if quick else 3):
        for way, seconds in found.items():
            told = json.loads(_child(way, 1 if quick else 5))
            seconds.append(told["took"])
            answers.add(told["answer"])
    check(max(answers) - min(answers), 0.0, "logits with and without")
    lines = []
    for what in found["kept"][0]:
        usual, kept = ([one[what] for one in found[way]] for way in ("usual", "kept"))
        by = ratio(usual, kept)
        detail = f"{1e3 * min(usual):.0f} ms against {1e3 * min(kept):.0f} ms, the shortest medians"
        lines.append(Line(what, by.median, "×", by.low, by.high, detail=detail))
    return Result("logits are the same, bit by bit", lines)


def _child(way: str, repeats: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, way, str(repeats)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()[-1]
