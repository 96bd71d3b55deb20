"""What a metric is given. Work that several metrics share is done once, on first use."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regbench.measure.surface import (
    SurfaceDistances,
    deeper,
    edge_distances,
    surface_distances,
)
from regbench.spatial.field import Field
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.volume import Volume, voxel_to_world
from regbench.spatial.warp import warp_points

#: Label group to its values.
Groups = Mapping[str, tuple[int, ...]]
#: What lies deeper in the labels than this many millimetres is their interior.
INTERIOR_MM = 12.0


class NotMeasured(Exception):
    """A metric raises it with the reason why a case has no value: its row is `skipped`."""


def group_masks(labels: NDArray, groups: Groups) -> dict[str, NDArray[np.bool_]]:
    """The mask of each label group in a label map (X, Y, Z): the union of its labels."""
    labels = np.ascontiguousarray(labels)
    # A comparison for each label is faster than np.isin.
    return {
        name: np.logical_or.reduce([labels == value for value in values])
        for name, values in groups.items()
    }


@dataclass(frozen=True)
class MaskPair:
    """One organ: its mask in the fixed image and in the warped moving image.

    Attributes:
        fixed, warped: bool (X, Y, Z).
        spacing: (3,) mm of the fixed grid.
    """

    fixed: NDArray[np.bool_]
    warped: NDArray[np.bool_]
    spacing: NDArray[np.float64]

    @cached_property
    def surfaces(self) -> SurfaceDistances:
        """Surfel-weighted distances between the two surfaces, mm."""
        return surface_distances(self.fixed, self.warped, self.spacing)

    @cached_property
    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distances of edge voxels, fixed to warped and back, mm."""
        return edge_distances(self.fixed, self.warped, self.spacing)


@dataclass(frozen=True)
class FieldView:
    """The displacement field alone."""

    field: Field

    @cached_property
    def jacobian(self) -> NDArray[np.float32]:
        """(X, Y, Z) Jacobian determinant of x + u(x)."""
        return jacobian_determinant(self.field.displacement)


@dataclass(frozen=True)
class ImageView:
    """The field beside both images, which are not warped."""

    field: Field
    fixed: Volume
    moving: Volume


@dataclass(frozen=True)
class LandmarkView:
    """Landmarks of both images, voxel coordinates, and where the field sends the fixed ones."""

    field: Field
    fixed: NDArray[np.float64]
    moving: NDArray[np.float64]
    moving_affine: NDArray[np.float64]

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """(n,) mm: |A_moving(p + u(p)) - A_moving(q)|."""
        reached = voxel_to_world(warp_points(self.fixed, self.field), self.moving_affine)
        return np.linalg.norm(reached - voxel_to_world(self.moving, self.moving_affine), axis=1)


@dataclass(frozen=True)
class TruthView:
    """The field beside the true one, where it is known.

    Attributes:
        field, true_field: on the same fixed grid.
        mask: bool (X, Y, Z), the voxels that count: one organ of the fixed image,
            inside its region of interest where it has one.
        spacing: (3,) mm of the fixed grid.
    """

    field: Field
    true_field: Field
    mask: NDArray[np.bool_]
    spacing: NDArray[np.float64]

    @cached_property
    def error(self) -> NDArray[np.float32]:
        """(n, 3) voxels: the difference of the two fields inside the mask."""
        return self.estimate - self.truth

    @cached_property
    def estimate(self) -> NDArray[np.float32]:
        """(n, 3) voxels: the field inside the mask."""
        return self._inside(self.field)

    @cached_property
    def truth(self) -> NDArray[np.float32]:
        """(n, 3) voxels: the true field inside the mask."""
        return self._inside(self.true_field)

    @cached_property
    def _places(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.mask)

    def _inside(self, field: Field) -> NDArray[np.float32]:
        # Faster than a mask as an index, and the places are looked for once.
        return field.displacement.reshape(-1, 3).take(self._places, axis=0)

    @cached_property
    def interior(self) -> NDArray[np.bool_]:
        """(n,) which voxels of the mask lie deeper in it than INTERIOR_MM.

        The depth is the distance to the nearest voxel outside. Beyond the grid is outside.
        """
        return deeper(self.mask, INTERIOR_MM, self.spacing)
