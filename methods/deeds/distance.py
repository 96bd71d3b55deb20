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


@intrinsic
def block_distances(
    typing_context: Any,
    packed: Any,
    block: Any,
    other: Any,
    starts: Any,
    shift: Any,
    hop: Any,
    mask: Any,
    sums: Any,
) -> Any:
    """Distances of a block to AT_ONCE others, written into `sums` (AT_ONCE,) int64.

    Row i of the block is packed[block, i], row i of the k-th other block is at starts[i] + shift +
    k hop. Numba has no name for the instruction.

    Args: packed (blocks, rows, vectors * VECTOR), 0 outside the mask; other (bytes,); starts
    (rows,) int64; mask (vectors * VECTOR,), 255 where bytes count. All are uint8 but `starts`.
    """
    whole = types.intp
    signature = types.void(packed, whole, other, starts, whole, whole, mask, sums)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        packed, other, starts, mask, sums = (
            context.make_array(signature.args[k])(context, builder, arguments[k])
            for k in (0, 2, 3, 6, 7)
        )
        block, shift, hop = (arguments[k] for k in (1, 4, 5))
        _, rows, width = cgutils.unpack_tuple(builder, packed.shape)
        vectors = builder.udiv(width, width.type(VECTOR))
        first = builder.mul(block, builder.mul(rows, width))
        totals = [cgutils.alloca_once_value(builder, _SUMS(None)) for _ in range(AT_ONCE)]

        def load(data: Any, at: Any) -> Any:
            place = builder.bitcast(builder.gep(data, [at]), _BYTES.as_pointer())
            return builder.load(place, align=1)

        with cgutils.for_range(builder, rows) as row, cgutils.for_range(builder, vectors) as vector:
            within = builder.mul(vector.index, width.type(VECTOR))
            own = builder.add(builder.add(first, builder.mul(row.index, width)), within)
            word, wanted = load(packed.data, own), load(mask.data, within)
            start = builder.load(builder.gep(starts.data, [row.index]))
            at = builder.add(builder.add(start, shift), within)
            for total in totals:
                found = _distances(
                    context, builder, word, builder.and_(load(other.data, at), wanted)
                )
                builder.store(builder.add(builder.load(total), found), total)
                at = builder.add(at, hop)
        for k, total in enumerate(totals):
            lanes = builder.load(total)
            one = builder.extract_element(lanes, ir.IntType(32)(0))
            for lane in range(1, VECTOR // 8):
                one = builder.add(one, builder.extract_element(lanes, ir.IntType(32)(lane)))
            builder.store(one, builder.gep(sums.data, [width.type(k)]))
        return context.get_dummy_value()

    return signature, generate


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
