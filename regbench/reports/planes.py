"""Anatomical planes as pictures, and the parts of them in which registrations disagree.

Every picture of a figure is what `plane` makes of an RAS array; the page sets its viewer alike.
Both follow LETTERS, the radiological convention: the patient's right is at the left of axial and
coronal pictures, the front at the left of sagittal ones; front and head are on top. An oblique
volume is shown along its own axes, each named after the nearest one of the patient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from regbench.spatial.volume import percentile_window

#: View to the RAS axis that it looks along, and to those of its rows and columns.
AXES = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}
#: What is at the left, right, top and bottom of a picture.
LETTERS = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}
#: Squares along the shorter side of a checkerboard.
SQUARES = 6
#: Share of the shorter side of a picture that is enlarged.
SHARE = 0.4
#: An organ is fully shown in a plane with this share of its largest cross-section.
ENOUGH = 0.5
#: Of an organ in several pieces, those of this share of the largest count: both kidneys, no specks.
PIECE = 0.1
#: Voxels: this blurs the steps of a label map away, and leaves its surface where it is.
BLUR = 0.7
#: Places for each voxel at which an outline is computed.
FINE = 3
#: Planes that show nearly as much as the best one compete.
NEARLY = 0.9
#: Shades below this one are air.
_AIR = 0.05
#: Disagreement below this many pixels from its rim is what sampling of labels does anyway.
_THIN = 1.01


@dataclass(frozen=True)
class Region:
    """A plane and a part of its picture.

    Attributes:
        view, index: the plane, of RAS arrays.
        top, left, height, width: of the part, in pixels.
    """

    view: str
    index: int
    top: int
    left: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        """The part's rows and columns."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)

    def picture(self, data: NDArray[Any]) -> NDArray[Any]:
        """The whole plane of an RAS array."""
        return plane(data, self.view, self.index)


def plane(data: NDArray[Any], view: str, index: int) -> NDArray[Any]:
    """One plane of an RAS array as a picture: rows from the top, columns from the left.

    Args:
        data: (X, Y, Z) in RAS order.
        view: a key of AXES.
        index: of the plane along the axis that the view looks along.
    """
    # The two axes that are left keep their order, columns before rows.
    return np.take(data, index, axis=AXES[view][0])[::-1, ::-1].T


def outline(mask: NDArray[np.bool_], view: str, index: int) -> NDArray[np.float64]:
    """A picture whose level 0.5 is the surface of a label (RAS) in a plane, finer than its voxels.

    From the centre of the first to that of the last pixel, FINE places for each.
    """
    soft = ndimage.gaussian_filter(mask.astype(np.float32), BLUR, mode="nearest")
    # What is thinner than the blur keeps an outline.
    flat = plane(soft, view, index) / max(float(soft.max()), 1e-6)
    return np.asarray(ndimage.zoom(flat, FINE, order=3))


def organ_map(labels: NDArray, groups: Mapping[str, Sequence[int]]) -> NDArray[np.uint8]:
    """1 for the first label group, 2 for the second, ...; 0 elsewhere. The first group wins."""
    organs = np.zeros(labels.shape, np.uint8)
    for number, values in reversed(list(enumerate(groups.values(), 1))[:255]):
        organs[np.isin(labels, values)] = number
    return organs


def in_body(image: NDArray) -> NDArray[np.bool_]:
    """Where an image is not air."""
    return shaded(image, (float(image.min()), window(image)[1])) > _AIR


def of_interest(image: NDArray, labels: NDArray | None) -> NDArray[np.bool_]:
    """Where displacements matter: in the labels or, without any, in the body."""
    found = in_body(image) if labels is None or not labels.any() else labels > 0
    return found if found.any() else np.ones(image.shape, bool)


def pixel_size(spacing: NDArray[np.float64], view: str) -> tuple[float, float]:
    """Height and width of a picture's pixel in mm, from the (3,) spacing of an RAS volume."""
    _, rows, columns = AXES[view]
    return float(spacing[rows]), float(spacing[columns])


def pixel_of(voxel: NDArray[np.float64], shape: tuple[int, ...], view: str) -> tuple[float, float]:
    """Row and column in the picture of an RAS voxel (3,)."""
    _, rows, columns = AXES[view]
    return shape[rows] - 1 - float(voxel[rows]), shape[columns] - 1 - float(voxel[columns])


def grid_lines(looks: NDArray, view: str, index: int) -> tuple[NDArray, NDArray]:
    """Pictures of the `grid` layer whose level lines are the moving image's rows and columns."""
    _, rows, columns = AXES[view]
    return plane(looks[..., rows], view, index), plane(looks[..., columns], view, index)


