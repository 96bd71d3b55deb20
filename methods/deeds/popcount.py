"""The number of set bits of a word, as the one machine instruction that it is."""

from typing import Any

from numba import types
from numba.core.extending import intrinsic


@intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """Set bits of a uint64, inside compiled code: numba has no name for LLVM's `ctpop`."""
    signature = types.uint64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return signature, generate
