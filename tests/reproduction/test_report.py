"""The report and its figures."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_unet.base.errors import InputError
from napari_unet.cli import main
from napari_unet.reproduction.course import Course, write_course
from napari_unet.reproduction.figures import FIGURES, draw_figure
from napari_unet.reproduction.markdown import mean_text, number, table
from napari_unet.reproduction.report import write_report
from napari_unet.reproduction.result import (
    Reading,
    Result,
    Scores,
    Training,
    read_results,
    write_result,
)
from napari_unet.reproduction.table import EXPERIMENTS


def make(output, name, seed=0, steps=4000, width=64, score=0.5, diverged="", trivial=0.75):
    one = EXPERIMENTS[name]
    training = Training(
        steps, 4000, width, 64, one.settings.tile, one.settings.batch, 100.0, 10**9, "CPU", 31,
        24, 6, diverged,
    )  # fmt: skip
    readings = [Reading(loss, 0.07, iou, thresholded, 6) for loss, iou, thresholded in
                ((0.31, 0.91, score), (0.32, 0.92, 0.62), (0.33, 0.93, 0.63))]  # fmt: skip
    everything = Reading(float("nan"), float("nan"), trivial, 0.55, 6)
    names = ("Rand error", "warping error", "pixel error", "V_Rand", "V_Info")
    em = {"slices": 6, **dict.fromkeys(names, score / 10)}
    field = em if one.data == "em" else {"frames": 5, "SEG": score, "DET": 0.8}
    folder = output / "runs" / name / f"seed-{seed}"
    write_result(folder, Result(name, seed, training, Scores(*readings, field, everything)))
    steps = tuple(range(1, 21))
    losses = tuple(score / step for step in steps)
    write_course(folder, Course(steps, losses, (10, 20), (score, score), (score, score)))


def lines_with(text, name):
    return [line for line in text.splitlines() if line.startswith(f"| `{name}`")]


def test_markdown():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --: |\n| 1 | 2 |"
    assert number(None) == number(float("nan")) == "–"
    assert number(0.12345, 4) == "0.1235"
    assert mean_text([0.5]) == "0.500"
    assert mean_text([0.4, 0.6], 2) == "0.50 ± 0.14 (2)"
    assert mean_text([]) == mean_text([0.5, float("nan")]) == "–"


def test_all_runs_in_full(tmp_path):
    for name in EXPERIMENTS:
        make(tmp_path, name)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Scale: full, 64 channels and 4,000 steps as published." in text
    assert "shortened:" not in text
    assert "not run" not in text
    first = lines_with(text, "em-baseline")[0]
    assert [cell.strip() for cell in first.split("|")[3:-1]] == [
        "0.86", "0.630", "–", "0.54", "0.330",
    ]  # fmt: skip
    assert "0.0382" in text
    assert "0.9203" in text
    for figure in FIGURES:
        assert f"](figures/{figure.name}.png)" in text
        assert (tmp_path / "figures" / f"{figure.name}.png").is_file()


def test_every_table_names_its_scale_once(tmp_path):
    for name in ("em-baseline", "em-fold-1"):
        make(tmp_path, name, width=8)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "shortened" not in text
    blocks = text.split("\n\n")
    tables = [k for k, block in enumerate(blocks) if block.startswith("| run |")]
    assert len(tables) >= 6
    for k in tables:
        said = "**narrow**, 8 of 64 channels" in blocks[k - 1]
        assert said or "U373" in blocks[k - 2] or "HeLa" in blocks[k - 2]


def test_a_run_of_another_scale_says_so_itself(tmp_path):
    make(tmp_path, "em-baseline", steps=10, width=4)
    make(tmp_path, "em-fold-1")
    text = write_report(tmp_path).read_text(encoding="utf-8")
    for row in lines_with(text, "em-baseline"):
        assert "(shortened: 10 of 4,000 steps, width 4 of 64)" in row
    assert not [row for row in lines_with(text, "em-fold-1") if "shortened" in row]


def test_both_ways_of_measuring_stand_beside_each_other(tmp_path):
    make(tmp_path, "em-baseline", score=0.4)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    ious, losses = (r for r in lines_with(text, "em-baseline") if "| 324² |" in r)
    assert ious.endswith("| 324² | 0.630 | 0.620 | 0.400 | 0.910 | 0.550 | 0.750 |")
    assert losses.endswith("| 324² | 0.330 | 0.320 | 0.310 | 0.070 |")


def test_networks_without_a_better_iou_than_none_are_named(tmp_path):
    make(tmp_path, "em-baseline", trivial=0.905)
    make(tmp_path, "em-adam")
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "**In IoU no better than calling every pixel a cell: `em-baseline`.**" in text
    make(tmp_path, "em-baseline")
    assert "In IoU no better" not in write_report(tmp_path).read_text(encoding="utf-8")


def test_random_split_beside_held_apart(tmp_path):
    make(tmp_path, "u373-baseline", score=0.9)
    make(tmp_path, "u373-01-to-02", score=0.6)
    make(tmp_path, "u373-02-to-01", score=0.8)
    text = write_report(tmp_path).read_text(encoding="utf-8")
    row = next(s for s in text.splitlines() if s.startswith("| PhC-C2DH-U373, SEG"))
    assert "| 0.9000 | 0.7000 ± 0.1414 (2) |" in row


def test_seeds_are_averaged_and_divergence_is_told(tmp_path):
    make(tmp_path, "em-fold-1", seed=0, score=0.4)
    make(tmp_path, "em-fold-1", seed=1, score=0.6)
    make(tmp_path, "u373-adam", steps=7, diverged="the loss was no longer a number")
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "0.0500 ± 0.0141 (2)" in text
    assert "(diverged after step 7)" in lines_with(text, "u373-adam")[0]


def test_no_run_no_report(tmp_path, capsys):
    with pytest.raises(InputError, match="run one"):
        write_report(tmp_path)
    assert main(["reproduce", "--report", "-o", str(tmp_path)]) == 2
    assert "run one" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["report", "--report"])
def test_report_alone_draws_again(tmp_path, capsys, word):
    make(tmp_path, "em-baseline")
    assert main(["reproduce", word, "-o", str(tmp_path)]) == 0
    assert "report.md" in capsys.readouterr().out
    assert (tmp_path / "figures" / "baselines.png").is_file()


def test_a_comparison_needs_two_runs(tmp_path):
    figure = next(f for f in FIGURES if f.name == "tiles")
    make(tmp_path, "em-baseline")
    assert draw_figure(figure, read_results(tmp_path), tmp_path) == b""
    make(tmp_path, "em-batch16")
    one = Image.open(io.BytesIO(draw_figure(figure, read_results(tmp_path), tmp_path)))
    make(tmp_path, "u373-baseline")
    make(tmp_path, "u373-batch16")
    two = Image.open(io.BytesIO(draw_figure(figure, read_results(tmp_path), tmp_path)))
    assert one.size == (1440, 300)
    assert two.size == (1440, 600)


def test_two_runs_have_two_colours(tmp_path):
    figure = next(f for f in FIGURES if f.name == "weights")
    make(tmp_path, "em-baseline", score=0.3)
    make(tmp_path, "em-no-weights", score=0.6)
    picture = Image.open(io.BytesIO(draw_figure(figure, read_results(tmp_path), tmp_path)))
    pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in ((0, 114, 178), (213, 94, 0)):
        assert (np.abs(pixels - colour).max(1) < 12).sum() > 100


def test_results_of_unknown_experiments_are_left_out(tmp_path):
    make(tmp_path, "em-baseline")
    result = read_results(tmp_path)["em-baseline"][0]
    folder = tmp_path / "runs" / "of-later" / "seed-0"
    write_result(folder, replace(result, experiment="of-later"))
    assert "of-later" not in write_report(tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [("report",), ("em-fold-1",)])
def test_no_text_of_a_person_is_replaced(tmp_path, capsys, command):
    make(tmp_path, "em-baseline")
    notes = tmp_path / "notes.md"
    notes.write_text("# Of Monday\n", encoding="utf-8")
    asked = ["reproduce", *command, "-o", str(tmp_path), "--page", str(notes)]
    assert main(asked) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert notes.read_text(encoding="utf-8") == "# Of Monday\n"
    assert not (tmp_path / "runs" / "em-fold-1").exists()
    again = ["reproduce", "report", "-o", str(tmp_path), "--page", str(notes)]
    assert main([*again, "--overwrite"]) == 0
    assert main(again) == 0  # its own one is replaced
