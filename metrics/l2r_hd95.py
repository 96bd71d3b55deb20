"""95th percentile of the Hausdorff distance by Learn2Reg's evaluation kit."""

import math

from regbench.measure.learn2reg import KitMasks

METADATA = {
    "title": "HD95 (Learn2Reg)",
    "unit": "voxel",
    "direction": "lower",
    "range": [0, None],
    "needs": "learn2reg_labels",
    "empty": "nan when the fixed, the moving or the warped mask is empty",
    "border": "beyond the border is background, so a mask that touches it has a surface there",
    "version": 1,
    "precision": 2,
    "default": False,
    "definition": "hd95 with the spacing taken as 1 along every axis: in voxels",
    "source": "Learn2Reg evaluation kit (MDL-UzL/L2R), metric hd95",
}


def l2r_hd95(masks: KitMasks) -> float:
    """95 % Hausdorff distance in voxels; infinite (as in the kit) when the label is lost."""
    if not masks.warped.any():
        return math.inf
    return masks.pair.surfaces.robust_hausdorff(95.0)
