"""Steps of preparation on volumes with known answers."""

import nibabel
import numpy as np
import pytest
from helpers import AFFINES, SHAPE, box, make_affine, one_line, sphere

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.data.prepare.grid import (
    body_mask,
    box_centre,
    box_start,
    centre_of,
    covered,
    cut_percent,
    isotropic,
    onto,
    placed,
    side_to_ras,
)
from regbench.data.prepare.grid import box as box_grid
from regbench.data.prepare.recipe import Intensity
from regbench.spatial import resample
from regbench.spatial.resample import resample_volume
from regbench.spatial.volume import (
    Grid,
    Volume,
    rescale,
    voxel_grid,
    voxel_to_world,
    world_to_voxel,
)

GRADIENT = np.array([1.0, -2.0, 0.5])
MARKS = np.array([[2.0, 3.5, 4.0], [6.0, 7.0, 11.25]])


def world_values(grid: Grid) -> np.ndarray:
    """GRADIENT times world at every voxel: a volume whose value anywhere in the world is known."""
    return (voxel_to_world(voxel_grid(grid.shape), grid.affine) @ GRADIENT).astype(np.float32)


# -- orientation ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AFFINES)
def test_canonical_orientation_moves_everything_along(name: str) -> None:
    affine = AFFINES[name]
    labels = box(SHAPE, (1, 2, 3), (2, 3, 4)).astype(np.uint8)
    image = Volume(world_values(Grid(SHAPE, affine)), affine)
    side = Side(image, Volume(labels, affine), Volume(labels, affine), MARKS)
    turned = side_to_ras(side)
    assert nibabel.aff2axcodes(turned.image.affine) == ("R", "A", "S")
    # No interpolation: the same numbers, each at its place in the world.
    assert np.array_equal(np.sort(turned.image.data, None), np.sort(image.data, None))
    assert np.allclose(turned.image.data, world_values(turned.image.grid), atol=1e-3)
    assert turned.labels is not None and turned.mask is not None and turned.landmarks is not None
    before = voxel_to_world(np.argwhere(labels), affine)
    after = voxel_to_world(np.argwhere(turned.labels.data), turned.labels.affine)
    assert np.allclose(sorted(map(tuple, before.round(3))), sorted(map(tuple, after.round(3))))
    assert np.array_equal(turned.mask.data, turned.labels.data)
    worlds = [
        voxel_to_world(x, y) for x, y in ((MARKS, affine), (turned.landmarks, turned.image.affine))
    ]
    assert np.allclose(*worlds)


def test_a_permutation_of_axes_is_undone() -> None:
    """Axes (z, x, y), x to the left: the shape and every voxel are known."""
    affine = np.array([[0, -2.0, 0, 10], [0, 0, 3.0, 20], [4.0, 0, 0, 30], [0, 0, 0, 1]])
    data = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    turned = side_to_ras(Side(Volume(data, affine), landmarks=np.array([[1.0, 0.0, 2.0]])))
    assert turned.image.shape == (3, 4, 2)
    assert np.array_equal(turned.image.data, data.transpose(1, 2, 0)[::-1])
    assert np.allclose(
        turned.image.affine, [[2, 0, 0, 6], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]]
    )
    assert turned.landmarks is not None
    assert np.allclose(turned.landmarks, [[2, 2, 1]])


# -- grids ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AFFINES)
def test_isotropic_keeps_the_field_of_view(name: str) -> None:
    old = Grid(SHAPE, AFFINES[name])
    new = isotropic(old, 0.9)
    assert np.allclose(new.spacing, 0.9)
    face = np.array([-0.5, -0.5, -0.5])
    assert np.allclose(voxel_to_world(face, new.affine), voxel_to_world(face, old.affine))
    over = np.array(new.shape) * 0.9 - np.array(old.shape) * old.spacing
    assert ((over > -0.01) & (over < 0.9)).all()
    assert isotropic(new, 0.9).shape == new.shape
    assert np.allclose(isotropic(new, 0.9).affine, new.affine)


