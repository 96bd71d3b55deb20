"""Anatomical planes, and where in them registrations disagree."""

import math

import numpy as np
import pytest
from helpers import AFFINES, SHAPE, box
from nibabel.orientations import aff2axcodes

from regbench.reports.planes import (
    AXES,
    Region,
    choose_region,
    image_score,
    label_score,
    largest_disagreement,
    outline,
    pixel_of,
    pixel_size,
    plane,
    region_around,
    region_at,
    window,
)
from regbench.spatial.volume import Volume, to_ras, voxel_to_world, world_to_voxel


@pytest.mark.parametrize("name", AFFINES)
def test_turning_to_ras_moves_no_voxel_in_the_world(name: str) -> None:
    volume = Volume(np.arange(np.prod(SHAPE)).reshape(SHAPE), AFFINES[name])
    turned = to_ras(volume)
    assert aff2axcodes(turned.affine) == ("R", "A", "S")
    for voxel in ((0, 0, 0), (8, 11, 14), (3, 7, 1)):
        world = voxel_to_world(voxel, volume.affine)
        there = np.rint(world_to_voxel(world, turned.affine)).astype(int)
        assert turned.data[tuple(there)] == volume.data[voxel]
    assert sorted(turned.spacing) == pytest.approx(sorted(volume.spacing))


@pytest.mark.parametrize(
    ("view", "direction", "pixel"),
    [
        # Towards right, front and head: where is it in the picture of SHAPE?
        *[("axial", "R", (6, 0)), ("axial", "A", (0, 4)), ("coronal", "R", (7, 0))],
        *[("coronal", "S", (0, 4)), ("sagittal", "A", (7, 0)), ("sagittal", "S", (0, 6))],
    ],
)
def test_the_patients_right_is_at_the_left_front_and_head_on_top(
    view: str, direction: str, pixel: tuple[int, int]
) -> None:
    data = np.zeros(SHAPE)
    voxel = np.array([4, 5, 7])
    axis = "RAS".index(direction)
    voxel[axis] = SHAPE[axis] - 1
    data[tuple(voxel)] = 1
    shown = plane(data, view, int(voxel[AXES[view][0]]))
    assert np.unravel_index(shown.argmax(), shown.shape) == pixel
    assert pixel_of(voxel.astype(float), SHAPE, view) == pixel


def test_a_pixel_has_the_spacing_of_its_axes() -> None:
    spacing = np.array([1.0, 2.0, 3.5])
    found = {view: pixel_size(spacing, view) for view in AXES}
    assert found == {"axial": (2.0, 1.0), "coronal": (3.5, 1.0), "sagittal": (3.5, 2.0)}


def test_methods_differ_where_some_are_right_and_some_are_not() -> None:
    fixed = box(SHAPE, (2, 2, 2), (3, 3, 3)).astype(int)
    nothing = np.zeros_like(fixed)
    score = label_score(fixed, [fixed, nothing])
    assert np.array_equal(score, 0.25 * fixed)
    # All wrong in the same place, or one method alone: what they get wrong.
    assert np.array_equal(label_score(fixed, [nothing]), fixed)
    assert not label_score(fixed, [fixed, fixed]).any()
    assert np.array_equal(image_score([fixed, nothing]), 0.5 * fixed)


def test_the_plane_shows_all_organs_and_then_the_most_difference() -> None:
    labels = np.zeros(SHAPE, int)
    labels[2:6, 2:6, 2:12] = 1
    labels[2:6, 8:11, 8:12] = 2
    score = np.zeros(SHAPE)
    score[4, 4, 3] = 9.0
    score[4, 9, 10] = 1.0
    found = choose_region(score, labels, "axial", (3, 3))
    assert found.index == 10
    rows, columns = found.window
    assert plane(score, "axial", 10)[rows, columns].sum() == 1
    assert choose_region(score, None, "axial", (3, 3)).index == 3
    # A corner of an organ does not count as showing it.
    labels[2, 8, 3] = 2
    assert choose_region(score, labels, "axial", (3, 3)).index == 10
    # Nothing differs: a plane in the middle of those with all organs.
    assert choose_region(score * 0, labels, "axial", (3, 3)).index == 10


@pytest.mark.parametrize("spot", [(0, 0), (0, 14), (8, 14), (5, 7)])
def test_the_enlarged_part_holds_the_spot_and_stays_in_the_picture(spot: tuple[int, int]) -> None:
    score = np.zeros((9, 15))
    score[spot] = 1
    for found in (
        region_at(score, "axial", 0, (4, 5)),
        region_around((float(spot[0]), float(spot[1])), score.shape, "axial", 0, (4, 5)),
    ):
        assert (found.height, found.width) == (4, 5)
        assert score[found.window].shape == (4, 5) and score[found.window].sum() == 1
    whole = region_at(score, "axial", 0, (100, 0.1))
    assert (whole.top, whole.height, whole.width) == (0, 9, 2)


def test_the_arrow_points_into_the_thickest_part_between_the_contours() -> None:
    fixed, warped = np.zeros((20, 30), int), np.zeros((20, 30), int)
    fixed[5:15, 5:20] = 1
    warped[5:15, 5:25] = 1
    warped[4, 5:20] = 1
    everything = Region("axial", 0, 0, 0, 20, 30)
    found = largest_disagreement(fixed, warped, everything, (2.0, 2.0))
    assert found is not None
    row, column, thick = found
    assert 5 <= row < 15 and column == 22
    # Five pixels of 2 mm.
    assert thick == pytest.approx(10.0)
    # Two pixels or fewer are what sampling leaves; so is what lies outside the region.
    aside = Region("axial", 0, 0, 0, 20, 20)
    assert largest_disagreement(fixed, warped, aside, (2.0, 2.0)) is None
    assert largest_disagreement(fixed, fixed, everything, (2.0, 2.0)) is None
    assert largest_disagreement(fixed, np.ones_like(fixed), everything, (1.0, 1.0)) is not None


def test_an_outline_is_the_surface_and_not_its_steps() -> None:
    grid = np.indices((24, 24, 24)) - 11.5
    mask = np.sqrt((grid**2).sum(axis=0)) <= 8.0
    fine = outline(mask, "axial", 11)
    step = 23 / (len(fine) - 1)
    # The area of the disc that the sphere has in this plane; voxels alone are off by more.
    assert (fine > 0.5).sum() * step**2 == pytest.approx(np.pi * (8.0**2 - 0.5**2), rel=0.03)
    edge = np.argwhere((fine > 0.5) != (np.roll(fine, 1, axis=1) > 0.5)) * step - 11.5
    assert np.abs(np.hypot(*edge.T) - 8.0).max() < 0.5
    # What is one voxel thin keeps an outline.
    assert outline(mask & (np.abs(grid[0]) < 1), "axial", 11).max() > 0.6


def test_the_plane_shows_both_kidneys_although_they_are_one_group() -> None:
    labels = np.zeros((20, 10, 20), int)
    labels[2:6, 3:7, 2:10] = 1
    labels[14:18, 3:7, 8:16] = 1
    score = np.zeros(labels.shape)
    score[4, 4, 3] = 9.0
    assert choose_region(score, labels, "axial", (3, 3)).index in (8, 9)


def test_a_window_leaves_the_background_out() -> None:
    image = np.concatenate([np.zeros(900), np.linspace(10, 20, 100)]).reshape(10, 10, 10)
    low, high = window(image)
    assert 10 <= low < 10.5 and 19.5 < high <= 20
    assert window(np.ones((2, 2, 2))) == (1, 2)
    assert not math.isnan(sum(window(np.arange(8.0).reshape(2, 2, 2))))
