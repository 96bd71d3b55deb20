"""Standard deviation of the logarithm of the Jacobian by Learn2Reg's evaluation kit."""

import numpy as np

from regbench.measure.learn2reg import KitField
from regbench.measure.spread import blocks, standard_deviation

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
    values = blocks(field.interior_jacobian)
    return standard_deviation(np.log(np.clip(part + 3, 1e-9, 1e9)) for part in values)