def test_isotropic_numbers() -> None:
    new = isotropic(Grid((9, 12, 15), make_affine((1, 2, 3.5), origin=(5, 6, 7))), 1.0)
    assert new.shape == (9, 24, 53)
    assert np.allclose(new.affine[:3, 3], [5, 5.5, 5.75])


def test_a_box_may_begin_outside() -> None:
    grid = Grid((10, 10, 10), make_affine((2, 2, 2), origin=(1, 1, 1)))
    padded = box_grid(grid, (-3, 0, 4), (16, 10, 2))
    assert padded.shape == (16, 10, 2)
    assert np.allclose(padded.affine[:3, 3], [-5, 1, 9])


@pytest.mark.parametrize("shape", [(0, 4, 4), (100_000, 100_000, 100_000)])
def test_an_absurd_grid_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(BadInput) as error:
        Grid(shape, np.eye(4))
    one_line(error.value, "impossible size", shape)


# -- resampling -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AFFINES)
def test_resampling_finds_the_same_world(name: str) -> None:
    affine = AFFINES[name]
    labels = sphere(SHAPE, (4, 6, 7), 4).astype(np.int32) * 3
    image = Volume(world_values(Grid(SHAPE, affine)), affine)
    grid = isotropic(image.grid, 0.8)
    low, high = -300.0, 300.0
    ready = onto(Side(image, Volume(labels, affine), None, MARKS), grid, (low, high))
    native = world_to_voxel(voxel_to_world(voxel_grid(grid.shape), grid.affine), affine)
    inner = ((native >= 0) & (native <= np.array(SHAPE) - 1)).all(axis=-1)
    expected = rescale(world_values(grid), low, high)
    assert np.abs(ready.image.data - expected)[inner].max() < 1e-4
    assert ready.labels is not None and set(np.unique(ready.labels.data)) == {0, 3}
    nearest = np.rint(native[inner]).astype(int)
    off = np.abs(native[inner] - np.floor(native[inner]) - 0.5).min(axis=1) > 1e-3
    assert np.array_equal(ready.labels.data[inner][off], labels[tuple(nearest[off].T)])
    assert ready.landmarks is not None
    assert np.allclose(voxel_to_world(ready.landmarks, grid.affine), voxel_to_world(MARKS, affine))


def test_outside_the_image_is_air_not_its_smeared_border() -> None:
    bright = Volume(np.full((4, 4, 4), 100.0, np.float32), np.eye(4))
    grid = box_grid(bright.grid, (-2, 0, 0), (8, 4, 4))
    ready = onto(Side(bright, bright.with_data(np.ones((4, 4, 4), int))), grid, (0.0, 100.0))
    assert ready.labels is not None
    for data in (ready.image.data, ready.labels.data, covered(bright, grid)):
        assert np.array_equal(data[:, 2, 2], [0, 0, 1, 1, 1, 1, 0, 0])


def test_an_alignment_is_part_of_the_affine() -> None:
    """y = T x: what lies at y in the moving world is found at x."""
    affine = AFFINES["oblique-flipped"]
    alignment = make_affine((1.1, 0.9, 1.2), (5, -8, 12), origin=(20, -30, 7))
    side = placed(Side(Volume(np.zeros(SHAPE), affine), landmarks=MARKS), alignment)
    there = voxel_to_world(MARKS, side.image.affine)
    assert np.allclose(voxel_to_world(there, alignment), voxel_to_world(MARKS, affine))


# -- intensities ------------------------------------------------------------------------------


def test_a_window_in_hounsfield_units() -> None:
    values = np.array([-1000.0, -150, 50, 250, 3000])
    intensity = Intensity(window=(-150, 250))
    assert np.allclose(rescale(values, *intensity.bounds(values)), [0, 0, 0.5, 1, 1])
    assert rescale(values, -150, 250).dtype == np.float32


def test_percentiles_do_not_follow_one_bright_voxel() -> None:
    values = np.arange(1001, dtype=float)
    values[-1] = 1e6
    low, high = Intensity(percentiles=(1, 99)).bounds(values)
    assert (low, high) == pytest.approx((10, 990))


