"""Transforms in world millimetres, their inverses, and the displacement fields that they make.

A transform maps points (..., 3) of the fixed space to points of the moving space (pull-back), both
in RAS millimetres. The project's displacement fields do the same in voxels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Union

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.resample import SLAB
from regbench.spatial.volume import Grid, voxel_grid, voxel_to_world, world_to_voxel

#: Steps of an inversion, and the residuals in millimetres at which it stops and is accepted.
_STEPS, _TOLERANCE, _ACCEPTED = 200, 1e-3, 0.05
#: What a file may hold; and all that maps points.
Transform = Union["Affine", "Displacements"]
Mapping = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class Affine:
    """A 4x4 matrix that can be inverted."""

    matrix: NDArray

    def __call__(self, points: NDArray) -> NDArray:
        return voxel_to_world(points, self.matrix)

    def inverse(self) -> "Affine":
        """Exact."""
        return Affine(np.linalg.inv(self.matrix))


@dataclass(frozen=True)
class Displacements:
    """Displacements on a grid: linear between its voxels, or cubic B-splines as ITK defines them.

    Attributes:
        vectors: (X, Y, Z, 3) displacements, or coefficients of the splines, in RAS millimetres.
        affine: 4x4 of the grid.
        order: 1 (linear) or 3 (splines).
        extended: whether points outside the grid are displaced as the nearest one inside. If not,
            they stay where they are, as in ITK.
    """

    vectors: NDArray
    affine: NDArray[np.float64]
    order: int = 1
    extended: bool = False

    def __call__(self, points: NDArray) -> NDArray:
        index = world_to_voxel(points, self.affine)
        # A voxel ends half a voxel beyond its centre; splines need four control points along an
        # axis. Both as in ITK.
        margin = -0.5 if self.order == 1 else 1.0
        inside = np.clip(index, margin, np.array(self.vectors.shape[:3]) - 1 - margin)
        at = np.moveaxis(inside, -1, 0)
        moved = [
            ndimage.map_coordinates(part, at, order=self.order, mode="nearest", prefilter=False)
            for part in np.moveaxis(self.vectors, -1, 0)
        ]
        stays = (index != inside).any(axis=-1, keepdims=True) & (not self.extended)
        return points + np.where(stays, 0, np.stack(moved, axis=-1))

    def inverse(self) -> "Inverse":
        """Extended, because the jump at the border of a grid has no inverse."""
        return Inverse(replace(self, extended=True))


@dataclass(frozen=True)
class Inverse:
    """Found by damped fixed-point iteration p <- p - s (T(p) - x), with an s for each point."""

    forward: Displacements

    def __call__(self, points: NDArray) -> NDArray:
        """The points that the forward transform maps to `points`.

        Raises:
            BadInput: the iteration does not converge (the forward transform folds).
        """
        target = np.asarray(points, float).reshape(-1, 3)
        found = target.copy()
        step, length = np.ones(len(target)), np.full(len(target), np.inf)
        left = np.arange(len(target))
        for _ in range(_STEPS):
            residual = self.forward(found[left]) - target[left]
            now = np.linalg.norm(residual, axis=-1)
            step[left[now > length[left]]] *= 0.7
            length[left] = now
            unsolved = now > _TOLERANCE
            left = left[unsolved]
            found[left] -= np.maximum(0.1, step[left, None]) * residual[unsolved]
        worst = length.max(initial=0)
        if worst > _ACCEPTED:
            expected = f"no folds (a residual of at most {_ACCEPTED} mm)"
            raise BadInput("cannot be inverted", expected=expected, found=f"{worst:.2f} mm")
        return found.reshape(points.shape)


def to_field(parts: Sequence[Mapping], fixed: Grid, moving: Grid) -> Field:
    """Transforms, the first of which is applied first to a point, as the field of a pair.

    Raises:
        BadInput: they lead to positions that are not finite, or an inverse does not exist.
    """
    displacement = np.empty((*fixed.shape, 3), np.float32)
    # Slab by slab: the positions of a whole volume take many times its memory.
    thick = max(1, SLAB // (fixed.shape[1] * fixed.shape[2]))
    for first in range(0, fixed.shape[0], thick):
        slab = displacement[first : first + thick]
        index = voxel_grid(slab.shape[:3]) + np.array([first, 0, 0])
        points = voxel_to_world(index, fixed.affine)
        for part in parts:
            points = part(points)
        slab[:] = world_to_voxel(points, moving.affine) - index
    if not np.isfinite(displacement).all():
        raise BadInput("the transform leads to positions that are not finite")
    return Field(displacement, np.asarray(fixed.affine, float))
