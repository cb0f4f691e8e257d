"""Runs that others write at the same time, plant, pack, or fill with what does not belong."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_unet.base.errors import CheckpointError
from napari_unet.config.network import UNetConfig
from napari_unet.network.compute import Compute
from napari_unet.network.model_file import save_model
from napari_unet.training.run_folder import RUN_FILES, RunFolder, load_model
from napari_unet.training.trainer import Adjusted, Checkpointed, Finished, Step, Trainer
from tests.stacks import bright_squares

from .test_trainer import assert_same_weights, tiny, weights_of

if TYPE_CHECKING:
    from pathlib import Path

# A JSON value of any type, some of them hostile.
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [
            10**400,
            -1,
            0,
            2**63,
            1e308,
            float("nan"),
            float("inf"),
            "",
            "x",
            "é\x1b[2J",
            [],
            {},
            [[]],
        ]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of a few steps, which is only read."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    list(
        Trainer(bright_squares(), tiny(steps=2, checkpoint_every=2, validate_every=2), folder).run()
    )
    return folder


def copy_of(run: Path, target: Path) -> RunFolder:
    target.mkdir(exist_ok=True)
    for name in RUN_FILES:
        (target / name).write_bytes((run / name).read_bytes())
    return RunFolder(target)


def paths_in(value, path=()):
    """All places in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from paths_in(item, (*path, key))


def error_of(read) -> str | None:
    """What a user reads; any error but ours passes through."""
    try:
        read()
    except CheckpointError as error:
        return str(error)
    return None


