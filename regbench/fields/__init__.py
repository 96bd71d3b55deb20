"""Displacement fields: the one convention, and the one implementation of each operation on them.

A displacement field is float32 (X, Y, Z, 3), in voxels of the fixed grid, component k along array
axis k, pull-back: `warped(x) = moving(x + u(x))`.
"""

from regbench.fields.algebra import compose, invert
from regbench.fields.field import Field, read_field, write_field
from regbench.fields.jacobian import jacobian_determinant
from regbench.fields.resample import resample_field
from regbench.fields.warp import warp_image, warp_labels, warp_points

__all__ = [
    "Field",
    "compose",
    "invert",
    "jacobian_determinant",
    "read_field",
    "resample_field",
    "warp_image",
    "warp_labels",
    "warp_points",
    "write_field",
]
