"""The Jacobian determinant against analytic answers."""

import numpy as np
import pytest
from helpers import SHAPE, linear_field, one_line, smooth_field

from regbench.base.errors import BadInput
from regbench.measure import spread
from regbench.spatial import operations
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.volume import voxel_grid

X, Y, Z = np.moveaxis(voxel_grid(SHAPE).astype(float), -1, 0)
INNER = (slice(1, -1),) * 3


def _determinant(*parts: np.ndarray) -> np.ndarray:
    displacement = np.stack(np.broadcast_arrays(*parts), axis=-1).astype(np.float32)
    return jacobian_determinant(displacement)


def test_the_identity_has_determinant_one() -> None:
    found = _determinant(0 * X, 0 * Y, 0 * Z)
    assert found.shape == SHAPE
    assert found.dtype == np.float32
    assert (found == 1).all()


@pytest.mark.parametrize("axis", range(3))
def test_a_mirror_has_determinant_minus_one(axis: int) -> None:
    """x -> N - 1 - x along one axis turns space over."""
    parts = [0 * X, 0 * X, 0 * X]
    parts[axis] = SHAPE[axis] - 1 - 2 * (X, Y, Z)[axis]
    assert np.allclose(_determinant(*parts), -1, atol=1e-5)


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([0.5, -0.3, 1.0]),
        np.array([[0.0, 0.4, 0.0], [0.0, 0.0, -0.7], [0.9, 0.0, 0.0]]),
        np.array([[0.2, 0.4, -0.1], [0.3, -0.5, 0.2], [-0.6, 0.1, 0.8]]),
    ],
    ids=["stretch", "cyclic shear", "general"],
)
def test_a_linear_map_has_its_own_determinant_everywhere(matrix: np.ndarray) -> None:
    """The one-sided differences of the rim included; transposed derivatives would do as well,
    reversed components would not."""
    found = jacobian_determinant(linear_field(matrix, [1, -2, 3]).displacement)
    assert np.allclose(found, np.linalg.det(np.eye(3) + matrix), atol=1e-4)


def test_squares_cubes_and_fourth_powers() -> None:
    """Central differences of x^2, y^3, z^4 are 2x, 3y^2 + 1, 4z^3 + 4z."""
    a, b, c = 0.05, 0.004, 0.0003
    found = _determinant(a * X**2, b * Y**3, c * Z**4)
    exact = (1 + a * 2 * X) * (1 + b * (3 * Y**2 + 1)) * (1 + c * (4 * Z**3 + 4 * Z))
    assert np.allclose(found[INNER], exact[INNER], rtol=1e-3)
    assert np.ptp(exact) > 10


def test_components_along_other_axes_do_not_add_area() -> None:
    """u = (y^2, z^3, 0) shears: determinant 1. Reversed components would be (0, z^3, y^2)."""
    assert np.allclose(_determinant(0.1 * Y**2, 0.01 * Z**3, 0 * X), 1, atol=1e-3)
    mixed = _determinant(0.1 * Y**2, 0.02 * X**2, 0 * X)
    assert np.allclose(mixed[INNER], (1 - 0.2 * Y * 0.04 * X)[INNER], atol=1e-3)


def test_the_rim_is_one_sided() -> None:
    found = _determinant(0.1 * X**2, 0 * Y, 0 * Z)[:, 3, 3]
    last = SHAPE[0] - 1
    assert found[0] == pytest.approx(1 + 0.1 * 1, abs=1e-5)
    assert found[last] == pytest.approx(1 + 0.1 * (2 * last - 1), abs=1e-5)


@pytest.mark.parametrize("slices", [1, 2, 4])
def test_slabs_are_joined_to_the_last_bit(slices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    displacement = smooth_field(3).displacement
    whole = jacobian_determinant(displacement)
    monkeypatch.setattr(operations, "_SLAB", slices * SHAPE[1] * SHAPE[2])
    assert np.array_equal(jacobian_determinant(displacement), whole)
    assert np.ptp(whole) > 0.1


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_have_the_deviation_of_all(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(50, 3, (9, 11, 5)).astype(np.float32)
    monkeypatch.setattr(spread, "_BLOCK", block)
    found = spread.standard_deviation(spread.blocks(values))
    assert found == pytest.approx(np.std(values.astype(np.float64)), rel=1e-12)


def test_nothing_is_clamped() -> None:
    """Squashing past a point gives 0 and below."""
    for factor, exact in ((-1.0, 0.0), (-3.5, -2.5)):
        found = jacobian_determinant(linear_field(np.diag([0, factor, 0]), [0, 0, 0]).displacement)
        assert np.allclose(found, exact, atol=1e-5)


@pytest.mark.parametrize("axis", range(3))
def test_flipping_an_axis_flips_the_answer_with_it(axis: int) -> None:
    """The same transform, counted from the other end of an axis."""
    displacement = smooth_field(3).displacement
    flipped = np.flip(displacement, axis).copy()
    flipped[..., axis] *= -1
    expected = np.flip(jacobian_determinant(displacement), axis)
    assert np.allclose(jacobian_determinant(flipped), expected, atol=1e-5)


def test_exchanging_axes_exchanges_the_answer() -> None:
    displacement = smooth_field(4).displacement
    turned = displacement.transpose(2, 0, 1, 3)[..., [2, 0, 1]]
    expected = jacobian_determinant(displacement).transpose(2, 0, 1)
    assert np.allclose(jacobian_determinant(turned), expected, atol=1e-5)


def test_an_axis_of_one_voxel_is_an_error() -> None:
    with pytest.raises(BadInput) as error:
        jacobian_determinant(np.zeros((5, 1, 5, 3), np.float32))
    one_line(error.value, ">= 2", (5, 1, 5, 3))