def checkerboard(first: NDArray, second: NDArray) -> NDArray:
    """Two pictures (or their colours) in turn, in squares; the top left one is of the first."""
    edge = max(1, min(first.shape[:2]) // SQUARES)
    row, column = np.indices(first.shape[:2]) // edge
    even = (row + column) % 2 == 0
    return np.where(even if first.ndim == 2 else even[..., None], first, second)


def shaded(image: NDArray, window: tuple[float, float]) -> NDArray[np.float64]:
    """Intensities as shades: 0 at the darkest and 1 at the brightest value of a window."""
    low, high = window
    return np.clip((np.asarray(image, float) - low) / max(high - low, 1e-12), 0, 1)


def window(image: NDArray) -> tuple[float, float]:
    """Darkest and brightest value to show: percentiles 1 and 99.5 of what is not background."""
    low = image.min()
    seen = image[image > low]
    if not seen.size:
        return float(low), float(low) + 1
    dark, bright = percentile_window(seen, (1, 99.5))
    return float(dark), float(max(bright, dark + 1e-6))


def label_score(fixed: NDArray, warped: Sequence[NDArray]) -> NDArray[np.float64]:
    """How much methods differ in being right, at each voxel.

    p (1 - p), where p is the share of methods whose warped label is not the fixed one; p itself
    where that is 0 everywhere, as with one method alone.

    Args:
        fixed, warped: label maps of one shape.
    """
    wrong = np.mean([labels != fixed for labels in warped], axis=0)
    score = wrong * (1 - wrong)
    return score if score.any() else wrong


def image_score(images: Sequence[NDArray]) -> NDArray[np.float64]:
    """How much images differ, at each voxel: their standard deviation."""
    return np.asarray(np.std(images, axis=0), float)


def choose_region(
    score: NDArray[np.float64], labels: NDArray | None, view: str, size: tuple[float, float]
) -> Region:
    """The plane of the highest score and the part of it with the most.

    Planes with more of the labels come before those with fewer: a picture should show them all.

    Args:
        score: (X, Y, Z), RAS.
        labels: map of the fixed image, or None.
        view: the plane's.
        size: of the part, height and width in pixels.
    """
    _, *others = AXES[view]
    total = score.sum(axis=tuple(others))
    shown = np.zeros(len(total))
    if labels is not None:
        for label in np.unique(labels[labels > 0]):
            pieces, _ = ndimage.label(labels == label)
            sizes = np.bincount(pieces.ravel())[1:]
            for piece in np.flatnonzero(sizes >= PIECE * sizes.max()) + 1:
                area = (pieces == piece).sum(axis=tuple(others))
                shown += np.minimum(1, area / (ENOUGH * area.max()))
    best = np.flatnonzero(shown >= NEARLY * shown.max())
    # Where nothing differs, all planes are equal: the middle one is shown.
    winners = best[total[best] == total[best].max()]
    index = int(winners[len(winners) // 2])
    return region_at(plane(score, view, index), view, index, size)


def region_at(
    score: NDArray[np.float64], view: str, index: int, size: tuple[float, float]
) -> Region:
    """The window with the highest sum of a picture's score."""
    height, width = _edges(size, score.shape)
    sums = sliding_window_view(score, (height, width)).sum(axis=(2, 3))
    # Rounding must not decide; among equals the one nearest to the middle.
    top = np.argwhere(sums >= sums.max() - 1e-9)
    middle = (np.array(sums.shape) - 1) / 2
    row, column = top[np.abs(top - middle).sum(axis=1).argmin()]
    return Region(view, index, int(row), int(column), height, width)


def region_around(
    centre: tuple[float, float],
    shape: tuple[int, ...],
    view: str,
    index: int,
    size: tuple[float, float],
) -> Region:
    """A window around a pixel, moved so that it lies in the picture."""
    height, width = _edges(size, shape)
    top = int(np.clip(round(centre[0] - height / 2), 0, shape[0] - height))
    left = int(np.clip(round(centre[1] - width / 2), 0, shape[1] - width))
    return Region(view, index, top, left, height, width)


def _edges(size: tuple[float, float], shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a window, at least two pixels, at most the picture's."""
    height, width = (
        int(np.clip(round(edge), min(2, n), n)) for edge, n in zip(size, shape, strict=True)
    )
    return height, width


def body_region(images: Sequence[NDArray], region: Region) -> Region:
    """The part of a region's plane that is not air in any of the images, or is in the region."""
    seen = region.picture(np.logical_or.reduce([in_body(image) for image in images])).copy()
    seen[region.window] = True
    rows, columns = np.nonzero(seen)
    # One pixel of air on each side.
    top, left = max(int(rows.min()) - 1, 0), max(int(columns.min()) - 1, 0)
    bottom = min(int(rows.max()) + 2, seen.shape[0])
    right = min(int(columns.max()) + 2, seen.shape[1])
    return replace(region, top=top, left=left, height=bottom - top, width=right - left)


def largest_disagreement(
    fixed: NDArray, warped: NDArray, region: Region, size: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Where fixed and warped contours lie furthest apart in the region: row, column, mm.

    It is the middle of the thickest part between the two contours of a label; the mm are how thick
    it is. None where nothing is thicker than the rim of one pixel that nearest-neighbour sampling
    leaves.

    Args:
        fixed, warped: (rows, columns) label pictures of the whole plane.
        region: where to look.
        size: of a pixel in mm, height and width.
    """
    depth = np.zeros(fixed.shape)
    for label in np.union1d(fixed[fixed > 0], warped[warped > 0]):
        between = (fixed == label) != (warped == label)
        # Beyond the picture's rim nothing is known: it must not look like the end of the part.
        padded = np.pad(between, 1, mode="edge")
        inside = ndimage.distance_transform_edt(padded, sampling=size)[1:-1, 1:-1]
        # All of the picture at once has no rim to be far from.
        depth = np.maximum(depth, inside if not between.all() else 0)
    part = depth[region.window]
    row, column = np.unravel_index(part.argmax(), part.shape)
    if part[row, column] <= _THIN * max(size):
        return None
    # From the middle of a pixel beyond the rim: half a pixel less on each side.
    thick = 2 * float(part[row, column]) - min(size)
    return float(row + region.top), float(column + region.left), thick
