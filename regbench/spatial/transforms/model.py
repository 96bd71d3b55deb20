"""Transforms between two spaces in world millimetres, and what they are on the fixed grid.

A transform maps points of the fixed space to points of the moving space (pull-back), both in RAS
millimetres, as the project's displacement fields do in voxels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.operations import fixed_point
from regbench.spatial.resample import sample_vectors
from regbench.spatial.volume import voxel_grid, voxel_to_world, world_to_voxel

#: Points (..., 3) in RAS millimetres, fixed space to moving space.
Transform = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class Grid:
    """The voxel grid of an image.

    Attributes:
        shape: (X, Y, Z).
        affine: 4x4, voxel index to RAS millimetres.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]


@dataclass(frozen=True)
class Affine:
    """A matrix, 4x4, on RAS millimetres."""

    matrix: NDArray

    def __call__(self, points: NDArray) -> NDArray:
        return points @ self.matrix[:3, :3].T + self.matrix[:3, 3]


@dataclass(frozen=True)
class Displacements:
    """A dense field of displacements in millimetres, linear between its voxels.

    Attributes:
        vectors: (X, Y, Z, 3) RAS millimetres.
        affine: 4x4 of its grid.
        outside: whether points outside the grid take the nearest voxel's displacement, or none.
    """

    vectors: NDArray
    affine: NDArray[np.float64]
    outside: bool = False

    def __call__(self, points: NDArray) -> NDArray:
        index = world_to_voxel(points, self.affine)
        moved = sample_vectors(self.vectors, index)
        if not self.outside:
            last = np.array(self.vectors.shape[:3]) - 1
            # A voxel reaches half a voxel beyond its centre, here as in ITK.
            moved[((index < -0.5) | (index >= last + 0.5)).any(axis=-1)] = 0
        return points + moved


@dataclass(frozen=True)
class BSpline:
    """Cubic B-splines on a control grid, as ITK and elastix define them.

    Attributes:
        coefficients: (X, Y, Z, 3) RAS millimetres.
        affine: 4x4 of the control grid.
    """

    coefficients: NDArray
    affine: NDArray[np.float64]

    def __call__(self, points: NDArray) -> NDArray:
        index = world_to_voxel(points, self.affine)
        moved = np.stack(
            [
                ndimage.map_coordinates(
                    self.coefficients[..., k], np.moveaxis(index, -1, 0), order=3, prefilter=False
                )
                for k in range(3)
            ],
            axis=-1,
        )
        # Where a point lacks one of its 4 control points an axis, ITK displaces nothing.
        last = np.array(self.coefficients.shape[:3]) - 2
        moved[((index < 1) | (index > last)).any(axis=-1)] = 0
        return points + moved


@dataclass(frozen=True)
class Sum:
    """Transforms whose displacements add up, as elastix' `Add` has it."""

    parts: Sequence[Transform]

    def __call__(self, points: NDArray) -> NDArray:
        return points + sum(part(points) - points for part in self.parts)


@dataclass(frozen=True)
class Chain:
    """Transforms that are applied to a point in this order."""

    parts: Sequence[Transform]

    def __call__(self, points: NDArray) -> NDArray:
        for part in self.parts:
            points = part(points)
        return points


def inverse(transform: Transform) -> Transform:
    """The transform that undoes another one.

    The inverse of a matrix is exact; that of a field is found point by point when it is applied.
    """
    if isinstance(transform, Affine):
        return Affine(np.linalg.inv(transform.matrix))
    if isinstance(transform, Chain):
        return Chain([inverse(part) for part in reversed(transform.parts)])
    return _Inverse(transform)


@dataclass(frozen=True)
class _Inverse:
    forward: Transform

    def __call__(self, points: NDArray) -> NDArray:
        moved, _ = fixed_point(lambda p: self.forward(p) - points, points.astype(float), 1e-3)
        return moved


def to_field(transform: Transform, fixed: Grid, moving: Grid) -> Field:
    """A transform as the displacement field of a pair.

    Raises:
        BadInput: it leads to positions that are not finite.
    """
    index = voxel_grid(fixed.shape).astype(float)
    target = transform(voxel_to_world(index, fixed.affine))
    displacement = world_to_voxel(target, moving.affine) - index
    if not np.isfinite(displacement).all():
        raise BadInput("the transform leads to positions that are not finite")
    return Field(displacement.astype(np.float32), np.asarray(fixed.affine, float))
