"""Implicit shapes: functions of position that are negative inside and grow with distance, in mm.

All take points (..., 3) in mm, anywhere, and give (...) float32. Distances are exact for tubes and
half spaces and good to first order near the surface for ellipsoids; far away they only keep their
sign. Smooth combinations after I. Quilez, "Smooth minimum" (polynomial form).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: The distance given where a shape was not evaluated because it is far away, mm.
FAR = np.float32(1e3)

Distance = NDArray[np.float32]


def ellipsoid(
    points: NDArray, centre: ArrayLike, radii: ArrayLike, rotation: NDArray | None = None
) -> Distance:
    """Signed distance (first order at the surface) to an ellipsoid.

    Args:
        points: (..., 3) mm.
        centre: (3,) mm.
        radii: (3,) half axes in mm.
        rotation: 3x3 whose columns are the directions of the half axes; None: the array axes.
    """
    local = points - np.asarray(centre, np.float32)
    if rotation is not None:
        local = local @ np.asarray(rotation, np.float32)
    scaled = local / np.asarray(radii, np.float32)
    level = length(scaled)
    slope = length(scaled / np.asarray(radii, np.float32))
    # At the very centre both vanish: the distance there is the shortest half axis.
    inner = -np.float32(np.min(radii))
    return np.where(slope > 1e-9, level * (level - 1) / np.maximum(slope, 1e-9), inner).astype(
        np.float32
    )


def tube(points: NDArray, path: ArrayLike, radii: ArrayLike, *, reach: float = 15.0) -> Distance:
    """Signed distance to a round tube along a polyline; `FAR` beyond `reach` mm from its boxes.

    Args:
        points: (..., 3) mm.
        path: (n, 3) mm, n >= 2.
        radii: (n,) mm at the path's points, linear between; a number for a tube of one radius.
        reach: how far from each piece's bounding box distances are computed.
    """
    corners = np.asarray(path, np.float32)
    widths = np.broadcast_to(np.asarray(radii, np.float32), len(corners))
    flat = np.asarray(points, np.float32).reshape(-1, 3)
    nearest = np.full(len(flat), FAR, np.float32)
    for k in range(len(corners) - 1):
        margin = np.float32(widths[k : k + 2].max() + reach)
        low = np.minimum(corners[k], corners[k + 1]) - margin
        high = np.maximum(corners[k], corners[k + 1]) + margin
        near = np.flatnonzero(in_box(flat, low, high))
        distance, along = segment_distance(flat[near], corners[k], corners[k + 1])
        distance -= widths[k] + along * (widths[k + 1] - widths[k])
        nearest[near] = np.minimum(nearest[near], distance)
    return nearest.reshape(np.shape(points)[:-1])


def segment_distance(points: NDArray, start: NDArray, end: NDArray) -> tuple[Distance, Distance]:
    """Distance to line segments, and where along them (0 at `start`, 1 at `end`) the foot lies.

    Args:
        points: (n, 3) mm.
        start: (3,), or (n, 3): one segment a point.
        end: as `start`.
    """
    axis = end - start
    offset = points - start
    squared = np.maximum(np.einsum("...k,...k", axis, axis), np.float32(1e-12))
    along = np.clip(np.einsum("...k,...k", offset, axis) / squared, 0, 1).astype(np.float32)
    return length(offset - along[..., None] * axis), along


def length(vectors: NDArray) -> Distance:
    """Lengths (...) of vectors (..., 3)."""
    return np.sqrt(np.einsum("...k,...k", vectors, vectors)).astype(np.float32)


def in_box(points: NDArray, low: NDArray, high: NDArray) -> NDArray[np.bool_]:
    """(...) whether points (..., 3) lie in the box between two corners (3,)."""
    inside = np.ones(points.shape[:-1], bool)
    # Axis by axis: a reduction over an axis of three is many times slower.
    for k in range(3):
        inside &= (points[..., k] >= low[k]) & (points[..., k] <= high[k])
    return inside


def smooth_union(first: NDArray, second: NDArray, radius: float) -> Distance:
    """The union of two shapes, the crease between them filled with about `radius` mm."""
    size = np.float32(radius)
    blend = np.maximum(size - np.abs(first - second), 0) / size
    return (np.minimum(first, second) - blend * blend * size * np.float32(0.25)).astype(np.float32)


def smooth_intersection(first: NDArray, second: NDArray, radius: float) -> Distance:
    """What two shapes share, its edge rounded by about `radius` mm."""
    return -smooth_union(-first, -second, radius)


def smooth_difference(first: NDArray, second: NDArray, radius: float) -> Distance:
    """The first shape without the second, the new edge rounded by about `radius` mm."""
    return -smooth_union(-first, second, radius)


def coverage(distance: NDArray, width: float) -> Distance:
    """The part of a voxel `width` mm wide that lies inside: 1 deep inside, 0 well outside."""
    return np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1).astype(np.float32)


def smooth_step(values: NDArray, low: float, high: float) -> NDArray[np.float32]:
    """0 below `low`, 1 above `high`, a cubic between; reversed where low > high."""
    part = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)


def rotation_matrix(angles: ArrayLike) -> NDArray[np.float64]:
    """3x3 rotation by `angles` (3,) radians about the x, then y, then z axis."""
    a, b, c = np.asarray(angles, float)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
