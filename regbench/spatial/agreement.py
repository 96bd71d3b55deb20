"""A converted field against the image that its own tool warped: the proof of every conversion."""

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume
from regbench.spatial.warp import positions, warp_image

#: Largest mean difference between a tool's warped image and ours, as a share of the intensities.
TOLERANCE = 1e-3


def check_own_warp(tool: str, warped: NDArray, moving: Volume, field: Field) -> None:
    """Refuse a field that does not warp the moving image as its tool did, linearly.

    Args:
        tool: its name, for the error.
        warped: (X, Y, Z) on the fixed grid, the tool's own warped moving image.
        moving: the moving image.
        field: what became of the tool's transform.

    Raises:
        BadInput: the two images differ by more than TOLERANCE where they look inside the moving
            image; outside, each fills in its own way.
    """
    target = positions(field)
    inside = ((target >= 0) & (target <= np.array(moving.shape) - 1)).all(axis=-1)
    span = float(np.ptp(moving.data))
    ours = warp_image(moving, field).data
    difference = float(np.abs(warped - ours)[inside].mean()) / span if inside.any() else 0.0
    if not difference <= TOLERANCE:
        raise BadInput(
            f"the image that {tool} warped differs from the dense field's",
            expected=f"<= {TOLERANCE}",
            found=difference,
        )
