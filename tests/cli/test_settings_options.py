"""Whatever a dock can set, the command line can: one option for every field of the settings."""

from __future__ import annotations

import argparse
import json
import types
import typing
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal

import pytest

from napari_unet.base.errors import InputError
from napari_unet.cli import main
from napari_unet.cli.settings_options import (
    add_settings,
    given_settings,
    options,
    parse,
    read_settings,
    with_,
)
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.config.network import UNetConfig
from napari_unet.config.split import SplitConfig
from napari_unet.config.training import TrainConfig
from napari_unet.config.weights import WeightConfig

OF_THE_DATA = {("network", "in_channels"), ("network", "classes")}
OWN = {("preset",)}  # an option of its own


def leaves(config: Any, path: tuple[str, ...] = ()):
    """Every field that is no settings itself, and its type: without knowing of options."""
    hints = typing.get_type_hints(type(config))
    for one in fields(config):
        value, here = getattr(config, one.name), (*path, one.name)
        if is_dataclass(value):
            yield from leaves(value, here)
        else:
            yield here, hints[one.name], value


ALL = [leaf for leaf in leaves(TrainConfig()) if leaf[0] not in OF_THE_DATA | OWN]

# Where another value than the usual one needs care.
OTHER = {
    ("tile",): ("604", 604),
    ("split", "region"): ("0,8,2,9", (0, 8, 2, 9)),
    ("split", "slices"): ("3,5-6", (3, 5, 6)),
    ("split", "mode"): ("random", "random"),
    ("split", "axis"): ("t", "t"),
    ("augment", "zoom"): ("0.5,2", (0.5, 2.0)),
}

# What a value brings with it.
FOLLOWS = {("split", name): {("split", "mode"): name} for name in ("slices", "region")}


def another(path, hint, value) -> tuple[str, Any]:
    """Return how to write a value that the field does not have, and that value."""
    if path in OTHER:
        return OTHER[path]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [k for k in typing.get_args(hint) if k is not type(None)]
        hint = next((k for k in kinds if typing.get_origin(k) is Literal), kinds[0])
    if typing.get_origin(hint) is tuple:
        element = typing.get_args(typing.get_args(hint)[0])[0]
        return element, (element,)
    if typing.get_origin(hint) is Literal:
        choice = next(c for c in typing.get_args(hint) if c != value)
        return choice, choice
    if hint is str:
        return "cpu", "cpu"
    number = 0.25 if hint is float else 2 if value != 2 else 3
    return str(number), number


def parsed(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    return given_settings(parser.parse_args(arguments))


@pytest.mark.parametrize(("path", "hint", "value"), ALL, ids=[".".join(p) for p, *_ in ALL])
def test_every_setting_can_be_set(path, hint, value):
    option = next(one for one in options() if one.dest == ".".join(path))
    assert option.help
    if hint is bool:
        flag = ("--no-" if value else "--") + option.flag.removeprefix("--")
        found, wanted = parsed(flag), not value
    else:
        text, wanted = another(path, hint, value)
        found = parsed(f"{option.flag}={text}")
    base = TrainConfig(average=0.5)  # which consistency needs
    config = TrainConfig.from_dict(with_(base, found))
    for where, _, before in leaves(base):
        now: Any = config
        for name in where:
            now = getattr(now, name)
        after = FOLLOWS.get(path, {}).get(where, before)
        assert now == (wanted if where == path else after), where


CHOICES = [
    (path, choice)
    for path, hint, _ in ALL
    if typing.get_origin(hint) is Literal
    for choice in typing.get_args(hint)
    if (path, choice) != (("split", "mode"), "slices")  # these two need their slices, their region
    and (path, choice) != (("split", "mode"), "region")
]


@pytest.mark.parametrize(("path", "choice"), CHOICES)
def test_every_choice_can_be_made_also_in_a_file(path, choice):
    option = next(one for one in options() if one.dest == ".".join(path))
    in_file = {path[0]: {path[1]: choice}} if len(path) > 1 else {path[0]: choice}
    for changes in (parsed(f"{option.flag}={choice}"), in_file):
        config: Any = TrainConfig.from_dict(with_(TrainConfig(), changes))
        for name in path:
            config = getattr(config, name)
        assert config == choice


def test_nothing_given_changes_nothing():
    assert parsed() == {}
    assert TrainConfig.from_dict(with_(TrainConfig(), {})) == TrainConfig()


def test_none_and_switches():
    base = TrainConfig(weights=WeightConfig(w0=3.0))
    assert TrainConfig.from_dict(with_(base, parsed("--weights-w0", "none"))).weights.w0 is None
    assert TrainConfig.from_dict(with_(base, parsed("--no-weight-map"))).weights is None
    assert TrainConfig.from_dict(with_(base, parsed("--no-augment"))).augment == replace(
        AugmentConfig.none()
    )
    without = replace(base, weights=None)
    again = TrainConfig.from_dict(with_(without, parsed("--weights-sigma", "7")))
    assert again.weights == WeightConfig(sigma=7.0)
    with pytest.raises(InputError, match="exclude each other"):
        parsed("--no-weight-map", "--weights-w0", "5")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--augment-zoom", "0.8"), "--augment-zoom must be X,X, got '0.8'"),
        (("--optimiser", "adamw"), r"--optimiser must be adam\|sgd"),
        (("--weights-balance", "maybe"), r"must be yes\|no\|pixels"),
        (("--steps", "many"), "--steps must be N, got 'many'"),
        (("--split-region", "1,2"), r"must be N,N,N,N\|none"),
    ],
)
def test_a_value_of_another_kind_is_one_sentence(arguments, said):
    with pytest.raises(InputError, match=said):
        parsed(*arguments)


