"""A folder of good files of every kind, and the commands that read each of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import random
    from pathlib import Path

__all__ = ["COMMANDS_OF", "SMALL", "bad_command", "build"]

SMALL = ("--steps", "1", "--tile", "44", "--depth", "1", "--width", "2", "--batch", "1",
         "--device", "cpu")  # fmt: skip
"""A training that takes no time."""

PREDICT = ("predict", "run", "{}", "-o", "out.tif", "--device", "cpu", "--overwrite")
TRAIN = ("train", "{}", "labels.tif", "-o", "new", *SMALL)
RESUME = ("train", "image.tif", "labels.tif", "-o", "run", "--resume", "--steps", "3")
PAINTED = (
    ("info", "painted"),
    ("train", "-o", "painted", "--resume", "--steps", "3"),
    ("train", "-o", "new", "--replay", "painted"),
)
IMAGE = (PREDICT, ("check", "{}", "labels.tif", "--no-step"), TRAIN)
LABELS = (
    ("check", "image.tif", "{}", "--no-step"),
    ("evaluate", "labels.tif", "{}"),
    ("train", "image.tif", "{}", "-o", "new", *SMALL),
)

COMMANDS_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "run/run.json": (("info", "run"), RESUME, ("train", "image.tif", "labels.tif", "-o", "new",
                     "--like", "run", "--steps", "1")),
    "run/history.jsonl": (("info", "run"), RESUME),
    "run/state.pt": (RESUME,),
    "run/best.safetensors": (("info", "run/best.safetensors"), ("predict", "run", "image.tif",
                             "-o", "out.tif", "--device", "cpu", "--overwrite")),
    "run/last.safetensors": (("train", "image.tif", "labels.tif", "-o", "new", "--from",
                             "run/last.safetensors", *SMALL[:4]),),
    "painted/run.json": PAINTED,
    "painted/journal.jsonl": PAINTED,
    "strokes.jsonl": (("train", "image.tif", "-o", "new", "--strokes", "{}", *SMALL),
                      ("train", "image.tif", "labels.tif", "-o", "new", "--strokes", "{}", *SMALL)),
    "image.tif": IMAGE,
    "ome.tif": IMAGE,
    "imagej.tif": IMAGE,
    "lzw.tif": IMAGE,
    "tiled.tif": IMAGE,
    "pyramid.ome.tif": IMAGE,
    "image.png": IMAGE,
    "image.jpg": IMAGE,
    "image.bmp": IMAGE,
    "image.webp": IMAGE,
    "image.npy": IMAGE,
    "zarr/.zattrs": ((*PREDICT[:2], "zarr", *PREDICT[3:]), ("check", "zarr")),
    "zarr/0/.zarray": ((*PREDICT[:2], "zarr", *PREDICT[3:]), ("check", "zarr")),
    "zarr/.zgroup": (("check", "zarr"),),
    "zarr/0/1.0.0": ((*PREDICT[:2], "zarr", *PREDICT[3:]),),
    "zarr3/zarr.json": ((*PREDICT[:2], "zarr3", *PREDICT[3:]), ("check", "zarr3")),
    "zarr3/0/zarr.json": ((*PREDICT[:2], "zarr3", *PREDICT[3:]), ("check", "zarr3")),
    "labels.tif": LABELS,
    "labels.png": LABELS,
    "mask.jpg": LABELS,
    "labels.npy": LABELS,
    "settings.toml": (("train", "image.tif", "labels.tif", "-o", "new", "--config",
                      "settings.toml", *SMALL),),
    "settings.json": (("train", "image.tif", "labels.tif", "-o", "new", "--config",
                      "settings.json", *SMALL),),
    "cache/napari-unet/compute.json": (("train", "image.tif", "labels.tif", "-o", "new", *SMALL),),
    "results/runs/em-sgd/seed-0/result.json": (("reproduce", "--report", "-o", "results"),),
}  # fmt: skip
"""A file, and the commands that read it; {} stands for the file itself."""


def build(folder: Path) -> None:
    """Write every kind of file that the program reads, small."""
    import tifffile
    from PIL import Image

    from napari_unet.cli import main

    rng = np.random.default_rng(0)
    labels = np.zeros((3, 64, 64), np.uint16)
    for k in range(9):
        y, x = rng.integers(0, 48, 2)
        labels[k % 3, y : y + 12, x : x + 12] = k + 1
    image = (60 + 100 * (labels > 0) + rng.normal(0, 20, labels.shape)).clip(0, 255)
    image = image.astype(np.uint8)
    tifffile.imwrite(folder / "image.tif", image, photometric="minisblack")
    tifffile.imwrite(folder / "labels.tif", labels, photometric="minisblack")
    tifffile.imwrite(
        folder / "ome.tif", image, ome=True, photometric="minisblack",
        metadata={"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"},
    )  # fmt: skip
    tifffile.imwrite(folder / "imagej.tif", image, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "lzw.tif", image, compression="lzw", photometric="minisblack")
    tifffile.imwrite(
        folder / "tiled.tif", image.astype(np.uint16), tile=(32, 32), compression="deflate",
        predictor=True, bigtiff=True, photometric="minisblack",
    )  # fmt: skip
    with tifffile.TiffWriter(folder / "pyramid.ome.tif", ome=True) as writer:
        writer.write(image, subifds=1, metadata={"axes": "ZYX"}, photometric="minisblack")
        writer.write(image[:, ::2, ::2], subfiletype=1, photometric="minisblack")
    for suffix in ("png", "jpg", "bmp", "webp"):
        Image.fromarray(image[0]).save(folder / f"image.{suffix}")
    Image.fromarray(labels[0].astype(np.uint8)).save(folder / "labels.png")
    Image.fromarray(np.where(labels[0] > 0, np.uint8(255), np.uint8(0))).save(folder / "mask.jpg")
    np.save(folder / "image.npy", image)
    np.save(folder / "labels.npy", labels)
    _build_zarr(folder / "zarr", image, 2)
    _build_zarr(folder / "zarr3", image, 3)
    code = main(
        ["train", f"{folder}/image.tif", f"{folder}/labels.tif", "-o", f"{folder}/run", *SMALL[2:],
         "--steps", "2"]
    )  # fmt: skip
    assert code == 0
    _build_painted(folder)
    config = json.loads((folder / "run" / "run.json").read_text())["config"]
    (folder / "settings.json").write_text(json.dumps(config))
    (folder / "settings.toml").write_text(
        "learning_rate = 0.001\nsteps = 1\n[augment]\nnoise = 0.1\n[network]\nwidth = 2\n"
    )
    cache = folder / "cache" / "napari-unet"
    cache.mkdir(parents=True)
    answer = {"dtype": "float32", "channels_last": False, "threads": 1, "pace": [[100, 1.5]]}
    (cache / "compute.json").write_text(json.dumps({"0": answer}))
    _build_result(folder / "results" / "runs" / "em-sgd" / "seed-0")


def _build_zarr(folder: Path, image: np.ndarray, version: Literal[2, 3]) -> None:
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=version)
    group.create_array("0", data=image, chunks=(1, 64, 64))
    scale = {"type": "scale", "scale": [1.0, 0.5, 0.5]}
    multiscale = {
        "version": "0.4",
        "axes": [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
    }
    if version == 2:
        group.attrs["multiscales"] = [multiscale]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


def _build_painted(folder: Path) -> None:
    from napari_unet.cli import main

    strokes = [
        {"step": 0, "slice": 0, "class": 0, "points": [[5, 5], [5, 40]], "width": 4},
        {"step": 0, "slice": 1, "class": 1, "points": [[20, 24], [20.5, 36]]},
        {"step": 1, "slice": 1, "class": None, "points": [[20, 30]], "width": 3, "stack": 0},
    ]
    (folder / "strokes.jsonl").write_text("\n".join(map(json.dumps, strokes)) + "\n")
    code = main(
        ["train", f"{folder}/image.tif", "-o", f"{folder}/painted", *SMALL[2:], "--steps", "2",
         "--strokes", f"{folder}/strokes.jsonl"]
    )  # fmt: skip
    assert code == 0


def _build_result(folder: Path) -> None:
    reading = {"loss": 0.5, "cross_entropy": 0.4, "iou": 0.7, "thresholded_iou": 0.6, "images": 3}
    training = {
        "steps": 2, "full_steps": 2, "width": 2, "full_width": 64, "tile": 44, "batch": 1,
        "seconds": 1.5, "peak_memory": None, "compute": "CPU", "parameters": 10, "train_slices": 2,
        "validation_slices": 1, "diverged": "", "remarks": [],
    }  # fmt: skip
    scores = {"whole": reading, "tiles": reading, "augmented": reading, "field": {"SEG": 0.5},
              "everything": None}  # fmt: skip
    folder.mkdir(parents=True)
    content = {"experiment": "em-sgd", "seed": 0, "training": training, "scores": scores}
    (folder / "result.json").write_text(json.dumps(content))


# ------------------------------------------------------------------------------ command lines

GOOD = (
    ("train", "image.tif", "labels.tif", "-o", "new", *SMALL),
    ("predict", "run", "image.tif", "-o", "out.tif", "--device", "cpu"),
    ("check", "image.tif", "labels.tif", "--no-step"),
    ("evaluate", "labels.tif", "labels.tif"),
    ("info", "run"),
    ("data", "list"),
    ("measure", "labels.tif", "-o", "table.csv"),
)

NUMBERS = (
    "0", "-1", "-0", "1e39", "1e-308", "1e308", "nan", "inf", "-inf", "999999999999", "9" * 400,
    "9" * 5000, "0x10", "1_000", "٣", "⁵", "1,5", "1;2", "", " ", "-", "--", "3-", "-3", "9-3",
    "0-999999999999", "1e400%", "-20%", "region:0,0,0,0", "region:-1,9,0,9",
    f"region:0,{10**15},0,9", "region:1,2", "none", "true", "[1]",
)  # fmt: skip

NAMES = (
    "no-such-file", "", " ", ".", "..", "/", "/dev/null", "/dev/zero", "/dev/stdin", "pipe",
    "a" * 300, "a/" * 2500, "run", "run/run.json", "zarr", "image.tif/x", "\udcff\udce9.tif",
    "\x1b[2J.tif", "\u202eft.tif", "http://127.0.0.1:9/x.zarr", "https://", "file:///etc/passwd",
    "s3://x/y", "labels.tif", "image.tif", "~", "$HOME", "*", "-", "--", "synthetic", "isbi2012",
    "con.tif", "x" * 240 + ".tif", "link",
)  # fmt: skip


def bad_command(draw: random.Random) -> list[str]:
    """Return a command line with one to three things wrong with it."""
    from napari_unet.cli import build_parser

    line = list(draw.choice(GOOD))
    options = _options(build_parser(), line[0])
    for _ in range(draw.choice((1, 1, 2, 3))):
        way = draw.randrange(10)
        if way <= 4 and options:
            values = draw.choice((0, 1, 1, 1, 1, 1, 2, 4))
            line.append(draw.choice(options))
            line += (draw.choice((*NUMBERS, *NAMES)) for _ in range(values))
        elif way <= 7 and len(line) > 1:
            line[draw.randrange(1, len(line))] = draw.choice((*NAMES, *NUMBERS))
        elif way == 8 and len(line) > 1:
            del line[draw.randrange(1, len(line))]
        else:
            line.insert(draw.randrange(1, len(line) + 1), draw.choice((*NAMES, *NUMBERS)))
    return [part for part in line if "\0" not in part]


HEAVY = ("--help", "-h", "--compile", "--no-compile", "--tile", "--width", "--steps", "--patience")
"""Options of which an allowed value may rightly take long, or that print help."""


def _options(parser: object, command: str) -> list[str]:
    import argparse

    assert isinstance(parser, argparse.ArgumentParser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            chosen = action.choices[command]
            names = [name for one in chosen._actions for name in one.option_strings]
            return sorted(name for name in names if name not in HEAVY)
    return []
