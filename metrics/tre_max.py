"""Largest target registration error."""

from regbench.measure.inputs import LandmarkView

METADATA = {
    "title": "TRE max",
    "unit": "mm",
    "direction": "lower",
    "range": [0, None],
    "needs": "landmarks",
    "empty": "nan when there is no landmark",
    "border": "the field is replicated beyond its border",
    "version": 1,
    "precision": 2,
    "definition": "maximum over landmarks of |A_moving(p + u(p)) - A_moving(q)|, u linear",
    "source": "Fitzpatrick and West, IEEE TMI 20 (2001) 917-927",
}


def tre_max(landmarks: LandmarkView) -> float:
    """The largest distance in mm between a moved landmark and where it is."""
    return float(landmarks.distances.max())
