"""What lies above the liver: the domes of the diaphragm, the lung bases and the heart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import Distance, smooth_union
from regbench.phantom.vessels import VesselTree, grow_tree, sample_inside

from .organs import Blob


@dataclass(frozen=True)
class Thorax:
    """The lower end of the chest.

    Attributes:
        domes: right and left half of the diaphragm; the belly lies inside.
        heart: its outline, on the diaphragm.
        vessels: of the right and of the left lung base.
    """

    domes: tuple[Blob, Blob]
    heart: Blob
    vessels: tuple[VesselTree, VesselTree]

    @staticmethod
    def draw(rng: np.random.Generator) -> "Thorax":
        """A random patient's chest."""
        domes = (
            Blob.draw(rng, (22.0, -3.0, -12.0), (38.0, 44.0, 54.0), shift=1.5, stretch=0.03),
            Blob.draw(rng, (-24.0, -3.0, -14.0), (36.0, 44.0, 50.0), shift=1.5, stretch=0.03),
        )
        heart = Blob.draw(rng, (-9.0, 10.0, 58.0), (25.0, 18.0, 19.0), (0.0, 0.25, 0.0))

        def aerated(points: NDArray) -> NDArray:
            inside = np.hypot(points[:, 0] / 48, points[:, 1] / 31) < 0.95
            free = np.minimum(_dome(domes, points), heart.distance(points)) > 2
            return inside & free & (np.abs(points[:, 0]) > 16)

        trees = []
        for side in (1.0, -1.0):
            low, high = sorted((side * 16.0, side * 48.0))
            ends = sample_inside(rng, aerated, (low, -30, 25), (high, 28, 72), 9)
            trees.append(grow_tree((side * 13, -8, 74), ends, leaf_radius=1.0))
        return Thorax(domes, heart, (trees[0], trees[1]))

    def diaphragm(self, points: NDArray) -> Distance:
        """Distance in mm to the diaphragm, negative on the belly's side."""
        return _dome(self.domes, points)

    def mediastinum(self, points: NDArray) -> Distance:
        """The tissue between the lungs, the heart in it."""
        middle = np.hypot(points[..., 0], (points[..., 1] + np.float32(14)) * np.float32(0.7))
        return smooth_union(middle - np.float32(12), self.heart.distance(points, 1.5), 8.0)


def _dome(domes: tuple[Blob, Blob], points: NDArray) -> Distance:
    # Below its widest place a dome goes on straight down, as far as the belly does.
    raised = points.copy()
    lowest = np.float32(min(dome.centre[2] for dome in domes))
    raised[..., 2] = np.maximum(raised[..., 2], lowest)
    return smooth_union(domes[0].distance(raised), domes[1].distance(raised), 10.0)
