"""The Data dock: which stack, what its labels mean, what validates, and what was found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QTimer

from napari_unet.annotation.labels import LabelScheme
from napari_unet.app.inspection_job import inspect, look_at
from napari_unet.base.errors import InputError
from napari_unet.images.grey_values import GreyValues
from napari_unet.images.stack import Stack
from napari_unet.preflight import Finding, apply_fix
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.bound import BoundControls
from napari_unet.widgets.common.class_look import class_colours, class_names, rename_class
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.file_choice import FileChoice
from napari_unet.widgets.common.form import (
    Advanced,
    Choice,
    Combo,
    Form,
    Heading,
    Note,
    check_box,
    set_tip,
    spin_box,
)
from napari_unet.widgets.common.layers import (
    LayerCombo,
    annotated_slices,
    default_level,
    describe_levels,
    fits,
    go_to_slice,
    level_options,
    proposed_axes,
    shown_slice,
    stack_from_layers,
)
from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.data.class_table import ClassTable
from napari_unet.widgets.data.finding_list import FindingList
from napari_unet.widgets.data.grey_values import GreyHistogram
from napari_unet.widgets.data.sample_choice import SampleChoice
from napari_unet.widgets.data.samples import stack_layers
from napari_unet.widgets.data.training_stacks import TrainingStacks
from napari_unet.widgets.data.validation_choice import ValidationChoice

if TYPE_CHECKING:
    from napari_unet.widgets.common.theme import Colours

__all__ = ["DataDock"]

AXIS_WORDS = {"z": "slices", "t": "time points", "c": "channels", "p": "positions"}
LEVEL_TIP = (
    "A pyramid holds the same image at several resolutions. The finest one is used unless the "
    "labels were drawn on another; a coarser one sees further around each pixel and is faster."
)
LIMITS_TIP = (
    "Which grey values become 0 and 1. Of the whole stack: the same for every slice, so that real "
    "differences of brightness count; right for most images. Of every slice: measured anew on "
    "each one, which evens out illumination that drifts, but hides differences of brightness "
    "between slices, and an almost empty slice is stretched until its noise is bright."
)
NOTHING_OPEN = "Open a sample, or drag an image into the viewer."
LOOK_PERIOD = 30  # ms between findings
REPAINT_DELAY = 700  # ms after the last brush stroke until the labels are looked at anew


class DataDock(Dock):
    """Choose a sample or layers; everything else follows."""

    def build(self) -> None:
        """Put the controls into the column."""
        self._looking: Worker | None = None
        self._painted: Any = None
        self._without_labels = False  # the user wants none
        self._just_opened = False
        self._build_samples()
        self._build_layers()
        self._build_advanced()
        self._build_classes()
        self.training_stacks = TrainingStacks(self)
        self.validation = ValidationChoice(self)
        self.column.addWidget(self.training_stacks)
        self.column.addWidget(self.validation)
        self.column.addWidget(Heading("About this stack"))
        self.status = Note()
        self.histogram = GreyHistogram()
        self.findings = FindingList()
        self.findings.fix_wanted.connect(self._on_fix)
        self.column.addWidget(self.status)
        self.column.addWidget(self.histogram)
        self.column.addWidget(self.findings)
        self._repaint = QTimer(self)
        self._repaint.setSingleShot(True)
        self._repaint.setInterval(REPAINT_DELAY)
        self._repaint.timeout.connect(self._look)
        self.listen(self.session.stack_changed, self._on_stack)
        self.follow(self._on_split, "split", "network", "zoom")
        if self.session.image_layer is not None:
            self._follow_session()
        else:
            self._on_image()

    def _build_samples(self) -> None:
        self.samples = SampleChoice(self)
        self.samples.opened.connect(self._on_opened)
        self.samples.told.connect(self._on_told)
        self.files = FileChoice(self)
        self.files.opened.connect(self._on_opened)
        self.column.addWidget(self.samples)
        self.column.addWidget(self.files)

    def _build_layers(self) -> None:
        self.column.addWidget(Heading("or your own layers"))
        tip = "The image to train on: any image layer, 2D or a stack, grey or colour."
        self.image = LayerCombo(self, Image, tip)
        tip = (
            "The labels that say what the network shall find. New ones: the “new labels layer” "
            "button above the layer list, then paint."
        )
        self.labels = LayerCombo(self, Labels, tip, none="none: nothing to learn from")
        dense = "Every pixel is annotated; where nothing is painted, there is nothing to find."
        sparse = (
            "Only painted pixels count. Paint background with label 1, and what is to be found "
            "with 2 and more."
        )
        self.zero = Choice(
            [("&background", "dense", dense), ("&not annotated", "sparse", sparse)], column=True
        )
        self._layers_form = form = Form()
        self.image_problem = form.add("&Image", self.image)
        self.level = Combo((), LEVEL_TIP)
        form.add("Level", self.level)
        form.show_row(self.level, False)
        self.labels_problem = form.add("Lab&els", self.labels)
        form.add("0 means", self.zero, "What pixels without a label are.")
        self.column.addWidget(form)
        self.image.chosen.connect(self._on_image)
        self.labels.activated.connect(self._on_labels_picked)
        self.labels.chosen.connect(self._on_labels)
        self.listen(self.viewer.layers.events.inserted, self._on_inserted)
        self.level.chosen.connect(self._look)
        self.zero.chosen.connect(self._look)

    def _build_advanced(self) -> None:
        self.advanced = Advanced("what label values mean, axes, grey-value limits")
        tip = "Whether each label value is one object, or a class of which there are many pieces."
        self.kind = Combo(
            [("as found", None), ("objects: each value one", "objects"),
             ("classes: each value a class", "classes")], tip,
        )  # fmt: skip
        tip = "What the axes of the image are. Channels are learned together, slices one by one."
        self.axes = Combo((), tip)
        tip = "Pixels with this label value count for nothing."
        self.ignore = spin_box(-1, 65535, -1, tip)
        self.ignore.setSpecialValueText("no value")
        tip = (
            "Objects that touch are separated by one background pixel, so that the network "
            "can learn to keep them apart."
        )
        self.gap = check_box("gap between touching objects", tip, True)
        self.limits = Combo([("of the whole stack", "stack"), ("of every slice", "image")],
                            LIMITS_TIP)  # fmt: skip
        BoundControls(self).add(self.limits, "intensity")
        form = self.advanced.form
        form.add("Labels are", self.kind)
        self.axes_problem = form.add("Axes", self.axes)
        form.add("Ignore", self.ignore)
        form.add_wide(self.gap)
        form.add("Limits", self.limits)
        self.column.addWidget(self.advanced)
        self.kind.chosen.connect(self._look)
        self.axes.chosen.connect(self._look)
        self.ignore.valueChanged.connect(self._look)
        self.gap.toggled.connect(self._look)

    def _build_classes(self) -> None:
        self.classes = Advanced("", "Classes: names and colours")
        set_tip(self.classes.toggle, "What each label value is called, and its colour.")
        self.class_table = ClassTable()
        self.class_table.renamed.connect(self._on_renamed)
        self.classes.form.add_wide(self.class_table)
        self.classes.hide()
        self.column.addWidget(self.classes)

    def on_theme(self, colours: Colours) -> None:
        """Take over the theme's colours."""
        self.histogram.on_theme(colours)

    # -- samples and files ------------------------------------------------------------------

    def _on_opened(self, opened: Stack | tuple[Stack, ...]) -> None:
        """Show what was opened; the first stack is chosen, others are learned from as well."""
        stacks = opened if isinstance(opened, tuple) else (opened,)
        shown = [[Layer.create(*one) for one in stack_layers(stack)] for stack in stacks]
        for layers in shown:
            for layer in layers:
                self.viewer.add_layer(layer)
        self.image.value = shown[0][0]
        self.labels.value = shown[0][1] if len(shown[0]) > 1 else None
        self.viewer.reset_view()
        self._just_opened = True
        self._on_image()
        further = tuple(stack for stack in stacks[1:] if stack.labels is not None)
        if further:
            self.session.added = (*self.session.added, *further)

    def _on_told(self, text: str) -> None:
        looking = self._looking is not None and self._looking.is_running
        if text or not looking:
            self.status.say(text or ("" if self.image.value is not None else NOTHING_OPEN))

    def on_shut(self) -> None:
        """Cancel a download."""
        self.samples.cancel()

    # -- layers -----------------------------------------------------------------------------

    def _on_image(self, _: object = None) -> None:
        """Another image: propose its axes and the labels that fit it."""
        image = self.image.value
        self._without_labels = False
        if image is not None:
            self._propose_labels()
            known = image.metadata.get("napari_unet", {}).get("axes")
            options = proposed_axes(image, self.labels.value)
            options = (known, *(a for a in options if a != known)) if known else options
            self.axes.set_options([(_axes_words(a), a) for a in options])
            self.axes.setCurrentIndex(0)
        self._offer_levels()
        self._on_labels()

    def _propose_labels(self) -> bool:
        """Choose labels that fit the image, where those chosen do not or are another image's."""
        image, chosen = self.image.value, self.labels.value
        fitting = [one for one in self._label_layers() if fits(one, image)]
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

    def _on_inserted(self, _: object = None) -> None:
        """Labels that come after their image are chosen as well, unless none are wanted."""
        wanted = self.labels.value is None and not self._without_labels
        if self.image.value is not None and wanted and self._propose_labels():
            self._on_labels()

    def _on_labels_picked(self, _: object = None) -> None:
        self._without_labels = self.labels.value is None

    def _offer_levels(self) -> None:
        image = self.image.value
        options = [] if image is None else level_options(image)
        self.level.set_options(options)
        if options:
            self.level.value = default_level(image, self.labels.value)
        self._layers_form.show_row(self.level, bool(options))

    def _on_labels(self, _: object = None) -> None:
        """Other labels: what is known about them is taken over."""
        self._watch_painting()
        if self.image.value is not None and self.level.count():
            self.level.value = default_level(self.image.value, self.labels.value)
        scheme = self._known_scheme()
        if scheme is not None:
            self.zero.value = scheme.annotation
            self.gap.setChecked(scheme.gap)
        self._look()

    def _label_layers(self) -> list[Any]:
        return [
            one for one in self.viewer.layers if isinstance(one, Labels) and " · " not in one.name
        ]

    def _known(self) -> dict[str, Any]:
        labels = self.labels.value
        known: dict[str, Any] = {} if labels is None else labels.metadata.get("napari_unet", {})
        return known

    def _known_scheme(self) -> LabelScheme | None:
        plain = self._known().get("scheme")
        return LabelScheme.from_dict(plain) if plain else None

    def _watch_painting(self) -> None:
        layer = self.labels.value
        if layer is self._painted:
            return
        if self._painted is not None:
            self._painted.events.labels_update.disconnect(self._on_painted)
            for event in (self._painted.events.colormap, self._painted.events.features):
                event.disconnect(self._on_class_look)
        self._painted = layer
        if layer is not None:
            self.listen(layer.events.labels_update, self._on_painted)
            self.listen(layer.events.colormap, self._on_class_look)
            self.listen(layer.events.features, self._on_class_look)

    def _on_painted(self, _: object = None) -> None:
        """A brush stroke: its slice is annotated from now on; look when the strokes are over."""
        stack, known = self.session.stack, self._known()
        if stack is not None and known.get("annotated") is not None:
            shown = shown_slice(self.viewer, stack, self.session.image_layer)
            known["annotated"] = sorted({*known["annotated"], shown})
        self._repaint.start()

    # -- looking ----------------------------------------------------------------------------

    def _look(self, _: object = None) -> None:
        """Make the stack that is chosen, and look at it in the background."""
        if self._looking is not None:
            self._looking.abandon()
        self.findings.clear()
        self.histogram.show_values(None)
        self.image_problem.say("")
        self.labels_problem.say("")
        image = self.image.value
        self.zero.setEnabled(self.labels.value is not None)
        if image is None:
            self.session.stack = None
            self.classes.hide()
            self.status.say(NOTHING_OPEN)
            return
        stack = self._quick_stack()
        if stack is None:
            self.session.stack = None
            self.status.say("")
            return
        self.status.say("Looking at the stack …")
        ignore = self.ignore.value()
        ignored = None if ignore < 0 else ignore
        names = {} if self.labels.value is None else class_names(self.labels.value)
        wanted = (self.zero.value, self.kind.value, ignored, self.gap.isChecked(), names)
        job = partial(inspect, stack, self._known_scheme(), *wanted, **self._checks())
        self._looking = Worker(job, period=LOOK_PERIOD)
        self._looking.yielded.connect(self._on_found)
        self._looking.errored.connect(self._on_look_failed)
        self._looking.finished.connect(self._on_look_over)
        self.run(self._looking)

    def _checks(self) -> dict[str, Any]:
        """What the pre-flight wants to know besides the stack."""
        labels = self.labels.value
        placed = (
            {}
            if labels is None
            else {
                "labels_scale": tuple(map(float, labels.scale)),
                "labels_translate": tuple(map(float, labels.translate)),
            }
        )
        others = tuple(one for one in self.session.stacks if one is not self.session.stack)
        return {"config": self.session.config, "others": others, **placed}

    def _quick_stack(self) -> Stack | None:
        """The stack with a placeholder for what its labels mean; or say which field is wrong."""
        image, labels, axes = self.image.value, self.labels.value, self.axes.value
        level = self.level.value or 0
        try:
            stack_from_layers(image, axes=axes, level=level)
        except InputError as error:
            self.image_problem.say(notices.sentence(error))
            return None
        try:
            annotated = annotated_slices(image, labels, self.viewer, axes)
            return stack_from_layers(
                image, labels, axes=axes, scheme=LabelScheme(), annotated=annotated, level=level
            )
        except InputError as error:
            self.labels_problem.say(notices.sentence(error))
            return None

    def _on_found(self, found: Stack | GreyValues | Finding) -> None:
        if isinstance(found, Stack):
            stack = self._with_look(found)
            self.session.use_layers(stack, self.image.value, self.labels.value)
            self._show_classes(stack)
            if self._just_opened:
                self._just_opened = False
                self._show_annotated_slice(stack)
            levels = describe_levels(self.image.value, self.level.value or 0)
            if levels:
                self.findings.add(Finding("info", levels))
        elif isinstance(found, GreyValues):
            self.histogram.show_values(found)
        else:
            self.findings.add(found)

    def _show_annotated_slice(self, stack: Stack) -> None:
        """Show what was opened where it has labels: of many frames few may have some."""
        image, labelled = self.image.value, stack.labelled_slices
        if labelled and shown_slice(self.viewer, stack, image) not in labelled:
            go_to_slice(self.viewer, stack, labelled[0], image)

    # -- classes and limits -------------------------------------------------------------------

    def _with_look(self, stack: Stack) -> Stack:
        """Take over the names and colours that the labels layer has now."""
        labels, scheme = self.labels.value, stack.scheme
        if labels is None or scheme is None or scheme.kind == "objects":
            return stack
        known = class_names(labels)
        names = tuple(known.get(v) or name for v, name in zip(scheme.values, scheme.names))
        scheme = replace(scheme, names=names, colours=class_colours(labels, scheme.values))
        return stack if scheme == stack.scheme else replace(stack, scheme=scheme)

    def _show_classes(self, stack: Stack) -> None:
        scheme = stack.scheme
        has_classes = scheme is not None and scheme.kind == "classes"
        self.classes.setVisible(has_classes)
        words = "as found"
        if scheme is not None:
            words += f": {scheme.kind}"
            if has_classes:
                self.class_table.show_classes(scheme)
        if self.kind.value is None:
            self.kind.setItemText(0, words)

    def _on_class_look(self, _: object = None) -> None:
        """Names or colours of the labels layer changed."""
        stack = self.session.stack
        if stack is None or self.session.labels_layer is not self.labels.value:
            return
        changed = self._with_look(stack)
        if changed is not stack:
            self.session.stack = changed
            self._show_classes(changed)

    def _on_renamed(self, value: int, name: str) -> None:
        if self.labels.value is not None:
            rename_class(self.labels.value, value, name)
            self._on_class_look()

    def _on_look_failed(self, error: Exception) -> None:
        self.session.stack = None
        self.findings.add(Finding("error", notices.sentence(error)))

    def _on_look_over(self) -> None:
        if self._looking is not None and not self._looking.is_running:
            self.status.say("")

    def _on_fix(self, finding: Finding) -> None:
        stack, fix = self.session.stack, finding.fix
        if stack is None or fix is None:
            return
        if fix == "zoom":
            self.session.change(zoom=finding.zoom or 1.0)  # looks anew
            return
        if fix == "make gaps":
            self.gap.setChecked(True)  # looks anew
            return
        if fix == "read other axes":
            self._use_axes(finding.axes or stack.axes)
            return
        if fix == "give the image's pixel size":
            self._give_pixel_size(stack.scale)
            return
        if fix in ("read as objects", "read as classes"):
            self.kind.value = fix.removeprefix("read as ")
        else:
            kept = apply_fix(stack, fix).annotated or ()
            self.labels.value.metadata.setdefault("napari_unet", {})["annotated"] = list(kept)
        self._look()

    def _use_axes(self, axes: str) -> None:
        known = [self.axes.itemData(k)[0] for k in range(self.axes.count())]
        if axes not in known:
            self.axes.set_options([(_axes_words(a), a) for a in (axes, *known)])
        self.axes.value = axes
        self._look()

    def _give_pixel_size(self, scale: tuple[float, ...]) -> None:
        """Give the labels layer a scale, along the axes it has, those of the plane last."""
        labels = self.labels.value
        n = min(len(scale), labels.ndim)
        labels.scale = (*labels.scale[: labels.ndim - n], *scale[len(scale) - n :])
        self._look()

    # -- the session ------------------------------------------------------------------------

    def _on_stack(self, _: object) -> None:
        """Another dock chose another stack."""
        image = self.session.image_layer
        if (
            self.session.stack is not None
            and image is not None
            and (
                image is not self.image.value or self.session.labels_layer is not self.labels.value
            )
        ):
            self._follow_session()

    def _on_split(self) -> None:
        """Validation is checked anew."""
        if self._looking is None or not self._looking.is_running:
            self._show_findings_of(self.session.stack)
        else:
            self._look()

    def _follow_session(self) -> None:
        self.image.value = self.session.image_layer
        self.labels.value = self.session.labels_layer
        stack = self.session.stack
        if stack is not None and stack.scheme is not None:
            self.zero.value = stack.scheme.annotation
        if stack is not None:
            self.axes.set_options([(_axes_words(stack.axes), stack.axes)])
            self._offer_levels()
            self._follow_level(stack)
            self._show_classes(stack)
        self._watch_painting()
        self._show_findings_of(stack)

    def _follow_level(self, stack: Stack) -> None:
        image = self.image.value
        if image is not None and image.multiscale:
            levels = [k for k, one in enumerate(image.data) if one is stack.image]
            self.level.value = levels[0] if levels else 0

    def _show_findings_of(self, stack: Stack | None) -> None:
        self.findings.clear()
        if stack is None:
            return
        self._looking = Worker(partial(look_at, stack, **self._checks()), period=LOOK_PERIOD)
        self._looking.yielded.connect(self._on_found)
        self._looking.errored.connect(self._on_look_failed)
        self.run(self._looking)


def _named_after(labels: Labels, image: Image) -> bool:
    """Tell whether labels say by their name which image they belong to."""
    rest = labels.name.removeprefix(image.name)
    return rest != labels.name and not rest[:1].isalnum()


def _axes_words(axes: str) -> str:
    """Words for axes: "zcyx" is "slices, channels, y, x"."""
    return ", ".join(AXIS_WORDS.get(a, a) for a in axes)
