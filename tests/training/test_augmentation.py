"""The deformation: hand-checked positions, the spline oracle, and what every part must share."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet.base.errors import InputError
from napari_unet.config.augmentation import AugmentConfig
from napari_unet.network.tiles import mirrored_indices
from napari_unet.training.augmentation import (
    Deformation,
    Lookup,
    adjust_grey,
    deformed_grid_lines,
    draw,
    elastic_field,
    resample,
    source_coordinates,
)

QUARTER = np.array([[0.0, 1.0], [-1.0, 0.0]])


def turned(matrix) -> Deformation:
    return replace(Deformation.identity(), matrix=np.asarray(matrix, float))


def ramp(height: int, width: int) -> torch.Tensor:
    return torch.arange(height * width, dtype=torch.float32).reshape(1, height, width)


# -- configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("displacement", -1.0),
        ("displacement", math.nan),
        ("rotation", math.inf),
        ("brightness", "much"),
        ("contrast", True),
        ("noise", -0.1),
        ("grid", 1),
        ("grid", 3.0),
        ("grid", 65),
        ("zoom", (1.2, 0.8)),
        ("zoom", (0.0, 1.0)),
        ("zoom", (1.0,)),
        ("zoom", ("a", 1.0)),
    ],
)
def test_bad_setting_is_named(setting, value):
    with pytest.raises(InputError, match=setting):
        AugmentConfig(**{setting: value})


def test_config_survives_json():
    config = AugmentConfig(displacement=3.0, zoom=(0.5, 2.0), flips=False)
    plain = config.to_dict()
    assert plain["zoom"] == [0.5, 2.0]
    assert AugmentConfig.from_dict(plain) == config
    with pytest.raises(InputError, match="shear"):
        AugmentConfig.from_dict({"shear": 1})


# -- drawing ------------------------------------------------------------------------------------


def test_none_draws_the_identity():
    drawn = draw(AugmentConfig.none(), np.random.default_rng(0))
    assert np.array_equal(drawn.matrix, np.eye(2))
    assert not drawn.displacements.any()
    assert drawn.on_grid
    assert (drawn.brightness, drawn.contrast, drawn.gamma, drawn.noise) == (0, 1, 1, 0)


def test_turning_one_ingredient_off_leaves_the_others():
    config = AugmentConfig(brightness=0.1, contrast=0.2, gamma=0.2)
    full = draw(config, np.random.default_rng(5))
    still = draw(replace(config, displacement=0.0, gamma=0.0), np.random.default_rng(5))
    assert np.array_equal(full.matrix, still.matrix)
    assert full.contrast == still.contrast
    assert full.noise_seed == still.noise_seed
    unflipped = draw(replace(config, flips=False), np.random.default_rng(5))
    assert np.array_equal(full.displacements, unflipped.displacements)
    assert np.linalg.det(unflipped.matrix) > 0


def test_draws_keep_to_the_configuration():
    config = AugmentConfig(
        rotation=30.0, zoom=(0.5, 2.0), flips=False, contrast=0.3, gamma=0.1, brightness=0.1
    )
    rng = np.random.default_rng(1)
    draws = [draw(config, rng) for _ in range(2000)]
    zooms = np.array([1 / math.sqrt(np.linalg.det(d.matrix)) for d in draws])
    angles = np.degrees([math.atan2(d.matrix[1, 0], d.matrix[0, 0]) for d in draws])
    assert zooms.min() >= 0.5 - 1e-9
    assert zooms.max() <= 2 + 1e-9
    assert abs((zooms < 1).mean() - 0.5) < 0.05  # log-uniform: as often smaller as larger
    assert np.abs(angles).max() <= 30
    assert np.abs(angles).max() > 29
    spread = np.std([d.displacements for d in draws])
    assert spread == pytest.approx(10.0, rel=0.02)
    assert np.std([d.brightness for d in draws]) == pytest.approx(0.1, rel=0.06)
    assert max(abs(math.log(d.contrast)) for d in draws) == pytest.approx(0.3, rel=0.02)
    assert max(abs(math.log(d.gamma)) for d in draws) == pytest.approx(0.1, rel=0.02)


def test_each_axis_is_flipped_half_of_the_time():
    config = replace(AugmentConfig.none(), flips=True)
    rng = np.random.default_rng(2)
    signs = np.array([np.diag(draw(config, rng).matrix) for _ in range(1000)])
    assert set(map(tuple, signs)) == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    assert np.abs(signs.mean(axis=0)).max() < 0.1


# -- elastic field ------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    points=st.integers(2, 6),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_field_is_the_mirrored_cubic_spline(points, height, width, seed):
    displacements = np.random.default_rng(seed).normal(0, 10, (2, points, points))
    coords = np.meshgrid(
        np.linspace(0, points - 1, height), np.linspace(0, points - 1, width), indexing="ij"
    )
    expected = [
        ndimage.map_coordinates(one, coords, order=3, mode="mirror") for one in displacements
    ]
    field = elastic_field(displacements, (height, width))
    assert field.dtype == torch.float64
    assert np.abs(field.numpy() - expected).max() < 1e-10


def test_field_passes_through_the_control_points():
    displacements = np.random.default_rng(0).normal(0, 10, (2, 3, 3))
    field = elastic_field(displacements, (571, 571)).numpy()
    assert np.allclose(field[:, ::285, ::285], displacements, atol=1e-10)


def test_float32_field_is_near_the_exact_one():
    displacements = np.random.default_rng(0).normal(0, 10, (2, 3, 3))
    exact = elastic_field(displacements, (572, 572))
    single = elastic_field(displacements, (572, 572), dtype=torch.float32)
    assert (single - exact).abs().max() < 1e-4


# -- positions ----------------------------------------------------------------------------------


def test_identity_is_exact():
    coords = source_coordinates(Deformation.identity(), (4, 3), (101.5, 7.0))
    assert coords[0, :, 0].tolist() == [100, 101, 102, 103]
    assert coords[1, 0].tolist() == [6, 7, 8]


def test_quarter_turn_by_hand():
    # Offset (y, x) is read at (x, -y): the tile's first row is the source's last column.
    coords = source_coordinates(turned(QUARTER), (3, 3), (1.0, 1.0))
    assert coords[0].tolist() == [[0, 1, 2]] * 3
    assert coords[1].tolist() == [[2, 2, 2], [1, 1, 1], [0, 0, 0]]


def test_zoom_two_shows_half_of_the_source():
    config = replace(AugmentConfig.none(), zoom=(2.0, 2.0))
    coords = source_coordinates(draw(config, np.random.default_rng(0)), (5, 5), (10.0, 10.0))
    assert torch.allclose(coords[0, :, 0], torch.tensor([9.0, 9.5, 10.0, 10.5, 11.0]))


def test_displacements_are_pixels_of_the_tile():
    displacements = np.zeros((2, 3, 3))
    displacements[0] = 2.0
    moved = Deformation(displacements, 0.5 * np.eye(2))
    still = Deformation(np.zeros((2, 3, 3)), 0.5 * np.eye(2))
    difference = source_coordinates(moved, (9, 9), (0, 0)) - source_coordinates(
        still, (9, 9), (0, 0)
    )
    assert torch.allclose(difference[0], torch.ones(9, 9))  # 2 px of a tile at zoom 2
    assert torch.allclose(difference[1], torch.zeros(9, 9), atol=1e-6)


def test_on_grid_knows_turns_and_flips():
    angle = math.pi / 2
    rotation = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    assert turned(rotation).on_grid
    assert turned([[-1, 0], [0, 1]]).on_grid
    assert not turned([[0.5, 0], [0, 0.5]]).on_grid
    assert not turned([[1, 1], [0, 1]]).on_grid
    assert not replace(Deformation.identity(), displacements=np.ones((2, 3, 3))).on_grid


# -- sampling -----------------------------------------------------------------------------------


def test_linear_interpolation_by_hand():
    plane = torch.tensor([[[0.0, 10.0], [20.0, 40.0]]])
    coords = torch.tensor([[[0.0, 0.5, 0.5]], [[0.25, 0.0, 0.5]]])
    assert torch.allclose(resample(plane, coords, "linear"), torch.tensor([[[2.5, 10.0, 17.5]]]))


@pytest.mark.parametrize("order", ["nearest", "linear", "cubic"])
def test_beyond_the_border_is_the_mirror_image(order):
    plane = torch.tensor([[[1.0, 2.0, 4.0]] * 2])
    columns = torch.arange(-5.0, 8.0)
    coords = torch.stack([torch.zeros(1, 13), columns[None]])
    expected = np.pad([1.0, 2.0, 4.0], 5, mode="reflect")
    assert np.allclose(resample(plane, coords, order)[0, 0], expected, atol=1e-4)


@pytest.mark.parametrize("order", ["nearest", "linear", "cubic"])
def test_a_plane_one_pixel_wide_repeats_it(order):
    plane = torch.tensor([[[1.0], [3.0]]])
    coords = torch.tensor([[[0.0, 1.0, 1.0]], [[-4.0, 0.0, 2.5]]])
    assert torch.allclose(resample(plane, coords, order), torch.tensor([[[1.0, 3.0, 3.0]]]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool, torch.float64])
def test_nearest_keeps_the_dtype(dtype):
    plane = torch.tensor([[[0, 1], [1, 0]]]).to(dtype)
    coords = source_coordinates(Deformation.identity(), (2, 2), (0.5, 0.5))
    assert torch.equal(resample(plane, coords, "nearest"), plane)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    tile=st.integers(1, 40),
    top=st.integers(-60, 60),
    left=st.integers(-60, 60),
)
def test_identity_is_a_mirrored_crop(height, width, tile, top, left):
    plane = ramp(height, width)
    middle = (tile - 1) / 2
    coords = source_coordinates(Deformation.identity(), (tile, tile), (top + middle, left + middle))
    rows = mirrored_indices(top, top + tile, height)
    cols = mirrored_indices(left, left + tile, width)
    expected = plane[0].numpy()[np.ix_(rows, cols)]
    assert np.array_equal(resample(plane, coords, "nearest")[0].numpy(), expected)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("side", [6, 7])
def test_quarter_turns_are_exact(turns, flip, side):
    plane = ramp(side, side)
    matrix = np.linalg.matrix_power(QUARTER, turns) @ np.diag([1.0, -1.0 if flip else 1.0])
    middle = (side - 1) / 2
    coords = source_coordinates(turned(matrix), (side, side), (middle, middle))
    source = np.rot90(plane[0].numpy(), turns)
    if flip:
        source = np.rot90(plane[0].numpy(), turns)[:, ::-1]
    assert np.array_equal(resample(plane, coords, "nearest")[0].numpy(), source)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_one_field_moves_everything_alike(seed):
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy((rng.random((1, 60, 80)) > 0.5).astype(np.uint8))
    coords = source_coordinates(draw(AugmentConfig(), rng), (64, 64), (30.0, 40.0))
    moved = resample(labels, coords, "nearest")
    as_image = resample(labels.float(), coords, "nearest")
    linear = resample(labels.float(), coords, "linear")
    assert torch.equal(moved.float(), as_image)
    # The nearest pixel weighs at least a quarter in linear interpolation.
    assert torch.all(linear[moved == 1] >= 0.25 - 1e-3)
    assert torch.all(linear[moved == 0] <= 0.75 + 1e-3)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_linear_resampling_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    plane = rng.random((1, 50, 70)).astype(np.float32)
    coords = source_coordinates(draw(AugmentConfig(), rng), (48, 48), (3.0, 60.0))
    expected = ndimage.map_coordinates(
        plane[0].astype(float), coords.numpy().astype(float), order=1, mode="mirror"
    )
    assert np.abs(resample(torch.from_numpy(plane), coords)[0].numpy() - expected).max() < 1e-4


def test_positions_far_outside_by_hand():
    plane = torch.tensor([[[0.0], [1.0], [2.0], [3.0]]])
    rows = torch.tensor([[-4.5, -0.25, 0.0, 1.75, 3.0, 3.5, 6.0, 8.25, 600.0]])
    expected = [1.5, 0.25, 0.0, 1.75, 3.0, 2.5, 0.0, 2.25, 0.0]
    got = resample(plane, torch.stack([rows, rows * 0]))[0, 0].tolist()
    assert got == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("order", ["nearest", "linear", "cubic"])
def test_one_lookup_serves_all_planes_and_the_inner_part(order):
    rng = np.random.default_rng(3)
    planes = torch.from_numpy(rng.random((2, 40, 50)))
    coords = source_coordinates(draw(AugmentConfig(), rng), (30, 30), (5.0, 20.0))
    lookup = Lookup(coords.clone(), (40, 50))
    whole = resample(planes, coords, order)
    assert torch.equal(lookup(planes, order), whole)
    assert torch.allclose(lookup.inner(4)(planes[1:], order), whole[1:, 4:-4, 4:-4])


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    spread=st.sampled_from([0.5, 1.0, 4.0]),
    order=st.sampled_from(["linear", "cubic"]),
    seed=st.integers(0, 10_000),
)
def test_mirroring_is_that_of_every_neighbour(height, width, spread, order, seed):
    """Oracle: torch mirrors each pixel that an interpolation looks at by itself."""
    rng = np.random.default_rng(seed)
    plane = torch.from_numpy(rng.random((2, height, width)))
    size = np.array([height, width])[:, None, None]
    coords = torch.from_numpy(rng.uniform(-spread, 1 + spread, (2, 6, 7)) * size)
    scale = [2 / (side - 1) if side > 1 else 0.0 for side in (width, height)]
    grid = coords.flip(0).permute(1, 2, 0) * torch.tensor(scale, dtype=torch.float64) - 1
    mode = {"linear": "bilinear", "cubic": "bicubic"}[order]
    expected = torch.nn.functional.grid_sample(
        plane[None], grid[None], mode, padding_mode="reflection", align_corners=True
    )[0]
    got = resample(plane, coords.float(), order)
    assert torch.allclose(got.double(), expected, atol=1e-4)


# -- grey values --------------------------------------------------------------------------------


def test_grey_values_by_hand():
    image = torch.tensor([[[-0.25, 0.0, 0.25, 1.0]]])
    still = Deformation.identity()
    assert torch.equal(adjust_grey(image, still), image)
    squared = adjust_grey(image, replace(still, gamma=2.0))
    assert squared.flatten().tolist() == pytest.approx([-0.0625, 0.0, 0.0625, 1.0])
    contrast = adjust_grey(image, replace(still, contrast=2.0))
    assert contrast.flatten().tolist() == [-1.0, -0.5, 0.0, 1.5]
    brighter = adjust_grey(image, replace(still, brightness=0.25))
    assert brighter.flatten().tolist() == [0.0, 0.25, 0.5, 1.25]
    assert image.flatten().tolist() == [-0.25, 0.0, 0.25, 1.0]


def test_noise_is_repeatable_and_as_strong_as_asked():
    image = torch.zeros(2, 100, 100)
    noisy = replace(Deformation.identity(), noise=0.1, noise_seed=3)
    first, second = adjust_grey(image, noisy), adjust_grey(image, noisy)
    assert torch.equal(first, second)
    assert float(first.std()) == pytest.approx(0.1, rel=0.05)
    assert not torch.equal(first, adjust_grey(image, replace(noisy, noise_seed=4)))
    assert not torch.equal(first[0], first[1])


def test_state_of_torch_is_left_alone():
    before = torch.random.get_rng_state()
    adjust_grey(torch.zeros(1, 4, 4), replace(Deformation.identity(), noise=0.1))
    assert torch.equal(torch.random.get_rng_state(), before)


# -- what the preview draws ---------------------------------------------------------------------


def test_undeformed_mesh_is_square():
    lines = deformed_grid_lines(Deformation.identity(), (101, 61), spacing=20.0)
    rows = sorted(line[0, 0] for line in lines if np.ptp(line[:, 0]) < 1e-6)
    cols = sorted(line[0, 1] for line in lines if np.ptp(line[:, 1]) < 1e-6)
    assert np.allclose(rows, [10, 30, 50, 70, 90], atol=1e-4)
    assert np.allclose(cols, [10, 30, 50], atol=1e-4)
    assert len(lines) == 8


def test_mesh_lines_lie_where_the_tile_shows_the_source_lines():
    drawn = draw(AugmentConfig(flips=False), np.random.default_rng(4))
    shape = (200, 240)
    coords = source_coordinates(drawn, shape, (0.0, 0.0)).numpy()
    lines = deformed_grid_lines(drawn, shape, spacing=25.0)
    assert len(lines) > 8
    for line in lines:
        at = [ndimage.map_coordinates(c.astype(float), line.T, order=1) for c in coords]
        off = [np.abs(values / 25 - np.round(values / 25)).max() * 25 for values in at]
        assert min(off) < 0.1
    with pytest.raises(InputError, match="spacing"):
        deformed_grid_lines(drawn, shape, spacing=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    rng = np.random.default_rng(0)
    drawn = draw(AugmentConfig(noise=0.1), rng)
    plane = torch.from_numpy(rng.random((1, 300, 300)).astype(np.float32))
    tiles = []
    for device in ("cpu", "cuda"):
        coords = source_coordinates(drawn, (188, 188), (150.0, 150.0), device)
        tiles.append(adjust_grey(resample(plane.to(device), coords), drawn).cpu())
    assert (tiles[0] - tiles[1]).abs().max() < 1e-3
