"""A shift along x, bent where asked."""

import time

import numpy as np
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


def register(fixed: Volume, moving: Volume, *, by: float, bend: float, sleep_s: float) -> Field:
    """A constant displacement and a wave along x, after a nap; it folds where `bend` is big."""
    time.sleep(sleep_s)
    displacement = np.zeros((*fixed.shape, 3), np.float32)
    wave = np.sin(np.arange(fixed.shape[0]) * np.pi / 4)
    displacement[..., 0] = by + bend * wave[:, None, None]
    return Field(displacement, fixed.affine)
