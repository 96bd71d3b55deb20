"""The torso: skin, fat, muscle wall, ribs, spine, great vessels, and the cavity for the organs.

All shapes are signed distances in mm at points (..., 3): x to the right, y to the front, z to the
head, the body's axis along z through the origin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import (
    Distance,
    ellipsoid,
    smooth_difference,
    smooth_intersection,
    tube,
)

RIB_PITCH = 15.0
DISC_PITCH = 17.0
_OUTLINE_POWER = 2.4


@dataclass(frozen=True)
class Torso:
    """A patient's torso, lengths in mm.

    Attributes:
        half_width: of the skin's outline, a superellipse.
        half_depth: of the same, back to front.
        waist: relative change of the outline between chest and hips.
        fat: thickness of the layer under the skin.
        muscle: thickness of the wall below it.
        spine: y of the vertebral bodies' centre.
        rib_phase: z of the lowest rib at the back.
        disc_phase: z of one disc.
    """

    half_width: float
    half_depth: float
    waist: float
    fat: float
    muscle: float
    spine: float
    rib_phase: float
    disc_phase: float

    @staticmethod
    def draw(rng: np.random.Generator) -> "Torso":
        """A random patient."""
        return Torso(
            half_width=rng.uniform(61, 65),
            half_depth=rng.uniform(45, 49),
            waist=rng.uniform(-0.04, 0.04),
            fat=rng.uniform(4.5, 7.5),
            muscle=rng.uniform(4.5, 6.0),
            spine=rng.uniform(-23, -21),
            rib_phase=rng.uniform(-4, RIB_PITCH - 4),
            disc_phase=rng.uniform(0, DISC_PITCH),
        )

    def skin(self, points: NDArray) -> Distance:
        """The outer surface of the body."""
        wide = 1 + np.float32(self.waist) * np.sin(points[..., 2] / np.float32(40))
        width, depth = self.half_width * wide, self.half_depth * wide
        power = np.float32(_OUTLINE_POWER)
        u, v = np.abs(points[..., 0]) / width, np.abs(points[..., 1]) / depth
        level = np.maximum((u**power + v**power) ** (1 / power), np.float32(1e-3))
        slope = np.hypot(
            (u / level) ** (power - 1) / width,
            (v / level) ** (power - 1) / depth,
        )
        return ((level - 1) / np.maximum(slope, np.float32(1e-3))).astype(np.float32)

    def envelope(self, points: NDArray, skin: NDArray, rounding: float = 8.0) -> Distance:
        """The inner side of the muscle wall, as if the spine did not bulge into the cavity."""
        inner = skin + np.float32(self.fat + self.muscle)
        back = np.float32(self.spine - 9) - points[..., 1]
        return smooth_intersection(inner, back, rounding)

    def cavity(self, points: NDArray, skin: NDArray) -> Distance:
        """The inner side of the muscle wall and of the spine: the room for the organs."""
        return smooth_difference(self.envelope(points, skin), self._column(points, 11.0), 6.0)

    def ribs(self, points: NDArray, skin: NDArray) -> Distance:
        """All ribs at once: they repeat along z, and run down inside the wall to the front."""
        x, y, z = (points[..., k] for k in range(3))
        height = z + np.float32(0.55) * (y + np.float32(35)) - np.float32(self.rib_phase)
        number = np.round(height / np.float32(RIB_PITCH))
        across = (height - number * np.float32(RIB_PITCH)) * np.float32(0.88)
        depth = skin + np.float32(self.fat + self.muscle - 2.2)
        bar = np.hypot(across, depth) - np.float32(2.7)
        # The lower a rib, the further back it ends; none reach the midline in front or behind.
        front = y - np.float32(2) - np.float32(9) * np.clip(number, 0, 3)
        ends = np.maximum(np.maximum(front, np.float32(9) - np.abs(x)), -number * np.float32(50))
        return np.maximum(bar, ends).astype(np.float32)

    def vertebrae(self, points: NDArray) -> Distance:
        """The vertebral column with the arch round the canal and the spinous processes."""
        arch = np.abs(self.canal(points) - np.float32(1.3)) - np.float32(1.3)
        flat = points * np.array([1, 1, 0], np.float32)
        spinous = ellipsoid(flat, (0, self.spine - 18, 0), (2.2, 5.5, 50.0))
        return np.minimum(np.minimum(self._column(points, 9.5), arch), spinous)

    def discs(self, points: NDArray) -> Distance:
        """The discs between the vertebral bodies."""
        z = points[..., 2] - np.float32(self.disc_phase)
        pitch = np.float32(DISC_PITCH)
        slab = np.abs(z - np.round(z / pitch) * pitch) - np.float32(2.2)
        return np.maximum(self._column(points, 9.0), slab)

    def canal(self, points: NDArray) -> Distance:
        """The spinal canal."""
        y = points[..., 1] - np.float32(self.spine - 12.0)
        return np.hypot(points[..., 0], y) - np.float32(3.6)

    def psoas(self, points: NDArray) -> Distance:
        """The two psoas muscles, wider further down."""
        mirrored = points.copy()
        mirrored[..., 0] = np.abs(mirrored[..., 0])
        path = [[12, self.spine + 1, 5], [19, self.spine + 5, -80]]
        return tube(mirrored, path, [2.5, 9.5])

    def aorta(self, points: NDArray) -> Distance:
        """The aorta, in front of the spine and left of the middle."""
        front = self.spine + 14
        return tube(points, [[-6, front - 2, 80], [-4, front + 1, -80]], [4.8, 4.2])

    def cava(self, points: NDArray) -> Distance:
        """The inferior vena cava, right of the middle, through the liver's back to the heart."""
        front = self.spine + 14
        path = [[7, front + 9, 48], [9, front + 5, 25], [9, front + 1, -80]]
        return tube(points, path, [5.2, 5.0, 4.6])

    def retroperitoneum(self, points: NDArray) -> Distance:
        """Below the hilum the liver leaves free the great vessels and what is behind the kidney."""
        vessels, back = self.spine + 10, self.spine - 5
        return np.minimum(
            tube(points, [[5, vessels, -80], [5, vessels, 2]], 15.0),
            tube(points, [[24, back, -80], [24, back, 0]], 11.0),
        )

    def _column(self, points: NDArray, radius: float) -> Distance:
        y = (points[..., 1] - np.float32(self.spine)) * np.float32(1.12)
        return np.hypot(points[..., 0], y) - np.float32(radius)
