"""Model files and run folders: exact, atomic, and harmless whatever they contain."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.atomic_files import write_atomically
from napari_unet.base.errors import CheckpointError
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity
from napari_unet.network import model_file
from napari_unet.network.model_file import save_model
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.training.run_folder import RunFolder, load_model

SMALL = UNetConfig(depth=1, width=2)


def make_model(config: UNetConfig = SMALL, seed: int = 0, **changes) -> TrainedModel:
    channels = config.in_channels
    return TrainedModel(
        network=UNet(config, torch.Generator().manual_seed(seed)),
        intensity=changes.pop("intensity", Intensity((0.1,) * channels, (254.7,) * channels)),
        scheme=changes.pop("scheme", LabelScheme()),
        name=changes.pop("name", "cells"),
        pixel_size=changes.pop("pixel_size", (0.5, 0.25)),
        run=changes.pop("run", {"step": 7, "iou": 0.1 + 0.2}),
    )


def assert_same(read: TrainedModel, written: TrainedModel) -> None:
    theirs, ours = read.network.state_dict(), written.network.state_dict()
    assert list(theirs) == list(ours)
    for name, tensor in ours.items():
        assert theirs[name].dtype == tensor.dtype
        assert torch.equal(theirs[name], tensor), name
    assert read.network.config == written.network.config
    assert read.intensity == written.intensity
    assert read.scheme == written.scheme
    assert (read.name, read.pixel_size, read.run) == (written.name, written.pixel_size, written.run)


def error_of(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    said = str(caught.value)
    assert str(path.name) in said
    assert "\n" not in said
    return said


# ---------------------------------------------------------------------------------- round trip


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=st.builds(
        UNetConfig,
        in_channels=st.integers(1, 3),
        classes=st.integers(2, 4),
        depth=st.integers(0, 2),
        width=st.integers(1, 4),
        dropout=st.sampled_from([0.0, 0.1, 0.5]),
        norm=st.sampled_from(["none", "batch"]),
    ),
    limits=st.tuples(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6)),
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    pixel_size=st.none() | st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)),
    step=st.integers(0, 2**40),
)
def test_a_model_comes_back_bit_by_bit(tmp_path_factory, config, limits, name, pixel_size, step):
    low, span = limits
    n = config.in_channels
    model = make_model(
        config,
        intensity=Intensity((low,) * n, (low + span + 1.0,) * n, "image"),
        name=name,
        pixel_size=pixel_size,
        run={"step": step, "best": {"iou": 1 / 3}},
    )
    file = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_model(file, model)
    assert_same(load_model(file), model)


def test_class_names_and_colours_come_back(tmp_path):
    scheme = LabelScheme(
        kind="classes",
        annotation="sparse",
        values=(1, 7, 9),
        names=("Hintergrund", "Zellkern", "µ-tubule"),
        colours=(None, "#ff0000", "#00ff00"),
        ignore=255,
        gap=False,
    )
    model = make_model(UNetConfig(depth=1, width=2, classes=3), scheme=scheme)
    save_model(tmp_path / "m.safetensors", model)
    assert load_model(tmp_path / "m.safetensors").scheme == scheme


def test_the_same_model_makes_the_same_file(tmp_path):
    save_model(tmp_path / "a", make_model(seed=3))
    save_model(tmp_path / "b", make_model(seed=3))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_reading_draws_no_random_numbers_and_predicts_the_same(tmp_path):
    model = make_model(UNetConfig(depth=1, width=2, norm="batch"))
    model.network.eval()
    save_model(tmp_path / "m", model)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    read = load_model(tmp_path / "m")
    assert torch.equal(before, torch.get_rng_state())
    assert not read.network.training
    tile = torch.rand(1, 1, 20, 20)
    with torch.no_grad():
        assert torch.equal(read.network(tile), model.network(tile))


def test_a_read_model_can_be_trained_and_does_not_touch_its_file(tmp_path):
    save_model(tmp_path / "m", make_model())
    content = (tmp_path / "m").read_bytes()
    network = load_model(tmp_path / "m").network
    network(torch.rand(1, 1, 20, 20)).sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            assert parameter.grad is not None
            parameter += 1.0
    assert (tmp_path / "m").read_bytes() == content


def test_channels_last_weights_are_stored_by_value(tmp_path):
    model = make_model(UNetConfig(depth=1, width=3, in_channels=2))
    model.network.to(memory_format=torch.channels_last)
    save_model(tmp_path / "m", model)
    assert_same(load_model(tmp_path / "m"), model)


# -------------------------------------------------------------------------------- damaged files


def test_a_missing_model_is_named(tmp_path):
    assert "There is no model file" in error_of(tmp_path / "none.safetensors")


def test_truncation_anywhere_is_found(tmp_path):
    file = tmp_path / "m.safetensors"
    save_model(file, make_model())
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    cuts = {0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(content) - 1}
    for cut in cuts:
        file.write_bytes(content[:cut])
        error_of(file)
    for cut in (header // 2, header, len(content) - 1):
        file.write_bytes(content[:cut])
        assert "truncated or damaged" in error_of(file)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage_to_the_header_gives_a_named_error_or_a_model(tmp_path, data):
    file = tmp_path / "m.safetensors"
    save_model(file, make_model())
    content = bytearray(file.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    for position in data.draw(st.lists(st.integers(0, header - 1), min_size=1, max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        assert isinstance(load_model(file), TrainedModel)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200))
def test_foreign_bytes_give_a_named_error(tmp_path, content):
    file = tmp_path / "m.safetensors"
    file.write_bytes(content)
    error_of(file)


def test_safetensors_of_others_are_foreign(tmp_path):
    file = tmp_path / "m.safetensors"
    file.write_bytes(safetensors.torch.save({"weight": torch.zeros(3)}, {"format": "pt"}))
    assert "is not a file of napari-unet" in error_of(file)
    file.write_bytes(safetensors.torch.save({"weight": torch.zeros(3)}))
    assert "is not a file of napari-unet" in error_of(file)


def rewrite(file: Path, change) -> None:
    """Change the description in a model file."""
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    description = json.loads(metadata[model_file.METADATA_KEY])
    change(description)
    tensors = safetensors.torch.load(content)
    metadata = {model_file.METADATA_KEY: json.dumps(description)}
    file.write_bytes(safetensors.torch.save(tensors, metadata))


def test_a_newer_format_asks_for_an_upgrade(tmp_path):
    file = tmp_path / "m.safetensors"
    save_model(file, make_model())
    rewrite(file, lambda d: d.update(format_version=2))
    assert "newer napari-unet (format 2" in error_of(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("network"),
        lambda d: d["network"].update(width=3),
        lambda d: d["network"].update(width=-1),
        lambda d: d["network"].update(width=1024, depth=6),
        lambda d: d["network"].update(invented=1),
        lambda d: d.update(network=None),
        lambda d: d.update(intensity=[]),
        lambda d: d.update(labels={"kind": "wrong"}),
        lambda d: d.update(pixel_size=["a", "b"]),
        lambda d: d.update(run=3),
        lambda d: d.update(format_version="1"),
    ],
)
def test_a_description_that_does_not_fit_is_damage(tmp_path, change):
    file = tmp_path / "m.safetensors"
    save_model(file, make_model())
    rewrite(file, change)
    assert "truncated or damaged" in error_of(file)


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_does_not_run(tmp_path):
    trap = tmp_path / "trap"
    run = RunFolder(tmp_path)
    for write in (
        lambda file: file.write_bytes(pickle.dumps({"a": Payload(trap)})),
        lambda file: torch.save({"a": Payload(trap)}, file),
        lambda file: torch.save({"a": Payload(trap)}, file, _use_new_zipfile_serialization=False),
    ):
        for name in ("state.pt", "best.safetensors"):
            write(tmp_path / name)
        with pytest.raises(CheckpointError):
            run.read_state()
        with pytest.raises(CheckpointError):
            load_model(tmp_path / "best.safetensors")
    assert not trap.exists()


# ----------------------------------------------------------------------------------- run folder


def test_a_run_describes_itself(tmp_path):
    run = RunFolder(tmp_path / "deep" / "run")
    assert not run.exists()
    run.create({"config": {"steps": 5}, "seed": 3, "data": [{"image": "ab"}], "compute": {}})
    assert run.exists()
    read = RunFolder(run.path).description()
    assert read["config"] == {"steps": 5}
    assert (read["seed"], read["data"], read["compute"]) == (3, [{"image": "ab"}], {})
    assert set(read["versions"]) >= {"napari_unet", "python", "numpy", "torch"}
    assert read["versions"]["numpy"] == np.__version__
    assert read["created"].endswith("+00:00")


def test_a_run_is_not_overwritten(tmp_path):
    RunFolder(tmp_path).create({"seed": 1})
    with pytest.raises(CheckpointError, match="already holds a run"):
        RunFolder(tmp_path).create({"seed": 2})
    assert RunFolder(tmp_path).description()["seed"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"format": "napari-unet run", "format_ver', "truncated or damaged"),
        (b"", "truncated or damaged"),
        (b"\xff\xfe", "truncated or damaged"),
        (b"[]", "is not a file of napari-unet"),
        (b'{"format": "other"}', "is not a file of napari-unet"),
        (b'{"format": "napari-unet run", "format_version": 99}', "newer napari-unet"),
    ],
)
def test_a_bad_run_description_is_said(tmp_path, content, said):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        RunFolder(tmp_path).description()
    with pytest.raises(CheckpointError, match=said):
        load_model(tmp_path)


def test_a_missing_or_foreign_folder_is_said(tmp_path):
    for read in (RunFolder(tmp_path / "no").description, RunFolder(tmp_path / "no").read_model):
        with pytest.raises(CheckpointError, match="There is no run folder"):
            read()
    with pytest.raises(CheckpointError, match=r"no run\.json in it"):
        load_model(tmp_path)
    RunFolder(tmp_path).create({})
    with pytest.raises(CheckpointError, match="no best or last model yet"):
        load_model(tmp_path)


def test_the_best_model_is_preferred(tmp_path):
    run = RunFolder(tmp_path)
    run.create({})
    run.write_model("last", make_model(seed=1, name="last"))
    assert load_model(tmp_path).name == "last"
    run.write_model("best", make_model(seed=2, name="best"))
    assert load_model(tmp_path).name == "best"
    assert run.read_model("last").name == "last"


def test_the_state_comes_back_exactly(tmp_path):
    run = RunFolder(tmp_path)
    assert run.read_state() is None
    network = UNet(SMALL)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.99)
    network(torch.rand(1, 1, 20, 20)).sum().backward()
    optimiser.step()
    state = {
        "step": 12,
        "micro": 1,
        "tile": 20,
        "seconds": 0.1 + 0.2,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "best": {"loss": 0.1 + 0.2, "step": 3},
    }
    run.write_state(state)
    read = run.read_state()
    assert read is not None
    assert read["step"] == 12
    assert read["best"] == state["best"]
    assert torch.equal(read["random"], state["random"])
    for name, tensor in state["network"].items():
        assert torch.equal(read["network"][name], tensor)
    momenta = read["optimiser"]["state"]
    for key, values in optimiser.state_dict()["state"].items():
        assert torch.equal(momenta[key]["momentum_buffer"], values["momentum_buffer"])


def test_a_truncated_state_is_found_everywhere(tmp_path):
    run = RunFolder(tmp_path)
    run.write_state({"a": torch.arange(1000.0), "step": 1})
    content = (tmp_path / "state.pt").read_bytes()
    for cut in [*range(0, len(content), 97), len(content) - 1]:
        (tmp_path / "state.pt").write_bytes(content[:cut])
        with pytest.raises(CheckpointError, match="truncated or damaged"):
            run.read_state()


@dataclass(frozen=True)
class Step:
    step: int
    loss: float


def test_history_is_kept_in_order(tmp_path):
    run = RunFolder(tmp_path)
    assert run.history() == []
    run.append_history(Step(1, 0.5))
    run.append_history(Step(2, float("nan")))
    RunFolder(tmp_path).append_history({"event": "Note", "path": Path("a"), "n": np.int64(3)})
    assert run.history() == [
        {"event": "Step", "step": 1, "loss": 0.5},
        {"event": "Step", "step": 2, "loss": None},
        {"event": "Note", "path": "a", "n": 3},
    ]


def test_a_torn_last_line_is_left_out_and_then_replaced(tmp_path):
    run = RunFolder(tmp_path)
    for step in range(3):
        run.append_history(Step(step, 1.0))
    file = tmp_path / "history.jsonl"
    whole = file.read_bytes()
    last = whole[: whole.rstrip(b"\n").rfind(b"\n") + 1]
    for cut in range(len(last), len(whole)):
        file.write_bytes(whole[:cut])
        assert [e["step"] for e in run.history()] == [0, 1]
    RunFolder(tmp_path).append_history(Step(9, 1.0))
    assert [e["step"] for e in run.history()] == [0, 1, 9]


def test_a_broken_line_in_the_middle_is_said(tmp_path):
    (tmp_path / "history.jsonl").write_bytes(b'{"event": "a"}\n{"ev\n{"event": "b"}\n')
    with pytest.raises(CheckpointError, match="line 2"):
        RunFolder(tmp_path).history()


def test_history_can_be_rewound(tmp_path):
    run = RunFolder(tmp_path)
    run.append_history({"event": "Prepared"})
    for step in range(5):
        run.append_history(Step(step, 1.0))
    run.rewind_history(2)
    run.append_history(Step(3, 2.0))
    assert [e.get("step") for e in run.history()] == [None, 0, 1, 2, 3]


# -------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_failed_write_leaves_the_previous_file(tmp_path, monkeypatch, number, said, fails):
    file = tmp_path / "f"
    write_atomically(file, b"before")

    def fail(*args):
        raise OSError(number, os.strerror(number))

    target = (os, "fsync") if fails == "fsync" else (Path, "replace")
    monkeypatch.setattr(*target, fail)
    with pytest.raises(CheckpointError, match=said) as caught:
        write_atomically(file, b"after")
    assert "what was saved before is intact" in str(caught.value)
    assert file.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_place_that_is_no_folder_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match="could not be written"):
        save_model(tmp_path / "file" / "m.safetensors", make_model())
    with pytest.raises(CheckpointError, match="could not be written"):
        RunFolder(tmp_path / "file").append_history({"event": "Note", "step": 1})


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_full_disk_loses_nothing(tmp_path):
    """A process that may write no more than 20 kB a file stands for a full disk."""
    script = """
import resource, sys
import torch
from napari_unet.training.run_folder import RunFolder
from napari_unet.base.errors import CheckpointError
run = RunFolder(sys.argv[1])
def state(step, size):
    optimiser = {"state": {}, "param_groups": []}
    return {"step": step, "micro": 1, "network": {"a": torch.zeros(size)}, "optimiser": optimiser,
            "tile": 20, "seconds": 1.0, "best": {}}
run.write_state(state(1, 10))
run.append_history({"event": "Note", "step": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for write in (lambda: run.write_state(state(2, 10_000)),
              lambda: run.append_history({"event": "Note", "step": 2, "text": "x" * 30_000})):
    try:
        write()
    except CheckpointError as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert run.read_state()["step"] == 1
assert [e["step"] for e in run.history()] == [1]
run.append_history({"event": "Note", "step": 3})
assert [e["step"] for e in run.history()] == [1, 3]
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the disk is full") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.jsonl", "state.pt"]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(contents=st.lists(st.binary(max_size=3000), min_size=1, max_size=4))
def test_writing_replaces_the_whole_content(tmp_path, contents):
    for content in contents:
        write_atomically(tmp_path / "f", content)
        assert (tmp_path / "f").read_bytes() == content
