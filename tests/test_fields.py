"""Displacement fields: type, file, warping, composition, inversion, resampling."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from helpers import (
    AFFINES,
    SHAPE,
    box,
    linear_field,
    one_line,
    random_image,
    shift_field,
    smooth_field,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.spatial.field import Field, read_field, write_field
from regbench.spatial.operations import (
    compose,
    inverse_residual,
    invert,
    newton_step,
    resample_field,
)
from regbench.spatial.volume import Volume, voxel_grid, voxel_to_world, world_to_voxel
from regbench.spatial.warp import warp_image, warp_labels, warp_points

SHIFT = np.array([1.25, -2.5, 0.75])
#: Away from what a shift brings in from beyond the border.
INNER = (slice(3, -3),) * 3


@pytest.mark.parametrize("axis", range(3))
def test_a_known_shift_looks_where_it_says(axis: int) -> None:
    """Images that hold their own index: the warped value less the index is the shift."""
    moving = Volume(voxel_grid(SHAPE)[..., axis], np.eye(4))
    warped = warp_image(moving, shift_field(SHIFT)).data - moving.data
    assert np.allclose(warped[INNER], SHIFT[axis], atol=1e-4)


def test_beyond_the_border_the_image_is_replicated() -> None:
    moving = Volume(voxel_grid(SHAPE)[..., 1], np.eye(4))
    warped = warp_image(moving, shift_field([0, -2.5, 0])).data[4, :, 4]
    assert np.allclose(warped, np.maximum(np.arange(SHAPE[1]) - 2.5, 0))


def test_the_zero_field_changes_nothing() -> None:
    image, zero = random_image(), Field.zero(SHAPE, AFFINES["oblique"])
    assert np.array_equal(warp_image(image, zero).data, image.data)
    labels = image.with_data((image.data > 0).astype(np.int32))
    for how in ("nearest", "linear"):
        assert np.array_equal(warp_labels(labels, zero, how).data, labels.data)
    assert np.array_equal(warp_points(np.array([[1.5, 2, 3]]), zero), [[1.5, 2, 3]])
    assert np.array_equal(warp_image(image, zero).affine, AFFINES["oblique"])


@pytest.mark.parametrize("shape", [(9, 7, 8), (1, 6, 5), (6, 1, 1)])
@pytest.mark.parametrize("kind", [np.float32, np.int16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_warped_images_are_scipy_s_on_a_grid_of_any_shape(
    shape: Any, kind: type, order: Any
) -> None:
    rng = np.random.default_rng(sum(shape))
    data = rng.normal(0, 50, shape).astype(kind, order)
    # Far outside, on the outermost centres, and in between.
    displacement = rng.normal(0, 6, (8, 9, 7, 3)).astype(np.float32)
    displacement[::2] = np.round(displacement[::2])
    field = Field(displacement, AFFINES["oblique"])
    places = np.moveaxis(voxel_grid(field.shape) + field.displacement, -1, 0)
    expected = ndimage.map_coordinates(data.astype(float), places, order=1, mode="nearest")
    warped = warp_image(Volume(data, np.eye(4)), field).data
    assert warped.dtype == np.float32
    assert np.abs(warped - expected).max() < 1e-4


@pytest.mark.parametrize("how", ["nearest", "linear"])
@pytest.mark.parametrize("shift", [(1, 2, -1), (-2, 0, 4), (20, 0, 0), (0, -30, 0), (0, 0, 99)])
def test_whole_shifts_move_labels_exactly_with_0_outside(
    how: str, shift: tuple[int, int, int]
) -> None:
    data = np.random.default_rng(0).integers(1, 6, SHAPE)
    warped = warp_labels(Volume(data, np.eye(4)), shift_field(shift), how).data
    where = voxel_grid(SHAPE).astype(int) + np.array(shift)
    inside = ((where >= 0) & (where < SHAPE)).all(axis=-1)
    assert np.array_equal(warped[inside], data[tuple(where[inside].T)])
    assert (warped[~inside] == 0).all()


def test_linear_labels_take_the_largest_share() -> None:
    """Three neighbours 7, 7, 9 around a voxel that looks at the corner of four cells."""
    data = np.zeros(SHAPE, np.int32)
    data[4, 4, 5], data[4, 5, 5], data[5, 4, 5], data[5, 5, 5] = 7, 7, 9, 0
    field = shift_field([0.5, 0.5, 0])
    assert warp_labels(Volume(data, np.eye(4)), field, "linear").data[4, 4, 5] == 7
    assert warp_labels(Volume(data, np.eye(4)), field, "nearest").data[4, 4, 5] == 0


def test_of_equal_shares_the_background_s_and_then_the_lowest_label_s_wins() -> None:
    data = np.zeros(SHAPE, np.int32)
    data[3:5, 4:6, 5:7] = 9
    data[5:7, 4:6, 5:7] = 7
    warped = warp_labels(Volume(data, np.eye(4)), shift_field([0.5, 0, 0]), "linear").data
    assert warped[2:7, 4, 5].tolist() == [0, 9, 7, 7, 0]


def test_linear_labels_round_an_edge_that_nearest_keeps() -> None:
    """Looking 0.4 voxel ahead along two axes leaves 0.6 * 0.6 < 1/2 at the far edge of a box."""
    data = box(SHAPE, (2, 3, 4), (4, 5, 6)).astype(np.int32)
    field = shift_field([0.4, 0.4, 0])
    expected = data.copy()
    expected[5, 7, :] = 0
    assert np.array_equal(warp_labels(Volume(data, np.eye(4)), field, "linear").data, expected)
    assert np.array_equal(warp_labels(Volume(data, np.eye(4)), field, "nearest").data, data)


def test_an_unknown_label_interpolation_is_an_error() -> None:
    with pytest.raises(BadInput) as error:
        warp_labels(Volume(np.ones(SHAPE, int), np.eye(4)), shift_field([0, 0, 0]), "cubic")
    one_line(error.value, "nearest", "linear", "cubic")


def test_landmarks_follow_the_field() -> None:
    matrix = np.array([[0.1, 0.2, 0], [0, -0.1, 0.05], [0.3, 0, 0]])
    points = np.array([[1.5, 2.25, 3], [7, 8, 9.5]])
    expected = points + points @ matrix.T + SHIFT
    assert np.allclose(warp_points(points, linear_field(matrix, SHIFT)), expected, atol=1e-5)


def test_landmarks_and_image_agree() -> None:
    """The blob at q in the moving image appears at p in the warped one, where p + u(p) = q."""
    shape = (16, 18, 20)
    q = np.array([8.5, 7.25, 10.0])
    blob = np.exp(-((voxel_grid(shape) - q) ** 2).sum(-1) / 3)
    moving, field = Volume(blob.astype(np.float32), np.eye(4)), shift_field(SHIFT, shape)
    warped = warp_image(moving, field).data
    p = (voxel_grid(shape) * warped[..., None]).sum((0, 1, 2)) / warped.sum()
    assert np.allclose(p, q - SHIFT, atol=0.01)
    assert np.allclose(warp_points(p[None], field), q, atol=0.01)


def test_composition_of_linear_maps_keeps_their_order() -> None:
    """Warping by inner first, by outer after: x -> inner(outer(x))."""
    outer = linear_field(np.diag([-0.5, -0.4, -0.3]), [2, 3, 1])
    inner = linear_field(np.diag([0.2, 0.5, -0.1]), [1, -0.5, 0.25])
    grid = voxel_grid(SHAPE).astype(float)
    middle = grid + outer.displacement
    expected = middle + middle * [0.2, 0.5, -0.1] + [1, -0.5, 0.25] - grid
    assert np.allclose(compose(outer, inner).displacement, expected, atol=1e-4)


@pytest.mark.parametrize("axis", range(3))
def test_composition_is_two_warps_in_one(axis: int) -> None:
    """Exact on an image that holds its own index: there interpolating twice loses nothing."""
    image = Volume(voxel_grid(SHAPE)[..., axis], np.eye(4))
    outer, inner = smooth_field(1, size=0.5), smooth_field(2, size=0.5)
    twice = warp_image(warp_image(image, inner), outer).data
    assert np.allclose(warp_image(image, compose(outer, inner)).data, twice, atol=1e-4)
    other = warp_image(image, compose(inner, outer)).data
    assert np.abs(other - twice).max() > 0.05


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(0.1, 0.8))
def test_the_inverse_undoes_a_smooth_field(seed: int, size: float) -> None:
    field = smooth_field(seed, size=size, shape=(14, 16, 18), sigma=4)
    inverse = invert(field)
    assert inverse_residual(field, inverse)[INNER].max() < 0.01
    # The field is piecewise linear, and so is its inverse, but its kinks lie between voxels. There
    # linear interpolation loses a quarter of what the slope changes by in the cell, and that is at
    # most two second differences of the voxels' values: along each axis, half of the largest.
    bends = [
        np.abs(np.diff(inverse.displacement, 2, axis=axis)).max((0, 1, 2)) for axis in range(3)
    ]
    lost = np.linalg.norm(np.sum(bends, axis=0) / 2)
    assert inverse_residual(inverse, field)[INNER].max() < lost + 0.01


def test_the_inverse_of_a_shift_is_the_other_way() -> None:
    assert np.allclose(invert(shift_field(SHIFT)).displacement, -SHIFT, atol=1e-4)


def test_a_field_that_presses_hard_is_inverted_as_exactly() -> None:
    """Voxels lie 0.2 apart at the middle: a plain fixed point gains a fifth a step there."""
    shape = (25, 7, 7)
    x = voxel_grid(shape)[..., 0]
    displacement = np.zeros((*shape, 3), np.float32)
    displacement[..., 0] = 0.8 * 24 / (2 * np.pi) * np.sin(2 * np.pi * x / 24)
    field = Field(displacement, np.eye(4))
    assert inverse_residual(field, invert(field))[1:-1].max() < 0.002


@pytest.mark.parametrize("part", [1.0, 0.5])
def test_a_newton_step_takes_a_constant_error_away(part: float) -> None:
    """Of a linear field the derivative is exact, so that one step is."""
    shape, off = (17, 18, 19), np.array([0.05, -0.03, 0.04])
    matrix = np.array([[0.2, -0.1, 0.05], [0.1, -0.15, 0.1], [-0.05, 0.1, 0.1]])
    centre = (np.array(shape) - 1) / 2
    back = np.linalg.inv(np.eye(3) + matrix) - np.eye(3)
    field = linear_field(matrix, -matrix @ centre, shape)
    found = newton_step(linear_field(back, -back @ centre + off, shape), field, part)
    expected = linear_field(back, -back @ centre + (1 - part) * off, shape)
    error = (found.displacement - expected.displacement)[5:-5, 5:-5, 5:-5]
    assert np.abs(error).max() < 1e-4


def test_a_folded_field_has_no_inverse() -> None:
    wild = Field(random_image(5).data[..., None] * np.array([6, 6, 6], np.float32), np.eye(4))
    with pytest.raises(BadInput) as error:
        invert(wild)
    one_line(error.value, "fold")


@pytest.mark.parametrize("source", AFFINES)
@pytest.mark.parametrize("target", ["anisotropic", "flipped", "oblique-flipped"])
def test_a_resampled_field_moves_world_points_alike(source: str, target: str) -> None:
    shape = (16, 18, 20)
    matrix = np.array([[0.1, 0.02, 0], [-0.03, -0.1, 0.05], [0.04, 0, 0.2]])
    field = linear_field(matrix, SHIFT, shape, AFFINES[source])
    affine = AFFINES[target].copy()
    affine[:3, :3] *= 0.25
    affine[:3, 3] = voxel_to_world(np.array([8.0, 9.0, 10.0]), AFFINES[source])
    found = resample_field(field, SHAPE, affine)
    start = voxel_grid(SHAPE).astype(float)
    old = world_to_voxel(voxel_to_world(start, affine), AFFINES[source])
    inside = ((old >= 0) & (old <= np.array(shape) - 1)).all(axis=-1)
    assert inside.sum() > 20
    end_by_old = voxel_to_world(old + old @ matrix.T + SHIFT, AFFINES[source])
    end_by_new = voxel_to_world(start + found.displacement, affine)
    assert np.allclose(end_by_new[inside], end_by_old[inside], atol=1e-3)


@pytest.mark.parametrize(
    ("displacement", "words"),
    [
        (np.zeros((3, *SHAPE), np.float32), ["components first", (3, *SHAPE), "(X, Y, Z, 3)"]),
        (np.zeros(SHAPE, np.float32), ["(X, Y, Z, 3)", SHAPE]),
        (np.zeros((*SHAPE, 2), np.float32), [(*SHAPE, 2)]),
        (np.zeros((*SHAPE, 3)), ["float32", "float64"]),
        (np.zeros((*SHAPE, 3), int), ["float32", "int64"]),
        (np.full((2, 2, 2, 3), np.nan, np.float32), ["not finite", "found 24"]),
        ([[[[0.0, 0, 0]]]], ["array", "list"]),
    ],
)
def test_what_is_no_field_is_refused(displacement: np.ndarray, words: list[object]) -> None:
    with pytest.raises(BadInput) as error:
        Field(displacement, np.eye(4))
    one_line(error.value, *words)


@pytest.mark.parametrize("name", AFFINES)
def test_field_files_round_trip(tmp_path: Path, name: str) -> None:
    field = Field(smooth_field(7, size=3).displacement, AFFINES[name])
    paths = [tmp_path / "a.nii.gz", tmp_path / "other" / "b.nii.gz"]
    for path in paths:
        write_field(path, field)
    found = read_field(paths[0], SHAPE)
    steps = found.displacement * 2**10
    assert np.array_equal(steps, np.round(steps))
    assert np.abs(found.displacement - field.displacement).max() <= 2.0**-11 + 1e-6
    assert np.allclose(found.affine, AFFINES[name], atol=1e-5)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    write_field(paths[1], found)
    assert np.array_equal(read_field(paths[1]).displacement, found.displacement)


@pytest.mark.parametrize("name", AFFINES)
def test_a_voxel_s_length_is_the_spacing_of_its_axis(name: str) -> None:
    spacing = np.linalg.norm(AFFINES[name][:3, :3], axis=0)
    for axis in range(3):
        lengths = shift_field(np.eye(3)[axis], affine=AFFINES[name]).length_mm
        assert np.allclose(lengths, spacing[axis], rtol=1e-6)


def test_signed_zeros_have_equal_bytes(tmp_path: Path) -> None:
    for name, value in (("a", 0.0), ("b", -0.0), ("c", -1e-6)):
        field = Field(np.full((2, 2, 2, 3), value, np.float32), np.eye(4))
        write_field(tmp_path / f"{name}.nii.gz", field)
    contents = {gzip.decompress(path.read_bytes()) for path in tmp_path.iterdir()}
    assert len(contents) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((3, *SHAPE), np.float32), ["components first", (3, *SHAPE)]),
        (np.zeros((*SHAPE, 1, 3), np.float32), [(*SHAPE, 1, 3)]),
        (np.zeros((*SHAPE[::-1], 3), np.float32), [(*SHAPE, 3), (*SHAPE[::-1], 3)]),
        (np.zeros((*SHAPE, 3), np.int16), ["float32", "int16"]),
        (np.full((*SHAPE, 3), np.inf, np.float32), ["not finite"]),
    ],
)
def test_field_files_must_fit(tmp_path: Path, data: np.ndarray, words: list[object]) -> None:
    path = tmp_path / "disp.nii.gz"
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), path)
    with pytest.raises(BadInput) as error:
        read_field(path, SHAPE)
    one_line(error.value, path, *words)
