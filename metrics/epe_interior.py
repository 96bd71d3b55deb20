"""End-point error deep inside the labels, where no border guides a method."""

import numpy as np

from regbench.measure.inputs import INTERIOR_MM, NotMeasured, TruthView

METADATA = {
    "title": "EPE (interior)",
    "unit": "voxel",
    "direction": "lower",
    "range": [0, None],
    "needs": "true_field_union",
    "empty": "nan when no voxel is deeper than 12 mm in the labels",
    "border": "beyond the border is outside the labels",
    "version": 1,
    "precision": 2,
    "definition": "mean of |u - u_true| over the voxels deeper than 12 mm in the labels' union, in"
    " voxels",
    "source": "Baker et al., IJCV 92 (2011) 1-31, over a part of the voxels",
}


def epe_interior(truth: TruthView) -> float:
    """Mean length of the field's error in the interior of the labels, in voxels."""
    if not truth.interior.any():
        raise NotMeasured(f"no voxel is deeper than {INTERIOR_MM:g} mm in the labels")
    return float(np.linalg.norm(truth.error[truth.interior], axis=-1).mean())
