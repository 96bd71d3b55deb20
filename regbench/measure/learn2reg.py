"""What the metrics with the definitions of Learn2Reg's evaluation kit are given.

Source: evaluation of the challenge, https://github.com/MDL-UzL/L2R (folder evaluation), version 2.0
of its result files. The kit works from index to index and differs from this project's own
definitions in sampling, in units and in what it does with empty masks.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.measure.inputs import FieldView, LandmarkView, MaskPair
from regbench.spatial.field import Field
from regbench.spatial.resample import sample_cubic
from regbench.spatial.volume import spacing_of, voxel_grid

#: Rim that the kit leaves out of the Jacobian, voxels.
RIM = 2


@dataclass(frozen=True)
class KitMasks:
    """One label as the kit sees it.

    Attributes:
        fixed, moving, warped: bool (X, Y, Z). The kit gives no value where fixed or moving is
            empty; a label that is lost in warping has Dice 0.
    """

    fixed: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    warped: NDArray[np.bool_]

    @cached_property
    def pair(self) -> MaskPair:
        """Fixed and warped mask on a grid of 1 mm: the kit's distances are in voxels."""
        return MaskPair(self.fixed, self.warped, np.ones(3))


@dataclass(frozen=True)
class KitField:
    """The field with its Jacobian, and the voxels that count.

    Attributes:
        view: the field.
        mask: bool (X, Y, Z) of the fixed image, or None for all voxels.
    """

    view: FieldView
    mask: NDArray[np.bool_] | None = None

    @property
    def interior_jacobian(self) -> NDArray[np.float32]:
        """(n,) Jacobian determinants inside the rim and the mask."""
        inner = (slice(RIM, -RIM),) * 3
        values = self.view.jacobian[inner]
        return values.ravel() if self.mask is None else values[self.mask[inner]]


def warp_labels_as_kit(labels: NDArray, field: Field) -> NDArray:
    """A moving label map (X, Y, Z) warped as the kit does it.

    Nearest neighbour, but 0 as soon as a position lies outside the centres of the outermost voxels;
    `regbench.spatial.warp.warp_labels` takes half a voxel more on every side.
    """
    # In float64, as in the kit: nearest neighbour turns on the last digit.
    points = np.moveaxis(voxel_grid(field.shape) + np.asarray(field.displacement, float), -1, 0)
    warped: NDArray = ndimage.map_coordinates(labels, points, order=0, mode="constant", cval=0)
    return warped


def kit_distances(landmarks: LandmarkView) -> NDArray[np.float64]:
    """(n,) mm between where the field sends the fixed landmarks and the moving ones.

    The field is sampled with cubic splines; differences in voxels are scaled by the moving image's
    spacing along each array axis, without its directions.
    """
    parts = [sample_cubic(landmarks.field.displacement[..., k], landmarks.fixed) for k in range(3)]
    reached = landmarks.fixed + np.stack(parts, axis=-1)
    spacing = spacing_of(landmarks.moving_affine)
    return np.linalg.norm((reached - landmarks.moving) * spacing, axis=1)
