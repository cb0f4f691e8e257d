"""The questions of the reproduction, what its article says, and what its code adds to that."""

from __future__ import annotations

from dataclasses import dataclass

from napari_unet.reproduction.comparison import Comparison

__all__ = ["QUESTIONS", "STATEMENTS", "Question", "Statement"]


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    name
        Of its figure.
    text
        As a person asks it.
    changed, usual
        What the two runs of every comparison have, for the legend of the figure.
    comparisons
        Whose verdicts are the answer.
    article
        What the article says.
    differs
        Why that may differ.
    """

    name: str
    text: str
    changed: str
    usual: str
    comparisons: tuple[Comparison, ...]
    article: str
    differs: str


def _compared(name: str, *more: Comparison) -> tuple[Comparison, ...]:
    """A run of every data set against its baseline."""
    sets = {"em": "V_Rand", "u373": "IoU", "hela": "IoU"}
    return (
        *(Comparison(key, f"{key}-{name}", f"{key}-baseline", by) for key, by in sets.items()),
        *more,
    )


QUESTIONS = (
    Question(
        "tiles",
        "Are 16 small tiles a step better than 4 large ones?",
        "16 tiles of 252 px",
        "4 tiles of 508 px",
        _compared("batch16"),
        "Thresholded IoU, small against large tiles: EM 0.83 against 0.86, U373 0.955 against "
        "0.89, HeLa 0.81 against 0.89; validation loss of EM 0.19 against 0.54.",
        "Each of these numbers is one training with a split of its own, measured once on 6 "
        "augmented tiles of EM, whose size differs between the two. A step of small tiles has 74 "
        "thousand output pixels, one of large tiles 420 thousand, so as many steps are not as "
        "much training.",
    ),
    Question(
        "weights",
        "Does the weight map help?",
        "with the weight map",
        "without",
        (
            Comparison("em", "em-baseline", "em-no-weights", "V_Rand"),
            Comparison("em", "em-weights-as-run", "em-no-weights", "V_Rand"),
            Comparison("em", "em-as-run", "em-no-weights-as-run", "V_Rand"),
        ),
        "0.86 with and 0.84 without it, validation loss 0.54 and 0.21; a weight map is called a "
        "hacky inductive bias.",
        "The map that its code computes is another one: class weights of 1 / (pixels of the "
        "class), about 0.00001, leave the border term alone. On the first slice 24 % of all "
        "pixels, and 30 % of those inside cells, weigh less than 0.01; 46 % of the weight lies "
        "on membranes, which are 22 % of the pixels; the mean is 1.9 instead of 2.9. The two "
        "losses have different units. And pixels are counted, while the map is there to part "
        "cells: that is what V_Rand measures.",
    ),
    Question(
        "optimiser",
        "Is Adam better than SGD?",
        "Adam",
        "SGD, rate 0.001, momentum 0.99",
        _compared(
            "adam",
            Comparison("em", "em-adam-3e-4", "em-baseline", "V_Rand"),
            Comparison("u373", "u373-adam-3e-4", "u373-baseline", "IoU"),
            Comparison("hela", "hela-adam-3e-4", "hela-baseline", "IoU"),
        ),
        "Thresholded IoU of Adam with rate 0.001, with 0.0003, and of SGD: EM 0.83, 0.80, 0.86; "
        "U373 0.23 (diverged), 0.945, 0.89; HeLa 0.67, 0.90, 0.89.",
        "One training each. SGD with momentum 0.99 takes hundreds of steps to gather speed, and "
        "4,000 steps are few; Adam with 0.001 is at the edge of what a network without "
        "normalisation bears.",
    ),
)
"""In the order of the page."""


@dataclass(frozen=True)
class Statement:
    """A sentence of fact.

    Attributes
    ----------
    text
        What is stated.
    by
        A comparison that decides it, and the sign that it states; None where no run is needed.
    verdict
        Where no run is needed.
    reason
        By what: words, after the comparison's own.
    """

    text: str
    by: tuple[Comparison, int] | None = None
    verdict: str = ""
    reason: str = ""


def _stated(text: str, changed: str, usual: str, sign: int, measure: str = "IoU") -> Statement:
    return Statement(text, (Comparison(changed.split("-")[0], changed, usual, measure), sign))


CODE = "its public code"

STATEMENTS = (
    _stated("16 small tiles are worse than 4 large ones on EM", "em-batch16", "em-baseline", -1),
    _stated("16 small tiles are better on U373", "u373-batch16", "u373-baseline", 1),
    _stated("16 small tiles are worse on HeLa", "hela-batch16", "hela-baseline", -1),
    Statement(
        "16 small tiles have the lower validation loss on EM (0.19 against 0.54)",
        verdict="not decidable here",
        reason="the two losses are of tiles of other sizes, drawn once; *The same numbers both "
        "ways* has both on whole slices",
    ),
    _stated(
        "the weight map changes little on EM (0.86 against 0.84)",
        "em-baseline", "em-no-weights", 0, "IoU",
    ),
    Statement(
        "without the weight map the validation loss is lower (0.21 against 0.54)",
        verdict="refuted as a comparison",
        reason="the losses have different units: with the map every pixel counts 1.9 times on "
        "average; see the loss without weights",
    ),
    Statement(
        "the weight map is the paper's, which balances the classes",
        verdict="refuted",
        reason=f"{CODE}: class weights are 1 / (pixels of the class), so balancing is switched off",
    ),
    _stated("Adam with rate 0.001 is worse than SGD on EM", "em-adam", "em-baseline", -1),
    Statement(
        "Adam with rate 0.001 diverges on U373",
        verdict="",
        reason="`u373-adam`",
    ),
    _stated("Adam with rate 0.001 is worse than SGD on HeLa", "hela-adam", "hela-baseline", -1),
    _stated("Adam with rate 0.0003 is worse than SGD on EM", "em-adam-3e-4", "em-baseline", -1),
    _stated("Adam with rate 0.0003 is better on U373", "u373-adam-3e-4", "u373-baseline", 1),
    _stated("Adam with rate 0.0003 is as good on HeLa", "hela-adam-3e-4", "hela-baseline", 0),
    Statement(
        "its score is the intersection over union",
        verdict="refuted",
        reason=f"{CODE}: IoU is cut into steps of 0.05 from 0.5 on, and counts 1 above 0.95",
    ),
    Statement(
        "tiles are rotated by up to 30° and magnified up to 1.5 times",
        verdict="refuted",
        reason=f"{CODE}: every sample, validation too, is turned by 30° and magnified 1.5 times, "
        "so that the middle 44 % of an image is all that is ever seen",
    ),
    Statement(
        "tiles are drawn from anywhere in the image, with a mirrored context",
        verdict="confirmed",
        reason=f"{CODE}; ours are measured so",
    ),
    Statement(
        "a fifth of the images validates",
        verdict="confirmed",
        reason=f"{CODE}; but drawn without a seed: every run validates on other images",
    ),
    Statement(
        "masks are white inside cells and black on membranes",
        verdict="confirmed",
        reason="the published labels of EM: 255 and 0",
    ),
    Statement(
        "the network ends in a single channel",
        verdict="refuted",
        reason=f"{CODE}: two channels, of which the larger decides, as in the paper",
    ),
    Statement(
        "tiles of 512 and 256 px have an output of 324 and 68 px",
        verdict="confirmed",
        reason="counted; the last four rows and columns of the input are never used",
    ),
)  # fmt: skip
"""What its beginning, its plots and its conclusions state."""
