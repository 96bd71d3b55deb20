"""The identity transform: the moving image as it is."""

from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


def register(fixed: Volume, moving: Volume) -> Field:
    """A zero displacement field."""
    return Field.zero(fixed.shape, fixed.affine)
