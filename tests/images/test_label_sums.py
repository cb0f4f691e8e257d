"""Slices whose labels are newer than a model: counted one by one."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.annotation.labels import LabelScheme
from napari_unet.images.label_sums import newer_slices, seen_labels
from napari_unet.images.stack import Stack


def stack_of(labels, name="s", annotated=None):
    return Stack(
        name, np.zeros_like(labels), "zyx", labels=labels, annotated=annotated,
        scheme=LabelScheme("objects", "dense"),
    )  # fmt: skip


def test_changed_new_and_emptied_slices_count_once_each():
    labels = np.zeros((5, 4, 4), np.uint8)
    labels[:3] = 1
    seen = seen_labels(stack_of(labels, annotated=(0, 1, 2)))
    assert [i for i, _ in seen["slices"]] == [0, 1, 2]
    assert newer_slices([seen], [stack_of(labels, annotated=(0, 1, 2))]) == 0
    labels[0, 1, 1] = 2  # painted once more
    assert newer_slices([seen], [stack_of(labels, annotated=(0, 1, 2))]) == 1
    assert newer_slices([seen], [stack_of(labels, annotated=(0, 1, 2, 4))]) == 2  # a new one
    assert newer_slices([seen], [stack_of(labels, annotated=(0, 1, 4))]) == 3  # one is gone


def test_values_count_and_their_type_does_not():
    labels = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    seen = seen_labels(stack_of(labels.astype(np.uint8)))
    assert newer_slices([seen], [stack_of(labels.astype(np.int64))]) == 0


def test_a_stack_that_the_model_does_not_know_counts_for_nothing():
    labels = np.ones((2, 3, 3), np.uint8)
    seen = [seen_labels(stack_of(labels, "a"))]
    assert newer_slices(seen, [stack_of(labels * 2, "b")]) == 0
    assert newer_slices(seen, [stack_of(labels * 2, "a"), stack_of(labels, "b")]) == 2
    assert newer_slices([], [stack_of(labels, "a")]) == 0


@given(changed=st.sets(st.integers(0, 5)))
def test_as_many_as_were_changed_also_after_writing_and_reading(changed):
    labels = np.ones((6, 3, 3), np.uint16)
    seen = json.loads(json.dumps([seen_labels(stack_of(labels))]))
    for i in changed:
        labels[i, i // 3, i % 3] = 7
    assert newer_slices(seen, [stack_of(labels)]) == len(changed)
