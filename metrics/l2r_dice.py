"""Dice overlap by Learn2Reg's evaluation kit."""

import numpy as np

from regbench.measure.learn2reg import KitMasks

METADATA = {
    "title": "Dice (Learn2Reg)",
    "unit": "",
    "direction": "higher",
    "range": [0, 1],
    "needs": "learn2reg_labels",
    "empty": "nan when the fixed or the moving mask is empty; 0 when only the warped one is",
    "border": "labels are 0 as soon as a position is outside the outermost voxel centres",
    "version": 1,
    "precision": 3,
    "default": False,
    "definition": "2 |F and W| / (|F| + |W|), a fraction",
    "source": "Learn2Reg evaluation kit (MDL-UzL/L2R), metric dice",
}


def l2r_dice(masks: KitMasks) -> float:
    """Dice overlap of the fixed and the warped mask, a fraction."""
    both = np.count_nonzero(masks.fixed & masks.warped)
    return 2.0 * both / (np.count_nonzero(masks.fixed) + np.count_nonzero(masks.warped))
