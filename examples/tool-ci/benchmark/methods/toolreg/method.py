"""The tool as a method of regbench."""

import numpy as np
import toolreg

from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


def register(fixed: Volume, moving: Volume, *, iterations: int, smoothing: float) -> Field:
    """The tool's field, which has regbench's convention: voxels of the fixed grid, pull-back."""
    field = toolreg.register(fixed.data, moving.data, iterations, smoothing)
    return Field(np.asarray(field, np.float32), fixed.affine)
