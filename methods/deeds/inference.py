"""Exact inference on the tree: messages from the leaves to the root, decisions on the way back."""

import numpy as np
from numpy.typing import NDArray

from .compiled import Compiled, Intrinsic
from .tree import Tree

#: Floats in a vector, and rows whose minima are taken at once: all stay in registers.
VECTOR, ROWS = 8, 3


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
    n = 2 * radius + 1
    # Vectors read and write beyond the end.
    energy, message, other = np.zeros((3, n**3 + 3 * n**2 + 64), np.float32)
    squares, lowest, within = np.zeros(3 * n + 64, np.float32), *np.zeros((2, n**2), np.float32)
    labels = np.empty((len(cost), 3), np.float32)
    begun, known = start / np.float32(step), (tree.order, tree.parent)
    _send(cost, *known, tree.weight, begun, n, energy, message, other, squares, lowest)
    _decide(cost, *known, begun, n, squares, within, lowest, labels)
    return (start + np.float32(step) * labels).astype(np.float32)


_two, _three = (Intrinsic("minima", "minima_of", vectors) for vectors in (2, 3))


@Compiled
def _pass(width, wide, at, hop, single, first, down, along, n, out, to, below):  # type: ignore[no-untyped-def]
    """`minima` of rows that are `width` wide. The last vectors lie within the row, where they can:
    what they write beyond it is written again with the next row."""
    if width <= 2 * VECTOR:
        _two(wide, at, hop, single, first, down, along, n, out, to, below)
    else:
        for start in range(0, width, 3 * VECTOR):
            j = max(0, min(start, width - 3 * VECTOR))
            _three(wide, at + j, hop, single, first, down, along, n, out, to + j, below)


@Compiled
def _min_plus(energy, up, down, squares, one, two, n):  # type: ignore[no-untyped-def]
    """min_l energy[l] + |m - l + up - down|^2 for label triples m and l; left in `one`.

    Axis by axis, and for all labels: for so few that is faster than a lower envelope. Along the
    slow axes a vector holds neighbours of the fast one, along the fast axis it holds results.

    Args:
        energy: (n^3,), as `one` and `two`, which are longer.
        squares: (3n + 64,), work space.
    """
    plane = n * n
    for axis in (2, 1, 0):
        for i in range(2 * n - 1):
            d = np.float32(i - (n - 1)) + (up[axis] - down[axis])
            squares[i] = d * d
        if axis == 2:
            for m in range(0, n, ROWS):
                _pass(plane, energy, 0, plane, squares, m + n - 1, 1, -1, n, one, m * plane, plane)
        elif axis == 1:
            for start in range(0, n * plane, plane):
                for m in range(0, n, ROWS):
                    to = start + m * n
                    _pass(n, one, start, n, squares, m + n - 1, 1, -1, n, two, to, n)
        else:
            for start in range(0, n * plane, n * ROWS):
                _pass(n, squares, n - 1, -1, two, start, n, 1, n, one, start, n)


@Compiled
def _send(  # type: ignore[no-untyped-def]
    cost, order, parent, weight, start, n, energy, message, other, squares, lowest
):
    """Messages from the leaves up: to a control point's costs come those of what hangs on it."""
    plane = n * n
    for i in range(len(order) - 1, 0, -1):
        child = order[i]
        up = parent[child]
        # The weight multiplies the whole subtree below the edge.
        share = weight[child]
        for k in range(n * plane):
            energy[k] = cost[child, k] * share
            cost[child, k] = energy[k]
        _min_plus(energy, start[up], start[child], squares, message, other, n)
        for k in range(plane):
            lowest[k] = message[k]
        for label in range(1, n):
            row = message[label * plane : (label + 1) * plane]
            for k in range(plane):
                lowest[k] = min(lowest[k], row[k])
        least = lowest[0]
        for k in range(plane):
            least = min(least, lowest[k])
        for k in range(n * plane):
            cost[up, k] += message[k] - least


@Compiled
def _decide(  # type: ignore[no-untyped-def]
    cost, order, parent, start, n, squares, within, lowest, chosen
):
    """From the root down: the label of least energy; of equal ones the first.

    squares[a n + l]: of the difference to the parent's displacement along axis a.
    """
    plane = n * n
    radius = n // 2
    for k in range(3 * n):
        squares[k] = 0
    for node in order:
        up = parent[node]
        if up >= 0:
            for axis in range(3):
                for label in range(n):
                    d = chosen[up, axis] - np.float32(label - radius)
                    d = d + start[up, axis] - start[node, axis]
                    squares[axis * n + label] = d * d
        for k in range(plane):
            within[k] = squares[k % n] + squares[n + k // n]
        energy = cost[node]
        lowest[:] = np.inf
        for label in range(n):
            third = squares[2 * n + label]
            for k in range(plane):
                lowest[k] = min(lowest[k], energy[label * plane + k] + (within[k] + third))
        least, at = lowest[0], n * plane
        for k in range(plane):
            least = min(least, lowest[k])
        for k in range(plane):
            if lowest[k] == least:
                for label in range(n):
                    total = within[k] + squares[2 * n + label]
                    if energy[label * plane + k] + total == least:
                        at = min(at, label * plane + k)
                        break
        chosen[node, 0] = at % n - radius
        chosen[node, 1] = (at // n) % n - radius
        chosen[node, 2] = at // plane - radius
