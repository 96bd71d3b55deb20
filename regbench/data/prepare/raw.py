"""Reading a raw image with its annotations, which must lie where the image lies."""

from itertools import product

import numpy as np

from regbench.base.errors import BadInput
from regbench.data.check import read_side
from regbench.data.layout import Entry
from regbench.data.pair import Side
from regbench.spatial.volume import voxel_to_world


def read_raw(entry: Entry) -> Side:
    """All files of an entry, in their native grid.

    Raises:
        BadInput: a broken file; labels or a mask of another shape, or at another place in the world
            than the image (half a voxel is too far).
    """
    side = read_side(entry)
    corners = np.array(list(product((0, 1), repeat=3))) * (np.array(side.image.shape) - 1)
    for kind, volume in (("labels", side.labels), ("mask", side.mask)):
        if volume is None:
            continue
        apart = voxel_to_world(corners, volume.affine) - voxel_to_world(corners, side.image.affine)
        largest = float(np.linalg.norm(apart, axis=1).max())
        if largest > 0.5 * side.image.spacing.min():
            raise BadInput(
                f"the {kind} lie elsewhere than the image",
                file=getattr(entry, kind),
                expected="the image's affine",
                found=f"corners {largest:.1f} mm apart",
            )
    return side
