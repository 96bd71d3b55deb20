"""Slope of the displacement on the true one: how much of the true motion was learned."""

from regbench.measure.inputs import NotMeasured, TruthView

METADATA = {
    "title": "Slope",
    "unit": "-",
    "direction": "none",
    "range": [None, None],
    "needs": "true_field",
    "empty": "nan when the label is empty in the fixed image, or does not move",
    "border": "no special case",
    "version": 1,
    "precision": 2,
    "definition": "sum u.t / sum t.t over the label's fixed voxels, u the displacement, t the true",
    "source": "regression of u on t through the origin",
}


def displacement_slope(truth: TruthView) -> float:
    """0: nothing of the true motion; 1: all of it; u in voxels of the fixed grid."""
    true = truth.truth.astype(float)
    square = float((true * true).sum())
    if square == 0.0:
        raise NotMeasured("the true displacement is 0 everywhere")
    return float((truth.estimate * true).sum()) / square
