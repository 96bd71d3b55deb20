"""Spleen, kidneys, heart and the domes of the diaphragm, as ellipsoids that cut each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import Distance, ellipsoid, rotation_matrix


@dataclass(frozen=True)
class Blob:
    """A tilted ellipsoid: (3,) centre and half-axes in mm, 3x3 whose columns are its directions."""

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    tilt: NDArray[np.float64]

    @staticmethod
    def draw(
        rng: np.random.Generator,
        centre: tuple[float, float, float],
        axes: tuple[float, float, float],
        angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
        *,
        shift: float = 2.0,
        stretch: float = 0.05,
        turn: float = 0.1,
    ) -> "Blob":
        """One of about this place (mm), size (mm) and tilt (radians about x, y, z)."""
        return Blob(
            np.asarray(centre) + rng.uniform(-shift, shift, 3),
            np.asarray(axes) * rng.uniform(1 - stretch, 1 + stretch, 3),
            rotation_matrix(np.asarray(angles) + rng.uniform(-turn, turn, 3)),
        )

    def distance(self, points: NDArray, grow: float = 0.0) -> Distance:
        """Signed distance in mm, of the ellipsoid with half-axes longer by `grow` mm."""
        return ellipsoid(points, self.centre, self.axes + grow, self.tilt)

    def tip(self, axis: int, sign: int) -> NDArray[np.float64]:
        """(3,) mm: the end of one of its axes."""
        return self.centre + sign * self.axes[axis] * self.tilt[:, axis]

    def part(self, offset: tuple[float, float, float], axes: tuple[float, float, float]) -> "Blob":
        """A smaller ellipsoid `offset` mm from the centre, in the frame of this one."""
        return Blob(self.centre + self.tilt @ np.asarray(offset), np.asarray(axes), self.tilt)


@dataclass(frozen=True)
class Kidney:
    """A kidney.

    Attributes:
        body: its outline, with cortex and medulla.
        hilum: the notch of fat where vessels enter, on the side of the spine.
        pelvis: the collecting system, full of urine.
    """

    body: Blob
    hilum: Blob
    pelvis: Blob

    @staticmethod
    def draw(rng: np.random.Generator, side: int, height: float) -> "Kidney":
        """A random kidney, right (`side` 1) or left (-1), its centre at z of about `height` mm."""
        body = Blob.draw(
            rng, (side * 28.5, -17.0, height), (11.5, 11.0, 19.0), (0.15, -side * 0.2, side * 0.3)
        )
        return Kidney(
            body=body,
            hilum=body.part((-side * 12.0, 4.0, 0.0), (7.0, 4.5, 6.5)),
            pelvis=body.part((-side * 3.5, 1.5, rng.uniform(-2, 2)), (4.0, 3.5, 8.0)),
        )

    def distance(self, points: NDArray) -> Distance:
        """The kidney without its hilum."""
        return np.maximum(self.body.distance(points), -self.hilum.distance(points))

    def poles(self) -> NDArray[np.float64]:
        """(2, 3) mm: the upper and the lower end."""
        return np.stack([self.body.tip(2, 1), self.body.tip(2, -1)])
