"""The gut: stomach, colon and small bowel, with walls, contents and gas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import Distance, tube

from .organs import Blob

_COLON = [
    (41.0, -4.0, -66.0),
    (42.0, -2.0, -42.0),
    (38.0, 8.0, -26.0),
    (22.0, 20.0, -24.0),
    (4.0, 23.0, -27.0),
    (-14.0, 22.0, -22.0),
    (-32.0, 12.0, -14.0),
    (-42.0, -4.0, -18.0),
    (-43.0, -8.0, -42.0),
    (-40.0, -6.0, -66.0),
]


@dataclass(frozen=True)
class Gut:
    """Lengths in mm.

    Attributes:
        stomach: its outline.
        stomach_level: y above which the stomach holds gas (the patient lies on the back).
        colon: (n, 3) the large bowel's middle line.
        colon_radii: (n,) its outer radius.
        small: (m, 3) the small bowel's middle line.
        small_radii: (m,) its outer radius.
    """

    stomach: Blob
    stomach_level: float
    colon: NDArray[np.float64]
    colon_radii: NDArray[np.float64]
    small: NDArray[np.float64]
    small_radii: NDArray[np.float64]

    @staticmethod
    def draw(rng: np.random.Generator) -> "Gut":
        """A random patient's gut."""
        stomach = Blob.draw(rng, (-25.0, 9.0, 5.0), (15.0, 17.0, 18.0), shift=3.0, stretch=0.1)
        colon = np.asarray(_COLON) + rng.uniform(-2.5, 2.5, (len(_COLON), 3))
        small = _coil(rng)
        return Gut(
            stomach=stomach,
            stomach_level=float(stomach.centre[1] + rng.uniform(3, 9)),
            colon=colon,
            colon_radii=rng.uniform(6.5, 8.5, len(colon)),
            small=small,
            small_radii=rng.uniform(4.8, 6.2, len(small)),
        )

    def stomach_gas(self, points: NDArray, inside: NDArray) -> Distance:
        """The gas in the stomach, given the distance to the inside of its wall."""
        return np.maximum(inside, np.float32(self.stomach_level) - points[..., 1])

    def large_bowel(self, points: NDArray) -> Distance:
        """The colon's outer wall."""
        return tube(points, self.colon, self.colon_radii, reach=4.0)

    def colon_gas(self, points: NDArray, inside: NDArray) -> Distance:
        """Gas in the colon's highest, front part."""
        return np.maximum(inside, np.float32(19.0) - points[..., 1])

    def small_bowel(self, points: NDArray) -> Distance:
        """The small bowel's outer wall."""
        return tube(points, self.small, self.small_radii, reach=4.0)


def _coil(rng: np.random.Generator) -> NDArray[np.float64]:
    """(36, 3) mm: a line to and fro through the lower middle of the belly."""
    path = []
    for layer, z in enumerate((-66.0, -53.0, -40.0)):
        rows = (-6.0, 8.0, 21.0) if layer % 2 == 0 else (21.0, 8.0, -6.0)
        for row, y in enumerate(rows):
            columns = (-24.0, -8.0, 8.0, 24.0)
            path += [(x, y, z) for x in (columns if (layer + row) % 2 == 0 else columns[::-1])]
    return np.asarray(path) + rng.uniform(-3.5, 3.5, (len(path), 3))