def put(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


# -------------------------------------------------------------------- never overwritten, locks


@pytest.mark.parametrize("name", RUN_FILES)
def test_any_file_of_a_run_counts_as_a_run(tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(CheckpointError, match=rf"{name}|already holds a run"):
        Trainer(bright_squares(), tiny(), tmp_path)
    with pytest.raises(CheckpointError, match=rf"{name}|already holds a run"):
        RunFolder(tmp_path).create({})
    assert (tmp_path / name).read_bytes() == b"precious"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_dangling_link_in_the_place_of_a_file_counts_too(tmp_path):
    (tmp_path / "state.pt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        RunFolder(tmp_path).check_free()


def test_of_many_trainings_begun_at_once_in_one_folder_one_goes_on(tmp_path):
    begun, refused = [], []
    together = threading.Barrier(6)

    def begin() -> None:
        trainer = Trainer(bright_squares(), tiny(), tmp_path / "run")
        events = trainer.run()
        together.wait()
        try:
            next(events)
            begun.append(events)
        except CheckpointError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 1
    assert len(refused) == 5
    assert all("is being written by another training" in said for said in refused)
    begun[0].close()


def test_two_resumes_of_a_run_do_not_interleave(tmp_path):
    events = Trainer(bright_squares(), tiny(), tmp_path / "run").run()
    next(event for event in events if isinstance(event, Checkpointed))
    events.close()
    first = Trainer(bright_squares(), tiny(), tmp_path / "run", resume=True).run()
    next(first)
    with pytest.raises(CheckpointError, match="is being written by another training"):
        next(Trainer(bright_squares(), tiny(), tmp_path / "run", resume=True).run())
    list(first)
    steps = [e["step"] for e in RunFolder(tmp_path / "run").history() if e["event"] == "Step"]
    assert steps == list(range(1, 9))
    assert not (tmp_path / "run" / ".lock").exists() or os.name == "nt"


# ----------------------------------------------------------------- the weights to begin with


def test_a_run_begun_from_a_model_and_killed_at_once_goes_on_from_its_weights(tmp_path):
    list(Trainer(bright_squares(), tiny(steps=4), tmp_path / "first").run())
    model = load_model(tmp_path / "first")
    whole = Trainer(bright_squares(seed=1), tiny(), tmp_path / "whole", start_from=model)
    list(whole.run())

    events = Trainer(bright_squares(seed=1), tiny(), tmp_path / "killed", start_from=model).run()
    next(events)  # the run is described, and nothing was trained
    files = {n: (tmp_path / "killed" / n).read_bytes() for n in ("run.json", "state.pt")}
    events.close()
    (tmp_path / "again").mkdir()
    for name, content in files.items():
        (tmp_path / "again" / name).write_bytes(content)
    again = Trainer(bright_squares(seed=1), tiny(), tmp_path / "again", resume=True)
    list(again.run())
    assert_same_weights(again.model, whole.model)


def test_a_run_begun_from_a_model_whose_weights_were_not_saved_is_refused(tmp_path):
    list(Trainer(bright_squares(), tiny(steps=4), tmp_path / "first").run())
    events = Trainer(
        bright_squares(), tiny(), tmp_path / "run", start_from=load_model(tmp_path / "first")
    ).run()
    next(events)
    events.close()
    (tmp_path / "run" / "state.pt").unlink()
    with pytest.raises(CheckpointError, match="begun with the weights of a model"):
        next(Trainer(bright_squares(), tiny(), tmp_path / "run", resume=True).run())


# ----------------------------------------------------------------------------- the arithmetic


def begun_and_stopped(folder: Path, monkeypatch, compute: Compute):
    monkeypatch.setattr("napari_unet.training.resuming.choose", lambda *a, **k: compute)
    events = Trainer(bright_squares(), tiny(), folder).run()
    next(event for event in events if isinstance(event, Checkpointed))
    events.close()


def test_a_resumed_run_computes_as_it_did_before(tmp_path, monkeypatch):
    before = Compute("cpu", "bfloat16", channels_last=True, threads=1, pace=((100, 0.5),))
    begun_and_stopped(tmp_path / "run", monkeypatch, before)
    monkeypatch.setattr(
        "napari_unet.training.resuming.choose", lambda *a, **k: Compute("cpu", threads=1)
    )
    trainer = Trainer(bright_squares(), tiny(), tmp_path / "run", resume=True)
    events = trainer.run()
    said = [e.message for e in events if isinstance(e, Adjusted)]
    assert trainer.learner.compute == before
    assert said == []


def test_other_threads_than_recorded_are_said(tmp_path, monkeypatch):
    begun_and_stopped(tmp_path / "run", monkeypatch, Compute("cpu", threads=64))
    monkeypatch.setattr("napari_unet.network.choice._cores", lambda: 1)
    trainer = Trainer(bright_squares(), tiny(), tmp_path / "run", resume=True)
    first = next(trainer.run())
    assert isinstance(first, Adjusted)
    assert "64 threads" in first.message
    assert "may use 1" in first.message
    assert trainer.learner.compute == Compute("cpu", threads=1)


def test_an_absent_device_is_said(tmp_path, monkeypatch):
    begun_and_stopped(tmp_path / "run", monkeypatch, Compute("cpu", threads=1))
    file = tmp_path / "run" / "run.json"
    description = json.loads(file.read_text())
    description["compute"]["device"] = "cuda:7"
    description["config"]["device"] = "auto"
    file.write_text(json.dumps(description))
    config = tiny(device="auto")
    first = next(Trainer(bright_squares(), config, tmp_path / "run", resume=True).run())
    assert isinstance(first, Adjusted)
    assert "there is no cuda:7 here" in first.message


# ------------------------------------------------------------------------------- typed reading


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_value_anywhere_in_run_json_is_read_or_named(finished, tmp_path, data):
    run = copy_of(finished, tmp_path / "run")
    file = run.path / "run.json"
    plain = json.loads(file.read_text())
    path = data.draw(st.sampled_from(list(paths_in(plain))))
    put(plain, path, data.draw(HOSTILE))
    file.write_text(json.dumps(plain))
    said = error_of(lambda: (run.description(), run.config(), run.intensity(), run.compute()))
    assert said is None or ("run.json" in said and "\n" not in said)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_value_anywhere_in_the_history_is_read_or_named(finished, tmp_path, data):
    run = copy_of(finished, tmp_path / "run")
    file = run.path / "history.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    path = data.draw(st.sampled_from(list(paths_in(lines))))
    put(lines, path, data.draw(HOSTILE))
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = error_of(lambda: (run.history(), run.rewind_history(1)))
    assert said is None or ("history" in said and "line" in said)


def test_an_event_of_the_history_without_its_name_is_named(finished, tmp_path):
    run = copy_of(finished, tmp_path / "run")
    file = run.path / "history.jsonl"
    first, *others = file.read_text().splitlines()
    entry = json.loads(first)
    del entry["event"]
    file.write_text("\n".join([json.dumps(entry), *others, ""]))
    with pytest.raises(CheckpointError, match=r"history \(line 1\).*event"):
        run.history()


def test_field_and_value_are_named(finished, tmp_path):
    run = copy_of(finished, tmp_path / "run")
    file = run.path / "run.json"
    for path, value, said in (
        (("compute", "threads"), "two", r"compute\.threads should be a valid integer, got 'two'"),
        (("data", 0, "shape", 1), None, r"data\.0\.shape\.1 should be a valid integer, got None"),
        (("config", "network", "depth"), "x", r"config.*network\.depth should be .*, got 'x'"),
        (("intensity", "low"), [1.0, None], r"intensity.*low\.1 should be a valid number"),
    ):
        plain = json.loads((finished / "run.json").read_text())
        put(plain, path, value)
        file.write_text(json.dumps(plain))
        with pytest.raises(CheckpointError, match=said):
            (run.description(), run.config(), run.intensity(), run.compute())


def altered_state(finished, tmp_path, change):
    run = copy_of(finished, tmp_path / "run")
    state = run.read_state()
    change(state)
    torch.save(state, run.path / "state.pt")
    return run


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("step"), "step is missing"),
        (lambda s: s.update(step="2"), "step should be a valid integer"),
        (lambda s: s.update(step=-1), "step should be greater"),
        (lambda s: s.update(step=10**30), "step should be"),
        (lambda s: s.update(micro=0), "micro should be"),
        (lambda s: s.update(micro=3), "micro is 3"),
        (lambda s: s.update(tile=37), "pixels, got 37"),
        (lambda s: s.update(tile=10**15), "tile"),
        (lambda s: s.update(seconds=float("nan")), "seconds should be"),
        (lambda s: s.update(best=[]), "best should be"),
        (lambda s: s.update(best={"iou": "x"}), r"best\.iou should be"),
        (lambda s: s["network"].popitem(), "state_dict"),
        (lambda s: s["network"].update(a=1), r"network\.a should be"),
        (lambda s: s["network"].update({"bottom.0.weight": torch.zeros(3)}), "state_dict"),
        (lambda s: s["optimiser"].pop("state"), r"optimiser\.state is missing"),
        (lambda s: s["optimiser"]["state"][0].pop("exp_avg"), "another optimiser"),
        (lambda s: s["optimiser"]["state"].update({999: s["optimiser"]["state"][0]}), "another"),
        (lambda s: s["optimiser"]["state"][0].update(exp_avg=torch.zeros(1)), "another shape"),
        (lambda s: s["optimiser"]["state"][0].update(step=torch.zeros(3)), "another shape"),
    ],
)  # fmt: skip
def test_a_state_with_one_wrong_value_is_named(finished, tmp_path, change, said):
    run = altered_state(finished, tmp_path, change)
    config = tiny(steps=3, checkpoint_every=2, validate_every=2)
    with pytest.raises(CheckpointError, match=said) as caught:
        list(Trainer(bright_squares(), config, run.path, resume=True).run())
    assert "state.pt" in str(caught.value)


