"""The true displacement field as a method: the ceiling of every metric."""

from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


def register(fixed: Volume, moving: Volume, *, true_field: Field) -> Field:
    """The true field itself."""
    return true_field
