"""Share of the true displacement that a multiple of the estimated one explains."""

from regbench.measure.inputs import NotMeasured, TruthView

METADATA = {
    "title": "R2",
    "unit": "-",
    "direction": "higher",
    "range": [0, 1],
    "needs": "true_field",
    "empty": "nan when the label is empty in the fixed image, or does not move",
    "border": "no special case",
    "version": 1,
    "precision": 2,
    "definition": "1 - min over a of sum |t - a u|^2 / sum |t|^2, which is (sum u.t)^2 / (sum u.u"
    " sum t.t); u, t as in displacement_slope",
    "source": "regression of t on u through the origin",
}


def displacement_r2(truth: TruthView) -> float:
    """The squared cosine between the two fields; 0 for a field without displacement.

    It says how well the pattern of the motion is met, whatever its size; the slope says the size.
    The best factor a may be negative: the slope has its sign.
    """
    true = truth.truth.astype(float)
    field = truth.estimate.astype(float)
    square, own = float((true * true).sum()), float((field * field).sum())
    if square == 0.0:
        raise NotMeasured("the true displacement is 0 everywhere")
    return float((field * true).sum()) ** 2 / (own * square) if own > 0.0 else 0.0
