"""Composition, inversion, resampling and Jacobian determinant of displacement fields."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.resample import sample_vectors
from regbench.spatial.volume import voxel_grid, voxel_to_world, world_to_voxel
from regbench.spatial.warp import positions

#: Voxels of a slab whose Jacobian determinant is computed at once.
_SLAB = 2**17


def compose(outer: Field, inner: Field) -> Field:
    """The field of warping by `inner` first and by `outer` after: one interpolation instead of two.

    `warp(warp(moving, inner), outer) = warp(moving, compose(outer, inner))` up to interpolation:
    u(x) = u_outer(x) + u_inner(x + u_outer(x)). `inner` lives on the grid that `outer` looks into.
    """
    inner_part = sample_vectors(inner.displacement, positions(outer))
    return Field(outer.displacement + inner_part, outer.affine)


def invert(field: Field, *, tolerance: float = 1e-3, iterations: int = 200) -> Field:
    """The inverse field v with v(x) + u(x + v(x)) = 0, by damped fixed-point iteration.

    Args:
        field: a fold-free field whose fixed and moving grids have the same shape.
        tolerance: largest residual, in voxels, to reach away from the border.
        iterations: upper bound on the number of steps.

    Raises:
        BadInput: the residual stays above 0.5 voxel in the interior (a folded field).
    """
    grid = voxel_grid(field.shape)
    inverse = -field.displacement
    step = 1.0
    previous = np.inf
    for _ in range(iterations):
        residual = inverse + sample_vectors(field.displacement, grid + inverse)
        worst = _interior(residual)
        if worst <= tolerance:
            break
        if worst > previous:
            step = max(0.25, step * 0.7)
        previous = worst
        inverse = inverse - np.float32(step) * residual
    if _interior(inverse + sample_vectors(field.displacement, grid + inverse)) > 0.5:
        raise BadInput(
            "the field cannot be inverted", expected="no folds", found="residual > 0.5 voxel"
        )
    return Field(inverse.astype(np.float32), field.affine)


def newton_step(inverse: Field, field: Field, part: float = 1.0) -> Field:
    """A step of Newton's method that brings x + v(x) nearer to the inverse of x + u(x).

    The residual r(x) = v(x) + u(x + v(x)) has the derivative I + grad u at x + v(x), and the
    inverse of that is I + grad v. So v changes by -(I + grad v) r.

    Args:
        inverse: v, near the inverse already.
        field: u, on a grid of the same shape.
        part: the share of the step that is taken.
    """
    residual = compose(inverse, field).displacement
    change = residual.copy()
    for axis in range(3):
        change += np.gradient(inverse.displacement, axis=axis) * residual[..., axis : axis + 1]
    return Field(inverse.displacement - np.float32(part) * change, inverse.affine)


def polish(forward: Field, backward: Field, *, last: float) -> tuple[Field, Field]:
    """Make two almost inverse fields undo each other as nearly as linear interpolation can.

    Two Newton steps solve for `backward`, and all of the interpolation error then shows in the
    other direction. The last step, on `forward`, shares it out.

    Args:
        forward, backward: fields that undo each other up to interpolation.
        last: the share of the last step that is taken, about a half.
    """
    for _ in range(2):
        backward = newton_step(backward, forward)
    return newton_step(forward, backward, last), backward


def inverse_residual(field: Field, inverse: Field) -> NDArray[np.float32]:
    """(X, Y, Z) voxels: |v(x) + u(x + v(x))|, 0 where `inverse` undoes `field` exactly."""
    return np.linalg.norm(compose(inverse, field).displacement, axis=-1)


def _interior(vectors: NDArray) -> float:
    """The largest length away from the border, where the fields leave the grid."""
    cut = tuple(slice(1, -1) if n > 4 else slice(None) for n in vectors.shape[:3])
    return float(np.linalg.norm(vectors[cut], axis=-1).max())


def resample_field(field: Field, shape: tuple[int, int, int], affine: NDArray) -> Field:
    """The same physical transform on a grid of other shape, spacing, origin or orientation.

    Fixed and moving image must share the grid, before and after: positions and vectors are both
    converted through world millimetres.

    Args:
        field: in voxels of its own grid.
        shape: (X, Y, Z) of the new grid.
        affine: 4x4 of the new grid.
    """
    points = world_to_voxel(voxel_to_world(voxel_grid(shape), affine), field.affine)
    vectors = sample_vectors(field.displacement, points)
    to_new = np.linalg.inv(affine[:3, :3]) @ field.affine[:3, :3]
    return Field((vectors @ to_new.T).astype(np.float32), np.asarray(affine, float))


def jacobian_determinant(displacement: NDArray) -> NDArray[np.float32]:
    """(X, Y, Z) determinant of d(x + u)/dx: central differences, one-sided at the rim.

    It is 1 for the identity and negative where space is turned inside out. In voxel units it does
    not depend on the spacing. Nothing is clamped.

    Raises:
        BadInput: an axis has fewer than two voxels.
    """
    if min(displacement.shape[:3]) < 2:
        raise BadInput(
            "a Jacobian needs two voxels along every axis",
            expected=">= 2",
            found=displacement.shape,
        )
    shape = displacement.shape[:3]
    result = np.empty(shape, np.float32)
    # Slab by slab along X: what a slab needs stays in the cache.
    most = min(shape[0], max(1, _SLAB // (shape[1] * shape[2])))
    # The slab and a slice on either side; its components are planes, halved: that changes no digit.
    halves = np.empty((3, most + 2, *shape[1:]), displacement.dtype)
    # [a][k]: d(x_k + u_k)/dx_a.
    slopes = np.empty((3, 3, most, *shape[1:]), displacement.dtype)
    spare = np.empty((2, most, *shape[1:]), displacement.dtype)
    for k in range(3):
        halves[k, :2] = displacement[0, ..., k] * 0.5
    for start in range(0, shape[0], most):
        size = min(most, shape[0] - start)
        new = displacement[start + 1 : start + size + 1]
        for k in range(3):
            np.multiply(new[..., k], 0.5, out=halves[k, 2 : 2 + len(new)])
        here, of_slab = halves[:, 1 : size + 1], slopes[:, :, :size]
        if last := len(new) < size:
            halves[:, size + 1] = halves[:, size]
        np.subtract(halves[:, 2 : size + 2], halves[:, :size], out=of_slab[0])
        if start == 0:
            of_slab[0, :, 0] *= 2
        if last:
            of_slab[0, :, -1] *= 2
        np.subtract(here[:, :, 2:], here[:, :, :-2], out=of_slab[1][:, :, 1:-1])
        # Along the last axis the slab is as one row: the ends of its rows come after.
        rows, flat = here.reshape(3, -1), slopes[2].reshape(3, -1)[:, : here[0].size]
        np.subtract(rows[:, 2:], rows[:, :-2], out=flat[:, 1:-1])
        for axis in (1, 2):
            ends, values = of_slab[axis].swapaxes(2, axis + 1), here.swapaxes(2, axis + 1)
            for end, inner, outer in ((0, 1, 0), (-1, -1, -2)):
                ends[:, :, end] = (values[:, :, inner] - values[:, :, outer]) * 2
        for axis in range(3):
            of_slab[axis, axis] += 1
        _determinant_into(result[start : start + size], of_slab, spare[:, :size])
        halves[:, :2] = halves[:, size : size + 2]
    return result


def _determinant_into(out: NDArray, columns: NDArray, spare: NDArray) -> None:
    """`determinant` of columns [a][k], without new arrays; `spare` is two of the size of `out`."""
    for j, k, m in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.multiply(columns[k, 1], columns[m, 2], out=spare[0])
        np.multiply(columns[m, 1], columns[k, 2], out=spare[1])
        spare[0] -= spare[1]
        if j == 0:
            np.multiply(spare[0], columns[j, 0], out=out)
        else:
            spare[0] *= columns[j, 0]
            out += spare[0]


def determinant(a: Sequence[Any], b: Sequence[Any], c: Sequence[Any]) -> Any:
    """The determinant of many 3x3 matrices, given by rows of arrays (or tensors) of one shape."""
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
