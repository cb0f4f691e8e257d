"""The page beside the peers: read, compared, and honest about what is missing."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.clock import Clock
from benchmarks.quality.exchange import Request, keep_point, points
from benchmarks.quality.page import page, picture
from benchmarks.quality.results import RESULTS, Course, read_all
from benchmarks.quality.tools import TOOLS
from napari_unet.base.errors import InputError
from napari_unet.report.curves import COLOURS


def point(budget, seg, mirrored=None):
    scores = {"plain": {"SEG": seg, "DET": 0.9}}
    if mirrored is not None:
        scores["mirrored"] = {"SEG": mirrored, "DET": 0.91}
    return {"budget": budget, "seconds": budget + 1.2, "steps": 7, "how": "", "scores": scores}


def course(tool, *its_points):
    about = {"processor": "A processor", "versions": {"numpy": "2.0"}}
    return Course(tool, "hela", 0, about, list(its_points))


def test_a_peer_that_is_ahead_is_said_and_one_that_is_not_is_not():
    ours = course("ours", point(120, 0.5, 0.6), point(600, 0.7))
    text = page([ours, course("stardist", point(120, 0.55), point(600, 0.75), point(999, 1.0))])
    assert "**StarDist is ahead** on DIC-C2DH-HeLa after 10 min: SEG 0.750, ours 0.700." in text
    assert text.count("is ahead") == 1  # at 120 s our mirrored one is better; none of ours at 999
    text = page([ours, course("stardist", point(120, 0.55), point(600, 0.65))])
    assert "In none of the 2 comparisons where both were asked for the same time is" in text
    assert "No peer was asked for the same time" in page([ours])


def test_the_table_has_every_point_in_order_and_names_what_is_missing():
    text = page([course("stardist", point(120, 0.1)), course("ours", point(120, 0.5, 0.6))])
    rows = [line for line in text.splitlines() if re.match(r"\| (napari-unet|StarDist) \|", line)]
    assert rows == [
        "| napari-unet | 2 min 1 s | 7 | 0.500 | 0.900 | 0.600 | 0.910 |",
        "| StarDist | 2 min 1 s | 7 | 0.100 | 0.900 |  |  |",
    ]
    missing = re.findall("Not measured yet: (.*)\\.", text)
    assert missing == ["Cellpose", "napari-unet, StarDist, Cellpose", "napari-unet, nnU-Net (2d)"]
    assert "Processor: A processor." in text


def test_the_figure_has_a_frame_for_each_kind_of_data_and_a_curve_in_the_colour_of_the_tool():
    drawn = picture([course("stardist", point(120, 0.1), point(600, 0.4))])
    orange = (np.abs(drawn.astype(int) - COLOURS[TOOLS["stardist"].colour]).sum(2) < 20).nonzero()
    assert drawn.shape == (320, 3 * 520, 3)
    assert len(orange[1]) > 50
    assert orange[1].max() < 520


def test_results_are_kept_and_a_point_measured_again_takes_the_place_of_the_first(tmp_path):
    kept = course("ours", point(600, 0.7))
    kept.add(point(120, 0.5))
    kept.add(point(600, 0.8))
    kept.write(tmp_path)
    again = Course.begun("ours", "hela", 0, tmp_path)
    assert [(p["budget"], p["scores"]["plain"]["SEG"]) for p in again.points] == [
        (120, 0.5),
        (600, 0.8),
    ]
    assert read_all(tmp_path) == [again]
    assert Course.begun("ours", "em", 0, tmp_path).points == []


def test_a_point_that_lacks_something_is_named(tmp_path):
    broken = point(120, 0.5)
    del broken["steps"]
    file = course("ours", broken).write(tmp_path)
    with pytest.raises(InputError, match=f"{file.name} has a point without steps"):
        Course.read(file)


def test_numbers_pass_to_a_peer_and_back_and_each_point_is_taken_once(tmp_path):
    image = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    Request(image, image // 5, image[:1], [5.0, 9.0], 3).write(tmp_path)
    read = Request.read(tmp_path)
    assert (read.seconds, read.seed) == ([5.0, 9.0], 3)
    np.testing.assert_array_equal(read.labels, image // 5)
    np.testing.assert_array_equal(read.test, image[:1])
    known = set()
    assert list(points(tmp_path, known)) == []
    keep_point(tmp_path, [image[0]], budget=5.0, seconds=5.3, steps=2, how="")
    [(point_, found)] = points(tmp_path, known)
    assert point_ == {"budget": 5.0, "seconds": 5.3, "steps": 2, "how": ""}
    np.testing.assert_array_equal(found, image[:1])
    assert list(points(tmp_path, known)) == []


def test_the_clock_counts_what_is_computed_and_not_what_is_paused():
    def compute(seconds):
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass

    clock = Clock()
    with clock.paused():
        compute(0.3)
    assert clock.seconds < 0.1
    compute(0.2)
    assert 0.2 <= clock.seconds < 0.3


def test_the_page_that_is_there_is_that_of_the_results():
    text = (RESULTS.parent / "quality.md").read_text(encoding="utf-8")
    assert text == page(read_all())


def test_every_peer_has_its_script_and_its_pinned_requirements():
    folder = Path(__file__).parents[2] / "benchmarks" / "quality"
    for name in set(TOOLS) - {"ours"}:
        assert (folder / f"with_{name}.py").exists()
        lines = (folder / f"requirements-{name}.txt").read_text("utf-8").splitlines()
        pinned = [line for line in lines if not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pinned)
        packages = {line.split("==")[0].replace("_", "-") for line in pinned}
        assert {package.replace("_", "-") for package in TOOLS[name].packages} <= packages
