"""The one crop box of a pair: where it lies, and what it cuts off."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.data.prepare.grid import Grid
from regbench.spatial.intensity import rescale
from regbench.spatial.volume import Volume, voxel_to_world, world_to_voxel


def centre_of(mask: NDArray) -> NDArray[np.float64]:
    """(3,) centre of the smallest box around the true voxels, in voxels.

    Raises:
        BadInput: there are none.
    """
    if not mask.any():
        raise BadInput("there is nothing to put the box around", expected="a voxel at least")
    places = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        found = np.flatnonzero(mask.any(axis=others))
        places.append((found[0] + found[-1]) / 2)
    return np.array(places)


def body_mask(data: NDArray) -> NDArray[np.bool_]:
    """The body in an image: the largest connected part above Otsu's threshold.

    Args:
        data: intensities from 0 (air) to 1.
    """
    above = data > otsu(data)
    parts, count = ndimage.label(above)
    if count < 2:
        return np.asarray(above)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())


def otsu(data: NDArray, bins: int = 128) -> float:
    """The threshold that separates two classes best (Otsu 1979), for values from 0 to 1."""
    counts, edges = np.histogram(data, bins=bins, range=(0, 1))
    values = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(float)
    above = below[-1] - below
    total = np.cumsum(counts * values)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    # Between two clear classes every threshold is as good: the middle one is taken.
    between = np.nan_to_num(between)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:][best].mean())


def box_centre(fixed: Side, around: str, bounds: tuple[float, float]) -> NDArray[np.float64]:
    """(3,) voxel of the fixed image that the box is centred on.

    Args:
        fixed: the fixed side; the moving one has no say, or real motion would be removed.
        around: `labels` or `mask`: the smallest box around them; `body`: around the body as
            thresholding finds it; `centre`: the middle of the field of view.
        bounds: intensities of air and of bright tissue, for `body`.

    Raises:
        BadInput: the fixed image has not what the box is put around.
    """
    if around == "centre":
        return (np.array(fixed.image.shape) - 1) / 2
    if around == "body":
        return centre_of(body_mask(rescale(fixed.image.data, *bounds)))
    volume = fixed.labels if around == "labels" else fixed.mask
    if volume is None:
        raise BadInput(
            f"setting around: {around}, but the fixed image has none",
            expected="body or centre, which need no annotation",
        )
    return centre_of(volume.data != 0)


def box_start(centre: NDArray, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """The first voxel of the box of `size` voxels whose centre is nearest to `centre`."""
    x, y, z = np.floor(centre - (np.array(size) - 1) / 2 + 0.5).astype(int).tolist()
    return x, y, z


def cut_percent(labels: Volume, grid: Grid) -> dict[int, float]:
    """The share of each label that lies outside a grid, in percent.

    Counted on the label map's own voxels, so no resampling has a part in it.

    Args:
        labels: native label map, its affine leading to the grid's world.
        grid: the box.
    """
    index = np.argwhere(labels.data != 0)
    values = labels.data[labels.data != 0]
    places = world_to_voxel(voxel_to_world(index, labels.affine), grid.affine)
    outside = ~within(places, grid)
    return {int(value): 100 * float(outside[values == value].mean()) for value in np.unique(values)}


def within(points: NDArray, grid: Grid) -> NDArray[np.bool_]:
    """Which of (n, 3) voxel coordinates lie in a voxel of the grid."""
    inside = (points >= -0.5) & (points <= np.array(grid.shape) - 0.5)
    return np.asarray(inside.all(axis=-1))
