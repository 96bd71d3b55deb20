"""Toy pairs whose true field is known exactly, alone and as a prepared data set."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.data.pair import Pair, Side
from regbench.data.writer import LayoutWriter
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume, voxel_grid

#: Three unequal sizes, so that swapped axes cannot hide.
SHAPE = (32, 28, 36)
#: Three unequal spacings (mm), two axes flipped: millimetres and directions cannot hide either.
AFFINE = np.array(
    [[-0.8, 0.0, 0.0, 12.0], [0.0, 1.5, 0.0, -20.0], [0.0, 0.0, -3.0, 55.0], [0.0, 0.0, 0.0, 1.0]]
)
#: Voxels that the pairs for the field convention are shifted by, one axis each.
SHIFT = 2.0

_BLOBS = 14
_FLOOR = 0.05


@dataclass(frozen=True)
class ToyPair:
    """Two images and the true field of the fixed grid: `moving(x + u(x))` is `fixed(x)`."""

    name: str
    fixed: Volume
    moving: Volume
    field: Field

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Voxels of the fixed image that hold something."""
        return np.asarray(self.fixed.data > 2 * _FLOOR)


def shifted(axis: int, *, seed: int = 0) -> ToyPair:
    """A pair that is shifted by SHIFT voxels along one axis."""
    displacement = np.zeros((*SHAPE, 3), np.float32)
    displacement[..., axis] = SHIFT
    return _pair(f"shift along axis {axis}", displacement, seed)


def bent(*, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> ToyPair:
    """A pair that is bent smoothly by up to two voxels along each axis."""
    rng = np.random.default_rng([seed, 1])
    places = voxel_grid(shape) / (np.array(shape, np.float32) - 1)
    # Half a wave along each axis: 0 at the rim, and no fold.
    window = np.sin(np.pi * places).prod(axis=-1, keepdims=True)
    direction = rng.uniform(1.2, 2.0, 3) * rng.choice([-1.0, 1.0], 3)
    return _pair("bent", (window * direction).astype(np.float32), seed)


def _pair(name: str, displacement: NDArray[np.float32], seed: int) -> ToyPair:
    grid = voxel_grid(displacement.shape[:3])
    shape = grid.shape[:3]
    fixed, moving = (
        Volume(blobs(places, shape, seed), AFFINE) for places in (grid + displacement, grid)
    )
    return ToyPair(name, fixed, moving, Field(displacement, AFFINE))


def blobs(places: NDArray, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Intensities at places (..., 3), voxels of a grid: Gaussian blobs, 0 around them."""
    rng = np.random.default_rng([seed, 0])
    sizes = np.array(shape)
    total = np.zeros(places.shape[:-1])
    for _ in range(_BLOBS):
        centre = rng.uniform(0.3, 0.7, 3) * (sizes - 1)
        width = rng.uniform(1.6, 3.2, 3)
        away = (((places - centre) / width) ** 2).sum(axis=-1)
        total += rng.uniform(0.4, 1.0) * np.exp(-0.5 * away)
    return np.maximum(total - _FLOOR, 0.0).astype(np.float32)


_COUNTS = {"training": 4, "validation": 1}
#: Small, for trainings take many steps; multiples of what most networks are padded to.
_SHAPE = (16, 16, 32)


def write_toy_data(file: Path) -> None:
    """A data set of bent pairs whose JSON is `file`."""
    header = {
        "name": "Toy",
        "registration_direction": {"fixed": 0, "moving": 1},
        "modality": {"0": "blobs", "1": "blobs"},
        "labels": {"0": "background"},
    }
    writer = LayoutWriter(file, header)
    number = 0
    for split, count in _COUNTS.items():
        for _ in range(count):
            number += 1
            writer.add(number, split, number, partial(_prepared, number))
    writer.finish({"plugin": "toy"})


def _prepared(number: int) -> Pair:
    toy = bent(seed=100 + number, shape=_SHAPE)
    return Pair((Side(toy.fixed), Side(toy.moving)))
