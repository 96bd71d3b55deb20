"""Exact inference on the tree: messages from the leaves to the root, decisions on the way back."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .tree import Tree


def infer(
    cost: NDArray[np.float32], tree: Tree, start: NDArray[np.float32], radius: int, step: int
) -> NDArray[np.float32]:
    """The displacements of least energy: data cost plus squared differences along the tree.

    Args:
        cost: (control points, labels); it is used up.
        tree: of the control grid.
        start: (control points, 3) displacements so far, voxels.
        radius: h; the labels are the triples in [-h, h]^3.
        step: q, voxels a label.

    Returns:
        (control points, 3), voxels: start + q * label.
    """
    labels = _choose(cost, tree.order, tree.parent, tree.weight, start / np.float32(step), radius)
    return (start + np.float32(step) * labels).astype(np.float32)


@njit(cache=True, nogil=True)
def _choose(cost, order, parent, weight, start, radius):  # type: ignore[no-untyped-def]
    """Label triples, along axes (0, 1, 2)."""
    n = 2 * radius + 1
    message = np.empty(n * n * n, dtype=np.float32)
    other = np.empty(n * n * n, dtype=np.float32)
    for i in range(len(order) - 1, 0, -1):
        child = order[i]
        up = parent[child]
        energy = cost[child]
        # The weight multiplies the whole subtree below the edge.
        energy *= weight[child]
        offset = start[up] - start[child]
        _min_plus(energy, message, n, offset[2])
        _min_plus(message, other, n, offset[1])
        _min_plus(other, message, n, offset[0])
        least = message.min()
        above = cost[up]
        for k in range(n * n * n):
            above[k] += message[k] - least
    chosen = np.empty((len(order), 3), dtype=np.float32)
    # squares[a, l]: of the difference to the parent's displacement along axis a.
    squares = np.zeros((3, n), dtype=np.float32)
    values = np.empty(n, dtype=np.float32)
    for i in range(len(order)):
        node = order[i]
        up = parent[node]
        if up >= 0:
            for axis in range(3):
                for label in range(n):
                    d = chosen[up, axis] - np.float32(label - radius)
                    d = d + start[up, axis] - start[node, axis]
                    squares[axis, label] = d * d
        best, at = np.float32(np.inf), 0
        energies = cost[node].reshape(n * n, n)
        for row in range(n * n):
            second, third = squares[1, row % n], squares[2, row // n]
            least = np.float32(np.inf)
            for label in range(n):
                value = energies[row, label] + (squares[0, label] + second + third)
                values[label] = value
                least = min(least, value)
            if least < best:
                best = least
                for label in range(n):
                    if values[label] == least:
                        at = row * n + label
                        break
        chosen[node, 0] = at % n - radius
        chosen[node, 1] = (at // n) % n - radius
        chosen[node, 2] = at // (n * n) - radius
    return chosen


@njit(cache=True, nogil=True)
def _min_plus(energy, out, n, offset):  # type: ignore[no-untyped-def]
    """min_l energy[l, rest] + (m - l + offset)^2 along the slowest axis, written as [rest, m].

    Three rounds bring the axes back to their order; the inner loop is a contiguous minimum.
    """
    rest = n * n
    # Two axes: of a product as index it is not known that it is not negative, and then the loop is
    # not made of vectors.
    energy, out = energy.reshape(n, rest), out.reshape(rest, n)
    least = np.empty(rest, dtype=np.float32)
    for m in range(n):
        least[:] = np.inf
        for label in range(n):
            d = np.float32(m - label) + offset
            square = d * d
            for j in range(rest):
                least[j] = min(least[j], energy[label, j] + square)
        for j in range(rest):
            out[j, m] = least[j]
