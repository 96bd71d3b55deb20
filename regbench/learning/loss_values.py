"""The terms of the loss without gradients: plane after plane, so that the work stays in the cache.

`regbench.learning.loss` defines them. These are its values up to the rounding of sums.

In MIND, a *step* is the squared difference of two neighbours. It is the same from either end, so
the steps along X, Y and Z serve all six neighbours: the box of the steps behind a voxel is the box
of the steps ahead of the voxel before. Only at an end of the axis it is not, because there a box
repeats the last squared difference. Its sum then has the last step once more.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: MIND's variance estimate is at least this share of its mean over the image: Heinrich's 0.001 lets
#: noise in flat areas dominate.
FLOOR = 0.1
#: And at least this: a constant image has no variance anywhere, and its features must be finite.
LEAST = 1e-12

#: Rim of a plane, which repeats its border: a box holds steps of voxels up to two voxels away.
_RIM = 2
#: Boxes are summed up, not averaged: the variance is the mean of six boxes of 27 steps.
_SUMMED = 6 * 27


def similarity(one: NDArray, other: NDArray) -> float:
    """Mean over voxels and neighbours of |MIND(one) - MIND(other)|, of images (X, Y, Z)."""
    difference, total = np.empty((6, *one.shape[1:]), one.dtype), 0.0
    for features, others in zip(mind_planes(one), mind_planes(other), strict=True):
        np.subtract(features, others, out=difference)
        total += float(np.abs(difference, out=difference).sum())
    return total / (6 * one.size)


def smoothness(displacement: NDArray) -> float:
    """Mean squared forward difference of a voxel field (X, Y, Z, 3), averaged over axes and
    components; nan where an axis has one voxel."""
    shape = np.array(displacement.shape[:3])
    pairs = displacement.size // shape * (shape - 1)
    return float((np.array(_squared_steps(displacement)) / pairs).mean())


def mind_planes(image: NDArray) -> Iterator[NDArray]:
    """MIND's features (6, Y, Z) of one plane along X of an image (X, Y, Z) after the other.

    Their order is that of `regbench.learning.loss.OFFSETS`. The next plane overwrites a plane. The
    image is float32 or float64, and the features have its type.
    """
    x_size, y_size, z_size = image.shape
    # The mean variance is that of the squared differences: with its repeated border, the box mean
    # is a symmetric matrix, whose columns add up to 1 as its rows do. Each step is seen twice.
    lowest = _SUMMED * max(FLOOR * sum(_squared_steps(image)) / (3 * image.size), LEAST)
    shape = y_size + 2 * _RIM, z_size + 2 * _RIM
    row = shape[1]

    def lines(*count: int) -> NDArray:
        """Planes with their rims, each in one line: a neighbour is a fixed number of places away.

        What runs over the end of a row lies on the rim, and is not read.
        """
        return np.zeros((*count, shape[0] * row), image.dtype)

    last, plane = lines(), lines()
    # Steps along Y and Z of four planes; boxes in Y and Z of the steps between them.
    inside, between = [lines(2) for _ in range(4)], [lines() for _ in range(3)]
    ahead, three, boxes = lines(), lines(2), lines(6)
    partial, scale, nearest = lines(), lines(), lines()
    grids, part = boxes.reshape(6, *shape), partial.reshape(shape)
    for x in range(-3, x_size):
        # The boxes of plane x take planes x - 1 to x + 2; there are more of the first and the last.
        last, plane = plane, last
        _pad(image[min(max(x + 2, 0), x_size - 1)], plane.reshape(shape))
        inside.append(inside.pop(0))
        for steps, apart in zip(inside[-1], (row, 1), strict=True):
            np.subtract(plane[apart:], plane[:-apart], out=steps[:-apart])
        np.square(inside[-1], out=inside[-1])
        if x == -3:
            continue
        between.append(between.pop(0))
        np.subtract(plane, last, out=scale)
        np.square(scale, out=scale)
        _add_three(scale, 1, partial)
        _add_three(partial, row, between[-1])
        np.copyto(boxes[1], ahead)
        np.add(between[1], between[0], out=ahead)
        np.add(ahead, between[2], out=ahead)
        if x < 0:
            continue
        np.copyto(boxes[0], ahead)
        if x == 0:
            boxes[0] += between[1]
        if x == x_size - 1:
            boxes[1] += between[0]
        np.add(inside[1], inside[0], out=three)
        np.add(three, inside[2], out=three)
        _add_three(three[0], 1, partial)
        _add_three(partial, row, boxes[2])
        boxes[3, row:] = boxes[2, :-row]
        grids[2, _RIM] += part[_RIM]
        grids[3, -_RIM - 1] += part[-_RIM - 2]
        _add_three(three[1], row, partial)
        _add_three(partial, 1, boxes[4])
        boxes[5, 1:] = boxes[4, :-1]
        grids[4, :, _RIM] += part[:, _RIM]
        grids[5, :, -_RIM - 1] += part[:, -_RIM - 2]

        np.add.reduce(boxes, axis=0, out=scale)
        np.maximum(scale, lowest, out=scale)
        np.divide(-6, scale, out=scale)
        np.minimum.reduce(boxes, axis=0, out=nearest)
        np.subtract(boxes, nearest, out=boxes)
        np.multiply(boxes, scale, out=boxes)
        yield np.exp(boxes, out=boxes).reshape(6, *shape)[:, _RIM:-_RIM, _RIM:-_RIM]


def _squared_steps(data: NDArray) -> tuple[float, float, float]:
    """The sums of the squared differences of neighbours along X, Y and Z, of (X, Y, Z, ...)."""
    along = [0.0, 0.0, 0.0]
    difference = np.empty(data[0].size, data.dtype)
    for x, plane in enumerate(data):
        before = data[max(x - 1, 0)]
        pairs = (plane, before), (plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])
        for axis, (one, other) in enumerate(pairs):
            found = difference[: one.size]
            np.subtract(one, other, out=found.reshape(one.shape))
            along[axis] += float(np.dot(found, found))
    return along[0], along[1], along[2]


def _pad(plane: NDArray, out: NDArray) -> None:
    """Put a plane into its rim, which repeats its border."""
    out[_RIM:-_RIM, _RIM:-_RIM] = plane
    out[_RIM:-_RIM, :_RIM] = plane[:, :1]
    out[_RIM:-_RIM, -_RIM:] = plane[:, -1:]
    out[:_RIM] = out[_RIM]
    out[-_RIM:] = out[-_RIM - 1]


def _add_three(line: NDArray, apart: int, out: NDArray) -> None:
    """The sum of each place and the places before and after it."""
    inner = out[apart:-apart]
    np.add(line[apart:-apart], line[: -2 * apart], out=inner)
    np.add(inner, line[2 * apart :], out=inner)
