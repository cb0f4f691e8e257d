"""The demo from end to end with a tiny network, and the pictures of its report."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_unet.base.errors import DataSetError
from napari_unet.cli import main
from napari_unet.config.network import UNetConfig
from napari_unet.datasets import registry as datasets
from napari_unet.evaluation.pictures import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    Panel,
    colour_objects,
    grey,
    magma,
    mark_errors,
    montage,
    panels,
)
from napari_unet.report import demo
from napari_unet.report.curves import Curve, draw_curves, smooth, ticks

# -------------------------------------------------------------------------------------- the demo


@pytest.fixture
def tiny(monkeypatch):
    """Replace the demo's network by one that trains at once."""
    real = demo.demo_config

    def tiny_config(name, steps=None):
        network = UNetConfig(depth=1, width=2, dropout=0.0)
        return replace(real(name, steps), network=network, tile=44, device="cpu", batch=1)

    monkeypatch.setattr(demo, "demo_config", tiny_config)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def no_network(monkeypatch):
    """Let the real stack be nowhere."""
    monkeypatch.delenv("NAPARI_UNET_DATA", raising=False)
    real = datasets.open

    def fail_to_open(name, *args, **kwargs):
        if name == "synthetic":
            return real(name)
        raise DataSetError("no network")

    monkeypatch.setattr(datasets, "open", fail_to_open)


