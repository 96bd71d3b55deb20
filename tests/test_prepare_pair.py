"""A whole pair: motion is kept, the native image is interpolated once, everything is told."""

import json
from typing import Any

import numpy as np
import pytest
from helpers import AFFINES, box, make_affine, one_line, sphere

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.data.prepare.dataset import summary
from regbench.data.prepare.pair import prepare_pair, warnings
from regbench.data.prepare.recipe import Recipe, read_recipe
from regbench.spatial.resample import sample_linear
from regbench.spatial.volume import Volume, voxel_grid, voxel_to_world, world_to_voxel

SHAPE = (30, 32, 34)
SHIFT = np.array([4, -3, 5])


def recipe(**settings: Any) -> Recipe:
    own = {"alignment": "none", "around": "labels"}
    window = {"window": [0, 1]}
    return read_recipe({**own, "fixed_intensity": window, "moving_intensity": window, **settings})


def ball(centre: Any, affine: np.ndarray, shape: Any = SHAPE, radius: float = 6) -> Side:
    """A ball in voxels, as image and label, with its centre as a landmark."""
    data = sphere(shape, centre, radius)
    marks = np.array([centre], float)
    return Side(Volume(data.astype(np.float32), affine), Volume(data * 2, affine), None, marks)


@pytest.mark.parametrize("name", ["unit", "flipped"])
@pytest.mark.parametrize("around", ["labels", "body", "centre"])
def test_real_motion_is_kept(name: str, around: str) -> None:
    """Centring each image by itself would put the two balls on one another."""
    affine = AFFINES[name]
    start = np.array([13, 16, 15])
    fixed, moving = ball(start, affine), ball(start + SHIFT, affine)
    ready = prepare_pair(fixed, moving, recipe(size=[24, 24, 24], around=around))
    assert ready.sides[0].image.shape == ready.sides[1].image.shape == (24, 24, 24)
    centres = [np.argwhere(side.labels.data == 2).mean(axis=0) for side in ready.sides]
    flips = np.sign(np.diag(affine)[:3])
    assert np.allclose(centres[1] - centres[0], SHIFT * flips)
    assert np.allclose(ready.sides[1].landmarks - ready.sides[0].landmarks, [SHIFT * flips])
    assert np.allclose(ready.sides[0].landmarks, centres[:1])
    if around != "centre":
        assert np.abs(centres[0] - 11.5).max() <= 0.5


def test_the_moving_image_has_no_say_in_the_grid() -> None:
    fixed = ball((13, 16, 15), np.eye(4))
    grids = []
    for shift in (0, 3, 7):
        moving = ball(np.array([13, 16, 15]) + shift, make_affine((1, 1.5, 2)), (30, 20, 17))
        ready = prepare_pair(fixed, moving, recipe(size=[20, 20, 20], spacing=1.2))
        grids.append(ready.sides[1].image.affine)
        assert np.array_equal(ready.sides[0].image.affine, ready.sides[1].image.affine)
    assert np.array_equal(grids[0], grids[1]) and np.array_equal(grids[0], grids[2])


