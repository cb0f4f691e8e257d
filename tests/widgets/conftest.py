"""A real viewer, and no worker left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QMenu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def pump(seconds: float) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec_() if hasattr(loop, "exec_") else loop.exec()


def until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    """Let the window live until something is true; fail when it never is."""
    from time import monotonic

    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, f"still not true after {seconds} s: {condition}"
        pump(0.02)


def controls(dock: Any) -> Iterator[Any]:
    """All buttons, numbers and choices of a dock, without those that Qt makes for itself."""
    for kind in (QAbstractButton, QAbstractSpinBox, QComboBox):
        for one in dock.findChildren(kind):
            qts = (
                one.objectName().startswith("qt_")
                or one.metaObject().className() == "QTableCornerButton"
                or isinstance(one.window(), QMenu)  # of a plot: it never opens
            )
            if not qts:
                yield one


@pytest.fixture(autouse=True)
def _no_worker_left() -> Iterator[None]:
    yield
    if QApplication.instance() is None:
        return
    from napari_unet.widgets.common.worker import Worker

    left = list(Worker.running)
    for worker in left:
        worker.shut(10)
    assert not [worker for worker in left if worker.is_running], "a worker did not end in 10 s"


@pytest.fixture
def quick_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets of a network that learns in no time, and runs in a folder of the test."""
    from napari_unet.config.network import UNetConfig
    from napari_unet.config.presets import PRESETS

    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(tmp_path / "documents"))
    network = UNetConfig(depth=1, width=4, norm="batch")
    for name in ("fast", "paint"):
        tiny = PRESETS[name].changed(network=network, tile=60, batch=2, device="cpu")
        monkeypatch.setitem(PRESETS, name, tiny)


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """A real viewer, not shown."""
    return make_napari_viewer()


@pytest.fixture
def model(qapp: Any) -> Any:
    """A viewer without a window: most of what a dock does needs no more."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def shown_viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """A real viewer on the screen."""
    return make_napari_viewer(show=True)


@pytest.fixture
def cells() -> tuple[np.ndarray, np.ndarray]:
    """Six slices (6, 96, 112) of bright discs on a dark ground, and their labels."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:96, :112]
    labels = np.zeros((6, 96, 112), np.uint16)
    for z in range(6):
        for k in range(1, 8):
            cy, cx, r = rng.integers(8, 88), rng.integers(8, 104), rng.integers(5, 10)
            labels[z][(y - cy) ** 2 + (x - cx) ** 2 < r * r] = k
    noise = rng.normal(0, 8, labels.shape)
    image = np.clip(60 + 100 * (labels > 0) + noise, 0, 255).astype(np.uint8)
    return image, labels
