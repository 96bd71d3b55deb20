"""Folds (interior): number of voxels with |J| <= 0, a 2-voxel rim left out."""

import math

import numpy as np

from regbench.measure.inputs import FieldView

METADATA = {
    "title": "Folds (interior)",
    "unit": "voxels",
    "direction": "none",
    "range": [0, None],
    "needs": "field",
    "empty": "nan where an axis has fewer than five voxels: nothing is inside the rim",
    "border": "central differences, one-sided at the rim; nothing is clamped",
    "version": 1,
    "precision": 2,
    "definition": "number of voxels with |J| <= 0, a 2-voxel rim left out",
    "source": "J is the Jacobian determinant of x + u(x) in voxel coordinates",
}


def folds_interior(field: FieldView) -> float:
    """Number of folded voxels, a 2-voxel rim left out: one-sided differences are noisier there."""
    interior = field.jacobian[2:-2, 2:-2, 2:-2]
    return float(np.count_nonzero(interior <= 0)) if interior.size else math.nan
