"""Std J: standard deviation of J over the full grid (ddof 0)."""

from regbench.measure.inputs import FieldView
from regbench.measure.spread import blocks, standard_deviation

METADATA = {
    "title": "Std J",
    "unit": "",
    "direction": "none",
    "range": [0, None],
    "needs": "field",
    "empty": "not applicable: no mask is used",
    "border": "central differences, one-sided at the rim; nothing is clamped",
    "version": 1,
    "precision": 3,
    "definition": "standard deviation of J over the full grid (ddof 0)",
    "source": "J is the Jacobian determinant of x + u(x) in voxel coordinates",
}


def std_jacobian(field: FieldView) -> float:
    """Standard deviation of the Jacobian determinant over the whole grid."""
    return standard_deviation(blocks(field.jacobian))