def test_settings_of_the_optimiser_are_those_of_the_run(finished, tmp_path):
    def spoil(state):
        for group in state["optimiser"]["param_groups"]:
            group.update(betas="x", lr=[], eps=float("nan"))

    config = tiny(steps=4, checkpoint_every=2, validate_every=2)
    models = []
    for change in (lambda state: None, spoil):
        run = altered_state(finished, tmp_path, change)
        trainer = Trainer(bright_squares(), config, run.path, resume=True)
        list(trainer.run())
        models.append(weights_of(trainer.model))
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())


# ------------------------------------------------------------------ what takes memory or time


def test_a_state_that_unpacks_to_more_than_it_has_is_refused(tmp_path):
    """3 MB that become 2 GB: the same archive, packed."""
    run = RunFolder(tmp_path)
    with zipfile.ZipFile(tmp_path / "state.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", bytes(20_000_000))
    assert (tmp_path / "state.pt").stat().st_size < 50_000
    with pytest.raises(CheckpointError, match="is packed"):
        run.read_state()


def test_a_pickle_that_allocates_is_refused(tmp_path):
    """bytearray is on torch's own list of what is safe to call."""
    torch.save({"step": bytearray(10)}, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="bytearray is no part of a training state"):
        RunFolder(tmp_path).read_state()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are POSIX")
@pytest.mark.parametrize("name", RUN_FILES)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.timeout(20)
def test_special_files_in_a_run_are_refused_at_once(finished, tmp_path, name, kind):
    run = copy_of(finished, tmp_path / "run")
    (run.path / name).unlink()
    if kind == "pipe":
        os.mkfifo(run.path / name)
    elif kind == "folder":
        (run.path / name).mkdir()
    else:
        (run.path / name).symlink_to("/dev/zero")
    read = {
        "run.json": run.description,
        "best.safetensors": lambda: run.read_model("best"),
        "last.safetensors": lambda: run.read_model("last"),
        "state.pt": run.read_state,
        "history.jsonl": run.history,
    }[name]
    with pytest.raises(CheckpointError):
        read()


# --------------------------------------------------------------------------- weights, no numbers


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_model_of_no_numbers_is_refused(tmp_path, wrong):
    list(Trainer(bright_squares(), tiny(steps=1), tmp_path / "run").run())
    model = load_model(tmp_path / "run")
    name, values = next(iter(model.network.named_parameters()))
    with torch.no_grad():
        values.view(-1)[0] = wrong
    save_model(tmp_path / "m.safetensors", model)
    with pytest.raises(CheckpointError, match=rf"weights that are not numbers \({name}\)"):
        load_model(tmp_path / "m.safetensors")


