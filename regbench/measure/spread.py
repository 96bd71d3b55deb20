"""The standard deviation of millions of numbers, in the cache."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

#: Numbers of a block.
_BLOCK = 2**17


def blocks(values: NDArray) -> Iterator[NDArray[np.float64]]:
    """All values in blocks of float64."""
    flat = values.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        yield flat[start : start + _BLOCK].astype(np.float64)


def standard_deviation(parts: Iterable[NDArray[np.float64]]) -> float:
    """Standard deviation (ddof 0) of all numbers of the parts, which are used up; nan of none.

    The parts' means and squares are joined as in Chan et al., The American Statistician 37 (1983).
    """
    count, mean, squares = 0, 0.0, 0.0
    for part in parts:
        own = float(part.mean())
        part -= own
        apart, both = own - mean, count + part.size
        squares += float(np.square(part, out=part).sum()) + apart**2 * count * part.size / both
        mean += apart * part.size / both
        count = both
    return math.sqrt(squares / count) if count else math.nan
