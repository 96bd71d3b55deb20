"""The spanning tree that follows the image: strong edges cut it, weak ones bend it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .compiled import Compiled


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
    # The three edges of a point, to the next one along axes 0, 1 and 2.
    costs = np.full((*grid, 3), np.inf)
    for axis in range(3):
        shape = np.array(grid)
        shape[axis] -= 1
        inner = tuple(slice(n) for n in shape)
        # The 1.0 rounds small differences away; without it ties, and so the tree, would change.
        differences = np.empty(shape)
        _dissimilarity(image, spacing, axis, differences)
        costs[(*inner, 2 - axis)] = 1.0 + differences
    costs = costs.reshape(-1)
    hops = np.array([1, grid[2], grid[1] * grid[2]])
    root = int(np.ravel_multi_index([n // 2 for n in grid], grid))
    cheapest = np.argsort(costs, kind="stable")
    size = len(costs) // 3
    order, parent, edge, group = np.empty((4, size), np.int64)
    chosen = np.zeros((size, 3), np.uint8)
    _grow(cheapest[: np.isfinite(costs).sum()], hops, root, chosen, group, order, parent, edge)
    weight = np.ones(size, dtype=np.float32)
    children = order[1:]
    spread = max(float(image.std()), 1e-12)
    weight[children] = np.exp(-(costs[edge[children]] - 1.0) / (2 * spread))
    return Tree(order, parent, weight)


@Compiled
def _grow(edges, hops, root, chosen, group, order, parent, edge):  # type: ignore[no-untyped-def]
    """The tree of the first edges that close no circle (Kruskal), from its root, breadth first.

    Args:
        edges: sorted; edge 3 i + k joins the points i and i + hops[k].
        chosen: zeros, for each edge.
        group: work space, as `order` and `parent`, which become those of `Tree`.
        edge: becomes each point's edge to its parent.
    """
    size = len(order)
    for i in range(size):
        group[i], parent[i], edge[i] = i, -1, 0
    for e in edges:
        one, other = _top(group, e // 3), _top(group, e // 3 + hops[e % 3])
        if one != other:
            group[one] = other
            chosen[e // 3, e % 3] = 1
    order[0] = root
    found = 1
    for i in range(size):
        node = order[i]
        for k in (0, 1, 2, -3, -2, -1):
            # Forward along axes 0, 1, 2, then backward along 2, 1, 0.
            axis = k if k >= 0 else -k - 1
            low = node if k >= 0 else node - hops[axis]
            if low < 0 or not chosen[low, axis]:
                continue
            other = node + hops[axis] if k >= 0 else low
            if other != parent[node]:
                parent[other] = node
                edge[other] = 3 * low + axis
                order[found] = other
                found += 1


@Compiled
def _top(group, at):  # type: ignore[no-untyped-def]
    """What stands for a point's group; the way to it becomes shorter."""
    while group[at] != at:
        group[at] = group[group[at]]
        at = group[at]
    return at


@Compiled
def _dissimilarity(image, spacing, axis, out):  # type: ignore[no-untyped-def]
    """Mean absolute difference of each block and the next one along an axis."""
    dz, dy, dx = (
        spacing * (axis == 0),
        spacing * (axis == 1),
        spacing * (axis == 2),
    )
    for cz in range(out.shape[0]):
        for cy in range(out.shape[1]):
            for cx in range(out.shape[2]):
                total = 0.0
                for z in range(cz * spacing, (cz + 1) * spacing):
                    for y in range(cy * spacing, (cy + 1) * spacing):
                        for x in range(cx * spacing, (cx + 1) * spacing):
                            total += abs(image[z, y, x] - image[z + dz, y + dy, x + dx])
                out[cz, cy, cx] = total / spacing**3
