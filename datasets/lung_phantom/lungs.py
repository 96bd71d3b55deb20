"""The chest cavity and what bounds the lungs in it: ribcage, diaphragm, mediastinum, fissures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import (
    Distance,
    ellipsoid,
    rotation_matrix,
    smooth_difference,
    smooth_intersection,
    smooth_step,
    smooth_union,
    tube,
)

#: Height above which the chest narrows to the two apices, and the way from there to their tops, mm.
_TAPER_FROM, _TAPER_HEIGHT = -5.0, 82.0


@dataclass(frozen=True)
class Chest:
    """The random shape of a chest; lengths in mm, pairs are (left, right).

    Attributes:
        scale: (3,) size against the average chest.
        dome_height: how far each half of the diaphragm rises above its rim.
        rim: z of the diaphragm's rim at each side.
        dome_centre: (2, 2) x, y of each dome's top.
        heart_centre: (3,).
        heart_radii: (3,) half axes.
        heart_rotation: 3x3.
    """

    scale: NDArray[np.float32]
    dome_height: NDArray[np.float32]
    rim: NDArray[np.float32]
    dome_centre: NDArray[np.float32]
    heart_centre: NDArray[np.float32]
    heart_radii: NDArray[np.float32]
    heart_rotation: NDArray[np.float32]

    @staticmethod
    def draw(rng: np.random.Generator) -> "Chest":
        """Draw a chest."""
        scale = rng.uniform([0.94, 0.93, 0.95], [1.02, 1.06, 1.05]).astype(np.float32)
        rise = np.array([30.0, 36.0]) + rng.uniform(-5, 5, size=2)
        rim = np.array([-78.0, -77.0]) + rng.uniform(-4, 4) + rng.uniform(-2, 2, size=2)
        centre = np.array([[-29.0, 4.0], [28.0, 2.0]]) + rng.uniform(-3, 3, size=(2, 2))
        heart = np.array([-10.0, 12.0, -33.0]) + rng.uniform(-4, 4, size=3)
        radii = np.array([31.0, 23.0, 24.0]) * rng.uniform(0.88, 1.1)
        angles = np.array([-0.15, 0.35, 0.45]) + rng.uniform(-0.2, 0.2, size=3)
        return Chest(
            scale,
            rise.astype(np.float32),
            rim.astype(np.float32),
            centre.astype(np.float32),
            heart.astype(np.float32),
            radii.astype(np.float32),
            rotation_matrix(angles).astype(np.float32),
        )


def cavity_distance(chest: Chest, points: NDArray) -> Distance:
    """Distance (along rays from the middle) to the inner face of the ribcage; negative inside."""
    p = points / chest.scale
    above = np.maximum(p[..., 2] - _TAPER_FROM, 0)
    # Towards the top the cross-section keeps its straight middle, so two apices are left.
    middle = 22.0 * smooth_step(p[..., 2], -5.0, 65.0)
    x = np.maximum(np.abs(p[..., 0]) - middle, 0)
    y = p[..., 1] + 1.0
    flat = ((x / (58.5 - middle)) ** 2.5 + (np.abs(y) / 45.0) ** 2.5) ** np.float32(1 / 2.5)
    level = (flat**2.15 + (above / _TAPER_HEIGHT) ** 2.15) ** np.float32(1 / 2.15)
    radius = np.sqrt(x * x + y * y + above * above)
    return (radius * (1 - 1 / np.maximum(level, 0.05))).astype(np.float32)


def diaphragm_distance(chest: Chest, points: NDArray) -> Distance:
    """Signed distance (first order) to the upper face of the diaphragm; negative above it."""
    domes = []
    for side in (0, 1):
        x = (points[..., 0] - chest.dome_centre[side, 0]) / np.float32(33.0)
        y = (points[..., 1] - chest.dome_centre[side, 1]) / np.float32(46.0)
        square = x * x + y * y
        rise = chest.dome_height[side]
        height = chest.rim[side] + rise * (1 - square)
        slope = 2 * rise * np.sqrt((x / 33.0) ** 2 + (y / 46.0) ** 2)
        domes.append((height - points[..., 2]) / np.sqrt(1 + slope * slope))
    # Outside both: above both domes. The other sign of the union joins what lies below.
    return -smooth_union(-domes[0], -domes[1], 12.0)


def heart_distance(chest: Chest, points: NDArray) -> Distance:
    """Signed distance to the outside of the pericardium."""
    return ellipsoid(points, chest.heart_centre, chest.heart_radii, chest.heart_rotation)


def spine_distance(chest: Chest, points: NDArray) -> Distance:
    """Signed distance to the column of the vertebral bodies, without end along z."""
    x, y = points[..., 0], points[..., 1] + 39.0 * chest.scale[1]
    return (np.sqrt((x / 1.15) ** 2 + y * y) - 10.0).astype(np.float32)


def mediastinum_distance(chest: Chest, points: NDArray) -> Distance:
    """Signed distance to what separates the lungs: heart, great vessels, spine and their fat."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    half_width = 7.0 + 9.0 * smooth_step(z, 15.0, 75.0) - 3.5 * smooth_step(y, 18.0, 34.0)
    slab = np.abs(x + 1.0) - half_width
    result = smooth_union(slab, heart_distance(chest, points) - 2.0, 8.0)
    result = smooth_union(result, spine_distance(chest, points) - 3.0, 6.0)
    descending = tube(points, AORTA[-2:] * chest.scale, AORTA_RADIUS + 2.0, reach=30.0)
    return smooth_union(result, descending, 6.0)


def lung_distance(chest: Chest, points: NDArray) -> Distance:
    """Signed distance (first order) to the surface of both lungs: x < 0 left, x > 0 right."""
    room = smooth_difference(
        cavity_distance(chest, points), mediastinum_distance(chest, points), 7.0
    )
    return smooth_intersection(room, diaphragm_distance(chest, points), 6.0)


def fissure_distance(chest: Chest, points: NDArray) -> Distance:
    """Distance without sign to the nearest fissure: oblique in both lungs, horizontal in the right.

    The oblique ones run from the back above to the front below.
    """
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    p = y / (43.0 * chest.scale[1])
    oblique = z + 6.0 + 44.0 * p + 7.0 * p * p - 0.1 * np.abs(x)
    tilt = np.float32(np.sqrt(1 + 1.02**2))
    horizontal = np.where((x > 0) & (oblique > 0), np.abs(z - 4.0 + 0.08 * y), 100.0)
    return np.minimum(np.abs(oblique) / tilt, horizontal).astype(np.float32)


#: Middle of the aorta from its root over the arch down along the spine, mm before scaling.
AORTA = np.array(
    [
        [3.0, 6.0, -18.0],
        [7.0, 9.0, 4.0],
        [6.0, 5.0, 22.0],
        [-2.0, -4.0, 31.0],
        [-10.0, -17.0, 28.0],
        [-13.0, -25.0, 14.0],
        [-12.0, -25.0, -110.0],
    ],
    np.float32,
)
AORTA_RADIUS = 6.5
