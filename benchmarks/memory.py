"""Memory of a prediction, against the budget given.

In a fresh process for each: the largest resident memory while a 1,600² plane is predicted, less
what the process and the image held before. Up to five tiles are predicted and thrown away, while
the next is computed and the one after it read.
"""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.result import Line, Result
from napari_unet.config.network import UNetConfig
from napari_unet.network.choice import choose

__all__ = ["run"]

SIDE = 1600
BUDGETS = (150, 500, 2000)  # MB
WIDTHS = (8, 16, 32)

CHILD = """
import json, re, resource, sys
import numpy as np, torch
from napari_unet.network.compute import choose
from napari_unet.network.unet import UNet, UNetConfig
from napari_unet.prediction.predict import plan, predict
from napari_unet.images.stack import Stack
width, budget, side, dtype = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
network = UNet(UNetConfig(width=width)).eval()
compute = choose("cpu", network.config, purpose="predict")
if dtype == "float32":
    from dataclasses import replace
    compute = replace(compute, dtype=dtype, channels_last=False)
def peak():
    if sys.platform == "linux":  # ru_maxrss would count what the parent held when it forked
        return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
small = Stack("", np.zeros((64, 64), np.uint8), "yx")
for _ in predict(network, small, compute=compute, tile=236): pass
stack = Stack("", np.random.default_rng(0).integers(0, 256, (side, side), np.uint8), "yx")
laid_out = plan(network, stack, memory=budget, compute=compute)
before = peak()
tiles = predict(network, stack, memory=budget, compute=compute)
for k, tile in enumerate(tiles):
    if k == 4: break
tiles.close()
print(json.dumps({"grown": peak() - before, "planned": laid_out.bytes,
                  "tile": laid_out.tiles.input, "compute": compute.describe()}))
"""


def run(quick: bool) -> Result:
    """Predict with several budgets and widths, in both precisions."""
    result = Result("tiled prediction equals one pass whatever the budget (tested in the suite)")
    for width in WIDTHS:  # remembered: else a child's own probe would have taken the memory before
        choose("cpu", UNetConfig(width=width), purpose="predict")
    widths, budgets = (WIDTHS[:1], BUDGETS[1:2]) if quick else (WIDTHS, BUDGETS)
    for dtype in ("chosen", "float32"):
        for width in widths:
            for budget in budgets:
                line = _predict(width, budget, dtype)
                if line is not None:
                    result.lines.append(line)
    return result


def _predict(width: int, budget: int, dtype: str) -> Line | None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(width), str(budget * 10**6), str(SIDE), dtype],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        if "allow more memory" in done.stderr:
            return None  # not even the smallest tile
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    tile = " × ".join(str(side) for side in found["tile"])
    return Line(
        f"{width} channels, budget {budget:,} MB, {found['compute']}",
        100 * found["grown"] / (budget * 1e6),
        "% of the budget",
        at_most=100.0,
        detail=f"{found['grown'] / 1e6:.0f} MB for tiles of {tile}; "
        f"planned {found['planned'] / 1e6:.0f} MB",
    )
