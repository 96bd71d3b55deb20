"""Intensity windows: robust percentiles, and rescaling a window to [0, 1]."""

import numpy as np
from numpy.typing import NDArray

#: The usual robust window, in percent.
ROBUST = (0.5, 99.5)


def percentile_window(
    data: NDArray, percentiles: tuple[float, float] = ROBUST
) -> tuple[float, float]:
    """The two intensities at two percentiles of the voxels; they are equal in a flat image.

    Args:
        data: any shape, at least one value.
        percentiles: low and high, from 0 to 100.
    """
    low, high = np.percentile(data, percentiles)
    return low, high


def rescale(data: NDArray, low: float, high: float) -> NDArray[np.float32]:
    """Map `low` to 0 and `high` to 1, linearly; clip what lies beyond."""
    scaled = (np.asarray(data, np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0, 1, dtype=np.float32)
