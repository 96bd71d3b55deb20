"""Two ellipsoids in noise, bent by a smooth field that is known.

A working start: change it into your data set.
"""

import numpy as np
from numpy.typing import NDArray

from regbench.data.pair import Pair, Side
from regbench.spatial.field import Field
from regbench.spatial.operations import invert
from regbench.spatial.volume import Volume, voxel_grid
from regbench.spatial.warp import warp_points

#: Voxel index to world millimetres (RAS+): the spacing is its diagonal.
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def make_pair(seed: int, *, shape: list[int], motion: float) -> Pair:
    """Two images, labels and landmarks of both, and the true field of either direction.

    Args:
        seed: the same one gives the same pair. Draw every random number from it.
        shape, motion: the settings of dataset.yaml.
    """
    rng = np.random.default_rng(seed)
    grid = voxel_grid(tuple(shape))
    sizes = np.array(shape, float)
    # Half a wave along each axis: nothing moves at the rim, and nothing folds.
    window = np.sin(np.pi * grid / (sizes - 1)).prod(axis=-1, keepdims=True)
    bend = (window * rng.uniform(-motion, motion, 3)).astype(np.float32)
    there = Field(bend, AFFINE)
    centres = np.array([[0.35, 0.5, 0.5], [0.65, 0.5, 0.5]]) * sizes
    # fixed(x) is moving(x + u(x)): the moving side is drawn on the grid, the fixed one beside it.
    labels = [draw(grid + step, centres, sizes) for step in (bend, 0.0)]
    marks = centres + rng.uniform(-1, 1, (2, 3))
    points = (marks, warp_points(marks, there))
    sides = [
        Side(
            Volume((mask + 0.1 * rng.standard_normal(mask.shape)).astype(np.float32), AFFINE),
            Volume(mask, AFFINE),
            landmarks=landmarks,
        )
        for mask, landmarks in zip(labels, points, strict=True)
    ]
    return Pair((sides[0], sides[1]), (there, invert(there)))


def draw(places: NDArray, centres: NDArray, sizes: NDArray) -> NDArray[np.int32]:
    """Label k + 1 where a place (..., 3) is in ellipsoid k."""
    found = np.zeros(places.shape[:-1], np.int32)
    for label, centre in enumerate(centres, start=1):
        found[np.linalg.norm((places - centre) / (0.14 * sizes), axis=-1) < 1] = label
    return found
