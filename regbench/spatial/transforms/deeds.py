"""The `.dat` file of deedsBCV: displacements on a control grid, without a header."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.resample import sample_vectors
from regbench.spatial.volume import voxel_grid

#: Spacings of control points, in voxels, that the last level may have.
MAX_SPACING = 16


def read_dat(
    path: Path, shape: tuple[int, int, int], spacing: int | None = None
) -> NDArray[np.float32]:
    """The dense displacement (X, Y, Z, 3) in voxels of the fixed image, pull-back.

    Little-endian float32; components in the order of axes 1, 0, 2; inside one, axis 0 is fastest.
    A voxel i looks at the control grid's position i g / n, linearly, clamped.

    Args:
        path: of the file.
        shape: of the fixed image.
        spacing: of the last level's control points. None finds it by the size of the file.

    Raises:
        BadInput: missing, of another size, or not finite.
    """
    if not path.is_file():
        raise BadInput("no such file", file=path, expected="displacements of deedsBCV")
    size = path.stat().st_size
    grids = {
        s: tuple(n // s for n in shape) for s in ([spacing] if spacing else range(1, MAX_SPACING))
    }
    grid = next((g for g in grids.values() if 12 * int(np.prod(g)) == size), None)
    if grid is None:
        expected = sorted({12 * int(np.prod(g)) for g in grids.values()} - {0})
        raise BadInput(
            "is not a displacement file of this pair",
            file=path,
            expected=f"{' or '.join(map(str, expected))} bytes",
            found=size,
        )
    values = np.fromfile(path, dtype="<f4").reshape(3, *grid[::-1])
    if not np.isfinite(values).all():
        raise BadInput("holds values that are not finite", file=path)
    control = values[[1, 0, 2]].transpose(3, 2, 1, 0)
    return sample_vectors(control, voxel_grid(shape) * (np.array(grid) / np.array(shape)))
