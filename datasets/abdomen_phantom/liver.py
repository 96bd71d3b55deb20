"""The liver: two lobes under the diaphragm, a fissure, a gallbladder, two vessel trees, cysts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import Distance, ellipsoid, rotation_matrix, smooth_union
from regbench.phantom.vessels import VesselTree, grow_tree, sample_inside

_LEAF_RADIUS = 1.6


@dataclass(frozen=True)
class Liver:
    """Lengths in mm.

    Attributes:
        right: (3,) centre of the right lobe.
        right_axes: (3,) its half-axes.
        left: (3,) centre of the left lobe.
        left_axes: (3,) its half-axes.
        left_tilt: 3x3 rotation of the left lobe.
        gallbladder: (3,) centre of the gallbladder, under the right lobe.
        cysts: (n, 4) centre and radius of small round lesions.
        portal: portal vein, from the hilum.
        hepatic: hepatic veins, from the vena cava under the diaphragm.
    """

    right: NDArray[np.float64]
    right_axes: NDArray[np.float64]
    left: NDArray[np.float64]
    left_axes: NDArray[np.float64]
    left_tilt: NDArray[np.float64]
    gallbladder: NDArray[np.float64]
    cysts: NDArray[np.float64]
    portal: VesselTree
    hepatic: VesselTree

    @staticmethod
    def draw(rng: np.random.Generator) -> "Liver":
        """A random patient's liver; the vessels end inside the lobes."""
        size = rng.uniform(0.96, 1.06)
        right = np.array([25.0, -2.0, 7.0]) + rng.uniform(-2, 2, 3)
        right_axes = size * np.array([27.0, 31.0, 34.0]) * rng.uniform(0.95, 1.05, 3)
        left = np.array([-3.0, 12.0, 19.0]) + rng.uniform(-3, 3, 3)
        left_axes = size * np.array([27.0, 16.0, 15.0]) * rng.uniform(0.92, 1.08, 3)
        tilt = rotation_matrix([0.0, rng.uniform(-0.1, 0.3), rng.uniform(-0.25, 0.15)])

        def deep(points: NDArray) -> NDArray:
            lobes = smooth_union(
                ellipsoid(points, right, right_axes),
                ellipsoid(points, left, left_axes, tilt),
                8.0,
            )
            # Inside the wall and the dome too, which are known to lie about here.
            inside = np.hypot(points[:, 0] / 50, points[:, 1] / 32) < 0.9
            return (lobes < -4) & inside & (points[:, 2] < 34)

        low, high = right - right_axes, right + right_axes
        low[0] = left[0] - left_axes[0]
        spots = sample_inside(rng, deep, low, high, 30)
        order = rng.permutation(30)
        hilum = np.array([9.0, 2.0, 4.0]) + rng.uniform(-2, 2, 3)
        confluence = np.array([9.0, -5.0, 32.0]) + rng.uniform(-1, 1, 3)
        lesions = int(rng.integers(2, 5))
        radii = rng.uniform(2.5, 5.0, lesions)
        return Liver(
            right=right,
            right_axes=right_axes,
            left=left,
            left_axes=left_axes,
            left_tilt=tilt,
            gallbladder=np.array([19.0, 16.0, -13.0]) + rng.uniform(-2, 2, 3),
            cysts=np.column_stack([spots[order[-lesions:]], radii]),
            portal=grow_tree(hilum, spots[order[:14]], leaf_radius=_LEAF_RADIUS),
            hepatic=grow_tree(confluence, spots[order[14:23]], leaf_radius=_LEAF_RADIUS),
        )

    def lobes(self, points: NDArray) -> Distance:
        """The two lobes, not yet cut by what lies around them."""
        right = ellipsoid(points, self.right, self.right_axes)
        left = ellipsoid(points, self.left, self.left_axes, self.left_tilt)
        # The fissure from below and in front: a gap between the lobes.
        fissure = ellipsoid(points, (self.left[0] + 6.0, 24.0, -2.0), (1.8, 17.0, 17.0))
        return np.maximum(smooth_union(right, left, 8.0), -fissure)

    def gall(self, points: NDArray) -> Distance:
        """The gallbladder."""
        return ellipsoid(points, self.gallbladder, (5.5, 9.0, 7.0))

    def lesions(self, points: NDArray) -> Distance:
        """The cysts."""
        distance = np.full(points.shape[:-1], 50.0, np.float32)
        for *centre, radius in self.cysts:
            offset = np.linalg.norm(points - np.float32(centre), axis=-1)
            distance = np.minimum(distance, offset - np.float32(radius))
        return distance
