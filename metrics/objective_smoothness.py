"""The regularisation term of the training loss, before it is multiplied by lambda."""

from regbench.learning.loss_values import smoothness
from regbench.measure.inputs import FieldView

METADATA = {
    "title": "Loss: smoothness",
    "unit": "",
    "direction": "lower",
    "range": [0, None],
    "needs": "field",
    "empty": "not applicable: no mask is used",
    "border": "forward differences inside the grid; nothing is added beyond it",
    "version": 1,
    "precision": 4,
    "default": False,
    "definition": "mean squared forward difference of u (voxels), over axes and components",
    "source": "the paper's Eq. 3; regbench.learning.loss",
}


def objective_smoothness(field: FieldView) -> float:
    """The term as a network is trained with it."""
    return smoothness(field.field.displacement)
