"""How the abdomen moves between the two scans: breathing, posture, and the organs apart.

The velocity of a log-Euclidean polyaffine flow (Arsigny et al., 2009,
doi:10.1007/s10851-008-0135-9): every organ has an affine velocity of its own, blended by distance.
Next to the muscle wall only the part along the wall is left, and across the wall the velocity
drops: organs slide, in a sharp band or a soft one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.phantom.shapes import Distance, smooth_step

from .anatomy import Anatomy

#: mm from an organ where its velocity has given three quarters of its weight away.
BLEND = 16.0
#: mm from its centre over which an organ's velocity is affine.
REACH = 35.0
#: Weight of the gut's velocity everywhere in the cavity.
REST = 0.1
#: mm of the Gaussian that takes the kinks out of the velocity inside the cavity.
BLUR = 12.0
#: mm across the wall over which sliding happens: 2 voxels at the default size.
SHEAR_BAND = 6.0
#: mm across the wall over which the rest of the difference fades.
SOFT_BAND = 36.0
#: mm over which the edge between the back and the sides of the cavity is rounded.
ROUNDING = 16.0
#: mm from the wall where organs begin to follow it.
GUIDE = 20.0
#: mm from the lower and upper face of the field of view, which cut the body, where motion fades.
FADE = 48.0


@dataclass(frozen=True)
class Part:
    """A velocity, affine near `centre`: `shift` + `linear` (p - `centre`), mm and mm per mm.

    Further than about `REACH` mm away it grows no more.
    """

    centre: NDArray[np.float64]
    shift: NDArray[np.float64]
    linear: NDArray[np.float64]

    def at(self, points: NDArray) -> NDArray[np.float32]:
        """(..., 3) mm per unit time."""
        offset = points - self.centre.astype(np.float32)
        squared = np.einsum("...k,...k->...", offset, offset)[..., None]
        offset /= np.sqrt(1 + squared / np.float32(REACH**2))
        return offset @ self.linear.astype(np.float32).T + self.shift.astype(np.float32)


@dataclass(frozen=True)
class Motion:
    """Velocities of the parts of the body, and long waves through all of it.

    Attributes:
        organs: right and left lobe of the liver, spleen, left and right kidney.
        gut: everything else in the cavity.
        wall: skin, muscle and bone.
        waves: (n, 3) amplitudes in mm, (n, 3) wave vectors in rad/mm, (n,) phases.
    """

    organs: tuple[Part, ...]
    gut: Part
    wall: Part
    waves: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

    @staticmethod
    def draw(rng: np.random.Generator, anatomy: Anatomy, direction: float) -> "Motion":
        """A random motion: neither direction of anything is more likely than the other.

        Args:
            rng: source of randomness.
            anatomy: where the organs are.
            direction: 1 or -1: breathing in or out from side 0 to side 1.
        """
        breath = direction * rng.uniform(34.0, 38.0)

        def part(centre: NDArray, follow: float, own: float, bend: float) -> Part:
            """Breathing by the share `follow`, `own` mm and `bend` mm/mm apart from it."""
            shift = rng.normal(0, 1, 3)
            shift *= own * rng.uniform(0.8, 1.2) / np.linalg.norm(shift)
            shift[2] += follow * breath * rng.uniform(0.9, 1.1)
            return Part(np.asarray(centre, float), shift, rng.normal(0, bend, (3, 3)))

        liver = anatomy.liver
        left, right = anatomy.kidneys
        count = 6
        heading = rng.normal(0, 1, (count, 3))
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        return Motion(
            organs=(
                part(liver.right, 1.0, 15.0, 0.22),
                part(liver.left, 0.6, 21.0, 0.26),
                part(anatomy.spleen.centre, 0.55, 3.5, 0.04),
                part(left.body.centre, 0.32, 4.4, 0.04),
                part(right.body.centre, 0.32, 4.4, 0.04),
            ),
            gut=part(np.zeros(3), 0.4, 3.0, 0.04),
            wall=part(np.zeros(3), 0.0, 0.6, 0.01),
            waves=(
                rng.normal(0, 0.8, (count, 3)),
                heading * (2 * np.pi / rng.uniform(90, 150, count))[:, None],
                rng.uniform(0, 2 * np.pi, count),
            ),
        )

    def velocity(
        self, points: NDArray, anatomy: Anatomy, spacing: NDArray, sliding: float
    ) -> NDArray[np.float32]:
        """(X, Y, Z, 3) mm per unit time.

        Args:
            points: (X, Y, Z, 3) mm, the centres of a voxel grid.
            anatomy: where the organs and the wall are.
            spacing: (3,) mm of that grid.
            sliding: share of the difference between organs and wall that falls on the shear band.
        """
        cavity = anatomy.torso.envelope(points, anatomy.torso.skin(points), ROUNDING)
        wall = self.wall.at(points)
        slip = guide(self.inside(points, anatomy), cavity, spacing) - wall
        soft = smooth_step(cavity, SOFT_BAND / 2, -SOFT_BAND / 2)[..., None]
        velocity = ndimage.gaussian_filter(soft * slip, [*(BLUR / spacing), 0.0], mode="nearest")
        velocity += wall + self.waves_at(points)
        if sliding > 0:
            band = max(SHEAR_BAND, 2 * float(np.max(spacing)))
            sharp = smooth_step(cavity, band / 2, -band / 2)[..., None]
            velocity += np.float32(sliding) * (sharp - soft) * slip
        return velocity

    def inside(self, points: NDArray, anatomy: Anatomy) -> NDArray[np.float32]:
        """The organs' velocities, each weighted by how near it is."""
        total = np.full(points.shape[:-1], REST, np.float32)
        velocity = total[..., None] * self.gut.at(points)
        for part, distance in zip(self.organs, anatomy.organ_distances(points), strict=True):
            weight = (1 + (np.maximum(distance, 0) / np.float32(BLEND)) ** 2) ** np.float32(-2)
            total += weight
            velocity += weight[..., None] * part.at(points)
        return velocity / total[..., None]

    def waves_at(self, points: NDArray) -> NDArray[np.float32]:
        result = np.zeros(points.shape, np.float32)
        for amplitude, vector, phase in zip(*self.waves, strict=True):
            wave = np.sin(points @ vector.astype(np.float32) + np.float32(phase))
            result += wave[..., None] * amplitude.astype(np.float32)
        return result


def fade(points: NDArray, half: float) -> NDArray[np.float32]:
    """(X, Y, Z): 1 in the middle, 0 at the lower and upper face of a view of `half` mm each way."""
    return smooth_step(np.float32(half) - np.abs(points[..., 2]), 0.0, FADE)


def guide(velocity: NDArray, cavity: Distance, spacing: NDArray) -> NDArray[np.float32]:
    """Take away the part that points through the wall, all of it at the wall itself."""
    normal = np.stack(np.gradient(cavity, *(float(s) for s in spacing)), axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), np.float32(1e-3))
    outward = (velocity * normal).sum(axis=-1, keepdims=True)
    return velocity - smooth_step(-cavity, GUIDE, 0.0)[..., None] * outward * normal
