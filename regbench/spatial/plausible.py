"""Fields that have the right shape and type, and yet cannot be displacements in voxels."""

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput

#: Share of the voxels that may be displaced by more than the image is long.
MAX_OUTSIDE = 0.05
#: Displacement in voxels that may be added from voxel to voxel, along every axis at once. Positions
#: add 1; positions in millimetres, the spacing. A registration this steep enlarges sixfold.
MAX_SLOPE = 0.8


def check_plausible(displacement: NDArray[np.float32]) -> None:
    """Refuse what is most likely in another unit, or a position for each voxel.

    A poor field passes, and so does one in millimetres whose values could be voxels.

    Args:
        displacement: (X, Y, Z, 3), finite.

    Raises:
        BadInput: with what is suspected, and the numbers.
    """
    sizes = np.array(displacement.shape[:3])
    outside = float(np.mean((np.abs(displacement) > sizes).any(axis=-1)))
    slopes = [_slope(displacement[..., axis], axis) for axis in range(3)]
    if all(abs(slope) >= MAX_SLOPE for slope in slopes):
        raise BadInput(
            "the field looks like positions, not displacements",
            expected=f"it to grow by less than {MAX_SLOPE} voxels a voxel along some axis",
            found=", ".join(f"{slope:.2f}" for slope in slopes),
        )
    if outside > MAX_OUTSIDE:
        raise BadInput(
            "the field's displacements are larger than the image: it may be in another unit",
            expected=f"this of at most {MAX_OUTSIDE:.0%} of the voxels",
            found=f"{outside:.0%}",
        )


def _slope(component: NDArray[np.float32], axis: int) -> float:
    """How a component grows along its axis, from the first half of the voxels to the second."""
    n = component.shape[axis]
    if n < 4:
        return 0.0
    half = n // 2
    first, second = (np.take(component, part, axis) for part in (range(half), range(n - half, n)))
    return float((np.median(second) - np.median(first)) / (n - half))
