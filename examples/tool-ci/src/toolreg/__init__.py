"""toolreg, an invented registration tool: demons on two levels."""

import numpy as np
from scipy import ndimage


def register(
    fixed: np.ndarray, moving: np.ndarray, iterations: int = 20, smoothing: float = 1.5
) -> np.ndarray:
    """A displacement field (X, Y, Z, 3) in voxels, pull-back: warped(x) = moving(x + u(x)).

    Args:
        fixed, moving: (X, Y, Z), of similar intensities.
        iterations: of each level.
        smoothing: standard deviation in voxels of the Gaussian that smooths the field.
    """
    low, high = fixed.min(), fixed.max()
    fixed, moving = ((image - low) / (high - low) for image in (fixed, moving))
    field = np.zeros((3, *fixed.shape))
    grid = np.indices(fixed.shape, dtype=float)
    for blur in (2.0, 0.5):
        target, source = (ndimage.gaussian_filter(image, blur) for image in (fixed, moving))
        edges = np.array(np.gradient(target))
        norm = (edges**2).sum(0)
        for _ in range(iterations):
            warped = ndimage.map_coordinates(source, grid + field, order=1, mode="nearest")
            difference = target - warped
            step = difference / np.maximum(norm + difference**2, 1e-6)
            field = field + np.where(np.abs(difference) > 1e-3, step * edges, 0.0)
            field = np.array([ndimage.gaussian_filter(part, smoothing) for part in field])
    return np.moveaxis(field, 0, -1)
