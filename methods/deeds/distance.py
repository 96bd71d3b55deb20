"""The L1 distance of blocks of bytes, as the vector instruction that it is."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from .cost import VECTOR

#: What a processor must have for the instruction, in LLVM's words.
FEATURE = "+avx2"
#: Vectors of a row for which the loop is unrolled: those of the default spacings.
UNROLLED = (6, 7, 11, 12)
_BYTES = ir.VectorType(ir.IntType(8), VECTOR)
_SUMS = ir.VectorType(ir.IntType(64), VECTOR // 8)


def distances_of(count: int) -> Any:
    """Compiled code that compares a block with `count` others; numba has no name for it."""

    @intrinsic
    def distances(  # type: ignore[no-untyped-def]
        typing_context, own, first, other, starts, shift, hop, mask, vectors, scale, out, to
    ):
        """out[to + k] = scale times the distance of a block to the k-th other.

        Row i of the block is at own[first + i * vectors * VECTOR], row i of the k-th other block at
        other[starts[i] + shift + k hop]. Arrays are (bytes,) uint8 but `starts` (rows,) int64; the
        mask, (vectors * VECTOR,), is 255 where bytes of a row count, which are all but some of the
        last vector; those of `own` are 0.
        """
        whole = types.intp
        ints = (own, whole, other, starts, whole, whole, mask, whole)
        signature = types.void(*ints, types.float32, out, whole)

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            own, other, starts, mask, out = (
                context.make_array(signature.args[k])(context, builder, given[k])
                for k in (0, 2, 3, 6, 9)
            )
            first, shift, hop, vectors, scale, to = (given[k] for k in (1, 4, 5, 7, 8, 10))

            def load(data: Any, at: Any) -> Any:
                place = builder.bitcast(builder.gep(data, [at]), _BYTES.as_pointer())
                return builder.load(place, align=1)

            totals = [cgutils.alloca_once_value(builder, _SUMS(None)) for _ in range(count)]

            def compare(at: Any, there: Any, mask: Any = None) -> None:
                word = load(own.data, at)
                for total in totals:
                    wanted = load(other.data, there)
                    if mask is not None:
                        wanted = builder.and_(wanted, mask)
                    found = _distances(context, builder, word, wanted)
                    builder.store(builder.add(builder.load(total), found), total)
                    there = builder.add(there, hop)

            for total in totals:
                builder.store(_SUMS(None), total)
            size = first.type(VECTOR)
            (rows,) = cgutils.unpack_tuple(builder, starts.shape)
            most = builder.sub(vectors, first.type(1))
            end = builder.mul(most, size)
            ends = load(mask.data, end)

            def all_rows(unrolled: int) -> None:
                with cgutils.for_range(builder, rows) as row:
                    at = builder.add(first, builder.mul(row.index, builder.mul(vectors, size)))
                    there = builder.load(builder.gep(starts.data, [row.index]))
                    there = builder.add(there, shift)
                    for step in map(first.type, range(0, (unrolled - 1) * VECTOR, VECTOR)):
                        compare(builder.add(at, step), builder.add(there, step))
                    if not unrolled:
                        with cgutils.for_range(builder, most) as vector:
                            step = builder.mul(vector.index, size)
                            compare(builder.add(at, step), builder.add(there, step))
                    compare(builder.add(at, end), builder.add(there, end), ends)

            def choose(sizes: tuple[int, ...]) -> None:
                if not sizes:
                    return all_rows(0)
                known = builder.icmp_signed("==", vectors, first.type(sizes[0]))
                with builder.if_else(known) as (this, another):
                    with this:
                        all_rows(sizes[0])
                    with another:
                        choose(sizes[1:])

            choose(UNROLLED)
            lane = ir.IntType(32)
            results = ir.VectorType(ir.FloatType(), count)(ir.Undefined)
            factors = results
            for k, total in enumerate(totals):
                found = builder.load(total)
                sums = [builder.extract_element(found, lane(n)) for n in range(VECTOR // 8)]
                sums = builder.add(builder.add(sums[0], sums[1]), builder.add(sums[2], sums[3]))
                one = builder.sitofp(builder.trunc(sums, lane), ir.FloatType())
                results = builder.insert_element(results, one, lane(k))
                factors = builder.insert_element(factors, scale, lane(k))
            place = builder.gep(out.data, [to])
            place = builder.bitcast(place, results.type.as_pointer())
            builder.store(builder.fmul(results, factors), place, align=4)
            return context.get_dummy_value()

        return signature, generate

    return distances


def _distances(context: Any, builder: Any, one: Any, other: Any) -> Any:
    """Sums of absolute differences of eight bytes each."""
    if FEATURE in context.codegen().magic_tuple()[2].split(","):
        kind = ir.FunctionType(_SUMS, [_BYTES, _BYTES])
        name = "llvm.x86.avx2.psad.bw"
        return builder.call(
            cgutils.get_or_insert_function(builder.module, kind, name), [one, other]
        )
    # Any other processor: the same numbers in plain arithmetic.
    larger = builder.icmp_unsigned(">", one, other)
    apart = builder.select(larger, builder.sub(one, other), builder.sub(other, one))
    words = builder.bitcast(apart, _SUMS)

    def each(number: int) -> Any:
        return _SUMS([number] * (VECTOR // 8))

    even = each(0x00FF00FF00FF00FF)
    pairs = builder.add(builder.and_(words, even), builder.and_(builder.lshr(words, each(8)), even))
    return builder.lshr(builder.mul(pairs, each(0x0001000100010001)), each(48))
