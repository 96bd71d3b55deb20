"""The field of view and its voxel grid."""

import numpy as np
from numpy.typing import NDArray

#: Millimetres along x, y, z; the same at every shape.
FIELD_OF_VIEW = (144.0, 144.0, 192.0)


def axes_of(shape: tuple[int, int, int], affine: NDArray) -> list[NDArray[np.float32]]:
    """mm of the voxel centres along each axis, of a grid without rotation."""
    return [
        (np.arange(n) * affine[k, k] + affine[k, 3]).astype(np.float32) for k, n in enumerate(shape)
    ]
