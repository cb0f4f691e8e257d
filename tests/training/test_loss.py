"""The loss, by hand and in parts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.training.loss import (
    LOSSES,
    batch_share,
    consistency_loss,
    dice_loss,
    map_loss,
)


def whole_loss(logits, classes, weights, by="mean"):
    """The loss of a batch that is learnt in one part."""
    return batch_share(logits, classes, weights, by, tiles=len(logits), mass=float(weights.sum()))


# -- the loss, by hand ---------------------------------------------------------


def test_loss_of_two_pixels_by_hand():
    logits = torch.tensor([[[[0.0, 2.0]], [[0.0, 0.0]]]])  # (1, 2, 1, 2)
    classes = torch.tensor([[[0, 1]]])
    weights = torch.tensor([[[3.0, 1.0]]])
    first = 3 * np.log(2)
    second = np.log(1 + np.exp(2))
    by_pixels = whole_loss(logits, classes, weights, "mean")
    by_weight = whole_loss(logits, classes, weights, "weighted mean")
    assert by_pixels.item() == pytest.approx((first + second) / 2)
    assert by_weight.item() == pytest.approx((first + second) / 4)


def test_unannotated_pixels_have_no_gradient():
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    weights = torch.ones(1, 4, 4)
    weights[..., :2] = 0
    whole_loss(logits, torch.zeros(1, 4, 4, dtype=torch.long), weights).backward()
    assert (logits.grad[..., :2] == 0).all()
    assert (logits.grad[..., 2:] != 0).any()


def test_a_batch_without_annotation_has_loss_zero():
    loss = whole_loss(
        torch.randn(1, 2, 3, 3),
        torch.zeros(1, 3, 3, dtype=torch.long),
        torch.zeros(1, 3, 3),
        "weighted mean",
    )
    assert loss.item() == 0


# -- staying near the average ---------------------------------------------------


def test_consistency_by_hand_counts_unannotated_pixels_alone():
    logits = torch.zeros(1, 2, 1, 2, requires_grad=True)  # one half for each class
    likely = torch.tensor([[[[0.9, 0.5]], [[0.1, 0.5]]]])
    apart = 0.4**2 + 0.4**2
    lead = 0.9 - 0.1  # the other pixel's is nothing
    loss = consistency_loss(logits, likely, torch.tensor([[[0.0, 0.0]]]))
    assert loss.item() == pytest.approx(apart * lead**2)
    loss.backward()
    assert logits.grad[0, 0, 0, 0] < 0 < logits.grad[0, 1, 0, 0]  # towards 0.9 and 0.1
    assert consistency_loss(logits, likely, torch.tensor([[[2.0, 0.0]]])).item() == 0
    assert consistency_loss(logits, likely, torch.tensor([[[0.0, 2.0]]])).item() == loss.item()


def test_what_the_average_is_unsure_of_holds_nothing_back():
    logits = torch.tensor([[[[2.0]], [[0.0]], [[-1.0]]]])
    torn = torch.tensor([[[[0.4]], [[0.4]], [[0.2]]]])
    assert consistency_loss(logits, torn, torch.zeros(1, 1, 1)).item() == pytest.approx(0)
    sure = torch.tensor([[[[0.1]], [[0.1]], [[0.8]]]])
    p = torch.softmax(logits, 1)
    expected = (p - sure).square().sum() * (0.8 - 0.1) ** 2
    found = consistency_loss(logits, sure, torch.zeros(1, 1, 1)).item()
    assert found == pytest.approx(expected.item())


# -- Dice ----------------------------------------------------------------------


def test_dice_of_two_pixels_by_hand():
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 0.0]]]])  # one half for each class
    classes = torch.tensor([[[0, 1]]])
    # For each class: 2·0.5 + 1 above, 1 + 1 + 1 below.
    found = dice_loss(logits, classes, torch.ones(1, 1, 2, dtype=torch.bool))
    assert found.tolist() == pytest.approx([1 - 2 / 3])


def test_dice_of_a_perfect_prediction_is_0_and_of_a_wrong_one_nearly_1():
    classes = torch.tensor([[[0, 1] * 500]])
    right = torch.nn.functional.one_hot(classes, 2).movedim(-1, 1) * 40.0
    known = torch.ones_like(classes, dtype=torch.bool)
    assert dice_loss(right, classes, known).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-right, classes, known).item() > 0.99


def test_dice_does_not_look_at_unannotated_pixels():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    known = torch.ones(2, 4, 4, dtype=torch.bool)
    known[..., 0] = False
    dice_loss(logits, torch.zeros(2, 4, 4, dtype=torch.long), known).sum().backward()
    assert (logits.grad[..., 0] == 0).all()
    assert (logits.grad[..., 1:] != 0).all()


# -- in parts ------------------------------------------------------------------


@given(by=st.sampled_from(LOSSES), cut=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_shares_of_parts_add_up_to_the_loss_of_the_batch(by, cut, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, 3, 4, 6, generator=generator)
    classes = torch.randint(0, 3, (5, 4, 6), generator=generator)
    weights = torch.rand(5, 4, 6, generator=generator) * torch.randint(
        0, 2, (5, 4, 6), generator=generator
    )
    mass = float(weights.sum())
    parts = [
        batch_share(logits[k], classes[k], weights[k], by, tiles=5, mass=mass)
        for k in (slice(0, cut), slice(cut, None))
    ]
    losses = torch.nn.functional.cross_entropy(logits, classes, reduction="none") * weights
    whole = losses.mean() if by == "mean" else losses.sum() / (mass or 1.0)
    if by == "dice":
        whole = whole + dice_loss(logits, classes, weights > 0).mean()
    assert sum(parts).item() == pytest.approx(whole.item(), rel=1e-5)


@pytest.mark.parametrize("by", LOSSES)
def test_a_batch_without_annotation_teaches_nothing(by):
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    share = batch_share(
        logits, torch.zeros(1, 3, 3, dtype=torch.long), torch.zeros(1, 3, 3), by, tiles=1, mass=0.0
    )
    share.backward()
    assert share.item() == pytest.approx(0)
    assert (logits.grad == 0).all()


# -- object maps ---------------------------------------------------------------


def test_map_loss_by_hand():
    predicted = torch.tensor([[[[0.5, 0.55, 1.5, 7.0]]]], requires_grad=True)
    maps = torch.tensor([[[[0.5, 0.5, 0.5, torch.nan]]]])
    loss = map_loss(predicted, maps)
    # 0; a parabola, 0.05² / 0.2; a line, 1 - 0.05; not known.
    assert loss.item() == pytest.approx(3 * (0.0125 + 0.95))
    loss.backward()
    assert predicted.grad.flatten().tolist() == pytest.approx([0, 1.5, 3, 0])
