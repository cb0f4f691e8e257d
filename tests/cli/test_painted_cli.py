"""Painting into a training from the command line: strokes, resume, replay."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy
import tifffile

from napari_unet.base.errors import UNetError
from napari_unet.cli import main
from napari_unet.training.journal import FILE_NAME, Edit, Journal
from napari_unet.training.painted_run import PaintedRun

TINY = [
    "--depth", "1", "--width", "4", "--tile", "44", "--batch", "2", "--steps", "24",
    "--checkpoint-every", "5", "--device", "cpu",
]  # fmt: skip


@pytest.fixture
def files(tmp_path):
    y, x = np.mgrid[:48, :64]
    inside = (y - 20) ** 2 + (x - 30) ** 2 < 100
    noise = np.random.default_rng(0).normal(0, 9, (3, 48, 64))
    image = np.clip(60 + 100 * inside + noise, 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", image, imagej=True, metadata={"axes": "ZYX"})
    lines = [
        {"step": 0, "slice": 0, "class": 0, "points": [[5, 5], [5, 40]]},
        {"step": 0, "slice": 0, "class": 1, "points": [[20, 24], [20, 36]]},
        {"step": 9, "slice": 1, "class": 1, "points": [[16, 28]], "width": 7},
        {"step": 12, "slice": 1, "class": None, "points": [[16, 28]], "width": 3},
    ]
    (tmp_path / "strokes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def train(files, *options):
    return main(["train", str(files / "image.tif"), *map(str, options)])


def weights(run):
    return safetensors.numpy.load_file(run / "last.safetensors")


def assert_same(a, b):
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_strokes_train_without_labels_and_are_counted(files, capsys):
    assert train(files, "-o", files / "run", "--strokes", files / "strokes.jsonl", *TINY) == 0
    said = capsys.readouterr().err
    assert "step 0: 2 edits learnt from now on" in said
    assert "step 9: 1 edit learnt from now on" in said
    assert main(["info", str(files / "run")]) == 0
    assert "4 strokes" in capsys.readouterr().out
    assert main(["predict", str(files / "run"), str(files / "image.tif"), "-o",
                 str(files / "p.tif"), "--device", "cpu"]) == 0  # fmt: skip
    assert set(np.unique(tifffile.imread(files / "p.tif"))) <= {1, 2}


def test_a_class_that_comes_later_than_the_first_is_resumed_and_replayed(files):
    """The second takes effect at the first's step, because there is nothing to learn before it."""
    lines = [
        {"step": 0, "slice": 0, "class": 1, "points": [[20, 24], [20, 36]]},
        {"step": 5, "slice": 0, "class": 0, "points": [[5, 5], [5, 40]]},
    ]
    (files / "strokes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    strokes = ["--strokes", files / "strokes.jsonl"]
    assert train(files, "-o", files / "run", *strokes, *TINY) == 0
    assert train(files, "-o", files / "again", "--replay", files / "run") == 0
    assert_same(weights(files / "run"), weights(files / "again"))
    shorter = [*TINY]
    shorter[shorter.index("24")] = "11"
    assert train(files, "-o", files / "part", *strokes, *shorter) == 0
    assert train(files, "-o", files / "part", "--resume", "--steps", "24") == 0
    assert_same(weights(files / "run"), weights(files / "part"))


def test_what_was_painted_into_another_run_is_left_alone(files, capsys):
    """A journal without a run, as a killed process leaves it, and a run without a journal."""
    alone = files / "alone"
    Journal(alone).add(Edit(0, 0, (0, 1, 0, 1), np.ones((1, 1), np.uint8)))
    before = (alone / FILE_NAME).read_bytes()
    strokes = ["--strokes", files / "strokes.jsonl"]
    labels = np.eye(48, 64, dtype=np.uint8)[None].repeat(3, 0)
    tifffile.imwrite(files / "labels.tif", labels, photometric="minisblack")
    for more in (strokes, [files / "labels.tif"]):
        assert train(files, *more, "-o", alone, *TINY) == 2
        assert "holds journal.jsonl without a run" in capsys.readouterr().err
    assert (alone / FILE_NAME).read_bytes() == before
    assert train(files, files / "labels.tif", "-o", files / "plain", *TINY) == 0
    assert train(files, files / "labels.tif", "-o", files / "plain", *strokes, *TINY) == 2
    assert not (files / "plain" / FILE_NAME).exists()


def test_replayed_and_resumed_runs_have_the_same_weights(files):
    strokes = ["--strokes", files / "strokes.jsonl"]
    assert train(files, "-o", files / "run", *strokes, *TINY) == 0
    assert train(files, "-o", files / "again", "--replay", files / "run") == 0
    assert_same(weights(files / "run"), weights(files / "again"))
    shorter = [*TINY]
    shorter[shorter.index("24")] = "11"
    assert train(files, "-o", files / "part", *strokes, *shorter) == 0
    assert train(files, "-o", files / "part", *strokes, "--resume", "--steps", "24") == 0
    assert_same(weights(files / "run"), weights(files / "part"))


def test_a_run_knows_its_image_and_classes_and_is_replayed_without_naming_them(files, capsys):
    lines = [
        {"step": 0, "slice": 0, "class": k, "points": [[5 + 15 * k, 5], [5 + 15 * k, 40]]}
        for k in range(3)
    ]
    (files / "three.jsonl").write_text("\n".join(map(json.dumps, lines)))
    options = ["--strokes", files / "three.jsonl", "--classes", "background,cell,rim", *TINY]
    assert train(files, "-o", files / "run", *options) == 0
    replay = ["train", "--replay", str(files / "run"), "-o"]
    assert main([*replay, str(files / "again")]) == 0
    assert_same(weights(files / "run"), weights(files / "again"))
    assert json.loads((files / "again" / "run.json").read_text())["labels"]["names"][2] == "rim"
    assert train(files, "-o", files / "named", "--replay", files / "run") == 0
    assert_same(weights(files / "run"), weights(files / "named"))
    capsys.readouterr()
    (files / "image.tif").rename(files / "elsewhere.tif")
    assert main([*replay, str(files / "third")]) == 2
    said = capsys.readouterr().err
    assert "cannot be opened again" in said
    assert "image.tif" in said
    assert main(["train", str(files / "elsewhere.tif"), *replay[1:], str(files / "third")]) == 0
    assert_same(weights(files / "run"), weights(files / "third"))


def test_a_run_that_began_with_a_model_is_replayed_from_its_weights(files):
    strokes = ["--strokes", files / "strokes.jsonl", *TINY]
    assert train(files, "-o", files / "first", *strokes) == 0
    options = ["--from", files / "first", *strokes]
    assert train(files, "-o", files / "run", *options) == 0
    for file in (files / "first").glob("*.safetensors"):
        file.unlink()  # whatever became of them
    assert main(["train", "--replay", str(files / "run"), "-o", str(files / "again")]) == 0
    assert_same(weights(files / "run"), weights(files / "again"))
    (files / "run" / "snapshots" / "step-000000.safetensors").unlink()
    assert main(["train", "--replay", str(files / "run"), "-o", str(files / "third")]) == 2


def test_a_replay_on_another_image_is_refused(files, capsys):
    assert train(files, "-o", files / "run", "--strokes", files / "strokes.jsonl", *TINY) == 0
    image = tifffile.imread(files / "image.tif")
    tifffile.imwrite(files / "image.tif", image + 1, imagej=True, metadata={"axes": "ZYX"})
    capsys.readouterr()
    assert main(["train", "--replay", str(files / "run"), "-o", str(files / "again")]) == 2
    assert "are not those that run was painted on" in capsys.readouterr().err
    assert not (files / "again" / "run.json").exists()


def test_without_an_image_one_is_asked_for(files, capsys):
    assert main(["train", "-o", str(files / "run")]) == 2
    assert "name the IMAGE" in capsys.readouterr().err


def test_what_is_no_painted_run_or_no_strokes_is_said(files, capsys):
    assert train(files, "-o", files / "run", "--replay", files) == 2
    assert "nothing was painted" in capsys.readouterr().err
    (files / "bad.jsonl").write_text("{")
    assert train(files, "-o", files / "run", "--strokes", files / "bad.jsonl") == 2
    assert "line 1" in capsys.readouterr().err
    lines = json.dumps({"step": 0, "slice": 7, "class": 1, "points": [[1, 1]]})
    (files / "bad.jsonl").write_text(lines)
    assert train(files, "-o", files / "run", "--strokes", files / "bad.jsonl", *TINY) == 2
    assert "slice must be a whole number from 0 to 2, got 7" in capsys.readouterr().err
    assert not (files / "run").exists()


def test_what_was_refused_leaves_nothing_in_the_way_of_the_next_try(files, capsys):
    labels = np.zeros((3, 48, 64), np.uint8)
    labels[0, :4], labels[0, 18:22, 24:36] = 1, 2
    tifffile.imwrite(files / "labels.tif", labels, imagej=True, metadata={"axes": "ZYX"})
    options = files / "labels.tif", "--annotation", "sparse", "-o", files / "run", "--strokes"
    options = *options, files / "strokes.jsonl", *TINY
    assert train(files, *options, "--from", files / "nothing") == 2
    assert "no model file" in capsys.readouterr().err
    assert train(files, *options) == 0
    assert len(Journal(files / "run").edits) == 5


@pytest.mark.parametrize("count", [0, 1])
def test_strokes_of_which_nothing_can_be_learnt_are_no_training(files, capsys, count):
    lines = (files / "strokes.jsonl").read_text().splitlines()[:count]
    (files / "few.jsonl").write_text("\n".join(lines))
    assert train(files, "-o", files / "run", "--strokes", files / "few.jsonl", *TINY) == 2
    assert "fewer than two classes have a stroke" in capsys.readouterr().err
    assert not (files / "run" / "best.safetensors").exists()
    resumed = "-o", files / "run", "--strokes", files / "strokes.jsonl", *TINY
    assert train(files, *resumed, "--resume") == 0


def test_several_classes_by_name(files, capsys):
    lines = [
        {"step": 0, "slice": 0, "class": k, "points": [[5 + 15 * k, 5], [5 + 15 * k, 40]]}
        for k in range(3)
    ]
    (files / "three.jsonl").write_text("\n".join(map(json.dumps, lines)))
    options = ["--strokes", files / "three.jsonl", "--classes", "background,cell,rim", *TINY]
    assert train(files, "-o", files / "run", *options) == 0
    assert json.loads((files / "run" / "run.json").read_text())["config"]["network"]["classes"] == 3


def test_a_snapshot_predicts_and_is_listed(files, capsys):
    assert train(files, "-o", files / "run", "--strokes", files / "strokes.jsonl", *TINY) == 0
    assert main(["info", str(files / "run")]) == 0
    assert "Snapshots  of the steps 10, 20" in capsys.readouterr().out
    predict = ["predict", str(files / "run"), str(files / "image.tif"), "--device", "cpu",
               "--output", "probabilities", "-o"]  # fmt: skip
    for step in ("10", "20"):
        assert main([*predict, str(files / f"{step}.tif"), "--step", step]) == 0
    early, late = (tifffile.imread(files / f"{step}.tif") for step in (10, 20))
    assert not np.array_equal(early, late)
    file = files / "run" / "snapshots" / "step-000010.safetensors"
    predict[1] = str(file)
    assert main([*predict, str(files / "same.tif")]) == 0
    assert np.array_equal(early, tifffile.imread(files / "same.tif"))
    assert main([*predict[:1], str(files / "run"), *predict[2:], str(files / "no.tif"),
                 "--step", "15"]) == 2  # fmt: skip
    assert "choose one of 10, 20" in capsys.readouterr().err
    assert main([*predict, str(file), "--overwrite"]) == 2


def test_places_to_paint_at_next_are_printed(files, capsys):
    assert train(files, "-o", files / "run", "--strokes", files / "strokes.jsonl", *TINY) == 0
    suggest = ["suggest", str(files / "run"), str(files / "image.tif")]
    painted = np.zeros((3, 48, 64), np.uint8)
    painted[:, 20, ::2] = 1  # somewhere in every place
    for name, labels in (("nothing", 0 * painted), ("everywhere", painted)):
        tifffile.imwrite(files / f"{name}.tif", labels, imagej=True, metadata={"axes": "ZYX"})
    slices = {}
    for name, labels in (("run", []), ("nothing", ["nothing.tif"]), ("all", ["everywhere.tif"])):
        capsys.readouterr()
        options = [*(str(files / one) for one in labels), "--device", "cpu", "--json"]
        assert main([*suggest, *options]) == 0
        places = json.loads(capsys.readouterr().out)["places"]
        slices[name] = [place["slice"] for place in places]
        assert all(0 <= place["box"][0] < place["box"][1] <= 48 for place in places)
    assert slices["all"] == []
    # of one place a slice the run painted in two, and its neighbours are not listed together
    assert [2] not in slices["nothing"] or [1] not in slices["nothing"]
    assert [0] not in slices["run"]
    assert [1] not in slices["run"]


def fields_of(value, path=()):
    """Where a JSON value has a field."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(value, dict):
            yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from fields_of(item, (*path, key))


def test_a_run_that_lacks_a_field_is_opened_or_said(files):
    run = files / "run"
    assert train(files, "-o", run, "--strokes", files / "strokes.jsonl", *TINY) == 0
    whole = json.loads((run / "run.json").read_text())
    opened, said = 0, []
    for *way, last in fields_of(whole):
        part = lacking = json.loads((run / "run.json").read_text())
        for key in way:
            part = part[key]
        del part[last]
        (files / "again").mkdir(exist_ok=True)
        (files / "again" / FILE_NAME).write_bytes((run / FILE_NAME).read_bytes())
        (files / "again" / "run.json").write_text(json.dumps(lacking))
        try:
            painted = PaintedRun(files / "again")
            painted.blank(painted.open_images())
        except UNetError as error:
            said.append(str(error))
        else:
            opened += 1
    assert opened > 20  # most fields are about the training
    assert said
    assert not any("\n" in sentence for sentence in said)
