"""Which layers are the image and its labels, and how they are read: a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.inspection_job import decide
from napari_unet.base.errors import InputError
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.buttons import check_box
from napari_unet.widgets.common.choices import Choice, Combo
from napari_unet.widgets.common.class_look import class_names
from napari_unet.widgets.common.form import Advanced, Form
from napari_unet.widgets.common.layer_combo import LayerCombo
from napari_unet.widgets.common.layer_facts import is_result, tell, told
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.layers import (
    annotated_slices,
    default_level,
    fits,
    level_options,
    proposed_axes,
    put_on_slice,
    shown_slice,
    stack_from_layers,
)
from napari_unet.widgets.common.notes import Heading
from napari_unet.widgets.common.numbers import spin_box

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack
    from napari_unet.widgets.common.dock import Dock

__all__ = ["LayerChoice"]

AXIS_WORDS = {"z": "slices", "t": "time points", "c": "channels", "p": "positions"}
IMAGE_TIP = "The image to train on: any image layer, 2D or a stack, grey or colour."
LABELS_TIP = (
    "The labels that say what the network shall find. New ones: the “new labels layer” "
    "button above the layer list, then paint."
)
LEVEL_TIP = (
    "A pyramid holds the same image at several resolutions. The finest one is used unless the "
    "labels were drawn on another; a coarser one sees further around each pixel and is faster."
)
DENSE_TIP = "Every pixel is annotated; where nothing is painted, there is nothing to find."
SPARSE_TIP = (
    "Only painted pixels count. Paint background with label 1, and what is to be found with 2 "
    "and more."
)
ZERO = [("&background", "dense", DENSE_TIP), ("&not annotated", "sparse", SPARSE_TIP)]
KINDS = [
    ("as found", None),
    ("objects: each value one", "objects"),
    ("classes: each value a class", "classes"),
]
KIND_TIP = "Whether each label value is one object, or a class of which there are many pieces."
AXES_TIP = "What the axes of the image are. Channels are learned together, slices one by one."
GAP_TIP = (
    "Objects that touch are separated by one background pixel, so that the network "
    "can learn to keep them apart."
)


class LayerChoice(QWidget):
    """Image, labels, what their axes and values mean; `advanced` is placed by the dock.

    Parameters
    ----------
    dock
        Gives the viewer, and ends the listening.
    """

    changed = Signal()
    """Other layers, or to be read otherwise."""
    painted = Signal()
    """A brush stroke on the labels."""
    look_changed = Signal()
    """Other colours or names of label values."""

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock, self._viewer = dock, dock.viewer
        self._painted: Any = None
        self._is_empty = False  # the plane of labels whose slice is not known
        self._without_labels = False  # the user wants none
        self._wanted = "dense", True  # zero and gap, of labels that do not say themselves
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(Heading("or your own layers"))
        self._build_form()
        self._build_advanced()
        column.addWidget(self._form)
        dock.listen(self._viewer.layers.events.inserted, self._on_inserted)

    def _build_form(self) -> None:
        self.image = LayerCombo(self._dock, Image, IMAGE_TIP)
        self.level = Combo((), LEVEL_TIP)
        self.labels = LayerCombo(self._dock, Labels, LABELS_TIP, none="none: nothing to learn from")
        self.zero = Choice(ZERO, column=True)
        self._form = form = Form()
        self.image_problem = form.add("&Image", self.image)
        form.add("Level", self.level)
        form.show_row(self.level, False)
        self.labels_problem = form.add("Lab&els", self.labels)
        form.add("0 means", self.zero, "What pixels without a label are.")
        self.image.chosen.connect(self.use_image)
        self.image.altered.connect(self._on_altered)
        self.labels.activated.connect(self._on_labels_picked)
        self.labels.chosen.connect(self.use_labels)
        self.labels.altered.connect(self._on_control)
        self.level.chosen.connect(self._on_control)
        self.zero.chosen.connect(self._on_meaning)

    def _build_advanced(self) -> None:
        self.advanced = Advanced("what label values mean, axes, grey-value limits")
        self.kind = Combo(KINDS, KIND_TIP)
        self.axes = Combo((), AXES_TIP)
        self.ignore = spin_box(-1, 65535, -1, "Pixels with this label value count for nothing.")
        self.ignore.setSpecialValueText("no value")
        self.gap = check_box("gap between touching objects", GAP_TIP, True)
        form = self.advanced.form
        form.add("Labels are", self.kind)
        form.add("Axes", self.axes)
        form.add("Ignore", self.ignore)
        form.add_wide(self.gap)
        self.kind.chosen.connect(self._on_control)
        self.axes.chosen.connect(self._on_control)
        self.ignore.valueChanged.connect(self._on_control)
        self.gap.toggled.connect(self._on_meaning)

    # -- what is chosen ---------------------------------------------------------------------

    @property
    def known_scheme(self) -> LabelScheme | None:
        """What whoever made the labels says they mean."""
        labels = self.labels.value
        plain = None if labels is None else told(labels, "scheme")
        return LabelScheme.from_dict(plain) if plain else None

    @property
    def wishes(self) -> tuple[Any, ...]:
        """What the user says about the labels; see `inspection_job.inspect`."""
        ignore = self.ignore.value()
        names = {} if self.labels.value is None else class_names(self.labels.value)
        ignored = None if ignore < 0 else ignore
        return self.zero.value, self.kind.value, ignored, self.gap.isChecked(), names

    def source(
        self, scheme: LabelScheme | None = None, annotated: tuple[int, ...] | None = None
    ) -> LayerStack:
        """Return what makes the stack of these layers, with what was found out about the labels."""
        known, wishes = self.known_scheme, self.wishes
        return LayerStack(
            self.image.value,
            self.labels.value,
            axes=self.axes.value,
            level=self.level.value or 0,
            scheme=scheme,
            annotated=annotated,
            decide=lambda stack: decide(stack, known, *wishes)[0],
        )

    def quick_stack(self) -> Stack | None:
        """Return the stack, yet without what its labels mean; or say which field is wrong."""
        self.image_problem.say("")
        self.labels_problem.say("")
        image, labels, axes = self.image.value, self.labels.value, self.axes.value
        self.zero.setEnabled(labels is not None)
        if image is None:
            return None
        level = self.level.value or 0
        try:
            stack_from_layers(image, axes=axes, level=level)
        except InputError as error:
            self.image_problem.say(notices.sentence(error))
            return None
        try:
            annotated = annotated_slices(image, labels, axes)
            return stack_from_layers(
                image, labels, axes=axes, scheme=LabelScheme(), annotated=annotated, level=level
            )
        except InputError as error:
            self.labels_problem.say(notices.sentence(error))
            return None

    # -- choosing ---------------------------------------------------------------------------

    def use_image(self, _: object = None) -> None:
        """Another image: propose its axes and the labels that fit it."""
        self._without_labels = False
        if self.image.value is not None:
            self._propose_labels()
            self._propose_axes()
        self._offer_levels()
        self.use_labels()

    def use_labels(self, _: object = None) -> None:
        """Other labels: what is known about them is taken over."""
        image, labels = self.image.value, self.labels.value
        self._watch_painting()
        if image is not None and labels is not None:
            self._is_empty = not labels.multiscale and not labels.data.any()
            if told(labels, "slice") is None:
                put_on_slice(labels, image, self._viewer, self.axes.value)
        if image is not None and self.level.count():
            self.level.value = default_level(image, labels)
        if labels is not None:
            self._show_meaning(self.known_scheme)
        self.changed.emit()

    def _show_meaning(self, scheme: LabelScheme | None) -> None:
        """Show what labels say themselves; what others said of theirs is not meant for these."""
        zero, gap = self._wanted if scheme is None else (scheme.annotation, scheme.gap)
        self.zero.value = zero
        with QSignalBlocker(self.gap):
            self.gap.setChecked(gap)

    def use_axes(self, axes: str) -> None:
        """Choose axes, also such that were not proposed."""
        known = [value for _, value in self.axes.options]
        if axes not in known:
            self.axes.set_options([(_axes_words(a), a) for a in (axes, *known)])
        self.axes.value = axes

    def follow(self, stack: Stack | None, image: Any, labels: Any) -> None:
        """Show what another dock chose."""
        self.image.value, self.labels.value = image, labels
        if stack is not None and stack.scheme is not None:
            self.zero.value = stack.scheme.annotation
            if labels is not None and self.known_scheme is None:  # said in another dock
                self._wanted = self.zero.value, self._wanted[1]
        if stack is not None:
            self.axes.set_options([(_axes_words(stack.axes), stack.axes)])
            self._offer_levels()
            if image is not None and image.multiscale:
                levels = [k for k, one in enumerate(image.data) if one is stack.image]
                self.level.value = levels[0] if levels else 0
        self._watch_painting()

    def _propose_axes(self) -> None:
        options = proposed_axes(self.image.value, self.labels.value)
        self.axes.set_options([(_axes_words(a), a) for a in options])
        self.axes.setCurrentIndex(0)

    def _propose_labels(self) -> bool:
        """Choose labels that fit the image, where those chosen do not or are another image's."""
        image, chosen = self.image.value, self.labels.value
        fitting = [
            one
            for one in self._viewer.layers
            if isinstance(one, Labels) and not is_result(one) and fits(one, image)
        ]
        fitting.sort(
            key=lambda one: (
                not _named_after(one, image),
                not one.visible,
                -one.ndim,
                one.data.shape != image.data.shape,
            )
        )
        if chosen in fitting and (
            _named_after(chosen, image) or not _named_after(fitting[0], image)
        ):
            return False
        found = bool(fitting) and (fitting[0].visible or _named_after(fitting[0], image))
        if found:
            self.labels.value = fitting[0]
        return found

    def _offer_levels(self) -> None:
        image = self.image.value
        options = [] if image is None else level_options(image)
        self.level.set_options(options)
        if options:
            self.level.value = default_level(image, self.labels.value)
        self._form.show_row(self.level, bool(options))

    # -- what happens -----------------------------------------------------------------------

    def _on_inserted(self, _: object = None) -> None:
        """Labels that come after their image are chosen as well, unless none are wanted."""
        wanted = self.labels.value is None and not self._without_labels
        if self.image.value is not None and wanted and self._propose_labels():
            self.use_labels()

    def _on_labels_picked(self, _: object = None) -> None:
        """The user chose labels: a plane lies on the slice that is shown now."""
        labels = self.labels.value
        self._without_labels = labels is None
        if labels is not None:
            tell(labels, slice=None)

    def _on_altered(self, what: str) -> None:
        """The image layer has other data, axes or another place."""
        ndim = len(proposed_axes(self.image.value)[0])
        if what == "axis_labels" or len(self.axes.value) != ndim:
            self._propose_axes()
        if what == "data":
            self._offer_levels()
        self.changed.emit()

    def _on_control(self, _: object = None) -> None:
        self.changed.emit()

    def _on_meaning(self, _: object = None) -> None:
        """The user says what label values mean."""
        if self.known_scheme is None:
            self._wanted = self.zero.value, self.gap.isChecked()
        self.changed.emit()

    def _watch_painting(self) -> None:
        layer = self.labels.value
        if layer is self._painted:
            return
        for one, listening in ((self._painted, False), (layer, True)):
            if one is None:
                continue
            act = self._dock.listen if listening else self._dock.unlisten
            act(one.events.labels_update, self._on_painted)
            act(one.events.colormap, self._on_look)
            act(one.events.features, self._on_look)
        self._painted = layer

    def _on_painted(self, _: object = None) -> None:
        """A brush stroke: its slice is annotated from now on."""
        image, labels = self.image.value, self.labels.value
        if image is None:
            return
        if self._is_empty and labels.ndim < image.ndim:  # the first stroke says where they lie
            tell(labels, slice=None)
            put_on_slice(labels, image, self._viewer, self.axes.value)
        self._is_empty = False
        annotated = told(labels, "annotated")
        if annotated is not None:
            stack = stack_from_layers(image, axes=self.axes.value)
            shown = shown_slice(self._viewer, stack, image)
            if shown not in annotated:
                tell(labels, annotated=sorted({*annotated, shown}))
        self.painted.emit()

    def _on_look(self, _: object = None) -> None:
        self.look_changed.emit()


def _named_after(labels: Labels, image: Image) -> bool:
    """Tell whether labels say by their name which image they belong to."""
    rest = labels.name.removeprefix(image.name)
    return rest != labels.name and not rest[:1].isalnum()


def _axes_words(axes: str) -> str:
    """Words for axes: "zcyx" is "slices, channels, y, x"."""
    return ", ".join(AXIS_WORDS.get(a, a) for a in axes)
