"""Folds: share of voxels with |J| <= 0, full grid."""

import numpy as np

from regbench.measure.inputs import FieldView

METADATA = {
    "title": "Folds",
    "unit": "%",
    "direction": "none",
    "range": [0, 100],
    "needs": "field",
    "empty": "not applicable: no mask is used",
    "border": "central differences, one-sided at the rim; nothing is clamped",
    "version": 1,
    "precision": 3,
    "definition": "share of voxels with |J| <= 0, full grid",
    "source": "J is the Jacobian determinant of x + u(x) in voxel coordinates",
}


def folds_percent(field: FieldView) -> float:
    """Share of folded voxels, whole grid, in percent."""
    return 100.0 * float(np.mean(field.jacobian <= 0))
