"""The command line, in this process where that will do and as a process where it matters."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.base.errors import UNetError
from napari_unet.cli import build_parser, main

SIZE = 64
TINY = ["--depth", "1", "--width", "2", "--tile", "44", "--batch", "1", "--seed", "3"]
TINY += ["--device", "cpu", "--validate", "3"]


def write_stack(folder: Path, n: int = 4, seed: int = 0) -> tuple[Path, Path]:
    """Write bright squares on dark noise, and their labels, with a pixel size."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, SIZE, SIZE), np.uint8)
    for plane in labels:
        for k in range(3):
            y, x = rng.integers(2, SIZE - 14, 2)
            plane[y : y + 12, x : x + 12] = k + 1
    image = (rng.normal(60, 8, labels.shape) + 90 * (labels > 0)).clip(0, 255).astype(np.uint8)
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2.0}
    units = {f"{key}Unit": "µm" for key in sizes}
    for name, array in (("image", image), ("labels", labels)):
        tifffile.imwrite(
            folder / f"{name}.tif", array, ome=True, metadata={"axes": "ZYX", **sizes, **units}
        )
    return folder / "image.tif", folder / "labels.tif"


def call(capsys, *arguments: object) -> dict:
    """Run a command that must succeed; return what its last line says."""
    code = main([str(a) for a in arguments] + ["--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    result: dict = json.loads(out.splitlines()[-1])
    return result


def fail(capsys, *arguments: object) -> str:
    """Run a command that the user has to mend; return the one sentence it says."""
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert code == 2
    said = [line for line in err.splitlines() if line.startswith("napari-unet: ")]
    assert len(said) == 1
    assert "Traceback" not in err
    assert out == ""
    return said[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Return a folder with image.tif, labels.tif and the run of six steps on them."""
    folder = tmp_path_factory.mktemp("cli")
    image, labels = write_stack(folder)
    arguments = ["train", image, labels, "-o", folder / "run", "--steps", "6", *TINY]
    assert main([str(a) for a in arguments]) == 0
    return folder


# ------------------------------------------------------------------------------------- start-up


def test_help_imports_nothing_heavy():
    script = """
import sys
from napari_unet.cli import build_parser
build_parser().format_help()
heavy = {"torch", "numpy", "scipy", "skimage", "tifffile", "napari", "qtpy", "PIL", "tqdm", "dask"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="times of processes are measured as POSIX has")
def test_help_comes_at_once():
    import resource

    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def needed(*command: str) -> float:
        before = seconds()
        subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
        return seconds() - before

    # On any machine: in less than half the time that reading an image alone would take to load.
    # In turn, since a processor that others use as well is not always equally fast.
    commands = ("-m", "napari_unet", "--help"), ("-c", "import scipy.ndimage, tifffile")
    times = [[needed(*command) for command in commands] for _ in range(5)]
    telling, loading = map(min, zip(*times))
    assert telling < loading / 2


@pytest.mark.parametrize(
    "command", ["", "demo", "train", "predict", "evaluate", "data", "data list", "info"]
)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([*command.split(), "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 150


def test_no_command_is_an_error_of_the_user(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(monkeypatch, capsys):
    from napari_unet.cli.progress import Bar

    def draw() -> str:
        bar = Bar(200, "step", done=100)
        for done in (101, 150, 200):
            bar.show(done, seconds_left=95, per_second=2.5, said="loss 0.301")
            if done == 150:
                bar.say("a remark")
        bar.close()
        return capsys.readouterr().err

    assert draw().splitlines() == [
        "step 101/200 · 2.5/s · loss 0.301 · 1 min 35 s left",
        "a remark",
        "step 200/200 · 2.5/s · loss 0.301",
    ]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    drawn = draw()
    assert "step 200/200 |████████████████████| 2.5/s · loss 0.301" in drawn
    assert "a remark" in drawn


# ------------------------------------------------------------------------------------ main path


def test_train_leaves_a_run_that_can_be_replayed(trained):
    from napari_unet.config.training import TrainConfig

    names = {path.name for path in (trained / "run").iterdir()}
    assert names == {
        "run.json", "best.safetensors", "last.safetensors", "state.pt", "history.jsonl",
        "validations",
    }  # fmt: skip
    description = json.loads((trained / "run" / "run.json").read_text())
    config = TrainConfig.from_dict(description["config"])
    assert (config.steps, config.seed, config.tile, config.network.width) == (6, 3, 44, 2)
    assert config.split.slices == (3,)
    assert description["data"][0]["shape"] == [4, SIZE, SIZE]


def test_settings_of_a_former_run_give_the_same_weights(trained, tmp_path, capsys):
    files = trained / "image.tif", trained / "labels.tif"
    call(capsys, "train", *files, "-o", tmp_path / "again", "--like", trained / "run")
    first, again = load_weights(trained / "run"), load_weights(tmp_path / "again")
    assert all(bool((first[name] == again[name]).all()) for name in first)


def test_predict_writes_what_the_library_predicts(trained, tmp_path, capsys):
    from napari_unet.images.files import open_image
    from napari_unet.prediction.arrays import predict_labels, predict_probabilities
    from napari_unet.prediction.objects import instances
    from napari_unet.training.run_folder import load_model

    model, stack = load_model(trained / "run"), open_image(trained / "image.tif")
    probabilities = predict_probabilities(model, stack, device="cpu")
    expected = {
        "labels": predict_labels(model, stack, device="cpu"),
        "probabilities": probabilities,
        "objects": np.stack([instances(p, threshold=0.4) for p in probabilities]),
    }
    for kind, wanted in expected.items():
        file = tmp_path / f"{kind}.tif"
        options = ("--threshold", 0.4) if kind == "objects" else ()
        said = call(
            capsys, "predict", trained / "run", trained / "image.tif", "-o", file,
            "--output", kind, "--device", "cpu", *options,
        )  # fmt: skip
        written = open_image(file)
        assert np.array_equal(np.asarray(written.image), wanted)
        assert said["shape"] == list(wanted.shape)
        assert written.axes == ("zcyx" if kind == "probabilities" else "zyx")
        assert written.scale == stack.scale == (2.0, 0.25, 0.25)
        assert written.units == stack.units
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{k}.tif" for k in sorted(expected)]


def test_predict_averages_mirrored_views_and_mends_objects(trained, tmp_path, capsys):
    from napari_unet.images.files import open_image
    from napari_unet.prediction.arrays import predict_probabilities
    from napari_unet.prediction.objects import instances
    from napari_unet.training.run_folder import load_model

    model, stack = load_model(trained / "run"), open_image(trained / "image.tif")
    probabilities = predict_probabilities(model, stack, device="cpu", mirror_average=True)
    file = tmp_path / "objects.tif"
    call(
        capsys, "predict", trained / "run", trained / "image.tif", "-o", file, "--device", "cpu",
        "--output", "instances", "--mirror-average", "--min-size", 9, "--fill-holes",
    )  # fmt: skip
    wanted = [instances(p, min_size=9, fill_holes=True) for p in probabilities]
    assert np.array_equal(tifffile.imread(file), wanted)


def test_a_tile_is_rounded_up_and_said(trained, tmp_path, capsys):
    def predict(name: str, *options: object) -> tuple[dict, str]:
        out = tmp_path / name
        code = main(
            [str(a) for a in ("predict", trained / "run", trained / "image.tif", "-o", out)]
            + [str(o) for o in options]
            + ["--json"]
        )
        captured = capsys.readouterr()
        assert code == 0
        return json.loads(captured.out.splitlines()[-1]), captured.err

    whole, _ = predict("whole.tif")
    tiled, said = predict("tiled.tif", "--tile", 45)
    assert "46 pixels a side instead of 45" in said
    assert tiled["tiles"] > whole["tiles"]
    first, second = (tifffile.imread(tmp_path / n) for n in ("whole.tif", "tiled.tif"))
    assert np.array_equal(first, second)
    assert whole["tiles"] == len(first)  # one a slice, and the last one counts
    _, said = predict("exact.tif", "--tile", 46)
    assert "instead of" not in said


def test_evaluate_counts_pixels(tmp_path, capsys):
    reference = np.zeros((2, 10, 10), np.uint8)
    reference[:, :5] = 255
    prediction = np.zeros_like(reference)
    prediction[:, 1:6] = 255  # 80 of 120 pixels in common, 160 of 200 the same
    tifffile.imwrite(tmp_path / "r.tif", reference)
    tifffile.imwrite(tmp_path / "p.tif", prediction)
    said = call(capsys, "evaluate", tmp_path / "p.tif", tmp_path / "r.tif")
    assert said["scores"]["IoU"] == pytest.approx(80 / 120)
    assert said["scores"]["pixel accuracy"] == pytest.approx(160 / 200)
    assert said["pixels"] == 200
    same = call(capsys, "evaluate", tmp_path / "r.tif", tmp_path / "r.tif")
    assert (same["scores"]["IoU"], same["scores"]["pixel accuracy"]) == (1.0, 1.0)


def test_evaluate_takes_all_that_predict_writes(tmp_path, capsys):
    reference = np.zeros((10, 10), np.uint8)
    reference[2:5, 2:5], reference[6:9, 6:9] = 1, 2
    probability = np.where(reference > 0, 0.9, 0.2).astype(np.float32)
    files = {
        "labels": (reference > 0).astype(np.uint8),
        "ids": (reference * 7).astype(np.int32),
        "foreground": probability,
        "classes": np.stack([1 - probability, probability]),
    }
    tifffile.imwrite(tmp_path / "reference.tif", reference)
    for name, array in files.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", array, photometric="minisblack")
        said = call(capsys, "evaluate", tmp_path / f"{name}.tif", tmp_path / "reference.tif")
        assert (said["scores"]["IoU"], said["scores"]["pixel accuracy"]) == (1.0, 1.0), name


def test_evaluate_gives_the_challenges_own_values(tmp_path, capsys):
    golden = Path(__file__).parents[1] / "evaluation" / "metrics" / "golden"
    arrays = np.load(golden / "isbi2012_metrics.npz")
    official = json.loads((golden / "isbi2012_metrics.json").read_text())[1]
    tifffile.imwrite(tmp_path / "p.tif", arrays["prob"][1], photometric="minisblack")
    tifffile.imwrite(tmp_path / "r.tif", arrays["labels"][1].astype(np.uint8) * 255)
    files = (tmp_path / "p.tif", tmp_path / "r.tif")
    found = call(capsys, "evaluate", *files, "--metric", "isbi2012")["scores"]
    assert found["Rand error"] == pytest.approx(official["official_rand_error"], abs=1e-9)
    assert found["V_Rand"] == pytest.approx(official["official_VRand_thinned"], abs=1e-9)
    assert found["V_Info"] == pytest.approx(official["official_VInfo_thinned"], abs=1e-9)
    assert found["pixel error"] == pytest.approx(official["official_pixel_error"], abs=1e-9)
    assert found["warping error"] == official["official_warping_error"]


def test_evaluate_counts_cells_and_objects(tmp_path, capsys):
    reference = np.zeros((20, 20), np.uint16)
    reference[2:6, 2:6], reference[10:16, 10:16], reference[2:6, 12:16] = 1, 2, 3
    found = reference.copy()
    found[found == 3] = 0  # missed
    found[10:12, 10:16] = 0  # two thirds of the second one
    tifffile.imwrite(tmp_path / "r.tif", reference)
    tifffile.imwrite(tmp_path / "p.tif", found)
    files = (tmp_path / "p.tif", tmp_path / "r.tif")
    said = call(capsys, "evaluate", *files, "--metric", "ctc", "--metric", "objects")["scores"]
    assert said["SEG"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert said["DET"] == pytest.approx(1 - 10 / 30)
    assert said["AP 0.5"] == pytest.approx(2 / 3)
    assert said["AP 0.75"] == pytest.approx(1 / 4)


def test_evaluate_leaves_out_what_is_not_annotated(tmp_path, capsys):
    reference = np.zeros((10, 10), np.uint8)
    reference[:2], reference[2:4] = 1, 2
    prediction = np.full((10, 10), 2, np.uint8)
    prediction[:1] = 1  # half of the background is wrong, all of the rest right
    tifffile.imwrite(tmp_path / "r.tif", reference)
    tifffile.imwrite(tmp_path / "p.tif", prediction)
    said = call(capsys, "evaluate", tmp_path / "p.tif", tmp_path / "r.tif", "--sparse")
    assert said["pixels"] == 40
    assert said["scores"]["pixel accuracy"] == pytest.approx(30 / 40)
    assert said["scores"]["IoU"] == pytest.approx(20 / 30)


def test_info_tells_what_was_trained(trained, capsys):
    said = call(capsys, "info", trained / "run")
    assert said["config"]["seed"] == 3
    assert said["result"]["steps"] == 6
    assert said["result"]["finished"]
    assert said["result"]["best"]["step"] <= 6
    assert main(["info", str(trained / "run")]) == 0
    out = capsys.readouterr().out
    assert "6 of 6 steps" in out
    assert "4 × 64 × 64 (zyx), uint8" in out


def test_info_describes_a_model_file(trained, capsys):
    said = call(capsys, "info", trained / "run" / "best.safetensors")
    assert said["network"]["width"] == 2
    assert said["pixel_size"] == [0.25, 0.25]


def test_data_sets_are_listed_and_located(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("NAPARI_UNET_DATA", raising=False)
    listed = call(capsys, "data", "list")["data_sets"]
    assert {one["name"] for one in listed} == {
        "isbi2012-em", "phc-c2dh-u373", "dic-c2dh-hela", "synthetic",
    }  # fmt: skip
    assert "data fetch isbi2012-em" in fail(capsys, "data", "path", "isbi2012-em")
    assert "choose one of" in fail(capsys, "data", "path", "cats")
    folder = tmp_path / "isbi2012-em"
    folder.mkdir()
    write_stack(folder)
    (folder / "image.tif").rename(folder / "train-volume.tif")
    (folder / "labels.tif").rename(folder / "train-labels.tif")
    monkeypatch.setenv("NAPARI_UNET_DATA", str(tmp_path))
    for action in ("path", "fetch"):
        assert call(capsys, "data", action, "isbi2012-em")["path"] == str(folder)


# ------------------------------------------------------------------------------------ bad input


def test_errors_of_the_user_are_one_sentence(trained, tmp_path, capsys):
    image, labels, run = trained / "image.tif", trained / "labels.tif", trained / "run"
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, np.zeros((4, 60, 64), np.uint8), photometric="minisblack")
    empty = tmp_path / "empty.tif"
    tifffile.imwrite(empty, np.zeros((4, SIZE, SIZE), np.uint8), photometric="minisblack")
    out = ("-o", tmp_path / "out.tif")
    new = ("-o", tmp_path / "new", "--steps", 2, *TINY)
    cases = [
        (("train", image, small, *new), "shape"),
        (("train", image, empty, *new), "labels"),
        (("train", image, *new), "training needs labels"),
        (("train", tmp_path / "no.tif", labels, *new), "does not exist"),
        (("train", image, labels, *new, "--preset", "magic"), "preset"),
        (("train", image, labels, *new, "--steps", "0"), "steps"),
        (("train", image, labels, *new, "--validate", "a-b"), "slices must read like"),
        (("train", image, labels, "-o", run), "already holds a run"),
        (("train", image, labels, "-o", tmp_path / "new", "--resume"), "no run"),
        (("predict", tmp_path, image, *out), "run.json"),
        (("predict", run, tmp_path / "no.tif", *out), "does not exist"),
        (("predict", run, image, "-o", tmp_path / "out.png"), ".tif"),
        (("predict", run, image, "-o", run), "folder"),
        (("evaluate", small, labels), "shape"),
        (("info", tmp_path / "no"), "no run folder"),
    ]
    for arguments, said in cases:
        assert said in fail(capsys, *arguments), arguments
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "out.tif").exists()


def test_a_failed_prediction_leaves_the_previous_file(trained, tmp_path, capsys):
    out = tmp_path / "out.tif"
    out.write_bytes(b"previous")
    image = np.full((1, SIZE, SIZE), np.nan, np.float32)
    tifffile.imwrite(tmp_path / "nan.tif", image)
    predict = ("predict", trained / "run", tmp_path / "nan.tif", "-o", out, "--overwrite")
    assert "NaN" in fail(capsys, *predict)
    assert out.read_bytes() == b"previous"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nan.tif", "out.tif"]


def test_errors_are_told_to_machines_too(capsys):
    assert main(["info", "no-such-run", "--json"]) == 2
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["kind"] == "CheckpointError"
    assert "no-such-run" in said["error"]


def test_every_named_error_gives_exit_code_2(monkeypatch, capsys):
    from napari_unet.cli import info

    for kind in UNetError.__subclasses__():

        def run(args, kind=kind):
            raise kind("said")

        monkeypatch.setattr(info, "run", run)
        assert main(["info", "x"]) == 2
        assert capsys.readouterr().err == "napari-unet: said\n"


def test_ctrl_c_gives_130(monkeypatch, capsys):
    from napari_unet.cli import info

    def run(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "run", run)
    assert main(["info", "x"]) == 130


# ---------------------------------------------------------------------------- interrupt, resume


def load_weights(run: Path) -> dict:
    from napari_unet.training.run_folder import RunFolder

    weights: dict = RunFolder(run).read_model("last").network.state_dict()
    return weights


def steps_of(run: Path) -> int:
    import torch

    return int(torch.load(run / "state.pt", weights_only=True)["step"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_an_interrupted_run_is_kept_and_goes_on(trained, tmp_path, capsys):
    """Ctrl-C after the first steps, then --resume: the weights are those of an unbroken run."""
    files = [str(trained / "image.tif"), str(trained / "labels.tif")]
    run, unbroken = tmp_path / "run", tmp_path / "unbroken"
    options = ["--steps", "800", *TINY]
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_unet", "train", *files, "-o", str(run), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # a shell that runs this in the background has told it to ignore the key
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    seen = ""
    while "step 1/800" not in seen:  # the first step is done
        character = process.stderr.read(1)
        assert character, seen
        seen += character
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert f"-o {run} --resume" in err
    assert 1 <= steps_of(run) < 800

    assert call(capsys, "train", *files, "-o", run, "--resume")["steps"] == 800
    call(capsys, "train", *files, "-o", unbroken, *options)
    first, second = (load_weights(path) for path in (run, unbroken))
    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_resuming_a_finished_run_does_nothing(trained, capsys):
    files = trained / "image.tif", trained / "labels.tif"
    before = (trained / "run" / "last.safetensors").read_bytes()
    said = call(capsys, "train", *files, "-o", trained / "run", "--resume")
    assert said["steps"] == 6
    assert (trained / "run" / "last.safetensors").read_bytes() == before


@pytest.mark.data
def test_a_data_set_is_trained_on_by_its_name(data_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NAPARI_UNET_DATA", str(data_dir))
    tiny = [
        o if o != "3" or k != TINY.index("--validate") + 1 else "29" for k, o in enumerate(TINY)
    ]
    run = tmp_path / "run"
    said = call(capsys, "train", "isbi2012-em", "-o", run, "--steps", 2, *tiny)
    assert said["steps"] == 2
    info = call(capsys, "info", run)
    assert info["data"][0]["shape"] == [30, 512, 512]
