"""Scalar volumes: data on a voxel grid, its affine, its orientation and its intensities."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from regbench.base.errors import BadInput

#: A grid may not have more voxels than this: no volume of this field is larger.
MAX_VOXELS = 2**29
#: Of so many voxels one is in the sample that a percentile is first looked for in.
_SAMPLED = 61


@dataclass(frozen=True)
class Grid:
    """A voxel grid without values.

    Attributes:
        shape: (X, Y, Z) number of voxels.
        affine: 4x4, voxel index to world millimetres in RAS+.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        check_affine(self.affine)
        if min(self.shape) < 1 or int(np.prod(self.shape, dtype=np.int64)) > MAX_VOXELS:
            raise BadInput(
                "a grid of an impossible size",
                expected=f"1 to {MAX_VOXELS} voxels",
                found=self.shape,
            )

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) millimetres between voxel centres along each array axis."""
        return spacing_of(self.affine)


@dataclass(frozen=True)
class Volume:
    """An image, label map or mask.

    Attributes:
        data: (X, Y, Z) array; float32 for images, integers for labels.
        affine: 4x4, voxel index to world millimetres in RAS+, as in NIfTI.
    """

    data: NDArray
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise BadInput(
                "a volume has three axes", expected="(X, Y, Z)", found=f"shape {self.data.shape}"
            )
        check_affine(self.affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each array axis."""
        x, y, z = self.data.shape
        return x, y, z

    @property
    def grid(self) -> Grid:
        """The grid that the volume lies on."""
        return Grid(self.shape, self.affine)

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) millimetres between voxel centres along each array axis."""
        return spacing_of(self.affine)

    def with_data(self, data: NDArray) -> "Volume":
        """The same grid with other values; the shape must be the same."""
        if data.shape != self.data.shape:
            raise BadInput(
                "the data do not fit the grid", expected=self.data.shape, found=data.shape
            )
        return Volume(data, self.affine)


def spacing_of(affine: NDArray) -> NDArray[np.float64]:
    """(3,) voxel sizes in mm: the lengths of the affine's first three columns."""
    return np.sqrt((np.asarray(affine, float)[:3, :3] ** 2).sum(axis=0))


def check_affine(affine: NDArray, file: Path | None = None) -> None:
    """Refuse an affine that maps no grid: wrong shape, not finite, or singular."""
    affine = np.asarray(affine)
    if affine.shape != (4, 4):
        raise BadInput("an affine is a 4x4 matrix", file=file, expected=(4, 4), found=affine.shape)
    values = affine.tolist()
    if not np.isfinite(affine).all():
        raise BadInput("the affine is not finite", file=file, found=values)
    spacing = spacing_of(affine)
    if (spacing <= 0).any() or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise BadInput(
            "the affine is singular", file=file, expected="three independent axes", found=values
        )


def voxel_to_world(points: NDArray, affine: NDArray) -> NDArray[np.float64]:
    """Voxel indices (..., 3) to world millimetres."""
    return np.asarray(points, float) @ affine[:3, :3].T + affine[:3, 3]


def world_to_voxel(points: NDArray, affine: NDArray) -> NDArray[np.float64]:
    """World millimetres (..., 3) to voxel indices."""
    return (np.asarray(points, float) - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T


def centred_affine(
    shape: tuple[int, int, int], field_of_view: tuple[float, float, float]
) -> NDArray[np.float64]:
    """4x4 of a grid along the world axes that fills a field of view (mm) around the origin."""
    extent = np.asarray(field_of_view)
    spacing = extent / np.asarray(shape)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (spacing - extent) / 2
    return affine


def voxel_grid(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(X, Y, Z, 3) index of every voxel along each array axis."""
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def within(points: NDArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(...) whether points (..., 3), in voxels, lie in a voxel of a grid of `shape`."""
    inside = (points >= -0.5) & (points <= np.array(shape) - 0.5)
    return np.asarray(inside.all(axis=-1))


def to_ras(volume: Volume) -> Volume:
    """The same voxels at the same places in the world, axes permuted and flipped to RAS+.

    Nothing is interpolated: each axis of an oblique volume runs nearest to one world axis.
    """
    orientation = io_orientation(volume.affine)
    data = np.ascontiguousarray(apply_orientation(volume.data, orientation))
    return Volume(data, volume.affine @ inv_ornt_aff(orientation, volume.shape))


def percentile_window(
    data: NDArray, percentiles: tuple[float, float] = (0.5, 99.5)
) -> tuple[float, float]:
    """The intensities at two percentiles (0 to 100) of the voxels; equal in a flat image.

    The voxels are finite. The intensities are those of `numpy.percentile`, to the last bit.
    """
    values = data.ravel(order="K")
    sample = np.sort(values[::_SAMPLED])
    low, high = (_percentile(values, sample, each / 100) for each in percentiles)
    return low, high


def _percentile(values: NDArray, sample: NDArray, share: float) -> np.float64:
    """A quantile of values (n,), looked for beyond a place in a sorted sample of them."""
    place = np.float64(values.size - 1) * share
    before = int(place)
    ranks = [before, min(before + 1, values.size - 1)]
    # A hundredth of the values more than are needed.
    more = sample.size // 100 + 1
    if share < 0.5:
        cut = sample[min(int(share * sample.size) + more, sample.size - 1)]
        tail, skipped = values[values < cut], 0
        to_cut = range(tail.size, np.count_nonzero(values <= cut))
    else:
        cut = sample[max(int(share * sample.size) - more, 0)]
        tail = values[values > cut]
        skipped = values.size - tail.size
        to_cut = range(values.size - np.count_nonzero(values >= cut), skipped)
    if all(rank in to_cut for rank in ranks):
        # The background of an image is often one value.
        return np.float64(cut)
    if not all(skipped <= rank < skipped + tail.size for rank in ranks):
        tail, skipped = values, 0
    one, other = np.partition(tail, np.subtract(ranks, skipped))[np.subtract(ranks, skipped)]
    part, apart = place - before, other - one
    # From the nearer of the two, as NumPy does.
    return np.float64(one + apart * part if part < 0.5 else other - apart * (1 - part))


def rescale(data: NDArray, low: float, high: float) -> NDArray[np.float32]:
    """Map `low` to 0 and `high` to 1, linearly; clip what lies beyond."""
    mapped = (np.asarray(data, np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(mapped, 0, 1, dtype=np.float32)


def scaled(data: NDArray) -> NDArray[np.float32]:
    """An image (X, Y, Z) as networks see it: from its percentile window to [0, 1], clipped."""
    low, high = percentile_window(data)
    result = np.empty(data.shape, np.float32)
    # Plane by plane, in the cache; in float64, then rounded.
    for plane, out in zip(data, result, strict=True):
        out[:] = np.clip((plane - low) / max(float(high - low), 1e-12), 0.0, 1.0)
    return result
