"""Number of the voxels that the error in the interior of the labels is a mean of."""

import numpy as np

from regbench.measure.inputs import TruthView

METADATA = {
    "title": "Interior",
    "unit": "voxels",
    "direction": "none",
    "range": [0, None],
    "needs": "true_field_union",
    "empty": "nan when the labels are empty in the fixed image",
    "border": "beyond the border is outside the labels",
    "version": 1,
    "precision": 0,
    "definition": "number of fixed voxels deeper than 12 mm in the labels' union",
    "source": "",
}


def interior_voxels(truth: TruthView) -> float:
    """Number of the voxels of epe_interior."""
    return float(np.count_nonzero(truth.interior))
