"""Where registrations disagree: the plane, the part of it, and the place in that part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.reports.planes import AXES, plane, shaded, window

#: Share of the shorter side of a picture that is enlarged.
SHARE = 0.4
#: An organ is fully shown in a plane with this share of its largest cross-section.
ENOUGH = 0.3
#: Planes that show nearly as much as the best one compete.
NEARLY = 0.9
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
    axis = AXES[view][0]
    others = tuple(k for k in range(3) if k != axis)
    total = score.sum(axis=others)
    shown = np.zeros(len(total))
    if labels is not None:
        for label in np.unique(labels[labels > 0]):
            area = (labels == label).sum(axis=others)
            shown += np.minimum(1, area / (ENOUGH * area.max()))
    best = np.flatnonzero(shown >= NEARLY * shown.max())
    # Equal ones (nothing differs at all): the middle.
    winners = best[total[best] == total[best].max()]
    index = int(winners[len(winners) // 2])
    return region_at(plane(score, view, index), view, index, size)


def region_at(
    score: NDArray[np.float64], view: str, index: int, size: tuple[float, float]
) -> Region:
    """The window with the highest sum of a picture's score."""
    height, width = (
        int(np.clip(round(wanted), min(2, n), n))
        for wanted, n in zip(size, score.shape, strict=True)
    )
    sums = np.pad(score.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = sums[height:] - sums[:-height]
    sums = sums[:, width:] - sums[:, :-width]
    # Rounding must not decide; among equals the one nearest to the middle.
    top = np.argwhere(sums >= sums.max() - 1e-9)
    middle = (np.array(sums.shape) - 1) / 2
    row, column = top[np.abs(top - middle).sum(axis=1).argmin()]
    return Region(view, index, int(row), int(column), height, width)


def region_around(
    centre: tuple[float, float],
    shape: tuple[int, int],
    view: str,
    index: int,
    size: tuple[float, float],
) -> Region:
    """A window around a pixel, moved so that it lies in the picture."""
    height, width = (
        int(np.clip(round(wanted), min(2, n), n)) for wanted, n in zip(size, shape, strict=True)
    )
    top = int(np.clip(round(centre[0] - height / 2), 0, shape[0] - height))
    left = int(np.clip(round(centre[1] - width / 2), 0, shape[1] - width))
    return Region(view, index, top, left, height, width)


def body_box(images: Sequence[NDArray], region: Region) -> tuple[int, int, int, int]:
    """Top, left, height and width in pixels of what is not air in any of the images."""
    seen = np.zeros(plane(images[0], region.view, region.index).shape, bool)
    for image in images:
        shades = shaded(image, (float(image.min()), window(image)[1]))
        seen |= plane(shades, region.view, region.index) > 0.05
    rows, columns = region.window
    seen[rows, columns] = True
    sides = []
    for axis in (1, 0):
        there = np.flatnonzero(seen.any(axis=axis))
        start, stop = max(there[0] - 1, 0), min(there[-1] + 2, seen.shape[1 - axis])
        sides.append((int(start), int(stop - start)))
    (top, height), (left, width) = sides
    return top, left, height, width


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
    rows, columns = region.window
    part = depth[rows, columns]
    row, column = np.unravel_index(part.argmax(), part.shape)
    if part[row, column] <= _THIN * max(size):
        return None
    # From the middle of a pixel beyond the rim: half a pixel less on each side.
    thick = 2 * float(part[row, column]) - min(size)
    return float(row + region.top), float(column + region.left), thick
