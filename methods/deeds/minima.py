"""Minima of sums of rows, in vectors that stay in registers."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from .inference import ROWS, VECTOR


def minima_of(vectors: int) -> Any:
    """Compiled code for minima of ROWS rows, `vectors` vectors wide; numba alone keeps no vector
    in a register across a loop, and takes ten times as long."""
    floats = ir.VectorType(ir.FloatType(), VECTOR)

    @intrinsic
    def minima(  # type: ignore[no-untyped-def]
        typing_context, wide, at, hop, single, first, down, along, count, out, to, below
    ):
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
