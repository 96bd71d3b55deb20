"""Conversions: ITK's physical fields and torch's grids, by hand and by the programs themselves."""

from pathlib import Path

import numpy as np
import pytest
from helpers import (
    AFFINES,
    SHAPE,
    linear_field,
    make_affine,
    one_line,
    random_image,
    smooth_field,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.base.errors import BadInput
from regbench.spatial.convert import (
    from_itk,
    from_torch,
    itk_geometry,
    to_grid,
    to_itk,
    to_torch,
)
from regbench.spatial.field import Field
from regbench.spatial.volume import voxel_grid
from regbench.spatial.warp import positions, warp_image

PAIRS = [("unit", "anisotropic"), ("oblique", "flipped"), ("oblique-flipped", "oblique")]
LPS = np.diag([-1.0, -1.0, 1.0])


@pytest.mark.parametrize("name", AFFINES)
def test_itk_states_the_same_points_in_lps(name: str) -> None:
    geometry = itk_geometry(AFFINES[name])
    index = np.array([2.0, 5.0, 7.5])
    by_hand = LPS @ (AFFINES[name][:3, :3] @ index + AFFINES[name][:3, 3])
    assert np.allclose(geometry.direction @ (geometry.spacing * index) + geometry.origin, by_hand)
    assert np.allclose(geometry.affine, AFFINES[name])
    assert np.allclose(geometry.direction @ geometry.direction.T, np.eye(3))


@pytest.mark.parametrize(("fixed", "moving"), PAIRS)
def test_a_physical_displacement_by_hand(fixed: str, moving: str) -> None:
    """Voxel by voxel with 4x4 matrices: index to RAS to LPS, add the vector, and back."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(0, 5, (*SHAPE, 3))
    found = from_itk(vectors, AFFINES[fixed], AFFINES[moving])
    for index in [(0, 0, 0), (3, 8, 2), (8, 11, 14)]:
        start = LPS @ (AFFINES[fixed] @ [*index, 1.0])[:3]
        end = LPS @ (start + vectors[index])
        target = (np.linalg.inv(AFFINES[moving]) @ [*end, 1.0])[:3]
        assert np.allclose(found.displacement[index], target - index, atol=1e-3)
    assert np.array_equal(found.affine, AFFINES[fixed])


@pytest.mark.parametrize("axis", range(3))
def test_a_shift_along_a_world_axis_moves_the_right_array_axis(axis: int) -> None:
    """Spacing (2, 3, 5), first axis flipped: 6 mm along LPS x is 3 voxels up, y -2, z 6/5."""
    affine = make_affine((2, 3, 5), flips=(-1, 1, 1))
    vectors = np.zeros((*SHAPE, 3))
    vectors[..., axis] = 6.0
    expected = np.zeros(3)
    expected[axis] = (3.0, -2.0, 1.2)[axis]
    assert np.allclose(from_itk(vectors, affine, affine).displacement, expected, atol=1e-5)


_angle = st.floats(-180, 180)
_spacing = st.floats(0.4, 6)
_affines = st.builds(
    make_affine,
    st.tuples(_spacing, _spacing, _spacing),
    st.tuples(_angle, _angle, _angle),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.tuples(*[st.floats(-300, 300)] * 3),
)


@settings(max_examples=30, deadline=None)
@given(fixed=_affines, moving=_affines, seed=st.integers(0, 1000))
def test_itk_conversion_is_undone_on_any_grids(
    fixed: np.ndarray, moving: np.ndarray, seed: int
) -> None:
    field = Field(smooth_field(seed, size=4, sigma=1).displacement, fixed)
    again = from_itk(to_itk(field, moving), fixed, moving)
    assert np.allclose(again.displacement, field.displacement, atol=1e-3)


def test_a_sheared_grid_has_no_itk_geometry() -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.3
    with pytest.raises(BadInput) as error:
        itk_geometry(affine)
    one_line(error.value, "shears")


@pytest.mark.parametrize(("fixed", "moving"), PAIRS)
def test_ants_warps_alike(fixed: str, moving: str, tmp_path: Path) -> None:
    """Our field, handed to ANTs in its own terms, gives our warped image and comes back."""
    ants = pytest.importorskip("ants")

    def as_ants(data: np.ndarray, affine: np.ndarray) -> object:
        own = itk_geometry(affine)
        return ants.from_numpy(
            np.ascontiguousarray(data, np.float32),
            origin=own.origin.tolist(),
            spacing=own.spacing.tolist(),
            direction=own.direction,
            has_components=data.ndim == 4,
        )

    image = random_image(3, (14, 11, 12), AFFINES[moving])
    target = random_image(4, affine=AFFINES[fixed])
    matrix = [[0.1, 0.05, 0], [0, -0.2, 0.1], [0.05, 0, -0.3]]
    field = linear_field(matrix, [1.3, 0.4, 2.2], affine=AFFINES[fixed])
    name = str(tmp_path / "warp.nii.gz")
    ants.image_write(as_ants(to_itk(field, image.affine), field.affine), name)
    one, other = as_ants(target.data, target.affine), as_ants(image.data, image.affine)
    theirs = ants.apply_transforms(one, other, [name]).numpy()
    inside = ((positions(field) > 0.01) & (positions(field) < np.array([13, 10, 11]) - 0.01)).all(
        axis=-1
    )
    assert inside.sum() > 300
    assert np.abs(warp_image(image, field).data - theirs)[inside].max() < 1e-3
    composed = ants.apply_transforms(one, other, [name], compose=str(tmp_path / "all_"))
    again = from_itk(ants.image_read(composed).numpy(), field.affine, image.affine)
    assert np.abs(again.displacement - field.displacement).max() < 0.01


def test_torch_tensors_keep_units_and_order() -> None:
    torch = pytest.importorskip("torch")
    field = smooth_field(2)
    tensor = to_torch(field)
    assert tuple(tensor.shape) == (1, 3, *SHAPE)
    assert tensor.dtype == torch.float32
    assert tensor[0, 2, 4, 5, 6].item() == field.displacement[4, 5, 6, 2]
    assert np.array_equal(from_torch(tensor, field.affine).displacement, field.displacement)


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (2, 3, 4, 5, 6), (1, 4, 5, 6, 3)])
def test_other_torch_shapes_are_refused(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(BadInput) as error:
        from_torch(torch.zeros(shape), np.eye(4))
    one_line(error.value, "(1, 3, X, Y, Z)", shape)


@pytest.mark.parametrize("seed", range(3))
def test_grid_sample_warps_alike(seed: int) -> None:
    torch = pytest.importorskip("torch")
    image, field = random_image(seed), smooth_field(seed + 10, size=4)
    theirs = torch.nn.functional.grid_sample(
        torch.from_numpy(image.data)[None, None],
        to_grid(to_torch(field)),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    assert np.allclose(theirs[0, 0].numpy(), warp_image(image, field).data, atol=1e-4)


@pytest.mark.parametrize("shape", [SHAPE, (1, 6, 4)])
def test_grids_are_undone_for_a_batch(shape: tuple[int, int, int]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    fields = rng.normal(0, 3, (2, 3, *shape)).astype(np.float32)
    grid = to_grid(torch.from_numpy(fields)).numpy()
    assert grid.shape == (2, *shape, 3)
    scale = (np.maximum(np.array(shape) - 1, 1) / 2.0).astype(np.float32)
    again = (grid[..., ::-1] + 1) * scale - voxel_grid(shape)
    assert np.allclose(np.moveaxis(again, -1, 1), fields, atol=1e-4)
