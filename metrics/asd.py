"""Average surface distance, surfel-weighted."""

import numpy as np

from regbench.measure.inputs import MaskPair

METADATA = {
    "title": "ASD",
    "unit": "mm",
    "direction": "lower",
    "range": [0, None],
    "needs": "labels",
    "empty": "nan when either mask is empty",
    "border": "beyond the border is background, so a mask that touches it has a surface there",
    "version": 1,
    "precision": 2,
    "definition": "mean of the two directed averages, each weighted by surfel area",
    "source": "surface-distance package, compute_average_surface_distance",
}


def asd(masks: MaskPair) -> float:
    """Symmetric average surface distance in mm: the mean of the two directions."""
    found = masks.surfaces
    forward = np.average(found.fixed_to_warped, weights=found.fixed_areas)
    backward = np.average(found.warped_to_fixed, weights=found.warped_areas)
    return float((forward + backward) / 2)