def test_values_by_hand():
    assert parse(bool | Literal["pixels"], "yes", "--b") is True
    assert parse(bool | Literal["pixels"], "pixels", "--b") == "pixels"
    assert parse(float | tuple[float, float] | Literal["first"] | None, "0.25,0.5", "--p") == [
        0.25,
        0.5,
    ]
    assert parse(float | tuple[float, float] | Literal["first"] | None, "first", "--p") == "first"


TOML = """
steps = 7
weights = "none"
[augment]
rotation = 5
zoom = [1.0, 1.5]
[network]
width = 3
"""


@pytest.fixture
def run_of(tmp_path, capsys):
    """Train two steps on a tiny stack with what is given; return what run.json says."""
    import numpy as np
    import tifffile

    rng = np.random.default_rng(0)
    labels = np.zeros((4, 48, 48), np.uint8)
    labels[:, 8:24, 10:30] = 1
    labels[:, 30:40, 20:44] = 2
    image = rng.integers(0, 255, labels.shape, np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="minisblack")
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")

    def train(name, *arguments):
        pair = (tmp_path / "image.tif", tmp_path / "labels.tif", "-o", tmp_path / name)
        code = main(["train", *map(str, (*pair, *arguments))])
        said = capsys.readouterr().err
        if code:
            return said
        return json.loads((tmp_path / name / "run.json").read_text())["config"]

    return train


TINY = ("--depth", 1, "--width", 2, "--tile", 36, "--batch", 1, "--device", "cpu", "--steps", 2)


def test_a_file_of_settings_and_options_on_top(run_of, tmp_path, capsys):
    file = tmp_path / "mine.toml"
    file.write_text(TOML)
    assert read_settings(file)["augment"] == {"rotation": 5, "zoom": [1.0, 1.5]}
    found = run_of("run", "--config", file, *TINY, "--learning-rate", 0.5)
    assert (found["steps"], found["learning_rate"], found["weights"]) == (2, 0.5, None)
    assert (found["augment"]["rotation"], found["augment"]["zoom"]) == (5, [1.0, 1.5])
    assert found["augment"]["displacement"] == 10.0  # of the preset
    assert found["network"]["width"] == 2
    # What info prints makes the same run again.
    assert main(["info", str(tmp_path / "run"), "--config"]) == 0
    printed = tmp_path / "printed.json"
    printed.write_text(capsys.readouterr().out)
    assert run_of("again", "--config", printed) == found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("suffix", "text"), [("toml", "seed = 7"), ("json", '{"seed": 7}')])
def test_settings_as_terminals_and_editors_write_them(tmp_path, suffix, text, encoding):
    file = tmp_path / f"mine.{suffix}"
    file.write_bytes(f"{text}\r\n".encode(encoding))
    assert read_settings(file) == {"seed": 7}


def test_a_description_of_a_run_is_no_file_of_settings(run_of, tmp_path):
    run_of("run", *TINY)
    assert "--like" in run_of("again", "--config", tmp_path / "run" / "run.json", *TINY)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("steps = ", "cannot be read"),
        ("stepps = 3", "'stepps'"),
        ("[augment]\nspin = 3", "'augment.spin'"),
        ('steps = "many"', "steps should be"),
        ('learning_rate = "x"', "cannot be used"),
        ("[network]\ndepth = 9", "depth must be"),
        ("network = 4", "network should be an object, got 4"),
        ("[weights]\nbalance = 'pixel'", "balance should be a valid boolean or 'pixels', got"),
        ("pixel_size = 'x'", "pixel_size should be a valid number, a valid array or 'first'"),
        ("pixel_size = [1, 'x']", "pixel_size.1 should be a valid number"),
        ("preset = ''", "the preset must be one of"),
    ],
)
def test_a_wrong_file_is_one_sentence(run_of, tmp_path, content, said):
    file = tmp_path / "wrong.toml"
    file.write_text(content)
    told = run_of("run", "--config", file)
    assert said in told
    assert len([x for x in told.splitlines() if x.startswith("napari-unet: ")]) == 1
    assert not (tmp_path / "run").exists()


