"""One patient: the random sizes, positions and vessel trees of a thorax, in mm.

Coordinates: x to the patient's right, y to the front, z to the head; 0 in the middle of the chest.
All sizes are for a small thorax that fits a field of view of 144 x 144 x 192 mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.vessels import VesselTree, grow_tree, sample_inside

from .lungs import Chest, lung_distance

#: Signs of x of the left and the right half.
SIDES = (-1, 1)

_TARGETS = {"artery": 64, "vein": 36}
_LEAF_RADIUS = {"artery": 1.5, "vein": 1.4}


@dataclass(frozen=True)
class Patient:
    """Everything that distinguishes one patient's anatomy from another's.

    Attributes:
        chest: shape of the chest cavity, diaphragm and mediastinum.
        offset: (3,) mm, where the chest's origin lies in the field of view.
        fat: thickness of the fat under the skin, mm.
        rib_phase: 0 to 1, where the ribs begin.
        trees: arteries and veins of the left, then of the right lung.
        texture: (n, 4) wave vectors (radians per mm) and phases of the shared lung texture.
    """

    chest: Chest
    offset: NDArray[np.float32]
    fat: float
    rib_phase: float
    trees: tuple[VesselTree, ...]
    texture: NDArray[np.float32]


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient; nothing depends on a voxel grid."""
    chest = Chest.draw(rng)
    offset = np.array([rng.uniform(-1, 1), rng.uniform(3, 8), rng.uniform(-24, 24)], np.float32)
    trees = tuple(_grow(rng, chest, side, kind) for side in SIDES for kind in ("artery", "vein"))
    direction = rng.standard_normal((12, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    waves = direction * (2 * np.pi / rng.uniform(12, 30, size=(12, 1)))
    texture = np.concatenate([waves, rng.uniform(0, 2 * np.pi, size=(12, 1))], axis=1)
    return Patient(
        chest=chest,
        offset=offset,
        fat=rng.uniform(3.0, 5.5),
        rib_phase=rng.uniform(),
        trees=trees,
        texture=texture.astype(np.float32),
    )


def hilum(chest: Chest, side: int, kind: str) -> NDArray[np.float32]:
    """(3,) mm, where a lung's arteries or veins enter it: the veins lie lower and to the front."""
    drop = 0.0 if kind == "artery" else -12.0
    return np.array([side * 17.0, -5.0 - drop / 4, 6.0 + drop], np.float32) * chest.scale


def _grow(rng: np.random.Generator, chest: Chest, side: int, kind: str) -> VesselTree:
    """A vessel tree of one lung, its twigs ending at least 4 mm inside the lung's surface."""

    def inside(points: NDArray) -> NDArray:
        return (lung_distance(chest, points) < -4.0) & (points[:, 0] * side > 0)

    edges = sorted((0.0, side * 62.0))
    targets = sample_inside(rng, inside, (edges[0], -48, -85), (edges[1], 48, 85), _TARGETS[kind])
    jitter = rng.uniform(-2, 2, size=3)
    return grow_tree(
        hilum(chest, side, kind) + jitter, targets, leaf_radius=_LEAF_RADIUS[kind], murray=3.2
    )
