"""The velocity of a breathing motion: physiological modes and smooth random bulging, in mm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import smooth_step

#: Lattice of the random bulges along x, y, z, and the standard deviation of their Gaussian, mm.
_LATTICE = (np.linspace(-72, 72, 5), np.linspace(-72, 72, 5), np.linspace(-126, 126, 8))
_BULGE = 36.0
#: Strength of the random bulges against the physiological modes.
_RANDOM_PART = 3.8


@dataclass(frozen=True)
class Velocity:
    """A velocity in the patient's coordinates, towards expiration unless `sign` is -1.

    Attributes:
        sign: 1: the second state is the expired one; -1: the first is.
        lift: (2,) mm, upward motion of the left and right half of the diaphragm.
        tilt: (2,) mm, how much more its front rises than its middle.
        chest: (2,) mm, inward motion of the side and of the front of the chest.
        sway: (2,) mm, how that differs between left and right, and above and below.
        twist: radians, turn of the upper against the lower chest.
        bulges: (5, 5, 8, 3) mm, random.
        even_part: logarithm of the volume lost by an even shrinking of the chest. Affine
            pre-alignment would undo it, so only the lungs' density shows it.
    """

    sign: float
    lift: NDArray[np.float64]
    tilt: NDArray[np.float64]
    chest: NDArray[np.float64]
    sway: NDArray[np.float64]
    twist: float
    bulges: NDArray[np.float64]
    even_part: float

    def on_grid(self, axes: list[NDArray]) -> NDArray[np.float32]:
        """(X, Y, Z, 3) mm per unit time, before `mobility`, at a grid with these coordinates."""
        x, y, z = _open(axes)
        result = _smooth(self.bulges, axes)
        base = (1 - smooth_step(z, -75.0, 60.0)) * smooth_step(z, -170.0, -80.0)
        right = smooth_step(x, -26.0, 26.0)
        for side, share in enumerate((1 - right, right)):
            centre = np.float32(-29.0 if side == 0 else 28.0)
            across = np.exp(-0.5 * ((x - centre) / 28.0) ** 2) * np.exp(-0.5 * (y / 38.0) ** 2)
            lift = self.lift[side] * across + self.tilt[side] * y / 45.0
            result[..., 2] += base * share * lift
        waist = np.exp(-0.5 * ((z + 25.0) / 45.0) ** 2)
        result[..., 0] -= waist * (self.chest[0] * x / 57.0 + self.sway[0] * (x / 57.0) ** 2)
        front = smooth_step(y, -35.0, 55.0)
        result[..., 1] -= waist * front * (self.chest[1] + self.sway[1] * z / 60.0)
        turn = self.twist * np.sin(z / 35.0)
        result[..., 0] -= turn * (y + 30.0)
        result[..., 1] += turn * x
        return (np.float32(self.sign) * result).astype(np.float32)


def mobility(axes: list[NDArray]) -> NDArray[np.float32]:
    """(X, Y, 1) the part of its velocity that each place follows: little at spine and chest wall.

    It is smooth, so nothing slides along them.
    """
    x, y, _ = _open(axes)
    spine = np.exp(-0.5 * ((x / 24.0) ** 2 + ((y + 45.0) / 24.0) ** 2))
    wall = ((np.abs(x) / 72.0) ** 2.5 + (np.abs(y) / 58.0) ** 2.5) ** np.float32(0.4)
    return ((1 - 0.6 * spine) * (1 - 0.7 * smooth_step(wall, 0.25, 1.3))).astype(np.float32)


def draw_velocity(rng: np.random.Generator) -> Velocity:
    """Draw a velocity of no particular amplitude: depth, pattern and direction are random."""
    depth = rng.uniform(0.5, 1.3)
    return Velocity(
        sign=float(rng.choice([-1.0, 1.0])),
        lift=depth * 18.0 * rng.uniform(0.2, 1.6, size=2),
        tilt=rng.normal(0, 5.0, size=2),
        chest=depth * np.array([4.0, 7.0]) * rng.uniform(0.2, 1.8, size=2),
        sway=rng.normal(0, 4.0, size=2),
        twist=rng.normal(0, 0.03),
        bulges=_RANDOM_PART * rng.standard_normal((*(len(a) for a in _LATTICE), 3)),
        even_part=rng.uniform(0.15, 0.45),
    )


def _open(axes: list[NDArray]) -> list[NDArray[np.float32]]:
    """Coordinates along the three axes, shaped to broadcast against each other."""
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return [a.reshape(s).astype(np.float32) for a, s in zip(axes, shapes, strict=True)]


def _smooth(weights: NDArray, axes: list[NDArray]) -> NDArray[np.float32]:
    """Sum of Gaussians with these weights at the lattice's points, one axis after the other."""
    result = weights.astype(np.float32)
    for axis, nodes in zip(axes, _LATTICE, strict=True):
        basis = np.exp(-0.5 * ((axis[:, None] - nodes) / _BULGE) ** 2).astype(np.float32)
        # The first axis is used up and its grid goes to the end; three turns restore the order.
        result = np.moveaxis(np.tensordot(basis, result, (1, 0)), 0, 2)
    return np.ascontiguousarray(result)
