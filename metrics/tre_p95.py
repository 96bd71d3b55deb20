"""95th percentile of the target registration error."""

import numpy as np

from regbench.measure.inputs import LandmarkView

METADATA = {
    "title": "TRE 95 %",
    "unit": "mm",
    "direction": "lower",
    "range": [0, None],
    "needs": "landmarks",
    "empty": "nan when there is no landmark",
    "border": "the field is replicated beyond its border",
    "version": 1,
    "precision": 2,
    "definition": "95th percentile over landmarks of |A_moving(p + u(p)) - A_moving(q)|, u linear",
    "source": "Fitzpatrick and West, IEEE TMI 20 (2001) 917-927",
}


def tre_p95(landmarks: LandmarkView) -> float:
    """The 95th percentile of the distances in mm, linear between ranks."""
    return float(np.percentile(landmarks.distances, 95))
