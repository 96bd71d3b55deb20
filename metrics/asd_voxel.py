"""Average surface distance over edge voxels."""

from regbench.measure.inputs import MaskPair

METADATA = {
    "title": "ASD (edge voxels)",
    "unit": "mm",
    "direction": "lower",
    "range": [0, None],
    "needs": "labels",
    "empty": "nan when either mask is empty",
    "border": "beyond the border is background, so a mask that touches it has an edge there",
    "version": 1,
    "precision": 2,
    "definition": "mean distance of the 6-neighbour edge voxels, pooled over both surfaces",
    "source": "the definition of most hand-written evaluations; differs from asd by 18-58 %",
}


def asd_voxel(masks: MaskPair) -> float:
    """Mean distance in mm of the edge voxels of both masks to the other mask's edge."""
    forward, backward = masks.edges
    return float((forward.sum() + backward.sum()) / (forward.size + backward.size))
