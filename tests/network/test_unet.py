"""The network: counts and sizes of the paper, and values that can be checked by hand."""

import math

import pytest
import torch

from napari_unet.base.errors import InputError
from napari_unet.config.network import UNetConfig
from napari_unet.config.size_rule import border, next_valid_size, smallest_input
from napari_unet.network.unet import UNet, forward_flops


def test_the_papers_network_has_31_million_parameters():
    with torch.device("meta"):
        assert UNet(UNetConfig()).parameter_count == 31_030_658


def test_the_papers_tile_gives_388_pixels():
    with torch.device("meta"):
        assert UNet()(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_output_size_follows_the_rule(depth, norm):
    net = UNet(UNetConfig(in_channels=3, classes=5, depth=depth, width=2, norm=norm)).eval()
    size = next_valid_size(smallest_input(depth) + 1, depth)
    assert net(torch.rand(2, 3, size, size + 2**depth)).shape == (
        2,
        5,
        size - border(depth),
        size + 2**depth - border(depth),
    )


def test_a_size_with_a_remainder_is_refused():
    with pytest.raises(InputError, match=r"takes tiles of 44 \+ 4·n pixels, got 46: use 48"):
        UNet(UNetConfig(depth=2, width=1))(torch.rand(1, 1, 46, 46))


def test_weights_follow_the_papers_distribution():
    net = UNet(UNetConfig(width=32, depth=2), torch.Generator().manual_seed(0))
    layer = net.down[2][2]  # 128 -> 128 channels
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.01)
    up = net.up[1]  # 128 -> 64, 2 x 2
    assert up.weight.std().item() == pytest.approx(math.sqrt(2 / (4 * 128)), rel=0.02)
    assert all((m.bias == 0).all() for m in net.modules() if getattr(m, "bias", None) is not None)


def test_the_same_generator_gives_the_same_weights():
    config = UNetConfig(width=2, depth=1)
    first, second = (UNet(config, torch.Generator().manual_seed(7)) for _ in range(2))
    for a, b in zip(first.parameters(), second.parameters()):
        assert torch.equal(a, b)


def test_each_output_pixel_sees_exactly_its_receptive_field():
    """Outside of it, changes must not matter; at its rim they must be able to."""
    torch.manual_seed(0)
    config = UNetConfig(width=2, depth=2, dropout=0.0)
    net = UNet(config).double()
    for parameter in net.parameters():
        parameter.data.abs_()  # no ReLU closes, so every path carries
    x = torch.rand(1, 1, 64, 64, dtype=torch.double, requires_grad=True)
    out = net(x)
    out[0, 0, 8, 12].backward()
    assert out.shape[-1] == 24
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    # 20 pixels of border lie on either side; pooling adds up to 2^d - 1 pixels in one direction.
    assert rows.min() >= 8
    assert rows.max() <= 8 + 40 + 3
    assert rows.max() - rows.min() >= 40 - 4


def test_skips_are_cropped_from_the_centre():
    """With the lower path silenced, the output is the centre of the skip."""
    net = UNet(UNetConfig(width=1, depth=1, classes=2))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for conv in (net.down[0][0], net.down[0][2], net.merge[0][2]):
            conv.weight[0, 0, 1, 1] = 1.0
        net.merge[0][0].weight[0, 0, 1, 1] = 1.0  # channel 0 of the concatenation is the skip
        net.classify.weight[0, 0] = 1.0
    x = torch.rand(1, 1, 28, 28)
    torch.testing.assert_close(net(x)[0, 0], x[0, 0, 8:-8, 8:-8])


def test_dropout_acts_only_on_the_deepest_features():
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=2, depth=1, dropout=0.5))
    seen = []
    net.dropout.register_forward_hook(lambda m, args, out: seen.append(out.shape))
    net.train()(torch.rand(1, 1, 20, 20))
    assert [s[1] for s in seen] == [4]
    x = torch.rand(1, 1, 20, 20)
    assert torch.equal(net.eval()(x), net.eval()(x))


def test_flops_of_the_papers_forward_pass():
    assert forward_flops(UNetConfig(), 572, 572) == pytest.approx(300.9e9, rel=1e-3)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"depth": 9}, "depth must be a whole number from 0 to 6, got 9"),
        ({"width": 0}, "width"),
        ({"classes": 1}, "classes must be a whole number from 2 to 255"),
        ({"dropout": 1.0}, "dropout"),
        ({"norm": "layer"}, "norm must be 'none' or 'batch', got 'layer'"),
    ],
)
def test_wrong_settings_are_refused(wrong, text):
    with pytest.raises(InputError, match=text):
        UNetConfig(**wrong)


def test_config_survives_json():
    config = UNetConfig(width=8, norm="batch")
    assert UNetConfig.from_dict(config.to_dict()) == config
