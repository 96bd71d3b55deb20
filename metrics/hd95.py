"""95th percentile of the Hausdorff distance."""

from regbench.measure.inputs import MaskPair

METADATA = {
    "title": "HD95",
    "unit": "mm",
    "direction": "lower",
    "range": [0, None],
    "needs": "labels",
    "empty": "nan when either mask is empty",
    "border": "beyond the border is background, so a mask that touches it has a surface there",
    "version": 1,
    "precision": 2,
    "definition": "larger of the two directed 95th percentiles, weighted by surfel area",
    "source": "surface-distance package, compute_robust_hausdorff",
}


def hd95(masks: MaskPair) -> float:
    """95 % Hausdorff distance in mm."""
    return masks.surfaces.robust_hausdorff(95.0)
