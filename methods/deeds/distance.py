"""The L1 distance of blocks of bytes, as the vector instruction that it is."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

#: Bytes that are compared at once, and blocks of the other image that a block is compared with.
VECTOR, AT_ONCE = 32, 3
#: What a processor must have for the instruction, in LLVM's words.
FEATURE = "+avx2"
_BYTES = ir.VectorType(ir.IntType(8), VECTOR)
_SUMS = ir.VectorType(ir.IntType(64), VECTOR // 8)


def distances_of(vectors: int) -> Any:
    """Compiled code for blocks whose rows are `vectors` vectors; numba has no name for it."""

    @intrinsic
    def distances(
        typing_context: Any,
        own: Any,
        first: Any,
        other: Any,
        starts: Any,
        shift: Any,
        hop: Any,
        mask: Any,
    ) -> Any:
        """Distances of a block to AT_ONCE others, 16 bits each in the uint64 returned.

        Row i of the block is at own[first + i * vectors * VECTOR], row i of the k-th other block at
        other[starts[i] + shift + k hop]. Arrays are (bytes,) uint8 but `starts` (rows,) int64; the
        mask, (vectors * VECTOR,), is 255 where bytes count; elsewhere those of `own` are 0.
        """
        whole = types.intp
        signature = types.uint64(own, whole, other, starts, whole, whole, mask)

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            own, other, starts, mask = (
                context.make_array(signature.args[k])(context, builder, given[k])
                for k in (0, 2, 3, 6)
            )
            first, shift, hop = (given[k] for k in (1, 4, 5))

            def load(data: Any, at: Any, vector: int) -> Any:
                at = builder.add(at, at.type(vector * VECTOR))
                place = builder.bitcast(builder.gep(data, [at]), _BYTES.as_pointer())
                return builder.load(place, align=1)

            masks = [load(mask.data, first.type(0), v) for v in range(vectors)]
            totals = [cgutils.alloca_once_value(builder, _SUMS(None)) for _ in range(AT_ONCE)]
            for total in totals:
                builder.store(_SUMS(None), total)
            (rows,) = cgutils.unpack_tuple(builder, starts.shape)
            with cgutils.for_range(builder, rows) as row:
                at = builder.mul(row.index, first.type(vectors * VECTOR))
                words = [load(own.data, builder.add(first, at), v) for v in range(vectors)]
                at = builder.load(builder.gep(starts.data, [row.index]))
                at = builder.add(at, shift)
                for total in totals:
                    for v in range(vectors):
                        wanted = builder.and_(load(other.data, at, v), masks[v])
                        found = _distances(context, builder, words[v], wanted)
                        builder.store(builder.add(builder.load(total), found), total)
                    at = builder.add(at, hop)
            packed = _SUMS(None)
            for k, total in enumerate(totals):
                lanes = builder.shl(builder.load(total), _SUMS([16 * k] * (VECTOR // 8)))
                packed = builder.add(packed, lanes)
            result = ir.IntType(64)(0)
            for lane in range(VECTOR // 8):
                one = builder.extract_element(packed, ir.IntType(32)(lane))
                result = builder.add(result, one)
            return result

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
