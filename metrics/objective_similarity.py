"""The similarity term of the training loss."""

from regbench.base.errors import BadInput
from regbench.measure.inputs import ImageView

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
    # Here, not above: torch takes seconds, and most evaluations do without this metric.
    import torch

    from regbench.learning.loss import mind, similarity, warp
    from regbench.learning.network import to_input
    from regbench.spatial.convert import to_torch

    if images.fixed.shape != images.moving.shape:
        raise BadInput(
            "the loss is of images of one shape",
            expected=images.fixed.shape,
            found=images.moving.shape,
        )
    with torch.no_grad():
        warped = warp(to_input(images.moving), to_torch(images.field))
        return float(similarity(warped, mind(to_input(images.fixed))))