def test_a_run_is_resumed_with_the_same_options_again(run_of, tmp_path):
    same = ("--preset", "fast", *TINY, "--augment-rotation", 20, "--validate", "3")
    before = run_of("run", *same)
    more = [*same[:-1], "3", "--steps", 4, "--resume"]
    assert run_of("run", *more) == before
    assert "rotation" in run_of("run", *same, "--augment-rotation", 21, "--resume")
    assert "preset fast, not paper" in run_of("run", "--preset", "paper", "--resume")
    assert "exclude each other" in run_of("new", "--preset", "fast", "--like", tmp_path / "run")


def test_slices_and_regions_that_are_named_validate(run_of, tmp_path):
    assert run_of("one", *TINY, "--split-slices", "1")["split"]["mode"] == "slices"
    assert run_of("two", *TINY, "--split-region", "0,20,0,20")["split"]["mode"] == "region"
    file = tmp_path / "split.toml"
    file.write_text("[split]\nslices = [2]")
    found = run_of("three", *TINY, "--config", file)["split"]
    assert (found["mode"], found["slices"]) == ("slices", [2])
    like = ("--like", tmp_path / "two", *TINY)
    assert run_of("four", *like, "--split-slices", "0")["split"]["mode"] == "slices"
    for arguments in (
        ("--split-slices", "1", "--split-mode", "last"),
        ("--split-slices", "1", "--split-region", "0,9,0,9"),
        ("--validate", "last", "--split-axis", "t"),
    ):
        assert "exclude each other" in run_of("five", *TINY, *arguments)


def test_the_preset_of_a_file_is_the_one_that_is_recorded(run_of, tmp_path):
    file = tmp_path / "preset.toml"
    file.write_text('preset = "best"')
    found = run_of("best", *TINY, "--config", file)  # the labels are objects
    assert (found["preset"], found["zoom"]) == ("best-cells", 0.5)
    assert run_of("same", *TINY, "--config", file, "--preset", "best") == found
    assert "preset best of" in run_of("other", *TINY, "--config", file, "--preset", "fast")
    run_of("fast", *TINY)
    for arguments in (("fast", "--resume"), ("like", "--like", tmp_path / "fast")):
        assert "preset fast, not best" in run_of(*arguments, *TINY, "--config", file)
    both = ("--like", tmp_path / "fast", "--resume")
    assert "--like and --resume" in run_of("best", *TINY, *both)


def test_another_formula_of_weights_begins_with_its_own_numbers():
    base = TrainConfig(weights=WeightConfig(w0=20.0, sigma=3.0, balance=False))
    for changes in (parsed("--weights-preset", "fiji"), {"weights": {"preset": "fiji"}}):
        found = TrainConfig.from_dict(with_(base, changes)).weights
        assert found == WeightConfig("fiji", balance=False)
    both = parsed("--weights-preset", "fiji", "--weights-w0", "30")
    assert TrainConfig.from_dict(with_(base, both)).weights.resolved_w0 == 30
    same = TrainConfig.from_dict(with_(base, parsed("--weights-preset", "paper")))
    assert same == base


def test_a_resumed_run_says_how_it_goes_on_to_the_same_end(run_of, monkeypatch, tmp_path):
    from napari_unet.cli import train

    told = []
    real = train.train_to_end
    monkeypatch.setattr(
        train, "train_to_end", lambda trainer, how, *more: told.append(how) or real(trainer, how)
    )
    for more in ((), ("--resume", "--steps", 3), ("--resume",)):
        run_of("my run", *TINY, *more)
    assert "--steps" not in told[0]
    assert told[1].endswith("my run' --resume --steps 3")
    assert "--steps" not in told[2]


def test_a_run_with_more_steps_is_not_finished_before_them(run_of, tmp_path, capsys):
    run_of("run", *TINY)
    run_of("run", *TINY, "--steps", 4, "--resume")

    def told():
        assert main(["info", str(tmp_path / "run")]) == 0
        return next(x for x in capsys.readouterr().out.splitlines() if x.startswith("Training"))

    assert "4 of 4 steps, finished" in told()
    history = tmp_path / "run" / "history.jsonl"
    lines = history.read_text().splitlines(keepends=True)
    third = max(k for k, one in enumerate(lines) if '"Step"' in one and '"step": 3,' in one)
    history.write_text("".join(lines[: third + 1]))  # as a kill leaves it
    assert "3 of 4 steps, not finished: train --resume goes on" in told()


def test_a_model_has_no_settings_to_print(run_of, tmp_path, capsys):
    run_of("run", *TINY)
    model = tmp_path / "run" / "best.safetensors"
    assert main(["info", str(model), "--config"]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert "give the folder of its run" in said.err


def test_every_part_of_the_settings_is_known():
    parts = {type(getattr(TrainConfig(), one.name)) for one in fields(TrainConfig)}
    nested = {kind for kind in parts if is_dataclass(kind)}
    assert nested == {UNetConfig, WeightConfig, AugmentConfig, SplitConfig}
