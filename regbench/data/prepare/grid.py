"""The grid of a pair: its spacing and its crop box, and putting a side onto it in one step."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.spatial.resample import resample_volume
from regbench.spatial.volume import (
    Grid,
    Volume,
    rescale,
    to_ras,
    voxel_to_world,
    within,
    world_to_voxel,
)


def isotropic(grid: Grid, spacing: float) -> Grid:
    """The grid of the same field of view and directions with one spacing (mm) along all axes.

    The outer face of the first voxels stays where it was; the last voxels may reach beyond the old
    field of view by less than one voxel. A grid that already has the spacing stays as it is.
    """
    factor = spacing / grid.spacing
    # 1e-3: a header's float32 must not add a voxel.
    x, y, z = np.maximum(np.ceil(np.array(grid.shape) / factor - 1e-3), 1).astype(int).tolist()
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * factor
    affine[:3, 3] = voxel_to_world(0.5 * factor - 0.5, grid.affine)
    return Grid((x, y, z), affine)


def box(grid: Grid, start: tuple[int, int, int], size: tuple[int, int, int]) -> Grid:
    """The box of `size` voxels that begins at voxel `start`; it may reach beyond the grid."""
    affine = grid.affine.copy()
    affine[:3, 3] = voxel_to_world(np.array(start, float), grid.affine)
    return Grid(size, affine)


def box_start(centre: NDArray, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """The first voxel of the box of `size` voxels whose centre is nearest to `centre`."""
    x, y, z = np.floor(centre - (np.array(size) - 1) / 2 + 0.5).astype(int).tolist()
    return x, y, z


def box_centre(fixed: Side, around: str, bounds: tuple[float, float]) -> NDArray[np.float64]:
    """(3,) voxel of the fixed image that the box is centred on.

    Args:
        fixed: the fixed side. The moving one has no influence, or real motion would be removed.
        around: `labels` or `mask`: the smallest box around them; `body`: around the body as
            thresholding finds it; `centre`: the middle of the field of view.
        bounds: intensities of air and of bright tissue, for `body`.

    Raises:
        BadInput: the fixed image lacks the annotation that the box is put around.
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


def centre_of(mask: NDArray) -> NDArray[np.float64]:
    """(3,) centre of the smallest box around the true voxels, in voxels.

    Raises:
        BadInput: no voxel is true.
    """
    if not mask.any():
        raise BadInput("there is nothing to put the box around", expected="a voxel at least")
    (smallest,) = ndimage.find_objects(mask.astype(np.uint8))
    return np.array([(part.start + part.stop - 1) / 2 for part in smallest])


def body_mask(data: NDArray) -> NDArray[np.bool_]:
    """The largest connected part of an image (0 is air) above Otsu's threshold: the body."""
    above = data > otsu(data)
    parts, count = ndimage.label(above)
    if count < 2:
        return np.asarray(above)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())


def otsu(data: NDArray) -> float:
    """The threshold that separates two classes best (Otsu 1979), for values from 0 to 1."""
    counts, edges = np.histogram(data, bins=128, range=(0, 1))
    values = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(float)
    above = below[-1] - below
    total = np.cumsum(counts * values)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    # Between two clear classes all thresholds are equally good: take the middle one.
    between = np.nan_to_num(between)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:][best].mean())


def cut_percent(labels: Volume, grid: Grid) -> dict[int, float]:
    """Label to the share of it that lies outside a grid, in percent.

    The voxels of the native label map are counted; its affine leads to the grid's world.
    """
    index = np.argwhere(labels.data != 0)
    values = labels.data[labels.data != 0]
    places = world_to_voxel(voxel_to_world(index, labels.affine), grid.affine)
    outside = ~within(places, grid.shape)
    return {int(value): 100 * float(outside[values == value].mean()) for value in np.unique(values)}


def placed(side: Side, alignment: NDArray) -> Side:
    """The moving side in the fixed image's world, without touching a voxel.

    The alignment becomes part of the affine. Resampling goes from a voxel of the pair's grid
    through the world to the native voxel, so the native image is interpolated once.

    Args:
        side: moving, in its own world.
        alignment: 4x4, fixed world millimetres to moving world millimetres.
    """
    affine = np.linalg.inv(alignment) @ side.image.affine

    def place(volume: Volume) -> Volume:
        return Volume(volume.data, affine)

    return replace(_moved(side, place(side.image), place), landmarks=side.landmarks)


def side_to_ras(side: Side) -> Side:
    """A side in canonical orientation.

    Labels and mask take the image's affine; landmarks stay at their places in the world.
    """

    def turn(volume: Volume) -> Volume:
        return to_ras(Volume(volume.data, side.image.affine))

    return _moved(side, turn(side.image), turn)


def resample_side(side: Side, grid: Grid) -> Side:
    """A side on another grid of the same world.

    The image is sampled linearly, its border replicated; labels and mask by nearest neighbour, 0
    outside. Landmarks may lie outside the grid. A side that lies on the grid stays as it is.
    """
    if side.image.shape == grid.shape and np.allclose(side.image.affine, grid.affine, atol=1e-6):
        return side

    def sample(volume: Volume) -> Volume:
        return resample_volume(volume, grid.shape, grid.affine, labels=True)

    return _moved(side, resample_volume(side.image, grid.shape, grid.affine), sample)


def onto(side: Side, grid: Grid, bounds: tuple[float, float]) -> Side:
    """A side on the pair's grid, its image in [0, 1] and 0 where the native one does not reach.

    Args:
        side: native.
        grid: the pair's grid.
        bounds: intensities that become 0 and 1.
    """
    ready = resample_side(side, grid)
    # The lowest intensity, not the border's: a smeared border looks like anatomy.
    data = np.where(covered(side.image, grid), rescale(ready.image.data, *bounds), np.float32(0))
    return replace(ready, image=ready.image.with_data(data))


def covered(volume: Volume, grid: Grid) -> NDArray[np.bool_]:
    """Which voxels of the grid lie within a volume's field of view."""
    ones = Volume(np.ones(volume.shape, np.uint8), volume.affine)
    return resample_volume(ones, grid.shape, grid.affine, labels=True).data != 0


def _moved(side: Side, image: Volume, step: Callable[[Volume], Volume]) -> Side:
    """A side with a new image, `step` applied to labels and mask, landmarks at their places."""
    labels, mask = (None if volume is None else step(volume) for volume in (side.labels, side.mask))
    landmarks = side.landmarks
    if landmarks is not None:
        landmarks = world_to_voxel(voxel_to_world(landmarks, side.image.affine), image.affine)
    return Side(image, labels, mask, landmarks)