def test_alignment_and_resampling_are_one_interpolation() -> None:
    """A moving image in another world: prepared values are those of one composed look-up."""
    rng = np.random.default_rng(5)
    alignment = make_affine((1.05, 0.95, 1.1), (4, -6, 9), origin=(50, -20, 30))
    one, two = make_affine((2, 1.5, 1.8)), AFFINES["oblique-flipped"].copy()
    # The moving field of view lies where the alignment leads to.
    two[:3, 3] = 0
    goal = voxel_to_world(voxel_to_world(np.array([15.0, 16, 17]), one), alignment)
    two[:3, 3] = goal - voxel_to_world(np.array([20.0, 22, 24]), two)
    marks = np.array([[14.0, 15.0, 16.0], [16.5, 17.25, 15.0]])
    fixed = Side(Volume(rng.random(SHAPE, np.float32), one), landmarks=marks)
    partner = world_to_voxel(voxel_to_world(voxel_to_world(marks, one), alignment), two)
    native = Volume(rng.random((41, 45, 49), np.float32), two)
    asked: list[str] = []

    def known(target: Volume, source: Volume, kind: str, shift: np.ndarray) -> np.ndarray:
        asked.append(kind)
        assert np.allclose(target.spacing, 4) and np.allclose(source.spacing, 4)
        return alignment

    settings = {"alignment": "affine", "alignment_spacing": 4.0, "spacing": 1.0, "around": "centre"}
    moving = Side(native, landmarks=partner)
    ready = prepare_pair(fixed, moving, recipe(**settings, size=[16, 18, 20]), known)
    assert asked == ["affine"]
    grid = ready.sides[1].image
    points = voxel_to_world(voxel_grid(grid.shape), grid.affine)
    looked_at = world_to_voxel(voxel_to_world(points, alignment), two)
    inside = ((looked_at > -0.5) & (looked_at < np.array(native.shape) - 0.5)).all(axis=-1)
    assert 0.5 < inside.mean() < 1
    expected = np.where(inside, sample_linear(native.data, looked_at), 0)
    assert np.abs(grid.data - expected).max() < 1e-3
    assert np.allclose(ready.sides[1].landmarks, ready.sides[0].landmarks)
    assert np.allclose(ready.notes["affine"], alignment, atol=1e-5)
    covered = {"fixed": 100, "moving": 100 * inside.mean()}
    assert ready.notes["covered_percent"] == pytest.approx(covered, abs=0.01)


def test_a_pair_that_needs_nothing_is_as_it_was() -> None:
    rng = np.random.default_rng(1)
    sides = [Side(Volume(rng.random(SHAPE, np.float32), np.eye(4))) for _ in range(2)]
    ready = prepare_pair(*sides, recipe())
    for old, new in zip(sides, ready.sides, strict=True):
        assert np.allclose(old.image.data, new.image.data, atol=1e-6)
        assert np.array_equal(old.image.affine, new.image.affine)


def test_what_is_cut_off_is_told() -> None:
    """Label 2 of the moving image is 20 long; a box of 16 around the fixed one's 10 leaves 13."""
    sides = []
    for start, length in ((5, 10), (5, 20)):
        labels = box(SHAPE, (start, 10, 10), (length, 4, 4)) * 2
        marks = np.array([[6.0, 11, 11], [25.0, 11, 11], [7.0, 12, 12]])
        sides.append(Side(Volume(labels / 2.0, np.eye(4)), Volume(labels, np.eye(4)), None, marks))
    ready = prepare_pair(*sides, recipe(size=[16, 12, 12]))
    record = ready.notes
    assert record["box_start"] == [2, 6, 6]
    assert record["cut_percent"] == {"fixed": {"2": 0}, "moving": {"2": 35}}
    assert record["landmarks_cut"] == 1
    assert np.allclose(ready.sides[0].landmarks, [[4, 5, 5], [5, 6, 6]])
    assert np.allclose(ready.sides[1].landmarks, ready.sides[0].landmarks)
    assert len(record["warnings"]) == 2
    assert "35.0 % of label 2 of the moving image" in record["warnings"][0]
    assert json.loads(json.dumps(record)) == record
    lines = summary({"X_0001_0000": record, "X_0002_0000": {**record, "landmarks_cut": 0}})
    assert "in 2 of 2 pairs (most: 35.0 %" in lines[1]
    assert "grid 16 x 12 x 12 at 1 x 1 x 1 mm" in lines[0]
    assert lines[2].startswith("warning: 1 landmarks")


@pytest.mark.parametrize("kind", ["mass", "labels", "headers"])
def test_where_an_alignment_begins(kind: str) -> None:
    """One ball of known centre in two worlds."""
    affine = AFFINES["flipped"]
    fixed = ball((13, 16, 15), np.eye(4))
    moving = ball((10, 12, 20), affine)
    # A second label that the fixed image does not have says nothing.
    assert moving.labels is not None
    moving.labels.data[0, 0, 0] = 7
    true = voxel_to_world(np.array([10.0, 12, 20]), affine) - (13, 16, 15)
    asked: list[np.ndarray] = []

    def known(one: Volume, two: Volume, how: str, shift: np.ndarray) -> np.ndarray:
        asked.append(shift)
        return make_affine(origin=tuple(true))

    own = recipe(alignment="affine", alignment_start=kind, alignment_spacing=1.0)
    ready = prepare_pair(fixed, moving, own, known)
    expected = {"mass": true, "labels": true, "headers": np.zeros(3)}[kind]
    assert np.abs(asked[0] - expected).max() < (0.3 if kind == "mass" else 1e-6)
    assert ready.notes["alignment_start"] == kind
    assert f"affine, begun from {kind}" in summary({"X": ready.notes})[0]


