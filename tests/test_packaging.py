"""What is shipped, and that the README is true."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

import napari_unet
from napari_unet.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[<>=\[ ;]", line)[0]) for line in requirements}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in pairs}


# ----------------------------------------------------------------------------------- the package


def test_the_package_carries_manifest_and_types():
    files = importlib.resources.files("napari_unet")
    assert files.joinpath("py.typed").is_file()
    manifest = files.joinpath("napari.yaml").read_text(encoding="utf-8")
    assert manifest.startswith("name: napari-unet-trainer\n")
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/napari_unet"]


def test_the_manifest_at_the_top_is_the_one_in_the_package():
    top, real = ROOT / "napari.yaml", ROOT / "src" / "napari_unet" / "napari.yaml"
    assert top.read_text(encoding="utf-8") == real.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert top.is_symlink()


def test_the_distribution_has_its_names_and_version():
    distribution = importlib.metadata.distribution("napari-unet-trainer")
    assert distribution.version == napari_unet.__version__
    entry_points = {(e.group, e.name): e.value for e in distribution.entry_points}
    assert entry_points["console_scripts", "napari-unet"] == "napari_unet.__main__:main"
    manifest = entry_points["napari.manifest", "napari-unet-trainer"]
    assert manifest == "napari_unet:napari.yaml"


def test_neither_napari_nor_qt_is_a_dependency_of_the_core():
    names = names_of(PROJECT["project"]["dependencies"])
    assert not names & {"napari", "magicgui", "qtpy", "pyqt6", "pyside6", "superqt", "pyqtgraph"}
    assert not names & {"matplotlib", "pandas"}


def test_every_dependency_has_a_tested_version():
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    names = names_of([*project["dependencies"], *chain.from_iterable(extras)])
    assert names - set(pins()) <= {"napari-unet-trainer"}
    assert pins()["torch"] == "2.13.0"
    assert not [version for version in pins().values() if "+" in version]


def test_the_core_works_without_napari_and_qt(tmp_path):
    """In a process where importing any of them fails."""
    script = """
import sys

class Blocked:
    names = {"napari", "npe2", "qtpy", "PyQt6", "PySide6", "magicgui", "superqt", "pyqtgraph"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
import numpy as np
import tifffile
from napari_unet.cli import main
image = np.random.default_rng(0).integers(0, 255, (2, 40, 40)).astype(np.uint8)
labels = np.zeros_like(image)
labels[:, 10:20, 10:20] = 1
tifffile.imwrite("image.tif", image, photometric="minisblack")
tifffile.imwrite("labels.tif", labels, photometric="minisblack")
tiny = "--steps 1 --depth 1 --width 1 --tile 24 --batch 1 --validate none --device cpu".split()
assert main(["train", "image.tif", "labels.tif", "-o", "run", *tiny]) == 0
assert main(["predict", "run", "image.tif", "-o", "prediction.tif"]) == 0
assert main(["evaluate", "prediction.tif", "labels.tif"]) == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------ the set-up


@pytest.mark.skipif(sys.platform == "win32", reason="make is for Linux and macOS")
def test_make_test_does_everything():
    done = subprocess.run(
        ["make", "--always-make", "--dry-run", "test"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    order = [
        "system_libraries.sh", "make_environment.sh", "pip install", "ruff check", "ruff format",
        "mypy", "npe2 validate", "pytest",
    ]  # fmt: skip
    places = [done.stdout.index(word) for word in order]
    assert places == sorted(places)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="make is for Linux and macOS")
def test_make_bench_builds_what_has_no_usable_wheel():
    # Inside `make test` an inner make announces its folder: quiet, or those lines come last.
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "bench"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    installed, measured = done.stdout.splitlines()[-2:]
    assert "--no-binary elasticdeform" in installed
    assert measured.endswith("-m benchmarks -o docs")


@pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for Linux and macOS")
@pytest.mark.parametrize("script", ["scripts/system_libraries.sh", "scripts/make_environment.sh"])
def test_scripts_are_valid(script):
    assert subprocess.run(["bash", "-n", str(ROOT / script)], check=False).returncode == 0


# ------------------------------------------------------------------------------------ the README


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_commands_of_the_readme_are_understood():
    lines = [line for block in blocks("") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("napari-unet ")]
    assert len(commands) >= 8
    for command in commands:
        build_parser().parse_args(shlex.split(command)[1:])
    targets = [shlex.split(line, comments=True)[1] for line in lines if line.startswith("make ")]
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in targets)


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    """As it stands, but for fewer steps of a smaller network."""
    from napari_unet.config import presets as train_config
    from napari_unet.config.network import UNetConfig

    fast = train_config.PRESETS["fast"]
    tiny = replace(
        fast, network=UNetConfig(depth=1, width=2), tile=44, batch=1, validate_every=2, device="cpu"
    )
    monkeypatch.setitem(train_config.PRESETS, "fast", tiny)
    monkeypatch.chdir(tmp_path)
    (snippet,) = blocks("python")
    assert "steps=200" in snippet
    scope: dict = {}
    exec(compile(snippet.replace("steps=200", "steps=4"), "README.md", "exec"), scope)
    assert scope["labels"].shape == (12, 256, 256)
    assert set(scope["labels"].ravel()) <= {0, 255}
    out = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("Step(") for line in out) == 4
    assert any(line.startswith("(11,)") for line in out)