def test_percentiles_that_are_one_intensity() -> None:
    values = np.zeros(1000)
    values[0] = 5
    with pytest.raises(BadInput) as error:
        Intensity(percentiles=(1, 99)).bounds(values)
    one_line(error.value, "one intensity", "window")


# -- the crop box -----------------------------------------------------------------------------


def test_a_box_begins_where_its_centre_is_nearest() -> None:
    assert box_start(np.array([6.8, 7.3, 7.4]), (5, 5, 6)) == (5, 5, 5)
    assert box_start(np.array([0.2, 4.0, -1.2]), (3, 1, 4)) == (-1, 4, -3)


def test_the_box_lies_around_what_the_fixed_image_shows() -> None:
    mask = box((20, 20, 20), (3, 8, 10), (4, 5, 6))
    assert np.allclose(centre_of(mask), [4.5, 10, 12.5])
    assert box_start(np.array([4.5, 10, 12.5]), (4, 5, 6)) == (3, 8, 10)
    assert box_start(np.array([4.5, 10, 12.5]), (20, 5, 6)) == (-5, 8, 10)


@pytest.mark.parametrize("around", ["labels", "mask", "body", "centre"])
def test_what_the_box_is_centred_on(around: str) -> None:
    shape = (24, 26, 28)
    rng = np.random.default_rng(3)
    body = sphere(shape, (12, 13, 11), 7)
    table = box(shape, (2, 22, 2), (20, 1, 20))
    data = (rng.normal(-1000, 20, shape) + 1050 * (body | table)).astype(np.float32)
    labels, mask = (box(shape, start, (3, 3, 3)).astype(int) for start in ((9, 9, 9), (15, 14, 8)))
    side = Side(*(Volume(x, np.eye(4)) for x in (data, labels, mask)))
    found = box_centre(side, around, (-1000.0, 100.0))
    expected = {
        "labels": (10, 10, 10),
        "mask": (16, 15, 9),
        "body": (12, 13, 11),
        "centre": (11.5, 12.5, 13.5),
    }
    assert np.allclose(found, expected[around])


def test_without_labels_no_box_around_them() -> None:
    side = Side(Volume(np.zeros(SHAPE), np.eye(4)))
    with pytest.raises(BadInput) as error:
        box_centre(side, "labels", (0.0, 1.0))
    one_line(error.value, "around: labels", "body or centre")
    with pytest.raises(BadInput):
        centre_of(np.zeros(SHAPE, bool))


def test_the_body_is_the_largest_part() -> None:
    shape = (20, 20, 20)
    big, small = sphere(shape, (7, 8, 9), 5), sphere(shape, (16, 16, 16), 2)
    data = np.where(big | small, 0.7, 0.05).astype(np.float32)
    assert np.array_equal(body_mask(data), big)


@pytest.mark.parametrize("name", AFFINES)
def test_the_share_that_a_box_cuts_off(name: str) -> None:
    """Label 2 is ten voxels long and loses three; label 5 loses all; label 1 nothing."""
    labels = np.zeros((20, 12, 14), np.int32)
    labels[5:15, 2:5, 2:5] = 2
    labels[18:, 8:, 8:] = 5
    labels[2:4, 9, 9] = 1
    volume = Volume(labels, AFFINES[name])
    grid = box_grid(volume.grid, (-1, 0, 0), (13, 12, 14))
    assert cut_percent(volume, grid) == pytest.approx({1: 0, 2: 30, 5: 100})
    assert cut_percent(volume, isotropic(volume.grid, 0.37)) == pytest.approx({1: 0, 2: 0, 5: 0})
    assert cut_percent(volume.with_data(labels * 0), grid) == {}


def test_slabs_make_one_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large grids are sampled slab by slab: where a slab ends must not be seen."""
    affine = AFFINES["oblique"]
    image = Volume(np.random.default_rng(2).random(SHAPE, np.float32), affine)
    grid = isotropic(image.grid, 0.7)
    whole = resample_volume(image, grid.shape, grid.affine)
    monkeypatch.setattr(resample, "SLAB", 3 * grid.shape[1] * grid.shape[2])
    assert grid.shape[0] % 3
    assert np.array_equal(whole.data, resample_volume(image, grid.shape, grid.affine).data)
