"""The U-Net dock: the whole path in tabs, in the order of work."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

if TYPE_CHECKING:
    import napari.viewer

    from napari_unet.widgets.common.dock import Dock

__all__ = ["TABS", "UNetDock"]

TABS = {
    "Data": ("data.data_dock", "DataDock", "1. Which images, and what their labels mean"),
    "Weights": ("weights.weights_dock", "WeightsDock", "2. Where the network must be most careful"),
    "Augment": (
        "augment.augmentation_dock",
        "AugmentationDock",
        "3. Augmentation: what the network is shown",
    ),
    "Train": ("train.train_dock", "TrainDock", "4. Teach the network"),
    "Predict": ("predict.predict_dock", "PredictDock", "5. Let it label images"),
    "Evaluate": ("evaluate.evaluate_dock", "EvaluateDock", "6. Measure how good it is"),
}
"""Text of each tab: its module, its class, and its tooltip."""

# Six words in 320 px: napari's own tabs are wider.
TAB_STYLE = "QTabBar::tab { padding: 6px 2px; margin: 0; min-width: 20px; min-height: 1.3em; }"


class UNetDock(QWidget):
    """All docks as tabs; each is made when it is first looked at.

    Parameters
    ----------
    viewer
        The viewer, or napari's proxy of it.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._docks: dict[str, Dock] = {}
        self._had_parent = False
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        bar = self.tabs.tabBar()
        assert bar is not None
        bar.setUsesScrollButtons(True)  # only where large letters need more room
        bar.setExpanding(True)
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        bar.setStyleSheet(TAB_STYLE)
        for k, (text, (_, _, tip)) in enumerate(TABS.items()):
            page = QWidget()
            column = QVBoxLayout(page)
            column.setContentsMargins(0, 0, 0, 0)
            self.tabs.addTab(page, text)
            self.tabs.setTabToolTip(k, tip)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.tabs)
        self.tabs.currentChanged.connect(self._on_tab)
        self._on_tab(0)

    def dock(self, name: str) -> Dock:
        """Return the dock of a tab, made now if nobody looked at it yet."""
        if name not in self._docks:
            module, cls, _ = TABS[name]
            made: Dock = getattr(import_module(f"napari_unet.widgets.{module}"), cls)(self._viewer)
            page = self.tabs.widget(list(TABS).index(name))
            layout = None if page is None else page.layout()
            assert layout is not None
            layout.addWidget(made)
            self._docks[name] = made
        return self._docks[name]

    def show_tab(self, name: str) -> Dock:
        """Turn to a tab."""
        self.tabs.setCurrentIndex(list(TABS).index(name))
        return self.dock(name)

    def event(self, event: QEvent) -> bool:
        """Shut the docks when napari takes this one out of its window (its X was clicked)."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._had_parent = True
            elif self._had_parent:
                for dock in self._docks.values():
                    dock.shut()
        return bool(super().event(event))

    def _on_tab(self, k: int) -> None:
        self.dock(list(TABS)[k])
