"""Exact inference on the tree: messages from the leaves to the root, decisions on the way back."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.extending import intrinsic
from numpy.typing import NDArray

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
    labels = _choose(cost, tree.order, tree.parent, tree.weight, start / np.float32(step), radius)
    return (start + np.float32(step) * labels).astype(np.float32)


def _minima_of(vectors: int) -> Any:
    """Compiled code for minima of ROWS rows, `vectors` vectors wide; numba alone keeps no vector
    in a register across a loop, and takes ten times as long."""
    floats = ir.VectorType(ir.FloatType(), VECTOR)

    @intrinsic
    def minima(
        typing_context: Any,
        wide: Any,
        at: Any,
        hop: Any,
        single: Any,
        first: Any,
        down: Any,
        along: Any,
        count: Any,
        out: Any,
        to: Any,
        below: Any,
    ) -> Any:
        """out[to + r below + j] = min_i (wide[at + i hop + j] + single[first + r down + i along]).

        r < ROWS, j < vectors * VECTOR, i < count. Nothing is checked; rows are written in order.
        """
        whole = types.intp
        arguments = (wide, whole, whole, single, whole, whole, whole, whole, out, whole, whole)

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            wide, single, out = (
                context.make_array(signature.args[k])(context, builder, given[k]).data
                for k in (0, 3, 8)
            )
            at, hop, first, down, along, count, to, below = (
                given[k] for k in (1, 2, 4, 5, 6, 7, 9, 10)
            )

            def place(data: Any, where: Any, vector: int) -> Any:
                where = builder.add(where, where.type(vector * VECTOR))
                return builder.bitcast(builder.gep(data, [where]), floats.as_pointer())

            def rows(start: Any, step: Any) -> list[Any]:
                return [builder.add(start, builder.mul(step, step.type(r))) for r in range(ROWS)]

            highest = floats([float("inf")] * VECTOR)
            least = [
                [cgutils.alloca_once_value(builder, highest) for _ in range(vectors)]
                for _ in range(ROWS)
            ]
            for row in least:
                for kept in row:
                    builder.store(highest, kept)
            with cgutils.for_range(builder, count) as loop:
                where = builder.add(at, builder.mul(loop.index, hop))
                loaded = [builder.load(place(wide, where, v), align=4) for v in range(vectors)]
                where = builder.add(first, builder.mul(loop.index, along))
                for r, index in enumerate(rows(where, down)):
                    one = builder.load(builder.gep(single, [index]))
                    many = builder.insert_element(floats(ir.Undefined), one, ir.IntType(32)(0))
                    lanes = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)
                    many = builder.shuffle_vector(many, floats(ir.Undefined), lanes)
                    for v in range(vectors):
                        known, value = builder.load(least[r][v]), builder.fadd(loaded[v], many)
                        less = builder.fcmp_ordered("<", value, known)
                        builder.store(builder.select(less, value, known), least[r][v])
            for row, where in zip(least, rows(to, below), strict=True):
                for v, kept in enumerate(row):
                    builder.store(builder.load(kept), place(out, where, v), align=4)
            return context.get_dummy_value()

        return types.void(*arguments), generate

    return minima


_two, _three = _minima_of(2), _minima_of(3)


@njit(cache=True, nogil=True, inline="always")
def _pass(width, wide, at, hop, single, first, down, along, n, out, to, below):  # type: ignore[no-untyped-def]
    """`minima` of rows that are `width` wide. The last vectors lie within the row, where they can:
    what they write beyond it is written again with the next row."""
    if width <= 2 * VECTOR:
        _two(wide, at, hop, single, first, down, along, n, out, to, below)
    else:
        for start in range(0, width, 3 * VECTOR):
            j = max(0, min(start, width - 3 * VECTOR))
            _three(wide, at + j, hop, single, first, down, along, n, out, to + j, below)


@njit(cache=True, nogil=True)
def _min_plus(energy, offset, squares, one, two, n):  # type: ignore[no-untyped-def]
    """min_l energy[l] + |m - l + offset|^2 for label triples m and l; left in `one`.

    Axis by axis, and for all labels: for so few that is faster than a lower envelope. Along the
    slow axes a vector holds neighbours of the fast one, along the fast axis it holds results.

    Args:
        energy: (n^3,), as `one` and `two`, which are longer.
        squares: (3n + 64,), work space.
    """
    plane = n * n
    for axis in (2, 1, 0):
        for i in range(2 * n - 1):
            d = np.float32(i - (n - 1)) + offset[axis]
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


@njit(cache=True, nogil=True)
def _choose(cost, order, parent, weight, start, radius):  # type: ignore[no-untyped-def]
    """Label triples, along axes (0, 1, 2)."""
    n = 2 * radius + 1
    plane = n * n
    # Vectors read and write beyond the end.
    room = n * plane + 3 * plane + 64
    energy = np.zeros(room, dtype=np.float32)
    message = np.zeros(room, dtype=np.float32)
    other = np.zeros(room, dtype=np.float32)
    squares = np.zeros(3 * n + 64, dtype=np.float32)
    lowest = np.empty(plane, dtype=np.float32)
    for i in range(len(order) - 1, 0, -1):
        child = order[i]
        up = parent[child]
        # The weight multiplies the whole subtree below the edge.
        share = weight[child]
        for k in range(n * plane):
            energy[k] = cost[child, k] * share
        cost[child] = energy[: n * plane]
        _min_plus(energy, start[up] - start[child], squares, message, other, n)
        lowest[:] = message[:plane]
        for label in range(1, n):
            row = message[label * plane : (label + 1) * plane]
            for k in range(plane):
                lowest[k] = min(lowest[k], row[k])
        least = lowest.min()
        for k in range(n * plane):
            cost[up, k] += message[k] - least
    return _decide(cost, order, parent, start, radius)


@njit(cache=True, nogil=True)
def _decide(cost, order, parent, start, radius):  # type: ignore[no-untyped-def]
    """From the root down: the label of least energy; of equal ones the first."""
    n = 2 * radius + 1
    plane = n * n
    chosen = np.empty((len(order), 3), dtype=np.float32)
    # squares[a, l]: of the difference to the parent's displacement along axis a.
    squares = np.zeros((3, n), dtype=np.float32)
    within = np.empty(plane, dtype=np.float32)
    lowest = np.empty(plane, dtype=np.float32)
    for node in order:
        up = parent[node]
        if up >= 0:
            for axis in range(3):
                for label in range(n):
                    d = chosen[up, axis] - np.float32(label - radius)
                    d = d + start[up, axis] - start[node, axis]
                    squares[axis, label] = d * d
        for k in range(plane):
            within[k] = squares[0, k % n] + squares[1, k // n]
        energy = cost[node].reshape(n, plane)
        lowest[:] = np.inf
        for label in range(n):
            third = squares[2, label]
            for k in range(plane):
                lowest[k] = min(lowest[k], energy[label, k] + (within[k] + third))
        least, at = lowest.min(), n * plane
        for k in range(plane):
            if lowest[k] == least:
                for label in range(n):
                    if energy[label, k] + (within[k] + squares[2, label]) == least:
                        at = min(at, label * plane + k)
                        break
        chosen[node, 0] = at % n - radius
        chosen[node, 1] = (at // n) % n - radius
        chosen[node, 2] = at // plane - radius
    return chosen
