"""The spanning tree that follows the image: strong edges cut it, weak ones bend it."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree


@dataclass(frozen=True)
class Tree:
    """A rooted spanning tree of the control grid.

    Attributes:
        order: control points, the root first, each parent before its children.
        parent: of each control point; -1 for the root.
        weight: w of the edge to the parent.
    """

    order: NDArray[np.int64]
    parent: NDArray[np.int64]
    weight: NDArray[np.float32]


def spanning_tree(image: NDArray[np.float32], spacing: int) -> Tree:
    """The tree of least dissimilarity on the 6-connected grid.

    An edge's dissimilarity is the mean absolute difference of its two blocks, voxel by voxel, and
    its weight exp(-dissimilarity / (2 std)).

    Args:
        image: the one that is fixed in this direction, [axis 2, axis 1, axis 0].
        spacing: s, of the control points.
    """
    grid = tuple(size // spacing for size in image.shape)
    numbers = np.arange(np.prod(grid)).reshape(grid)
    starts, ends, costs = [], [], []
    for axis in range(3):
        one = numbers.take(range(grid[axis] - 1), axis=axis)
        other = numbers.take(range(1, grid[axis]), axis=axis)
        starts.append(one.ravel())
        ends.append(other.ravel())
        costs.append(_dissimilarity(image, spacing, axis, np.array(one.shape)).ravel())
    start, end, cost = (np.concatenate(part) for part in (starts, ends, costs))
    # A sparse matrix forgets zeros: all costs are raised alike, which changes no tree.
    graph = coo_matrix((1.0 + cost, (start, end)), shape=(numbers.size, numbers.size)).tocsr()
    tree = minimum_spanning_tree(graph)
    root = int(numbers[tuple(n // 2 for n in grid)])
    order, parent = breadth_first_order(tree, root, directed=False)
    parent = np.where(parent < 0, -1, parent).astype(np.int64)
    both = (tree + tree.T).tocsr()
    weight = np.ones(numbers.size, dtype=np.float32)
    children = order[1:]
    found = np.asarray(both[children, parent[children]]).ravel() - 1.0
    spread = max(float(image.std()), 1e-12)
    weight[children] = np.exp(-found / (2 * spread))
    return Tree(order.astype(np.int64), parent, weight)


@njit(cache=True, nogil=True)
def _dissimilarity(image, spacing, axis, shape):  # type: ignore[no-untyped-def]
    """Mean absolute difference of each block and the next one along an axis."""
    out = np.empty((shape[0], shape[1], shape[2]), dtype=np.float64)
    dz, dy, dx = (
        spacing * (axis == 0),
        spacing * (axis == 1),
        spacing * (axis == 2),
    )
    for cz in range(shape[0]):
        for cy in range(shape[1]):
            for cx in range(shape[2]):
                total = 0.0
                for z in range(cz * spacing, (cz + 1) * spacing):
                    for y in range(cy * spacing, (cy + 1) * spacing):
                        for x in range(cx * spacing, (cx + 1) * spacing):
                            total += abs(image[z, y, x] - image[z + dz, y + dy, x + dx])
                out[cz, cy, cx] = total / spacing**3
    return out
