"""Folds: number of voxels with |J| <= 0, full grid."""

import numpy as np

from regbench.measure.inputs import FieldView

METADATA = {
    "title": "Folds",
    "unit": "voxels",
    "direction": "none",
    "range": [0, None],
    "needs": "field",
    "empty": "not applicable: no mask is used",
    "border": "central differences, one-sided at the rim; nothing is clamped",
    "version": 1,
    "precision": 2,
    "definition": "number of voxels with |J| <= 0, full grid",
    "source": "J is the Jacobian determinant of x + u(x) in voxel coordinates",
}


def folds(field: FieldView) -> float:
    """Number of folded voxels (non-positive Jacobian determinant), whole grid."""
    return int(np.count_nonzero(field.jacobian <= 0))
