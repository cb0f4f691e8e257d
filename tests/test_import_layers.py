"""Who may import whom: the core knows no window, and cheap things import no torch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import napari_unet

PACKAGE = Path(napari_unet.__file__).parent
WINDOW = {"napari", "qtpy", "PyQt6", "PyQt5", "PySide6", "PySide2", "magicgui", "superqt",
          "vispy", "pyqtgraph"}  # fmt: skip
CORE = sorted(p for p in PACKAGE.rglob("*.py") if "widgets" not in p.relative_to(PACKAGE).parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_no_core_module_names_a_window_at_its_top(path):
    for node in ast.parse(path.read_text()).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] not in WINDOW
            assert not name.startswith("napari_unet.widgets")


def test_the_core_can_be_imported_where_neither_napari_nor_qt_is_installed():
    modules = [module_name(p) for p in CORE if p.stem != "__main__"]
    run(
        "import sys, importlib\n"
        "class Block:\n"
        f"    names = {WINDOW!r}\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in self.names: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )


def test_numpy_modules_import_no_torch():
    names = [
        "annotation.labels", "annotation.splits", "annotation.weights", "app.session", "cli",
        "config.training", "datasets.registry", "evaluation.metrics", "images.files",
        "images.stack", "network.tiles", "prediction.objects",
    ]  # fmt: skip
    run(
        "import sys, importlib\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(f'napari_unet.{name}')\n"
        "    assert 'torch' not in sys.modules, name\n"
    )


def test_the_page_about_the_structure_names_every_room_and_existing_modules():
    page = (PACKAGE.parent.parent / "docs" / "architecture.md").read_text()
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == rooms
    assert len(rooms) <= 16
    for name in re.findall(r"`((?:\w+\.)+\w+)`", page):
        parts = list(name.split("."))
        if parts[0] not in rooms:
            continue
        path = PACKAGE.joinpath(*[part for part in parts if part.islower()])
        assert path.with_suffix(".py").exists() or path.is_dir() or (
            path.parent.with_suffix(".py").exists()
            and f" {path.name}" in path.parent.with_suffix(".py").read_text()
        ), name  # fmt: skip
