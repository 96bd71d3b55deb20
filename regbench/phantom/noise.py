"""Smooth random fields."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float | Sequence[float]
) -> NDArray[np.float32]:
    """White noise blurred by a Gaussian and scaled to zero mean and unit standard deviation.

    Args:
        rng: source of randomness.
        shape: (X, Y, Z).
        sigma: of the Gaussian, voxels, one or one an axis; border reflected.
    """
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    return ((noise - noise.mean()) / max(float(noise.std()), 1e-12)).astype(np.float32)
