"""Dice overlap."""

import numpy as np

from regbench.measure.inputs import MaskPair

METADATA = {
    "title": "Dice",
    "unit": "%",
    "direction": "higher",
    "range": [0, 100],
    "needs": "labels",
    "empty": "nan when either mask is empty",
    "border": "no special case",
    "version": 1,
    "precision": 2,
    "definition": "100 * 2 |F and W| / (|F| + |W|), F the fixed mask, W the warped one",
    "source": "Dice, Ecology 26 (1945) 297-302",
}


def dice(masks: MaskPair) -> float:
    """Dice overlap of the fixed and the warped mask, in percent."""
    both = np.count_nonzero(masks.fixed & masks.warped)
    return 200.0 * both / (np.count_nonzero(masks.fixed) + np.count_nonzero(masks.warped))
