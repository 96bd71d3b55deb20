"""What an overview may show of a displacement field in the place of the warped image."""

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from regbench.reports.planes import AXES, plane
from regbench.spatial.field import Field
from regbench.spatial.jacobian import jacobian_determinant
from regbench.spatial.orient import to_ras
from regbench.spatial.volume import Volume, spacing_of
from regbench.spatial.warp import positions

#: Squares along the shorter side of a checkerboard.
SQUARES = 8


def layer(show: str, field: Field) -> NDArray | None:
    """The numbers behind a layer; None where it is made of the images alone.

    Args:
        show: `magnitude`: (X, Y, Z) mm; `jacobian`: (X, Y, Z) Jacobian determinant; `grid`:
            (X, Y, Z, 3) where each voxel looks in the moving image, the k-th number in voxels along
            the k-th RAS axis, but for its sign and start. All in RAS order.
        field: of the fixed grid.

    Raises:
        BadInput: a Jacobian of a grid that is one voxel thin.
    """

    def turned(data: NDArray) -> NDArray:
        return to_ras(Volume(data, field.affine)).data

    if show == "magnitude":
        return turned(np.linalg.norm(field.displacement * spacing_of(field.affine), axis=-1))
    if show == "jacobian":
        return turned(jacobian_determinant(field.displacement))
    if show == "grid":
        order = io_orientation(field.affine)[:, 0].astype(int)
        looks = positions(field)
        axes = [turned(looks[..., int(np.flatnonzero(order == k)[0])]) for k in range(3)]
        return np.stack(axes, axis=-1)
    return None


def grid_lines(looks: NDArray, view: str, index: int) -> tuple[NDArray, NDArray]:
    """Pictures of the `grid` layer whose level lines are the moving image's rows and columns."""
    _, rows, columns = AXES[view]
    return plane(looks[..., rows], view, index), plane(looks[..., columns], view, index)


def checkerboard(first: NDArray, second: NDArray) -> NDArray:
    """Two pictures in turn, in squares; the top left one is of the first."""
    edge = max(1, min(first.shape) // SQUARES)
    row, column = np.indices(first.shape) // edge
    return np.where((row + column) % 2 == 0, first, second)


def shaded(image: NDArray, window: tuple[float, float]) -> NDArray[np.float64]:
    """Intensities as shades: 0 at the darkest and 1 at the brightest value of a window."""
    low, high = window
    return np.clip((np.asarray(image, float) - low) / (high - low), 0, 1)
