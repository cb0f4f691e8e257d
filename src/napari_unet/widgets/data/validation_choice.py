"""Which slices measure the network instead of training it: a choice, said in slice numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from napari_unet.annotation.last_block import last_block
from napari_unet.annotation.splits import Split, parse_slices, say_slices
from napari_unet.base.errors import InputError
from napari_unet.config.split import Region, SplitConfig
from napari_unet.training.data import TrainingData
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.choices import Combo
from napari_unet.widgets.common.form import Form
from napari_unet.widgets.common.notes import Note, set_tip
from napari_unet.widgets.data.validation_region import RegionLayers, default_region

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.dock import Dock

__all__ = ["ValidationChoice"]

TIP = (
    "Slices that training never sees; how well the network does on them tells how well it will "
    "do on new images. Neighbours look alike, so a block at the end is the honest choice."
)
CHOSEN, REGION = "chosen slices", "a region"


class ValidationChoice(QWidget):
    """Offers ways to divide the session's stack, and shows what each means for it."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._viewer, self._session = dock.viewer, dock.session
        self.mode = Combo((), TIP)
        self.slices = QLineEdit()
        set_tip(self.slices, "Numbers of the slices to validate on, counted from 0: 3, 24-29.")
        self.slices.setPlaceholderText("for example 3, 24-29")
        self._form = Form()
        self.problem = self._form.add("Vali&dation", self.mode)
        self.slices_problem = self._form.add("Slices", self.slices)
        self.note = Note()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._form)
        column.addWidget(self.note)
        self._region = RegionLayers(self._viewer, self._session, self._choose_region)
        self._last_region: Region | None = None
        self.mode.chosen.connect(self._on_mode)
        self.slices.editingFinished.connect(self._on_slices)
        dock.listen(self._session.stack_changed, self.update_options)
        dock.listen(self._session.added_changed, self.update_options)
        dock.follow(self.update_options, "split", "network", "zoom", "pixel_size")
        self.update_options()

    def _data(self, split: SplitConfig) -> TrainingData:
        """The data as the next run would see them, divided in this way."""
        return TrainingData(self._session.stacks, replace(self._session.config, split=split))

    @property
    def _guard(self) -> int:
        """How far the network sees, in pixels of the current stack."""
        return self._data(SplitConfig("none")).guards[0]

    def update_options(self, _: object = None) -> None:
        """Offer what the session's stack allows; show the session's choice."""
        stack = self._session.stack
        has_labels = stack is not None and stack.labels is not None
        self.setEnabled(has_labels)
        config = self._session.config.split
        choices: list[tuple[str, Any]] = [
            (self._last_words(stack, fraction), SplitConfig("last", fraction))
            for fraction in (0.2, 0.1, 0.3)
        ]
        choices += [
            ("chosen slices …", CHOSEN),
            ("a region that I draw …", REGION),
            ("nothing: train on everything", SplitConfig("none")),
        ]
        self.mode.set_options(choices)
        self.mode.value = {"slices": CHOSEN, "region": REGION}.get(config.mode, config)
        if config.mode == "slices":
            self.slices.setText(say_slices(config.slices))
        self._form.show_row(self.slices, config.mode == "slices")
        self._check(stack if has_labels else None)
        self._show_region()

    def _last_words(self, stack: Stack | None, fraction: float) -> str:
        words = f"last {fraction:.0%}".replace("%", " %")
        if stack is None or stack.labels is None:
            return words
        labelled = stack.labelled_slices
        if len(labelled) < 2:
            return f"a strip of {fraction:.0%}".replace("%", " %")
        chosen = last_block(stack, labelled, fraction).slices
        n = len(chosen)
        if n == 1:
            return f"{words}: slice {chosen[0]}"
        if chosen[-1] - chosen[0] == n - 1:
            return f"{words}: slices {say_slices(chosen)}"
        return f"{words}: {n} slices"  # which ones is said below

    def _check(self, stack: Stack | None) -> Split | None:
        """Say what is wrong with the choice, or what it means."""
        self.problem.say("")
        self.note.say("")
        if stack is None:
            return None
        try:
            # another stack may have what was chosen; the current one is the first
            split = self._data(self._session.config.split).given_splits[0]
        except InputError as error:
            self.problem.say(notices.sentence(error))
            return None
        if split.note:
            self.note.say(split.note)
        elif split.region is not None:
            self.note.say(self._say_region(stack, split.region))
        elif not split.validation and self._session.config.split.mode != "none":
            self.note.say(f"{stack.name} trains as a whole; only the other stacks validate.")
        elif not split.validation:
            self.note.say("Nobody will know how well the network does on images it has not seen.")
        elif split.validation[-1] - split.validation[0] != len(split.validation) - 1:
            self.note.say(f"Slices {say_slices(split.validation)} validate.")
        return split

    # -- choosing ---------------------------------------------------------------------------

    def _on_mode(self, value: Any) -> None:
        self._form.show_row(self.slices, value == CHOSEN)
        if value == CHOSEN:
            self.problem.say("")
            self.note.say("")
            self.slices.setFocus()
            self._on_slices()
        elif value == REGION:
            self._draw_region()
        else:
            self._session.change(split=value)

    def _on_slices(self) -> None:
        text = self.slices.text()
        self.slices_problem.say("")
        if not text.strip():
            return
        try:
            self._session.change(split=SplitConfig("slices", slices=parse_slices(text)))
        except InputError as error:
            self.slices_problem.say(notices.sentence(error))

    def _draw_region(self) -> None:
        """Put a rectangle into the viewer, outlined in cyan, that may be moved and resized."""
        stack = self._session.stack
        if stack is not None:
            kept = self._last_region
            region = kept if kept is not None and _inside(kept, stack) else default_region(stack)
            self._choose_region(region)
            self._show_region()

    def _choose_region(self, region: Region) -> None:
        y0, y1, x0, x1 = region
        if y0 >= y1 or x0 >= x1:
            self.problem.say("The region must lie inside the image: move it back.")
            return
        try:
            self._session.change(split=SplitConfig("region", region=region))
            self._last_region = region
        except InputError as error:
            self.problem.say(notices.sentence(error))

    def _show_region(self) -> None:
        """Show the region of the session on its stack; take it away when there is none."""
        stack, region = self._session.stack, self._session.config.split.region
        has_labels = stack is not None and stack.labels is not None
        if stack is not None and has_labels and region is not None and _inside(region, stack):
            self._region.show(stack, region, self._guard)
        else:
            self._region.hide()

    def _say_region(self, stack: Stack, region: Region) -> str:
        y0, y1, x0, x1 = region
        share = (y1 - y0) * (x1 - x0) / (stack.plane_shape[0] * stack.plane_shape[1])
        percent = f"{share:.0%}".replace("%", " %")
        return (
            f"Rows {y0}–{y1 - 1}, columns {x0}–{x1 - 1} of every labelled slice validate "
            f"({percent}); within {self._guard} px of them, as far as the network sees, nothing "
            "trains."
        )


def _inside(region: Region, stack: Stack) -> bool:
    return region[1] <= stack.plane_shape[0] and region[3] <= stack.plane_shape[1]
