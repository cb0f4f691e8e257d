"""What can be asked for, and what it says: outputs of a prediction, metrics of an evaluation.

Here, so that menus, forms and the help of commands can offer it before anything is loaded.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["METRICS", "OUTPUTS", "OutputKind"]

OutputKind: TypeAlias = Literal["labels", "probabilities", "objects"]

OUTPUTS: dict[OutputKind, str] = {
    "labels": "The class of every pixel, with the label values of the training.",
    "probabilities": "How sure the network is of every class, 0 to 1.",
    "objects": "Every object with a number of its own; touching ones apart where the network "
    "learnt what separates them.",
}
"""Every output, and what it says."""

ISBI = (
    "Rand, warping and pixel error of the EM challenge, and V_Rand and V_Info after thinning. "
    "Exact with probabilities; labels are all the thresholds at once."
)
CELLS = (
    "SEG: how well cells are outlined; DET: how many are found (the challenge takes DET on its "
    "tracking markers)."
)
THROUGH = (
    "For objects whose ids go through the stack, or through each of several, such as the volume of "
    "every time: adapted Rand error and variation of information over all voxels, and TRA of the "
    "Cell Tracking Challenge, without divisions."
)
STEPPED = (
    "The score of the 2025 reproduction: IoU in ten steps from 0.5 on. It is not an IoU. Beside "
    "it the IoU of each slice, mean."
)

METRICS: dict[str, tuple[str, str]] = {
    "overlap": ("IoU, Dice, pixel accuracy", "How well the areas agree, pixel by pixel."),
    "isbi2012": ("ISBI-2012 (membranes)", ISBI),
    "rand": ("Rand and pixel error (membranes, quick)", "Those of ISBI-2012 that take no time."),
    "ctc": ("Cell Tracking Challenge", CELLS),
    "objects": ("objects (average precision)", "Objects found, by how well they must fit."),
    "stack": ("ids through slices or frames", THROUGH),
    "thresholded-iou": ("thresholded IoU (the reproduction's)", STEPPED),
}
"""Name of each group of metrics: what it is called, what it says."""
