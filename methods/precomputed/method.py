"""A displacement field that was made elsewhere, as a method's result."""

from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


def register(fixed: Volume, moving: Volume, *, precomputed_field: Field, **where: object) -> Field:
    """The pair's field as it was read; `where` are the settings by which the engine found it."""
    return precomputed_field
