"""Intensities to [0, 1]: a window in the image's own units (CT), or robust percentiles."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.volume import percentile_window

KINDS = ("window", "percentiles")


@dataclass(frozen=True)
class Intensity:
    """Which intensities become 0 and 1.

    Attributes:
        kind: `window`: the two numbers are intensities (Hounsfield units of a CT); `percentiles`:
            they are percentiles of the native image's voxels.
        low, high: the two numbers.
    """

    kind: str
    low: float
    high: float

    def bounds(self, data: NDArray) -> tuple[float, float]:
        """The intensities that become 0 and 1, for an image with these native voxels."""
        if self.kind == "window":
            return self.low, self.high
        low, high = map(float, percentile_window(data, (self.low, self.high)))
        if not low < high:
            raise BadInput(
                f"its percentiles {self.low:g} and {self.high:g} are one intensity",
                expected="percentiles that differ: take others, or a window",
                found=low,
            )
        return low, high


def read_intensity(value: Any, name: str) -> Intensity:
    """`{window: [low, high]}` or `{percentiles: [low, high]}`, as a setting has it.

    Raises:
        BadInput: another key, not two numbers in ascending order, or percentiles beyond 0 to 100.
    """
    expected = "{window: [low, high]} or {percentiles: [low, high]}"
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in KINDS:
        raise BadInput(f"setting {name} is malformed", expected=expected, found=value)
    kind, pair = next(iter(value.items()))
    numbers = pair if isinstance(pair, list | tuple) else []
    real = all(isinstance(x, int | float) and not isinstance(x, bool) for x in numbers)
    if len(numbers) != 2 or not real or not np.isfinite(numbers).all() or numbers[0] >= numbers[1]:
        raise BadInput(f"setting {name} is malformed", expected=expected, found=value)
    if kind == "percentiles" and not 0 <= numbers[0] < numbers[1] <= 100:
        raise BadInput(f"setting {name}: percentiles go from 0 to 100", found=value)
    return Intensity(kind, float(numbers[0]), float(numbers[1]))
