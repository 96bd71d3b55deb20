"""Volumes for a browser: 256 grey values each, as NIfTI, compressed."""

import base64
import gzip

import nibabel
import numpy as np
from numpy.typing import NDArray

from regbench.spatial.volume import Volume, percentile_window, to_ras

#: The 256 values of a Jacobian determinant run from -1 to 3; 64 of them are for |J| <= 0.
JACOBIAN_RANGE = (-1.0, 3.0)
_FOLDED = 63


def image_levels(data: NDArray, window: tuple[float, float]) -> NDArray[np.uint8]:
    """Intensities as 0 to 255 over `window`; clipped outside."""
    low, high = window
    scaled = (data.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def window_of(data: NDArray) -> tuple[float, float]:
    """Where an image's grey values lie, but for the lowest and highest 0.5 %."""
    low, high = percentile_window(data)
    if low == high:
        # A small bright object on an even ground.
        low, high = float(data.min()), float(data.max())
    return float(low), float(high)


def jacobian_levels(determinant: NDArray) -> NDArray[np.uint8]:
    """|J| over JACOBIAN_RANGE. Rounding never makes or hides a fold: |J| <= 0 is below level 64."""
    low, high = JACOBIAN_RANGE
    levels = np.rint(255 * np.clip((determinant - low) / (high - low), 0, 1)).astype(np.uint8)
    folded = determinant <= 0
    return np.where(folded, np.minimum(levels, _FOLDED), np.maximum(levels, _FOLDED + 1))


def label_levels(labels: NDArray, groups: dict[str, tuple[int, ...]]) -> NDArray[np.uint8]:
    """1 for the first label group, 2 for the second, ...; 0 elsewhere. The first group wins."""
    found = np.zeros(labels.shape, np.uint8)
    for number, values in reversed(list(enumerate(groups.values(), 1))[:255]):
        found[np.isin(labels, values)] = number
    return found


def encode(levels: NDArray[np.uint8], affine: NDArray, scale: tuple[float, float]) -> str:
    """A `.nii.gz` of (X, Y, Z) levels in base64, turned so that its axes run to R, A and S.

    Args:
        levels: uint8.
        affine: 4x4 of the grid, voxel index to world millimetres (RAS+).
        scale: values of level 0 and level 255.

    Returns:
        ASCII text; equal input gives equal text.
    """
    low, high = scale
    turned = to_ras(Volume(levels, affine))
    image = nibabel.Nifti1Image(turned.data, turned.affine)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter((high - low) / 255, low)
    packed = gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
    return base64.b64encode(packed).decode("ascii")
