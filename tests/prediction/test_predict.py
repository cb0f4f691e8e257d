"""Overlap-tile prediction: seamless for any image, tile, depth and batch."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_unet.network.unet
import napari_unet.prediction.predict
from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import DeviceError, InputError
from napari_unet.config.network import UNetConfig
from napari_unet.images.stack import Intensity, Stack
from napari_unet.network.compute import Compute
from napari_unet.network.inference import network_for_inference
from napari_unet.network.trained_model import TrainedModel
from napari_unet.network.unet import UNet
from napari_unet.prediction.arrays import predict_labels, predict_probabilities
from napari_unet.prediction.predict import plan, predict

CPU = Compute("cpu", threads=1)


def random_network(depth=2, norm="batch", seed=0, **changes):
    torch.manual_seed(seed)
    net = UNet(UNetConfig(depth=depth, width=4, norm=norm, **changes))
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    return net.eval()


def model(**kwargs):
    return TrainedModel(
        random_network(**kwargs),
        Intensity((0.0,), (255.0,)),
        LabelScheme(kind="classes", values=(0, 255)),
    )


@given(
    y=st.integers(1, 130),
    x=st.integers(1, 130),
    depth=st.integers(0, 3),
    tile=st.integers(1, 140),
    batch=st.integers(1, 3),
)
@settings(deadline=None, max_examples=40)
def test_tiled_equals_one_pass(y, x, depth, tile, batch):
    net = random_network(depth)
    image = np.random.default_rng(y * x).random((y, x), dtype=np.float32)
    whole = predict_probabilities(net, image, "yx", logits=True, compute=CPU)
    tiled = predict_probabilities(
        net, image, "yx", tile=tile, batch=batch, logits=True, compute=CPU
    )
    reach = max(whole.max() - whole.min(), 1e-6)
    assert np.abs(whole - tiled).max() <= 1e-5 * reach
    margin = np.abs(whole[0] - whole[1]) > 1e-5 * reach
    assert (whole.argmax(0) == tiled.argmax(0))[margin].all()


@given(
    y=st.integers(1, 130),
    x=st.integers(1, 130),
    depth=st.integers(0, 3),
    tile=st.integers(1, 140),
    mirror=st.booleans(),
    data=st.data(),
)
@settings(deadline=None, max_examples=40)
def test_a_region_equals_that_part_of_the_whole(y, x, depth, tile, mirror, data):
    y0, x0 = data.draw(st.integers(0, y - 1)), data.draw(st.integers(0, x - 1))
    region = (y0, data.draw(st.integers(y0 + 1, y)), x0, data.draw(st.integers(x0 + 1, x)))
    net = random_network(depth)
    image = np.random.default_rng(y * x).random((y, x), dtype=np.float32)
    options = {"compute": CPU, "mirror_average": mirror}
    whole = predict_probabilities(net, image, "yx", **options)
    part = predict_probabilities(net, image, "yx", region=region, tile=tile, **options)
    assert np.abs(part - whole[:, region[0] : region[1], region[2] : region[3]]).max() <= 1e-5


def test_a_region_reads_and_computes_only_what_it_needs():
    class Array:
        shape, dtype, ndim = (2, 5000, 5000), np.dtype(np.uint8), 3
        read = 0

        def __getitem__(self, at):
            Array.read += 1
            assert at[0] == 1
            assert 800 <= at[1].start < at[1].stop <= 1250
            assert 1800 <= at[2].start < at[2].stop <= 2250
            return np.ones((at[1].stop - at[1].start, at[2].stop - at[2].start), np.uint8)

    stack = Stack("s", Array(), "zyx")
    options = {"slices": (1,), "region": (903, 1107, 1901, 2100)}
    labels = predict_labels(model(), stack, compute=CPU, **options)
    assert labels.shape == (1, 204, 199)
    assert Array.read == plan(model(), stack, **options).total == 1


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (5, 3, 0, 5), (-1, 3, 0, 5), (0, 3, 0, 65)])
def test_a_region_that_is_not_there_is_named(region):
    with pytest.raises(InputError, match="a region must be"):
        predict_labels(model(), np.zeros((64, 64), np.uint8), "yx", region=region)


def test_depth_four_in_many_tiles_equals_one_pass():
    net = random_network(4, norm="none")
    image = np.random.default_rng(0).random((300, 270), dtype=np.float32)
    whole = predict_probabilities(net, image, "yx", logits=True, compute=CPU)
    tiled = predict_probabilities(net, image, "yx", tile=252, logits=True, compute=CPU)
    assert plan(net, Stack("a", image, "yx"), 252).total == 25
    assert np.abs(whole - tiled).max() <= 1e-5 * (whole.max() - whole.min())
    np.testing.assert_array_equal(whole.argmax(0), tiled.argmax(0))


def test_tiles_not_aligned_with_the_poolings_would_differ():
    """The test above can fail: shifted by one pixel the same network says something else."""
    net = random_network(2)
    image = np.random.default_rng(0).random((90, 90), dtype=np.float32)
    whole = predict_probabilities(net, image, "yx", logits=True, compute=CPU)
    shifted = predict_probabilities(net, image[1:], "yx", logits=True, compute=CPU)
    inner = np.abs(whole[:, 41:-40, 40:-40] - shifted[:, 40:-40, 40:-40]).max()
    assert inner > 1e-3 * (whole.max() - whole.min())


def test_prediction_of_the_mirrored_surround():
    """One pass over the plane equals the bare network on numpy's reflected image."""
    net = random_network(1)
    image = np.random.default_rng(1).random((20, 24), dtype=np.float32)
    padded = np.pad(image, 8, mode="reflect")
    expected = net(torch.from_numpy(padded)[None, None]).detach()[0].numpy()
    got = predict_probabilities(net, image, "yx", logits=True, compute=CPU)
    np.testing.assert_allclose(got, expected[:, :20, :24], atol=1e-5)