def test_wider_settings_than_any_memory_are_no_problem_to_refuse(finished, tmp_path):
    run = copy_of(finished, tmp_path / "run")
    plain = json.loads((run.path / "run.json").read_text())
    plain["config"]["network"] |= {"width": 1024, "depth": 6}
    (run.path / "run.json").write_text(json.dumps(plain))
    with pytest.raises(CheckpointError, match=r"tile|network"):
        Trainer(bright_squares(), tiny(network=UNetConfig(depth=1, width=4)), run.path, resume=True)


def test_steps_go_on_in_a_run_whose_history_is_long(finished, tmp_path):
    run = copy_of(finished, tmp_path / "run")
    with (run.path / "history.jsonl").open("a") as stream:
        stream.write(json.dumps({"event": "Step", "step": 3, "text": "x" * 5000}) + "\n")
    config = tiny(steps=3, checkpoint_every=2, validate_every=2)
    events = list(Trainer(bright_squares(), config, run.path, resume=True).run())
    assert [e.step for e in events if isinstance(e, Step)] == [3]


def test_a_diverged_training_exits_with_2_and_looks_at_the_batch_first(
    tmp_path, monkeypatch, capsys
):
    """A loss that is no number is the rate's fault only where the pixels are numbers."""
    from napari_unet.cli import main
    from napari_unet.training.learner import Learner

    monkeypatch.chdir(tmp_path)
    small = ["--steps", "3", "--tile", "44", "--depth", "1", "--width", "2", "--device", "cpu"]
    monkeypatch.setattr(Learner, "learn", lambda *_: float("nan"))
    assert main(["train", "synthetic", "-o", "rate", *small]) == 2
    assert "try a learning rate below" in capsys.readouterr().err

    def spoil(_learner, batch):
        batch.image[:] = float("nan")
        return float("nan")

    monkeypatch.setattr(Learner, "learn", spoil)
    assert main(["train", "synthetic", "-o", "pixels", *small]) == 2
    said = capsys.readouterr().err
    assert "pixels that are not numbers" in said
    assert "learning rate" not in said


def test_info_of_a_run_with_gaps_is_no_traceback(finished, tmp_path, capsys):
    """A finished run without its seconds, a best validation without its step."""
    from napari_unet.cli import main

    run = copy_of(finished, tmp_path / "run")
    lines = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    for line in lines:
        for name in ("seconds", "best_step", "step"):
            line.pop(name, None)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.path / "history.jsonl").write_text(text)
    assert main(["info", str(run.path)]) == 0
    assert "finished" in capsys.readouterr().out
    plain = json.loads((run.path / "run.json").read_text())
    plain["config"]["steps"] = "many"
    (run.path / "run.json").write_text(json.dumps(plain))
    assert main(["info", str(run.path)]) == 2
    assert "steps should be a valid integer, got 'many'" in capsys.readouterr().err


def test_a_size_that_no_disk_has_is_shown():
    from napari_unet.base.quantities import size

    assert size(10**400) == size(10**30)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("zoom", 10**400),
        ("pixel_size", [10**400, 1.0]),
        ("intensity", {"low": [0.0], "high": [10**400]}),
        ("network", {"dropout": 10**400}),
    ],
)
def test_numbers_beyond_any_in_a_model_are_named(finished, tmp_path, field, value):
    content = (finished / "best.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    described = {**json.loads(header["__metadata__"]["napari_unet"]), field: value}
    header["__metadata__"]["napari_unet"] = json.dumps(described)
    text = json.dumps(header).encode()
    file = tmp_path / "m.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    with pytest.raises(CheckpointError, match=r"m\.safetensors is truncated or damaged"):
        load_model(file)


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("gone", ["moved", "removed"])
def test_a_run_whose_folder_is_taken_away_is_there_again(tmp_path, resumed, gone):
    run = tmp_path / "run"
    settings = tiny(steps=6, checkpoint_every=2)
    if resumed:
        list(Trainer(bright_squares(), tiny(steps=2, checkpoint_every=2), run).run())
    said = []
    for event in Trainer(bright_squares(), settings, run, resume=resumed).run():
        if isinstance(event, Step) and event.step == 3:
            run.rename(tmp_path / "elsewhere")
            if gone == "removed":
                shutil.rmtree(tmp_path / "elsewhere")
        if isinstance(event, Adjusted):
            said.append(event.message)
    assert sum("was moved or removed while it is trained" in one for one in said) == 1
    assert RunFolder(run).config().network == settings.network
    *_, last = Trainer(bright_squares(), tiny(steps=8, checkpoint_every=2), run, resume=True).run()
    assert isinstance(last, Finished)
    assert last.step == 8
