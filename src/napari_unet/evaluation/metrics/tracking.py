"""Tracking accuracy of the Cell Tracking Challenge: TRA."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_unet.evaluation.metrics.ctc import INVENTED, MISSED, SPLIT, majority_pairs
from napari_unet.evaluation.metrics.objects import annotated_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_unet.evaluation.metrics.objects import Frames, Progress

__all__ = ["ctc_tra"]

WRONG_LINK, MISSED_LINK, WRONG_KIND = 1.0, 1.5, 1.0

Node: TypeAlias = tuple[int, int]  # frame, id
Links: TypeAlias = dict[tuple[Node, Node], bool]  # whether it leads from a parent to a child


def ctc_tra(
    predictions: Frames,
    references: Frames,
    parents: Mapping[int, int] | None = None,
    reference_parents: Mapping[int, int] | None = None,
    *,
    progress: Progress | None = None,
) -> float:
    """TRA of the Cell Tracking Challenge: how well cells are found and followed.

    Objects of all frames are the nodes of a graph; links join an object to itself in the next
    frame where it is, and a child to where its parent was last before it. A predicted object
    finds every reference object more than half of which it covers. What it takes to correct the
    prediction is weighed::

        AOGM  = 5 splits + 10 missed + 1 invented
                + 1 wrong links + 1.5 missed links + 1 links of the wrong kind
        AOGM0 = 10 reference objects + 1.5 reference links,   TRA = 1 − min(AOGM, AOGM0) / AOGM0

    Links are compared between objects that find exactly one reference object each.

    Parameters
    ----------
    predictions, references : sequence of array_like (Y, X) or (Z, Y, X) of int
        Ids of each frame that mean the same object in all frames, 0 background; as reference
        the markers of the TRA folder.
    parents, reference_parents : mapping of int to int, optional
        Child → parent ids; none when omitted.
    progress : callable (done, total), optional
        Called before every frame. What it raises stops the computation.

    Returns
    -------
    float
        0 … 1; NaN if there is no reference object.

    Raises
    ------
    InputError
        If the shapes or numbers of frames differ.

    References
    ----------
    Matula et al. (2015), Cell tracking accuracy measurement based on comparison of acyclic
    oriented graphs, https://doi.org/10.1371/journal.pone.0144959
    """
    cost, objects = 0.0, 0
    nodes: list[list[int]] = []
    true_nodes: list[list[int]] = []
    meaning: dict[Node, Node] = {}  # of objects that find exactly one
    for frame, overlaps in enumerate(annotated_frames(predictions, references, None, progress)):
        pairs = majority_pairs(overlaps)
        found = np.bincount(overlaps.predicted[pairs], minlength=len(overlaps.predicted_ids))
        cost += SPLIT * int(np.maximum(found - 1, 0).sum())
        cost += MISSED * (len(overlaps.reference_ids) - len(pairs))
        cost += INVENTED * int((found == 0).sum())
        objects += len(overlaps.reference_ids)
        nodes.append(overlaps.predicted_ids.tolist())
        true_nodes.append(overlaps.reference_ids.tolist())
        for pair in pairs[found[overlaps.predicted[pairs]] == 1]:
            predicted = int(overlaps.predicted_ids[overlaps.predicted[pair]])
            reference = int(overlaps.reference_ids[overlaps.reference[pair]])
            meaning[frame, predicted] = frame, reference
    if not objects:
        return float("nan")
    links = _links(true_nodes, reference_parents or {})
    cost += _corrected(_links(nodes, parents or {}), links, meaning)
    from_nothing = MISSED * objects + MISSED_LINK * len(links)
    return 1 - min(cost / from_nothing, 1.0)


def _links(frames: list[list[int]], parents: Mapping[int, int]) -> Links:
    seen: dict[int, list[int]] = {}
    for frame, ids in enumerate(frames):
        for number in ids:
            seen.setdefault(number, []).append(frame)
    links: Links = {}
    for number, at in seen.items():
        links |= {((a, number), (b, number)): False for a, b in pairwise(at)}
        before = [frame for frame in seen.get(parents.get(number, 0), ()) if frame < at[0]]
        if before:
            links[(before[-1], parents[number]), (at[0], number)] = True
    return links


def _corrected(links: Links, true_links: Links, meaning: Mapping[Node, Node]) -> float:
    """Return what it costs to make the predicted links the true ones."""
    cost, right = 0.0, 0
    for (start, end), is_parent in links.items():
        if start not in meaning or end not in meaning:
            continue
        true = true_links.get((meaning[start], meaning[end]))
        if true is None:
            cost += WRONG_LINK
        else:
            right += 1
            cost += WRONG_KIND * (true != is_parent)
    return cost + MISSED_LINK * (len(true_links) - right)
