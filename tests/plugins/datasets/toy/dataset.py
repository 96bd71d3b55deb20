"""A pair in a moment: boxes, shifted by whole voxels that depend on the seed."""

import numpy as np
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

from regbench.data.pair import Pair, Side

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def make_pair(seed: int, *, shape: tuple[int, int, int]) -> Pair:
    """Fixed and moving boxes; the moving one is shifted along x by 1 or 2 voxels."""
    rng = np.random.default_rng(seed)
    shift = int(rng.integers(1, 3))
    labels = np.zeros(tuple(shape), np.int32)
    labels[3:7, 2:7, 2:6] = 1
    labels[3:5, 7:9, 2:6] = 2
    image = labels + 0.1 * rng.random(labels.shape)
    sides = []
    for step in (0, shift):
        moved = Volume(np.roll(image, step, axis=0).astype(np.float32), AFFINE)
        marks = np.array([[4.0, 4.0, 3.0], [5.0, 6.0, 4.0]]) + [step, 0, 0]
        sides.append(Side(moved, Volume(np.roll(labels, step, axis=0), AFFINE), landmarks=marks))
    there = np.zeros((*image.shape, 3), np.float32)
    there[..., 0] = shift
    return Pair((sides[0], sides[1]), (Field(there, AFFINE), Field(-there, AFFINE)))
