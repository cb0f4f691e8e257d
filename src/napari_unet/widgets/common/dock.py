"""What every dock has: the viewer, its session, a narrow scrolling column, the theme, an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, finalize

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_unet.app.session import Session, session_of
from napari_unet.widgets.common.style import style_sheet
from napari_unet.widgets.common.theme import Colours, colours
from napari_unet.widgets.common.worker import Worker, stop_with_window

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_unet.config.training import TrainConfig

__all__ = ["Dock"]

MINIMUM_WIDTH = 300  # px at 100 % scaling; the design width is 320, and larger letters need more


class Dock(QWidget):
    """A column of controls for one viewer.

    A subclass builds its controls into ``self.column`` in ``build`` and hears of
    the world through ``listen``; both end with the dock.

    Parameters
    ----------
    viewer
        The viewer, its model, or napari's proxy of it.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.session: Session = session_of(viewer)
        self._heard: list[tuple[Any, WeakMethod[Any]]] = []
        self._followed: list[_Followed] = []
        self._workers: list[Worker] = []
        self._had_parent = False
        end = _End(self._heard)
        self.destroyed.connect(end)
        finalize(self, end).atexit = False
        self.column = self._make_column()
        self.build()
        self.column.addStretch(1)
        self.listen(self.viewer.events.theme, self._on_theme)
        self._on_theme()

    def build(self) -> None:
        """Put the controls into ``self.column``."""

    def on_theme(self, colours: Colours) -> None:
        """Take over the theme's colours; the style sheet is set already."""

    def on_shut(self) -> None:
        """Clean up when the dock is taken out of its window; workers are stopped already."""

    def listen(self, signal: Any, method: Callable[..., Any]) -> None:
        """Call a bound method on a psygnal or napari signal, until the dock ends."""
        signal.connect(method)
        self._heard.append((signal, WeakMethod(method)))

    def follow(self, method: Callable[[], Any], *fields: str) -> None:
        """Call a bound method when one of these settings of the next run changes."""
        followed = _Followed(self.session, method, fields)
        self._followed.append(followed)
        self.listen(self.session.config_changed, followed.look)

    def unlisten(self, signal: Any, method: Callable[..., Any]) -> None:
        """Undo `listen`."""
        signal.disconnect(method)
        self._heard[:] = [one for one in self._heard if one != (signal, WeakMethod(method))]

    def run(self, worker: Worker) -> Worker:
        """Start a worker that ends with this dock or its window, whichever is first."""
        self._workers = [one for one in self._workers if one.is_running]
        self._workers.append(worker)
        stop_with_window(worker, self)
        worker.start()
        return worker

    def shut(self) -> None:
        """Stop the workers, hear nothing more."""
        _stop_listening(self._heard)
        for worker in self._workers:
            if worker.is_running:
                worker.shut()
        self._workers.clear()
        self.on_shut()

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock out of its window (its X was clicked)."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._had_parent = True
            elif self._had_parent:
                self.shut()
        return bool(super().event(event))

    def _make_column(self) -> QVBoxLayout:
        content = QWidget()
        content.setObjectName("unetColumn")
        column = QVBoxLayout(content)
        column.setContentsMargins(7, 8, 7, 8)
        column.setSpacing(8)
        scroll = _Scroll()
        scroll.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        return column

    def _on_theme(self) -> None:
        self.colours = colours(self.viewer)
        self.setStyleSheet(style_sheet(self.colours))
        self.on_theme(self.colours)


class _Scroll(QScrollArea):
    """Scrolls up and down alone, so it is never narrower than what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("unetScroll")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Tab stops at what can be used
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Room for the column and the scroll bar beside it."""
        bar, content = self.verticalScrollBar(), self.widget()
        assert bar is not None
        assert content is not None
        beside = bar.sizeHint().width() + 2 * self.frameWidth()
        needed = content.minimumSizeHint().width() + beside
        return QSize(max(MINIMUM_WIDTH, needed), super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the column."""
        assert event is not None
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


class _Followed:
    """Some of the settings as they were last, and the method that wants to know of others."""

    def __init__(
        self, session: Session, method: Callable[[], Any], fields: tuple[str, ...]
    ) -> None:
        self._method, self._fields = WeakMethod(method), fields
        self._last = self._part(session.config)

    def _part(self, config: TrainConfig) -> tuple[Any, ...]:
        return tuple(getattr(config, name) for name in self._fields)

    def look(self, config: TrainConfig) -> None:
        now, method = self._part(config), self._method()
        if now != self._last and method is not None:
            self._last = now
            method()


class _End:
    """Stops the listening of a dock when Qt destroys it; `finalize` keeps it until Python does.

    The garbage collector empties what only dead objects hold before it frees the dock, and Qt
    then calls what was emptied: with a ``partial`` in this place that ends the program.
    """

    def __init__(self, heard: list[tuple[Any, WeakMethod[Any]]]) -> None:
        self._heard = heard

    def __call__(self, *_: object) -> None:
        _stop_listening(getattr(self, "_heard", []))  # it may have been emptied


def _stop_listening(heard: list[tuple[Any, WeakMethod[Any]]], *_: object) -> None:
    for signal, weak in heard:
        method = weak()
        if method is not None:
            signal.disconnect(method)
    heard.clear()
