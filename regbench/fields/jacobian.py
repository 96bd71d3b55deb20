"""The Jacobian determinant of a displacement field's transform x + u(x)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.errors import BadInput


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
    # rows[k][a] is d(x_k + u_k)/dx_a. Only one row of the matrix is expanded at a time.
    a, b, c = (
        [np.gradient(displacement[..., k], axis=axis) + np.float32(k == axis) for axis in range(3)]
        for k in range(3)
    )
    found: NDArray[np.float32] = determinant(a, b, c)
    return found


def determinant(a: Sequence[Any], b: Sequence[Any], c: Sequence[Any]) -> Any:
    """The determinant of many 3x3 matrices, given by rows of arrays (or tensors) of one shape."""
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