@given(st.integers(30, 90), st.integers(30, 90), st.integers(44, 100))
@settings(deadline=None, max_examples=10)
def test_mirror_average_is_seamless_too(y, x, tile):
    net = random_network(2)
    image = np.random.default_rng(y + x).random((y, x), dtype=np.float32)
    whole = predict_probabilities(net, image, "yx", mirror_average=True, compute=CPU)
    tiled = predict_probabilities(net, image, "yx", tile=tile, mirror_average=True, compute=CPU)
    np.testing.assert_allclose(whole, tiled, atol=1e-5)
    np.testing.assert_allclose(whole.sum(0), 1, atol=1e-5)


def test_mirror_average_of_a_transposed_image_is_transposed():
    net = random_network(1)
    image = np.random.default_rng(1).random((20, 20), dtype=np.float32)
    one = predict_probabilities(net, image, "yx", mirror_average=True, compute=CPU)
    two = predict_probabilities(net, image.T.copy(), "yx", mirror_average=True, compute=CPU)
    np.testing.assert_allclose(one, two.transpose(0, 2, 1), atol=1e-5)


def test_folded_normalisation_changes_nothing():
    net = random_network(2)
    x = torch.rand(1, 1, 60, 60)
    folded = network_for_inference(net, CPU)
    torch.testing.assert_close(folded(x), net(x), atol=1e-4, rtol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())


def test_every_slice_of_any_leading_axes_is_predicted_once():
    image = np.random.default_rng(0).integers(0, 255, (2, 3, 30, 31), np.uint8)
    tiles = list(predict(model(), Stack("s", image, "tzyx"), tile=44, compute=CPU))
    assert [t.done for t in tiles] == list(range(1, len(tiles) + 1))
    assert {t.total for t in tiles} == {len(tiles)}
    assert [t.index for t in tiles[:: len(tiles) // 6]] == [
        (t, z) for t in range(2) for z in range(3)
    ]
    labels = predict_labels(model(), Stack("s", image, "tzyx"), compute=CPU)
    assert labels.shape == image.shape
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 255}


def test_chosen_slices_only():
    image = np.random.default_rng(0).integers(0, 255, (5, 30, 31), np.uint8)
    stack = Stack("s", image, "zyx")
    every = predict_probabilities(model(), stack, compute=CPU)
    some = predict_probabilities(model(), stack, slices=(3, 1), compute=CPU)
    np.testing.assert_array_equal(some, every[[3, 1]])
    with pytest.raises(InputError, match="slices 0 to 4, got 5"):
        list(predict(model(), stack, slices=(5,), compute=CPU))


def test_the_models_grey_value_limits_apply():
    net = model()
    image = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    raw = predict_probabilities(net.network, image / np.float32(255), "yx", compute=CPU)
    np.testing.assert_allclose(predict_probabilities(net, image, "yx", compute=CPU), raw, atol=1e-6)


def test_wrong_channels_are_named():
    image = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(InputError, match="trained on 1 channel, but 's' has 3"):
        list(predict(model(), Stack("s", image, "yxc"), compute=CPU))


def test_nan_is_named():
    image = np.full((40, 40), np.nan, np.float32)
    with pytest.raises(InputError, match="finite grey values, but slice 0 of 's' contains NaN"):
        list(predict(model(), Stack("s", image, "yx"), compute=CPU))


def test_a_consumer_that_closes_stops_the_run():
    image = np.zeros((9, 60, 60), np.uint8)
    tiles = predict(model(), Stack("s", image, "zyx"), compute=CPU)
    next(tiles)
    tiles.close()
    with pytest.raises(StopIteration):
        next(tiles)


