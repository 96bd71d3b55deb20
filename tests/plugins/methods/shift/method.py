"""A shift along x."""

import time

import numpy as np

from regbench.fields import Field
from regbench.volumes import Volume


def register(fixed: Volume, moving: Volume, *, by: float, sleep_s: float) -> Field:
    """A constant displacement, after a nap."""
    time.sleep(sleep_s)
    displacement = np.zeros((*fixed.shape, 3), np.float32)
    displacement[..., 0] = by
    return Field(displacement, fixed.affine)
