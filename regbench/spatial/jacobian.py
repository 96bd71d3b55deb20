"""The Jacobian determinant of a displacement field's transform x + u(x)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput

#: Slices of the first axis that are worked on together.
_SLICES = 4


def jacobian_determinant(displacement: NDArray) -> NDArray[np.float32]:
    """(X, Y, Z) determinant of d(x + u)/dx: central differences, one-sided at the rim.

    It is 1 for the identity, below 0 where space is turned over, and, in voxel units, independent
    of the spacing. Nothing is clamped.

    Raises:
        BadInput: an axis has fewer than two voxels.
    """
    if min(displacement.shape[:3]) < 2:
        raise BadInput(
            "a Jacobian needs two voxels along every axis",
            expected=">= 2",
            found=displacement.shape,
        )
    size = len(displacement)
    found = np.empty(displacement.shape[:3], np.float32)
    # A few slices at a time, with one more at each end: the nine derivatives stay in the cache.
    for start in range(0, size, _SLICES):
        stop = min(start + _SLICES, size)
        first = max(start - 1, 0)
        slab = np.ascontiguousarray(np.moveaxis(displacement[first : stop + 1], -1, 0))
        # rows[k][a] is d(x_k + u_k)/dx_a.
        a, b, c = (
            [np.gradient(slab[k], axis=axis) + np.float32(k == axis) for axis in range(3)]
            for k in range(3)
        )
        found[start:stop] = determinant(a, b, c)[start - first : stop - first]
    return found


def determinant(a: Sequence[Any], b: Sequence[Any], c: Sequence[Any]) -> Any:
    """The determinant of many 3x3 matrices, given by rows of arrays (or tensors) of one shape."""
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
