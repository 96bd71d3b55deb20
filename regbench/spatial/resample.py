"""Sampling an array at fractional voxel positions: the one interpolation that everything shares.

Cubic splines, which Learn2Reg takes, are in `regbench.spatial.splines`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.spatial.volume import Volume, voxel_grid, voxel_to_world, world_to_voxel


def sample_linear(data: NDArray, points: NDArray) -> NDArray[np.float32]:
    """Trilinear values of a scalar (X, Y, Z) array at `points` (..., 3); border replicated."""
    coordinates = np.moveaxis(points, -1, 0)
    return ndimage.map_coordinates(data, coordinates, order=1, mode="nearest", output=np.float32)


def sample_vectors(data: NDArray, points: NDArray) -> NDArray[np.float32]:
    """Trilinear values of a vector (X, Y, Z, C) array at `points` (..., 3); border replicated."""
    parts = [sample_linear(data[..., k], points) for k in range(data.shape[-1])]
    return np.stack(parts, axis=-1)


def sample_nearest(data: NDArray, points: NDArray) -> NDArray:
    """Nearest values of a scalar (X, Y, Z) array at `points` (..., 3); 0 outside the grid."""
    index = np.floor(np.asarray(points) + 0.5).astype(np.intp)
    inside = ((index >= 0) & (index < data.shape)).all(axis=-1)
    index[~inside] = 0
    values = data[index[..., 0], index[..., 1], index[..., 2]]
    return np.where(inside, values, np.zeros((), data.dtype))


def sample_moved(
    data: NDArray,
    displacement: NDArray,
    *,
    rim: float = 0.5,
    number: type[np.floating] = np.float32,
) -> NDArray:
    """Nearest values of a scalar (X, Y, Z) array at x + u(x); 0 beyond it.

    Args:
        data: to sample.
        displacement: (X, Y, Z, 3) voxels, of a grid of any shape.
        rim: voxels beyond the outermost centres that still are inside: 0 or 0.5.
        number: type that positions are computed in.
    """
    # Index 0 and the last one are background.
    padded = np.pad(data, 1)
    steps = [stride // padded.itemsize for stride in padded.strides]
    flat, last = padded.ravel(order="K"), np.array(data.shape, number)[:, np.newaxis] - 1
    shape = displacement.shape[:3]
    grid = np.indices(shape[1:], number).reshape(2, -1)
    position, index = np.empty((2, 3, grid.shape[1]), number)
    whole, beyond = np.empty(index.shape, np.intp), np.empty(index.shape, bool)
    out = np.empty(shape, data.dtype)
    # Slice by slice, in the cache.
    for x, moved in enumerate(displacement):
        _move(moved, number(x), grid, position)
        np.floor(np.add(position, number(0.5), out=index), out=index)
        if not rim:
            # The halves of the outermost voxels that lie beyond their centres.
            index -= np.less(position, 0, out=beyond)
            index += np.greater(position, last, out=beyond)
        np.clip(index, -1, last + 1, out=index)
        np.copyto(whole, index, casting="unsafe")
        whole += 1
        # Faster than to check the places, all of which are inside.
        flat.take(_places(whole, steps), out=out[x].reshape(-1), mode="clip")
    return out


def sample_moved_linear(data: NDArray, displacement: NDArray) -> NDArray[np.float32]:
    """Trilinear values of a scalar (X, Y, Z) array at x + u(x); border replicated.

    Args:
        data: to sample.
        displacement: (X, Y, Z, 3) voxels, float32, of a grid of any shape.
    """
    # A position on the last voxel asks for the next one, with weight 0.
    padded = np.pad(data.astype(np.float32), ((0, 1),) * 3, mode="edge")
    steps = [stride // padded.itemsize for stride in padded.strides]
    # In its own order: one that lies the other way round must not be turned.
    flat = padded.ravel(order="K")
    last = np.array(data.shape, np.float32)[:, np.newaxis] - 1
    shape = displacement.shape[:3]
    grid = np.indices(shape[1:], np.float32).reshape(2, -1)
    size = grid.shape[1]
    # The 2x2x2 voxels around a position: the flat array from each of them on.
    corners = [flat[np.dot(corner, steps) :] for corner in np.ndindex(2, 2, 2)]
    position, lower = np.empty((2, 3, size), np.float32)
    index = np.empty((3, size), np.intp)
    values = np.empty((8, size), np.float32)
    out = np.empty(shape, np.float32)
    # Slice by slice, in the cache.
    for x, moved in enumerate(displacement):
        _move(moved, np.float32(x), grid, position)
        np.clip(position, 0, last, out=position)
        np.floor(position, out=lower)
        position -= lower
        np.copyto(index, lower, casting="unsafe")
        at = _places(index, steps)
        for corner, found in zip(corners, values, strict=True):
            # Faster than to check the places, all of which are inside.
            corner.take(at, out=found, mode="clip")
        left = values
        for share in position[::-1]:
            # From eight corners to four, to two, to one: along Z, along Y, along X.
            left, right = left[::2], left[1::2]
            right -= left
            right *= share
            left += right
        out[x] = left[0].reshape(shape[1:])
    return out


def _move(moved: NDArray, x: np.floating, grid: NDArray, out: NDArray) -> None:
    """Where the voxels of a slice (Y, Z, 3) of a field look: (3, n) for their (2, n) y and z."""
    u = moved.reshape(-1, 3).T
    np.add(u[0], x, out=out[0])
    np.add(u[1:], grid, out=out[1:])


def _places(index: NDArray[np.intp], steps: Sequence[int]) -> NDArray[np.intp]:
    """(n,) places in the flat array of indices (3, n), which are used up."""
    for axis, step in enumerate(steps):
        index[axis] *= step
    index[0] += index[1]
    index[0] += index[2]
    return index[0]


#: Voxels that are sampled at once.
SLAB = 2**20


def resample_volume(
    volume: Volume,
    shape: tuple[int, int, int],
    affine: NDArray,
    *,
    labels: bool = False,
) -> Volume:
    """Sample `volume` at the voxel centres of another grid in the same world.

    Args:
        volume: what to sample.
        shape: (X, Y, Z) of the new grid.
        affine: 4x4 of the new grid, voxel to world millimetres.
        labels: nearest neighbour with 0 outside, instead of linear with replicated border.
    """
    sample = sample_nearest if labels else sample_linear
    result = np.empty(shape, volume.data.dtype if labels else np.float32)
    # Slab by slab: the positions of a whole volume take many times its memory.
    thick = max(1, SLAB // (shape[1] * shape[2]))
    for first in range(0, shape[0], thick):
        grid = voxel_grid((min(thick, shape[0] - first), *shape[1:]))
        grid[..., 0] += first
        points = world_to_voxel(voxel_to_world(grid, affine), volume.affine)
        result[first : first + thick] = sample(volume.data, points)
    return Volume(result, np.asarray(affine, float))
