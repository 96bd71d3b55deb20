"""Smooth random fields, and invertible motion: the flow of a velocity field, its affine part."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.spatial.field import Field
from regbench.spatial.operations import compose
from regbench.spatial.resample import sample_vectors
from regbench.spatial.volume import voxel_grid, voxel_to_world
from regbench.spatial.warp import positions


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float | Sequence[float]
) -> NDArray[np.float32]:
    """White noise blurred by a Gaussian and scaled to zero mean and unit standard deviation.

    Args:
        rng: source of randomness.
        shape: (X, Y, Z).
        sigma: of the Gaussian, voxels, one or one an axis; border reflected.
    """
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    return ((noise - noise.mean()) / max(float(noise.std()), 1e-12)).astype(np.float32)


def exponential(velocity: Field, *, squarings: int = 7) -> Field:
    """The flow of a stationary velocity field over unit time, by scaling and squaring.

    Args:
        velocity: voxels per unit time, on the grid of the result. It should fade to 0 at the
            border, or the flow samples its replicated rim.
        squarings: the first step is velocity / 2^squarings.

    Returns:
        the displacement; that of `-velocity` is its inverse up to interpolation.
    """
    flow = Field(velocity.displacement / np.float32(2**squarings), velocity.affine)
    for _ in range(squarings):
        flow = compose(flow, flow)
    return flow


def best_affine(field: Field, weight: NDArray) -> NDArray[np.float64]:
    """The 4x4 affine A in voxel coordinates that minimises sum weight |x + u(x) - A x|^2.

    Args:
        field: displacement u.
        weight: (X, Y, Z), not negative: where the fit counts (the body, say).
    """
    chosen = weight > 0
    root = np.sqrt(weight[chosen].astype(float))[:, None]
    source = voxel_grid(field.shape)[chosen].astype(float)
    design = np.concatenate([source, np.ones((len(source), 1))], axis=1)
    solution, *_ = np.linalg.lstsq(root * design, root * positions(field)[chosen], rcond=None)
    return np.vstack([solution.T, [0.0, 0.0, 0.0, 1.0]])


def affine_field(matrix: NDArray, like: Field) -> Field:
    """The displacement A x - x of a 4x4 voxel-coordinate affine on the grid of `like`."""
    grid = voxel_grid(like.shape)
    return Field((voxel_to_world(grid, matrix) - grid).astype(np.float32), like.affine)


def remove_affine(forward: Field, backward: Field, matrix: NDArray) -> tuple[Field, Field]:
    """Take an affine A off a transform and its inverse: as if moving were pre-aligned by A.

    With phi(x) = x + u(x), returns phi' = A^-1 phi and its inverse phi^-1 A. The moving image that
    goes with them is moving'(y) = moving(A y).

    Args:
        forward: phi on the fixed grid.
        backward: phi^-1 on the moving grid.
        matrix: 4x4, voxel coordinates.
    """
    grid = voxel_grid(forward.shape)
    target = voxel_to_world(positions(forward), np.linalg.inv(matrix))
    aligned = Field((target - grid).astype(np.float32), forward.affine)
    start = voxel_to_world(grid, matrix)
    back = start + sample_vectors(backward.displacement, start) - grid
    return aligned, Field(back.astype(np.float32), backward.affine)
