"""Painting implicit shapes over each other on a cloud of points."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regbench.phantom.shapes import FAR, Distance, coverage, in_box


class Canvas:
    """Intensities at points, painted layer by layer; a later layer hides what is under it.

    Attributes:
        points: (n, 3) float32 mm, in the patient's coordinates.
        width: size of a voxel in mm: the edges of shapes are that soft.
        values: (n,) float32, intensity so far; 0 at first.
    """

    def __init__(self, points: NDArray[np.float32], width: float) -> None:
        self.points = points
        self.width = width
        self.values = np.zeros(len(points), np.float32)

    def paint(self, distance: NDArray, value: float | NDArray, strength: float = 1.0) -> None:
        """Cover the inside of a shape, given by its distance (n,), with `value` (or values)."""
        share = coverage(distance, self.width) * np.float32(strength)
        self.values += share * (np.asarray(value, np.float32) - self.values)

    def near(
        self, shape: Callable[[NDArray], Distance], low: ArrayLike, high: ArrayLike
    ) -> Distance:
        """Distances (n,) to a shape, `FAR` outside a box (mm) and one voxel around it."""
        low = np.asarray(low, np.float32) - self.width
        high = np.asarray(high, np.float32) + self.width
        chosen = np.flatnonzero(in_box(self.points, low, high))
        distance = np.full(len(self.points), FAR, np.float32)
        distance[chosen] = shape(self.points[chosen])
        return distance
