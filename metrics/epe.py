"""End-point error against the true field, in voxels."""

import numpy as np

from regbench.measure.inputs import TruthView

METADATA = {
    "title": "EPE",
    "unit": "voxel",
    "direction": "lower",
    "range": [0, None],
    "needs": "true_field",
    "empty": "nan when the label is empty in the fixed image, or in its mask",
    "border": "no special case",
    "version": 1,
    "precision": 2,
    "definition": "mean over the label's fixed voxels, inside the fixed mask if any, of "
    "|u - u_true|, in voxels",
    "source": "Baker et al., IJCV 92 (2011) 1-31",
}


def epe(truth: TruthView) -> float:
    """Mean length of the field's error inside the label, in voxels."""
    return float(np.linalg.norm(truth.error, axis=-1).mean())
