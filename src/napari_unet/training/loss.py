"""What training makes small: weighted cross-entropy, with a Dice term if asked for.

A network with object maps learns them beside it.

Legend: B tiles, K classes, M object maps, (h, w) output pixels.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from torch import Tensor

__all__ = ["LOSSES", "Loss", "batch_share", "consistency_loss", "dice_loss", "map_loss"]

Loss: TypeAlias = Literal["mean", "weighted mean", "dice"]

LOSSES: tuple[Loss, ...] = ("mean", "weighted mean", "dice")

MAP_WEIGHT = 3.0  # of the object maps beside the cross-entropy

MAP_BETA = 0.1  # error up to which the smooth L1 loss is a parabola

SMOOTH = 1.0  # px, so that a class that is neither there nor predicted loses nothing


def dice_loss(logits: Tensor, classes: Tensor, known: Tensor) -> Tensor:
    """One minus the soft Dice coefficient of each tile, mean over the classes.

    With p the softmax and t the truth (1 for the true class), summed over the
    annotated pixels, a class has ``2 Σ p t / (Σ p + Σ t)`` (Milletari et al.
    2016 with sums instead of squares, doi:10.1109/3DV.2016.79).

    Parameters
    ----------
    logits : Tensor (B, K, h, w)
        Raw output of the network.
    classes : Tensor (B, h, w) int64
        Class index of every pixel.
    known : Tensor (B, h, w) bool
        Annotated pixels; the others do not count.

    Returns
    -------
    Tensor (B,)
        float32, 0 (perfect) to 1.
    """
    counted = known[:, None]
    p = torch.softmax(logits.float(), 1) * counted
    t = F.one_hot(classes, logits.shape[1]).movedim(-1, 1) * counted
    both, either = (p * t).sum((2, 3)), (p + t).sum((2, 3))  # (B, K)
    return 1 - ((2 * both + SMOOTH) / (either + SMOOTH)).mean(1)


def map_loss(predicted: Tensor, maps: Tensor) -> Tensor:
    """Return the smooth L1 distance to the object maps, times its weight, summed.

    With e the error of a pixel: e² / 2β up to β, |e| - β / 2 from there on (Girshick 2015,
    doi:10.1109/ICCV.2015.169).

    Parameters
    ----------
    predicted : Tensor (B, M, h, w)
        Output of the network.
    maps : Tensor (B, M, h, w)
        What it should be; NaN where that is not known, which counts nothing.

    Returns
    -------
    Tensor ()
        float32; divide by the number of pixels that are known.
    """
    known = ~maps.isnan()
    errors = F.smooth_l1_loss(predicted.float(), maps.nan_to_num(), reduction="none", beta=MAP_BETA)
    return MAP_WEIGHT * (errors * known).sum()


def consistency_loss(logits: Tensor, likely: Tensor, weights: Tensor) -> Tensor:
    """Return the squared distance to other probabilities where nothing is annotated, summed.

    With the probabilities of an average of former networks, a network that saw a few strokes does
    not swing on the pixels that nobody painted (mean teacher: Tarvainen & Valpola 2017,
    arXiv:1703.01780). A pixel counts with the square of the lead of its likeliest class over the
    next: what the average is unsure of holds nothing back, so strokes decide there.

    Parameters
    ----------
    logits : Tensor (B, K, h, w)
        Raw output of the network.
    likely : Tensor (B, K, h, w) float32
        Probabilities to stay near, held fast.
    weights : Tensor (B, h, w) float32
        0 where a pixel is not annotated; the others do not count.

    Returns
    -------
    Tensor ()
        float32; divide by the number of pixels that are not annotated.
    """
    apart = (torch.softmax(logits.float(), 1) - likely).square().sum(1)
    first, second = likely.topk(2, 1).values.unbind(1)
    return (apart * (first - second).square() * (weights == 0)).sum()


def batch_share(
    logits: Tensor, classes: Tensor, weights: Tensor, by: Loss, *, tiles: int, mass: float
) -> Tensor:
    """Return what some tiles of a batch contribute to its loss.

    That is the pixel-wise softmax cross-entropy times the weight map (paper, equation 1). The
    shares of all parts add up to the loss of the batch, and so do their gradients: a batch that
    memory does not hold is learnt in parts.

    Parameters
    ----------
    logits : Tensor (B, K, h, w)
        Raw output of the network, of the part.
    classes : Tensor (B, h, w) int64
        Class index of every pixel.
    weights : Tensor (B, h, w) float32
        0 where a pixel is not annotated.
    by : {"mean", "weighted mean", "dice"}
        Divide the sum by the number of pixels, annotated or not ("mean"), or by the sum of the
        weights; "dice" is the weighted mean plus the mean `dice_loss` of the tiles.
    tiles : int
        Tiles of the whole batch.
    mass : float
        Sum of the weights of the whole batch.

    Returns
    -------
    Tensor ()
        float32.
    """
    total = _sum(logits, classes, weights)
    if by == "mean":
        return total / (weights[0].numel() * tiles)
    share = total / (mass if mass > 0 else 1.0)
    if by == "weighted mean":
        return share
    return share + dice_loss(logits, classes, weights > 0).sum() / tiles


def _sum(logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
    return (F.cross_entropy(logits.float(), classes, reduction="none") * weights).sum()
