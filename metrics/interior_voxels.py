"""Number of the voxels that epe_interior is a mean of."""

import numpy as np

from regbench.measure.inputs import TruthView

METADATA = {
    "title": "Interior",
    "unit": "voxels",
    "direction": "none",
    "range": [0, None],
    "needs": "true_field",
    "empty": "nan when the label is empty in the fixed image",
    "border": "beyond the border is outside the label",
    "version": 1,
    "precision": 0,
    "definition": "number of fixed voxels deeper than 12 mm in the label",
    "source": "",
}


def interior_voxels(truth: TruthView) -> float:
    """Number of the voxels of epe_interior."""
    return float(np.count_nonzero(truth.interior))