def run_demo(capsys, *arguments) -> tuple[dict, str]:
    assert main(["demo", *map(str, arguments), "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out.splitlines()[-1]), err


def test_the_demo_runs_without_network_and_without_screen(tiny, no_network, tmp_path, capsys):
    said, err = run_demo(capsys, "--steps", 3, "-o", tmp_path)
    assert said["data"] == "synthetic"
    assert "the synthetic stack is used" in err
    assert said["steps"] == 3
    assert said["window"] is False
    assert "napari is not opened, because" in err

    prediction = tifffile.imread(tmp_path / "prediction.tif")
    assert prediction.shape == (12, 256, 256)
    assert set(np.unique(prediction)) <= {0, 255}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "could not be downloaded" in page
    assert "http" not in page  # self-contained
    embedded = re.search(r"data:image/png;base64,([^\"]+)", page)
    assert embedded is not None
    content = base64.b64decode(embedded[1])
    assert content == (tmp_path / "pictures" / "overview.png").read_bytes()
    assert min(Image.open(io.BytesIO(content)).size) > 500


def test_its_scores_are_those_of_the_written_prediction(tiny, no_network, tmp_path, capsys):
    said, _ = run_demo(capsys, "--steps", 2, "-o", tmp_path)
    stack = datasets.open("synthetic")
    n = said["validation"]["slices"]
    found = tifffile.imread(tmp_path / "prediction.tif")[-n:] > 0
    true = np.asarray(stack.labels)[-n:] > 0
    assert said["validation"]["IoU"] == pytest.approx((found & true).sum() / (found | true).sum())
    assert said["validation"]["pixel accuracy"] == pytest.approx((found == true).mean())


def test_the_demo_clears_only_what_a_demo_made(tiny, no_network, tmp_path, capsys):
    """A run of the user's, or a prediction, in the place where the demo writes its own."""
    (tmp_path / "run").mkdir()
    for name in ("run/best.safetensors", "prediction.tif"):
        (tmp_path / name).write_bytes(b"mine")
        assert main(["demo", "-o", str(tmp_path)]) == 2
        assert f"{name} is there, and no demo of this version made it" in capsys.readouterr().err
        assert (tmp_path / name).read_bytes() == b"mine"
        (tmp_path / name).unlink()

    run_demo(capsys, "--steps", 2, "-o", tmp_path)
    (tmp_path / "run" / "run.json").write_bytes(b"another run")
    assert main(["demo", "--steps", "2", "-o", str(tmp_path)]) == 2
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_a_demo_that_cannot_begin_leaves_the_last_one(tiny, no_network, tmp_path, capsys):
    run_demo(capsys, "--steps", 2, "-o", tmp_path)
    before = contents(tmp_path / "run")
    with pytest.raises(SystemExit):
        main(["demo", "--steps", "0", "-o", str(tmp_path)])
    assert contents(tmp_path / "run") == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_demo_can_be_repeated_in_the_same_folder(tiny, no_network, tmp_path, capsys):
    first, _ = run_demo(capsys, "--steps", 2, "-o", tmp_path)
    second, _ = run_demo(capsys, "--steps", 2, "-o", tmp_path)
    assert first["best_iou"] == second["best_iou"]


def test_a_folder_of_data_is_used(tiny, tmp_path, capsys):
    folder = tmp_path / "data" / "isbi2012-em"
    folder.mkdir(parents=True)
    stack = datasets.synthetic_stack((3, 96, 96))
    tifffile.imwrite(folder / "train-volume.tif", stack.image, photometric="minisblack")
    tifffile.imwrite(folder / "train-labels.tif", stack.labels, photometric="minisblack")
    said, _ = run_demo(capsys, "--data", tmp_path / "data", "--steps", 2, "-o", tmp_path / "out")
    assert (said["data"], said["remark"]) == ("isbi2012-em", None)
    assert tifffile.imread(tmp_path / "out" / "prediction.tif").shape == (3, 96, 96)


def test_a_folder_without_the_data_is_an_error(tmp_path, capsys):
    assert main(["demo", "--data", str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert "isbi2012-em" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_it_says_why_there_is_no_window(monkeypatch):
    from napari_unet.cli.demo import _no_window

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "not installed" in _no_window()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert _no_window() == "there is no screen"
    monkeypatch.setenv("DISPLAY", ":0")
    assert _no_window() == ""


def test_the_real_demo_is_the_fast_preset_shortened():
    config = demo.demo_config("isbi2012-em")
    assert config.preset == "fast"
    assert config.steps == demo.STEPS["isbi2012-em"]
    assert demo.demo_config("synthetic", 7).steps == 7


# ------------------------------------------------------------------------------------- pictures


def test_grey_goes_from_black_to_white():
    picture = grey(np.array([[[-1.0, 0.0, 0.5, 1.0, 2.0]]]))
    assert picture.shape == (1, 5, 3)
    assert picture[0, :, 1].tolist() == [0, 0, 128, 255, 255]


def test_three_channels_are_colours_and_two_are_not():
    planes = np.stack([np.full((2, 2), v) for v in (1.0, 0.0, 0.2)])
    assert grey(planes)[0, 0].tolist() == [255, 0, 51]
    assert grey(planes[:2])[0, 0].tolist() == [255, 255, 255]


def test_magma_runs_from_its_first_to_its_last_colour():
    colours = magma(np.array([[0.0, 5.0, 10.0, 20.0]]), top=10)
    assert colours[0].tolist() == [[0, 0, 4], [181, 54, 122], [252, 253, 191], [252, 253, 191]]
    brightness = magma(np.linspace(0, 1, 100)[None]).sum(-1)[0].astype(int)
    assert (np.diff(brightness) >= 0).all()


def test_magma_is_near_matplotlibs():
    colormaps = pytest.importorskip("napari.utils.colormaps")  # it has a copy of theirs
    values = np.linspace(0, 1, 256)[None]
    theirs = colormaps.AVAILABLE_COLORMAPS["magma"].map(values[0])[None, :, :3] * 255
    assert np.abs(magma(values, 1.0) - theirs).max() < 12


def test_errors_are_marked_in_their_colours():
    plain = np.full((1, 4, 3), 100, np.uint8)
    found = np.array([[1, 0, 1, 0]])
    true = np.array([[0, 1, 1, 0]])
    marked = mark_errors(plain, found, true, np.ones((1, 4))).astype(int)
    assert np.abs(marked[0, 0] - FALSE_POSITIVE).max() <= 16
    assert np.abs(marked[0, 1] - FALSE_NEGATIVE).max() <= 16
    assert (marked[0, 2:] == 100).all()
    assert (mark_errors(plain, found, true, np.zeros((1, 4))) == 100).all()


def test_objects_have_different_colours_and_background_none():
    plain = np.zeros((1, 20, 3), np.uint8)
    tinted = colour_objects(plain, np.arange(20)[None])
    assert (tinted[0, 0] == 0).all()
    assert len(np.unique(tinted[0, 1:], axis=0)) == 19


def test_montage_and_panels_place_every_picture():
    red, blue = (np.full((4, 6, 3), c, np.uint8) for c in ((255, 0, 0), (0, 0, 255)))
    sheet = montage([red, blue, red], columns=2, gap=2)
    assert sheet.shape == (10, 14, 3)
    assert sheet[0, 0].tolist() == [255, 0, 0]
    assert sheet[0, 8].tolist() == [0, 0, 255]
    assert sheet[6, 0].tolist() == [255, 0, 0]
    assert sheet[9, 13].tolist() == [255, 255, 255]
    laid = np.asarray(panels([Panel("a", red), Panel("b", blue)], columns=2, side=60))
    assert (laid == (255, 0, 0)).all(-1).sum() == 60 * 40
    assert (laid == (0, 0, 255)).all(-1).sum() == 60 * 40


# --------------------------------------------------------------------------------------- curves


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0.31, 0.34, [0.31, 0.32, 0.33, 0.34]),
        (-3, 4, [-2, 0, 2, 4]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_the_running_mean_begins_with_what_there_is():
    assert smooth([1, 3, 5, 7], 2) == [1, 2, 4, 6]
    assert smooth([1, 3], 1) == [1, 3]
    assert smooth([], 3) == []


def test_curves_rise_where_values_rise():
    blue = np.array((0, 114, 178))

    def heights(values: list[float]) -> tuple[float, float]:
        x = list(range(50))
        picture = draw_curves([Curve("", x, values)], "loss", (300, 200)).astype(int)
        drawn = np.abs(picture - blue).max(-1) < 40
        rows, columns = np.nonzero(drawn)
        return rows[columns < 80].mean(), rows[columns > 250].mean()

    left, right = heights([float(k) for k in range(50)])
    assert left > right + 50  # rows count downwards
    left, right = heights([float(-k) for k in range(50)])
    assert right > left + 50


@pytest.mark.parametrize(
    "values", [[], [1.0], [float("nan"), float("inf")], [2.0, 2.0, 2.0], [0.0, float("nan"), 1.0]]
)
def test_curves_of_little_or_broken_data_are_drawn(values):
    picture = draw_curves([Curve("a", range(len(values)), values)], "loss", (200, 100))
    assert picture.shape == (100, 200, 3)


@pytest.mark.parametrize(
    ("y", "low"), [(0.95, True), (0.5, False), (0.05, False)], ids=["top", "middle", "bottom"]
)
def test_the_legend_lies_where_no_curve_is(y: float, low: bool) -> None:
    line = draw_curves([Curve("", [0, 1], [y, y])], "", (400, 300), y_range=(0, 1)).astype(int)
    both = draw_curves([Curve("name", [0, 1], [y, y])], "", (400, 300), y_range=(0, 1)).astype(int)
    rows = np.flatnonzero((line != both).any(axis=(1, 2)))  # of the letters
    curve = np.flatnonzero((line[:, 200] != 255).all(axis=1) & (np.ptp(line[:, 200], axis=1) > 0))
    assert not set(rows) & set(curve)
    assert (rows.min() > curve.max()) == low