def test_labels_to_begin_from_must_be_there() -> None:
    fixed = ball((13, 16, 15), np.eye(4))
    moving = Side(fixed.image)
    with pytest.raises(BadInput) as error:
        prepare_pair(fixed, moving, recipe(alignment="rigid", alignment_start="labels"))
    one_line(error.value, "alignment_start: labels", "in common")


def test_labels_that_do_not_meet_are_told() -> None:
    fixed, moving = ball((9, 9, 9), np.eye(4), radius=4), ball((22, 22, 22), np.eye(4), radius=4)
    ready = prepare_pair(fixed, moving, recipe())
    assert ready.notes["apart"] == ["2"]
    assert any("may have failed" in text for text in ready.notes["warnings"])
    assert "in 1 of 1 pairs" in summary({"X": ready.notes})[1]


def test_a_landmark_that_one_image_lost_is_left_out_of_both() -> None:
    """A task may turn the pair around: the moving landmarks must lie on the grid, too."""
    data = Volume(box(SHAPE, (8, 8, 8), (10, 10, 10)).astype(np.float32), np.eye(4))
    labels = data.with_data(data.data.astype(int))
    fixed = Side(data, labels, None, np.array([[9.0, 9, 9], [10, 10, 10], [1, 9, 9]]))
    moving = Side(data, labels, None, np.array([[9.0, 9, 9], [10, 10, 29], [9, 9, 9]]))
    ready = prepare_pair(fixed, moving, recipe(size=[12, 12, 12]))
    assert ready.notes["landmarks_cut"] == 2
    assert np.allclose(ready.sides[0].landmarks, [[2, 2, 2]])
    assert np.allclose(ready.sides[1].landmarks, [[2, 2, 2]])
    # Landmarks of one image alone measure nothing, and break nothing.
    alone = prepare_pair(fixed, Side(data, labels), recipe(size=[12, 12, 12]))
    assert alone.sides[1].landmarks is None and len(alone.sides[0].landmarks) == 2


def test_five_percent_are_not_much() -> None:
    record = {"cut_percent": {"fixed": {"1": 5.0, "2": 5.01}, "moving": {}}, "apart": []}
    assert [text for text in warnings(record) if "label 1" in text] == []
    assert len(warnings(record)) == 1
    assert summary({}) == []


def test_images_without_a_common_place_are_refused() -> None:
    """Nothing would be left of the moving image: a table of such pairs would look like one."""
    fixed = ball((13, 16, 15), np.eye(4))
    far = ball((13, 16, 15), make_affine(origin=(500, 0, 0)))
    with pytest.raises(BadInput) as error:
        prepare_pair(fixed, far, recipe(size=[20, 20, 20]))
    one_line(error.value, "nothing of the moving image", "alignment_start")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("alignment", "elastic"),
        ("alignment_spacing", 0),
        ("alignment_start", "centre"),
        ("spacing", "native"),
        ("spacing", -1),
        ("spacing", True),
        ("spacing", float("nan")),
        ("size", [144, 144]),
        ("size", [144, 144, 0]),
        ("size", [144, 144, 12.5]),
        ("size", 144),
        ("around", "heart"),
        ("fixed_intensity", "window"),
        ("fixed_intensity", {"window": [100, 0]}),
        ("fixed_intensity", {"window": [0, "x"]}),
        ("moving_intensity", {"percentiles": [1, 101]}),
        ("moving_intensity", {"percentiles": [50]}),
        ("moving_intensity", {"window": [0, 1], "percentiles": [1, 99]}),
    ],
)
def test_a_bad_setting_is_named(setting: str, value: Any) -> None:
    with pytest.raises(BadInput) as error:
        read_recipe({setting: value})
    one_line(error.value, f"setting {setting}")
