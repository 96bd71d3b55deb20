"""Target registration error by Learn2Reg's evaluation kit."""

from regbench.measure.inputs import LandmarkView
from regbench.measure.learn2reg import kit_distances

METADATA = {
    "title": "TRE (Learn2Reg)",
    "unit": "mm",
    "direction": "lower",
    "range": [0, None],
    "needs": "landmarks",
    "empty": "nan when there is no landmark",
    "border": "the field is 0 outside the outermost voxel centres",
    "version": 1,
    "precision": 2,
    "default": False,
    "definition": "mean over landmarks of |s (p + u(p) - q)|, s: moving spacing, u: cubic splines",
    "source": "Learn2Reg evaluation kit (MDL-UzL/L2R), metric tre",
}


def l2r_tre(landmarks: LandmarkView) -> float:
    """Mean distance in mm between where the field sends fixed landmarks and where they are."""
    return float(kit_distances(landmarks).mean())
