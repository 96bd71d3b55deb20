"""Standard deviation of the logarithm of the Jacobian by Learn2Reg's evaluation kit."""

import math

import numpy as np

from regbench.measure.learn2reg import KitField

METADATA = {
    "title": "SDlogJ (Learn2Reg)",
    "unit": "",
    "direction": "lower",
    "range": [0, None],
    "needs": "learn2reg_field",
    "empty": "nan when the mask is empty, or an axis has fewer than five voxels",
    "border": "a rim of 2 voxels is left out; central differences",
    "version": 1,
    "precision": 3,
    "default": False,
    "definition": "standard deviation (ddof 0) of log(clip(J + 3, 1e-9, 1e9))",
    "source": "Learn2Reg evaluation kit (MDL-UzL/L2R), metric sdlogj",
}


def l2r_sdlogj(field: KitField) -> float:
    """Spread of log(J + 3): the 3 keeps folded voxels, down to J = -3, in the logarithm."""
    values = field.interior_jacobian.astype(np.float64)
    return float(np.log(np.clip(values + 3, 1e-9, 1e9)).std()) if values.size else math.nan
