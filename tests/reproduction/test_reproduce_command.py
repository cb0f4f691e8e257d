"""``napari-unet reproduce``: list, run, skip, go on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from napari_unet.cli import main
from napari_unet.config.network import UNetConfig
from napari_unet.datasets.synthetic import synthetic_stack
from napari_unet.reproduction import attempt as module
from napari_unet.reproduction.data import ExperimentData
from napari_unet.reproduction.table import EXPERIMENTS


@pytest.fixture
def tiny(monkeypatch):
    """Make two folds of EM so small that they take no time."""
    stack = synthetic_stack((5, 48, 48))
    monkeypatch.setattr(module, "open_data", lambda *_: ExperimentData(stack))
    for name in ("em-fold-1", "em-fold-2"):
        one = EXPERIMENTS[name]
        settings = replace(
            one.settings, network=UNetConfig(depth=1, width=2), tile=28, batch=1, steps=3
        )
        monkeypatch.setitem(EXPERIMENTS, name, replace(one, settings=settings))


def last_json(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_list_names_every_run_and_what_was_published(capsys):
    assert main(["reproduce", "--list"]) == 0
    shown = capsys.readouterr().out
    for name in EXPERIMENTS:
        assert name in shown
    assert "thresholded IoU 0.23, diverged" in shown
    assert "warping error 0.000353" in shown


def test_list_as_json(capsys):
    assert main(["reproduce", "--list", "--json"]) == 0
    runs = last_json(capsys)["runs"]
    assert len(runs) == 29
    assert runs[0]["settings"]["tile"] == 508


def test_runs_are_done_once(tiny, tmp_path, capsys):
    command = ["reproduce", "em-fold-1", "em-fold-2", "-o", str(tmp_path), "--json"]
    assert main(command) == 0
    found = last_json(capsys)
    assert found["done"] == ["em-fold-1, seed 0", "em-fold-2, seed 0"]
    assert found["report"] == str(tmp_path / "report.md")
    kept = (tmp_path / ".gitignore").read_text().splitlines()
    assert kept[0] == "*"
    assert {"!result.json", "!curves.json", "!*.md", "!/figures/*.png"} <= set(kept)
    assert main([*command, "--seeds", "2"]) == 0
    found = last_json(capsys)
    assert found["skipped"] == ["em-fold-1, seed 0", "em-fold-2, seed 0"]
    assert found["done"] == ["em-fold-1, seed 1", "em-fold-2, seed 1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["em-adma"], "--list"),
        ([], "--list"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, said, tmp_path, capsys):
    assert main(["reproduce", *arguments, "-o", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("option", "value"), [("steps", "0"), ("seeds", "-1"), ("width", "x")])
def test_numbers_have_bounds(option, value, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["reproduce", "em-adam", f"--{option}", value, "-o", str(tmp_path)])
    assert f"--{option}: must be a whole number from 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_stopped_series_goes_on(tiny, tmp_path, monkeypatch, capsys):
    from napari_unet.cli import reproduce

    class Stop:
        requested = True

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    with monkeypatch.context() as patched:
        patched.setattr(reproduce, "StopOnInterrupt", Stop)
        assert main(["reproduce", "em-fold-1", "-o", str(tmp_path)]) == 130
    assert "goes on" in capsys.readouterr().err
    assert main(["reproduce", "em-fold-1", "-o", str(tmp_path), "--json"]) == 0
    assert last_json(capsys)["done"] == ["em-fold-1, seed 0"]
