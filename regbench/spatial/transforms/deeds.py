"""The `.dat` file of deedsBCV: displacements on a control grid, without a header."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.resample import sample_vectors
from regbench.spatial.volume import voxel_grid


def read_dat(path: Path, shape: tuple[int, ...], spacings: range) -> NDArray[np.float32]:
    """The dense displacement (X, Y, Z, 3), voxels of the fixed image, pull-back.

    The file holds little-endian float32: the components along axes 1, 0, 2 in turn, each with axis
    0 fastest. Voxel i is at position i g / n of the control grid; linear, clamped.

    Args:
        path: of the file.
        shape: of the fixed image.
        spacings: that the last level's control points may have, in voxels. The file's size decides.

    Raises:
        BadInput: of another size, or not finite.
    """
    size = path.stat().st_size
    grids = {
        12 * int(np.prod(grid)): grid for s in spacings if all(grid := [n // s for n in shape])
    }
    if size not in grids:
        expected = f"{' or '.join(map(str, grids))} bytes"
        what = "is not a displacement file of this pair"
        raise BadInput(what, file=path, expected=expected, found=size)
    values = np.fromfile(path, dtype="<f4").reshape(3, *grids[size][::-1])
    if not np.isfinite(values).all():
        raise BadInput("holds values that are not finite", file=path)
    control = values[[1, 0, 2]].transpose(3, 2, 1, 0)
    return sample_vectors(control, voxel_grid(shape) * np.divide(grids[size], shape))
