"""The velocity towards expiration: diaphragm, ribs, lobes and smooth random bulging, in mm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import smooth_step

#: Lattice of the random bulges along x, y, z, and the standard deviation of their Gaussian, mm.
_LATTICE = (np.linspace(-72, 72, 5), np.linspace(-72, 72, 5), np.linspace(-126, 126, 8))
_BULGE = 36.0
#: Half the way, mm, on which one lobe's motion passes into the next one's.
_SOFT = 45.0
#: The part of its velocity that spine and skin follow.
_STILL = 0.04


@dataclass(frozen=True)
class Velocity:
    """A velocity in the patient's coordinates, towards expiration. Pairs are (left, right).

    Attributes:
        scale: (3,) size of the chest against the average one.
        lift: (2,) mm, upward motion of each half of the diaphragm.
        tilt: (2,) mm, how much more its front rises than its middle.
        ribs: (2, 2) mm, inward motion of the side and of the front of each half of the chest.
        lobes: (5, 3) mm, motion of the left upper and lower and the right upper, middle and lower
            lobe besides that.
        bulges: (5, 5, 8, 3) mm, random.
        even_part: logarithm of the volume lost by an even shrinking of the chest. Affine
            pre-alignment would undo it, so only the lungs' density shows it.
    """

    scale: NDArray[np.float32]
    lift: NDArray[np.float64]
    tilt: NDArray[np.float64]
    ribs: NDArray[np.float64]
    lobes: NDArray[np.float64]
    bulges: NDArray[np.float64]
    even_part: float

    def on_grid(self, axes: list[NDArray]) -> NDArray[np.float32]:
        """(X, Y, Z, 3) mm per unit time at a grid with these coordinates (mm) along x, y, z."""
        result = _smooth(self.bulges, axes)
        x, y, z = _open(axes, self.scale)
        right = smooth_step(x, -30.0, 30.0)
        for share, motion in zip(_lobe_shares(y, z, right), self.lobes, strict=True):
            result += share[..., None] * motion.astype(np.float32)
        base = np.where(z > -62.0, _bell(z, -62.0, 36.0), _bell(z, -62.0, 50.0))
        waist = _bell(z, -25.0, 45.0)
        front = smooth_step(y, -45.0, 55.0)
        for side, share in enumerate((1 - right, right)):
            lift = self.lift[side] * _bell(y, 2.0, 45.0) + self.tilt[side] * y / 45.0
            result[..., 2] += base * share * lift
            result[..., 0] -= waist * share * self.ribs[side, 0] * x / 57.0
            result[..., 1] -= waist * share * self.ribs[side, 1] * front
        return (result * _mobility(x, y, z)[..., None]).astype(np.float32)


def draw_velocity(rng: np.random.Generator, scale: NDArray[np.float32]) -> Velocity:
    """Draw a velocity of no particular amplitude, in a chest of this scale (3,)."""
    return Velocity(
        scale=scale,
        lift=10.0 * rng.uniform(0, 1, size=2) ** 1.5,
        tilt=rng.normal(0, 5.0, size=2),
        ribs=np.array([3.0, 4.0]) * rng.uniform(0, 1.6, size=(2, 2)),
        lobes=rng.normal(0, [10.0, 15.0, 8.0], size=(5, 3)),
        bulges=3.0 * rng.standard_normal((*(len(a) for a in _LATTICE), 3)),
        even_part=rng.uniform(0.15, 0.45),
    )


def _lobe_shares(y: NDArray, z: NDArray, right: NDArray) -> list[NDArray]:
    """How much each of the five lobes moves a place; they meet, softly, at the fissures."""
    front = smooth_step(z + 6.0 + y, -_SOFT, _SOFT)
    top = smooth_step(z - 4.0, -_SOFT, _SOFT)
    left = 1 - right
    right_lung = [right * front * top, right * front * (1 - top), right * (1 - front)]
    return [left * front, left * (1 - front), *right_lung]


def _mobility(x: NDArray, y: NDArray, z: NDArray) -> NDArray[np.float32]:
    """(X, Y, Z) the part of its velocity that each place follows: hardly any at spine and skin.

    It is smooth, so nothing slides: the ribs follow the lungs a little, and so does the neck.
    """
    spine = np.exp(-0.5 * ((x / 30.0) ** 2 + ((y + 52.0) / 30.0) ** 2) ** 2)
    wall = ((np.abs(x) / 69.0) ** 2.5 + (np.abs(y + 1.0) / 55.5) ** 2.5) ** np.float32(0.4)
    result = np.float32(1)
    for still in (spine, smooth_step(wall, 0.28, 1.07), smooth_step(z, 30.0, 100.0)):
        result = result * (1 - np.float32(1 - _STILL) * still)
    return result.astype(np.float32)


def _open(axes: list[NDArray], scale: NDArray) -> list[NDArray[np.float32]]:
    """Coordinates in the average chest, along three axes that broadcast against each other."""
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return [
        (axis / size).reshape(shape).astype(np.float32)
        for axis, size, shape in zip(axes, scale, shapes, strict=True)
    ]


def _bell(values: NDArray, middle: float, width: float) -> NDArray[np.float32]:
    """A Gaussian of height 1."""
    return np.exp(-0.5 * ((values - np.float32(middle)) / np.float32(width)) ** 2)


def _smooth(weights: NDArray, axes: list[NDArray]) -> NDArray[np.float32]:
    """Sum of Gaussians with these weights at the lattice's points, one axis after the other."""
    result = weights.astype(np.float32)
    for axis, nodes in zip(axes, _LATTICE, strict=True):
        basis = np.exp(-0.5 * ((axis[:, None] - nodes) / _BULGE) ** 2).astype(np.float32)
        # The first axis is used up and its grid goes to the end; three turns restore the order.
        result = np.moveaxis(np.tensordot(basis, result, (1, 0)), 0, 2)
    return np.ascontiguousarray(result)
