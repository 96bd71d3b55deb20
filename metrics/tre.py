"""Target registration error."""

from regbench.measure.inputs import LandmarkView

METADATA = {
    "title": "TRE",
    "unit": "mm",
    "direction": "lower",
    "range": [0, None],
    "needs": "landmarks",
    "empty": "nan when there is no landmark",
    "border": "the field is replicated beyond its border",
    "version": 1,
    "precision": 2,
    "definition": "mean over landmarks of |A_moving(p + u(p)) - A_moving(q)|, u sampled linearly",
    "source": "Fitzpatrick and West, IEEE TMI 20 (2001) 917-927",
}


def tre(landmarks: LandmarkView) -> float:
    """Mean distance in mm between where the field sends fixed landmarks and where they are."""
    return float(landmarks.distances.mean())
