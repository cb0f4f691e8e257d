"""The Data dock: which stack, what its labels mean, what validates, and what was found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_unet.app.inspection_job import inspect, look_at
from napari_unet.images.grey_values import GreyValues
from napari_unet.images.stack import Stack
from napari_unet.preflight import Finding
from napari_unet.widgets.common import notices
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.file_choice import FileChoice
from napari_unet.widgets.common.layer_stack import LayerStack
from napari_unet.widgets.common.layers import describe_levels, go_to_slice, shown_slice
from napari_unet.widgets.common.notes import Heading, Note
from napari_unet.widgets.common.worker import Worker
from napari_unet.widgets.data.class_panel import ClassPanel, looked_at
from napari_unet.widgets.data.file_pixel_size import kept_in_sight, with_lost_pixel_size
from napari_unet.widgets.data.finding_list import FindingList
from napari_unet.widgets.data.grey_limits import GreyLimits
from napari_unet.widgets.data.grey_values import GreyHistogram
from napari_unet.widgets.data.layer_choice import LayerChoice
from napari_unet.widgets.data.mending import mend
from napari_unet.widgets.data.sample_choice import SampleChoice
from napari_unet.widgets.data.samples import show_stacks
from napari_unet.widgets.data.training_stacks import TrainingStacks
from napari_unet.widgets.data.validation_choice import ValidationChoice
from napari_unet.widgets.train.paint_start import PaintStart

if TYPE_CHECKING:
    from napari_unet.widgets.common.theme import Colours

__all__ = ["DataDock"]

NOTHING_OPEN = "Open a sample, or drag an image into the viewer."
LOOK_PERIOD = 30  # ms between findings
REPAINT_DELAY = 700  # ms after the last brush stroke until the labels are looked at anew


class DataDock(Dock):
    """Choose a sample or layers; everything else follows."""

    def build(self) -> None:
        """Put the controls into the column."""
        self._looking: Worker | None = None
        self._just_opened = False
        self.samples, self.files = SampleChoice(self), FileChoice(self)
        self.samples.told.connect(self._on_told)
        for opener in (self.samples, self.files):
            opener.opened.connect(self._on_opened)
        self.layers = LayerChoice(self)
        self.image, self.labels = self.layers.image, self.layers.labels
        self.grey = GreyLimits(self, self.layers.advanced.form)
        self.paint = PaintStart(self)
        self.classes = ClassPanel()
        self.training_stacks = TrainingStacks(self)
        self.validation = ValidationChoice(self)
        self.status = Note()
        self.histogram, self.findings = GreyHistogram(), FindingList()
        for widget in (
            self.samples, self.files, self.layers, self.paint, self.layers.advanced, self.classes,
            self.training_stacks, self.validation, Heading("About this stack"), self.status,
            self.histogram, self.findings,
        ):  # fmt: skip
            self.column.addWidget(widget)
        self._repaint = QTimer(self)
        self._repaint.setSingleShot(True)
        self._repaint.setInterval(REPAINT_DELAY)
        self._connect()
        if self.session.image_layer is not None:
            self._follow_session()
        else:
            self.layers.use_image()

    def _connect(self) -> None:
        self._repaint.timeout.connect(self._look)
        self.layers.changed.connect(self._look)
        self.layers.painted.connect(self._repaint.start)
        self.layers.look_changed.connect(self._on_class_look)
        self.classes.renamed.connect(self._on_class_look)
        self.findings.fix_wanted.connect(self._on_fix)
        self.listen(self.session.stack_changed, self._on_stack)
        self.follow(
            self._on_split, "split", "network", "zoom", "pixel_size", "intensity", "outside"
        )

    def on_theme(self, colours: Colours) -> None:
        """Take over the theme's colours."""
        self.histogram.on_theme(colours)

    # -- samples and files ------------------------------------------------------------------

    def _on_opened(self, opened: Stack | tuple[Stack, ...]) -> None:
        """Show what was opened; the first stack is chosen, others are learned from as well."""
        stacks = opened if isinstance(opened, tuple) else (opened,)
        shown, further = show_stacks(self.viewer, stacks)
        self.image.value = shown[0]
        self.labels.value = shown[1] if len(shown) > 1 else None
        self.viewer.reset_view()
        self._just_opened = True
        self.layers.use_image()
        if further:
            self.session.added = (*self.session.added, *further)

    def _on_told(self, text: str) -> None:
        if text or not self.is_looking:
            self.status.say(text or ("" if self.image.value is not None else NOTHING_OPEN))

    def on_shut(self) -> None:
        """Cancel a download."""
        self.samples.cancel()

    # -- looking ----------------------------------------------------------------------------

    @property
    def is_looking(self) -> bool:
        """Whether a look at the stack is still going on."""
        return self._looking is not None and self._looking.is_running

    def _look(self, _: object = None) -> None:
        """Make the stack that is chosen, and look at it in the background."""
        if self._looking is not None:
            self._looking.abandon()
        self.findings.clear()
        self.histogram.show_values(None)
        stack = self.layers.quick_stack()
        if stack is None:
            image = self.image.value
            self.session.use(None if image is None else self.layers.source())
            self.classes.hide()
            self.status.say(NOTHING_OPEN if image is None else "")
            return
        self.status.say("Looking at the stack …")
        known, wishes = self.layers.known_scheme, self.layers.wishes
        look = partial(inspect, stack, known, *wishes, **self._checks())
        image = self.image.value
        path = image.source.path if str(image.units[-1]) == "pixel" else None
        self._start(partial(with_lost_pixel_size, look, path, stack.scale))

    def _start(self, job: Any) -> None:
        self._looking = Worker(job, period=LOOK_PERIOD)
        self._looking.yielded.connect(self._on_found)
        self._looking.errored.connect(self._on_look_failed)
        self._looking.finished.connect(self._on_look_over)
        self.run(self._looking)

    def _checks(self) -> dict[str, Any]:
        """What the pre-flight wants to know besides the stack."""
        labels, session = self.labels.value, self.session
        others = tuple(one for one in session.stacks if one is not session.stack)
        places = {} if labels is None else {
            f"labels_{name}": tuple(map(float, getattr(labels, name)))
            for name in ("scale", "translate")
        }  # fmt: skip
        return {"config": session.config, "others": others, **places}

    def _on_found(self, found: Stack | GreyValues | Finding) -> None:
        if isinstance(found, Stack):
            self._use(found)
        elif isinstance(found, GreyValues):
            self.histogram.show_values(found)
        else:
            self.findings.add(found)

    def _use(self, found: Stack) -> None:
        """Share the stack that was looked at; it follows its layers from now on."""
        labels, scheme = self.labels.value, found.scheme
        if labels is not None and scheme is not None:
            scheme = looked_at(scheme, labels)
        source = self.layers.source(scheme, found.annotated)
        self.session.use(source)
        self._show_scheme(scheme)
        stack = source.stack()
        if self._just_opened and stack is not None:
            self._just_opened = False
            self._show_annotated_slice(stack)
        levels = describe_levels(self.image.value, self.layers.level.value or 0)
        if levels:
            self.findings.add(Finding("info", levels))

    def _show_annotated_slice(self, stack: Stack) -> None:
        """Show what was opened where it has labels: of many frames few may have some."""
        image, labelled = self.image.value, stack.labelled_slices
        if labelled and shown_slice(self.viewer, stack, image) not in labelled:
            go_to_slice(self.viewer, stack, labelled[0], image)

    def _on_look_failed(self, error: Exception) -> None:
        self.session.use(None)
        self.findings.add(Finding("error", notices.sentence(error)))

    def _on_look_over(self) -> None:
        if not self.is_looking:
            self.status.say("")
            self.grey.show_for(self.findings.findings)

    # -- classes, limits and fixes ------------------------------------------------------------

    def _show_scheme(self, scheme: Any) -> None:
        self.classes.show_classes(scheme, self.labels.value)
        if self.layers.kind.value is None:
            self.layers.kind.setItemText(0, "as found" + (f": {scheme.kind}" if scheme else ""))

    def _on_class_look(self, _: object = None) -> None:
        """Names or colours of the labels layer changed."""
        stack, source, labels = self.session.stack, self.session.source, self.labels.value
        if stack is None or stack.scheme is None or self.session.labels_layer is not labels:
            return
        scheme = looked_at(stack.scheme, labels)
        if scheme != stack.scheme and isinstance(source, LayerStack):
            source.describe_as(scheme)
            self._show_scheme(scheme)

    def _on_fix(self, finding: Finding) -> None:
        with kept_in_sight(self, self.image.value, finding):
            if mend(finding, self.session, self.layers):
                self._look()

    # -- the session ------------------------------------------------------------------------

    def _on_stack(self, _: object) -> None:
        """Another dock chose another stack, or its layers changed."""
        session = self.session
        layers = (session.image_layer, session.labels_layer)
        if session.stack is None or layers[0] is None:
            return
        if layers[0] is not self.image.value or layers[1] is not self.labels.value:
            self._follow_session()

    def _on_split(self) -> None:
        """Validation is checked anew."""
        if self.is_looking:
            self._look()
        else:
            self._show_findings_of(self.session.stack)

    def _follow_session(self) -> None:
        session, stack = self.session, self.session.stack
        self.layers.follow(stack, session.image_layer, session.labels_layer)
        if stack is not None:
            self._show_scheme(stack.scheme)
        self._show_findings_of(stack)

    def _show_findings_of(self, stack: Stack | None) -> None:
        self.findings.clear()
        if stack is not None:
            self._start(partial(look_at, stack, **self._checks()))
