"""Share of landmarks that are met to within 2 mm."""

import numpy as np

from regbench.measure.inputs import LandmarkView

METADATA = {
    "title": "TRE < 2 mm",
    "unit": "%",
    "direction": "higher",
    "range": [0, 100],
    "needs": "landmarks",
    "empty": "nan when there is no landmark",
    "border": "the field is replicated beyond its border",
    "version": 1,
    "precision": 1,
    "definition": "share of landmarks with |A_moving(p + u(p)) - A_moving(q)| < 2 mm",
    "source": "Fitzpatrick and West, IEEE TMI 20 (2001) 917-927",
}


#: Millimetres that a landmark may be missed by.
LIMIT = 2.0


def tre_within_2mm(landmarks: LandmarkView) -> float:
    """Per cent of the landmarks whose distance is under 2 mm."""
    return float(np.mean(landmarks.distances < LIMIT) * 100)
