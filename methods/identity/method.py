"""The identity transform: the moving image as it is."""

from regbench.fields import Field
from regbench.volumes import Volume


def register(fixed: Volume, moving: Volume) -> Field:
    """A zero displacement field."""
    return Field.zero(fixed.shape, fixed.affine)