def test_the_next_tile_is_computed_meanwhile_and_broken_off_when_closed(monkeypatch):
    crop, crops = napari_unet.network.unet._centre_crop, []
    second, closing = threading.Event(), threading.Event()

    def slow(skip, x):
        crops.append(threading.current_thread().name)
        if len(crops) == 3:  # the network has two skips: this is the second tile
            second.set()
            assert closing.wait(10)
        return crop(skip, x)

    monkeypatch.setattr(napari_unet.network.unet, "_centre_crop", slow)
    tiles = predict(model(depth=2), Stack("s", np.zeros((9, 60, 60)), "zyx"), compute=CPU)
    next(tiles)
    assert second.wait(10)  # nobody asked for the second tile
    threading.Timer(0.05, closing.set).start()
    tiles.close()
    assert len(crops) == 3  # the rest of the second tile was not computed
    assert threading.current_thread().name not in crops
    assert not [t for t in threading.enumerate() if t.name.startswith("napari-unet-network")]


def test_without_lookahead_nothing_is_computed_that_nobody_asked_for(monkeypatch):
    forward, passes = UNet.forward, []

    def counted(self, x):
        passes.append(threading.current_thread())
        return forward(self, x)

    monkeypatch.setattr(UNet, "forward", counted)
    image = np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)
    tiles = predict(model(), Stack("s", image, "yx"), tile=40, compute=CPU, lookahead=False)
    for expected in (1, 2, 3):
        next(tiles)
        assert passes == [threading.current_thread()] * expected
    tiles.close()


def test_nothing_of_a_prediction_stays_behind():
    """A copy of the network in a cycle would stay until Python looks for cycles."""
    import gc
    import weakref

    made = []
    original = napari_unet.prediction.predict.network_for_inference

    def remember(*args):
        made.append(original(*args))
        return made[-1]

    gc.collect()
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(napari_unet.prediction.predict, "network_for_inference", remember)
            predict_probabilities(model(), np.zeros((40, 40), np.uint8), "yx", compute=CPU)
        left = weakref.ref(made.pop())
        assert left() is None
    finally:
        gc.enable()


def test_with_hardly_any_memory_free_the_smallest_tile_is_tried(monkeypatch):
    image = np.random.default_rng(0).integers(0, 255, (50, 50), np.uint8)
    expected = predict_probabilities(model(), image, "yx", compute=CPU)
    monkeypatch.setattr("napari_unet.prediction.predict.available_memory", lambda device: 100)
    found = predict_probabilities(model(), image, "yx", compute=CPU)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(InputError, match="allow more memory"):
        predict_probabilities(model(), image, "yx", compute=CPU, memory=100)


def test_out_of_memory_goes_on_with_smaller_tiles(monkeypatch):
    net = model()
    image = np.random.default_rng(0).integers(0, 255, (2, 90, 90), np.uint8)
    expected = predict_probabilities(net, image, "zyx", compute=CPU)
    forward = UNet.forward

    def short_of_memory(self, x):
        if x.shape[-1] > 80:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x)

    monkeypatch.setattr(UNet, "forward", short_of_memory)
    tiles = list(predict(net, Stack("s", image, "zyx"), compute=CPU))
    assert "smaller tiles" in tiles[0].note
    assert not any(t.note for t in tiles[1:])
    assert tiles[-1].done == tiles[-1].total
    result = np.zeros_like(expected)
    for t in tiles:
        result[t.slice_index, :, t.rows, t.cols] = t.values
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_no_memory_at_all_is_an_error_with_advice(monkeypatch):
    def never(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(UNet, "forward", never)
    with pytest.raises(DeviceError, match="does not hold a single tile"):
        list(predict(model(), np.zeros((90, 90), np.uint8), "yx", compute=CPU))


def test_other_runtime_errors_are_not_taken_for_memory(monkeypatch):
    def broken(self, x):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(UNet, "forward", broken)
    with pytest.raises(RuntimeError, match="multiplied"):
        list(predict(model(), np.zeros((90, 90), np.uint8), "yx", compute=CPU))


def test_the_memory_budget_makes_tiles_small():
    stack = Stack("s", np.zeros((400, 400), np.uint8), "yx")
    generous, tight = plan(model(), stack), plan(model(), stack, memory=2_000_000)
    assert generous.total == 1
    assert tight.total > 1
    assert tight.bytes <= 2_000_000


def test_a_batch_shares_the_memory_budget():
    stack = Stack("s", np.zeros((400, 400), np.uint8), "yx")
    one, four = (plan(model(), stack, memory=8_000_000, batch=n) for n in (1, 4))
    assert np.prod(four.tiles.input) < np.prod(one.tiles.input)
    assert one.bytes / 2 < four.bytes <= 8_000_000
