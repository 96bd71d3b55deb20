"""The similarity term of the training loss."""

from regbench.base.errors import BadInput
from regbench.learning.loss_values import similarity
from regbench.measure.inputs import ImageView
from regbench.spatial.resample import sample_moved_linear
from regbench.spatial.volume import scaled

METADATA = {
    "title": "Loss: similarity",
    "unit": "",
    "direction": "lower",
    "range": [0, 1],
    "needs": "images",
    "empty": "not applicable: no mask is used",
    "border": "the moving image and MIND are replicated beyond the border",
    "version": 1,
    "precision": 4,
    "default": False,
    "definition": "mean of |MIND(moving(x + u(x))) - MIND(fixed)|, images scaled as for networks",
    "source": "the paper's Eq. 4; regbench.learning.loss",
}


def objective_similarity(images: ImageView) -> float:
    """The term as a network is trained with it: images scaled to [0, 1], the field in float32."""
    if images.fixed.shape != images.moving.shape:
        raise BadInput(
            "the loss is of images of one shape",
            expected=images.fixed.shape,
            found=images.moving.shape,
        )
    fixed, moving = scaled(images.fixed.data), scaled(images.moving.data)
    return similarity(sample_moved_linear(moving, images.field.displacement), fixed)
