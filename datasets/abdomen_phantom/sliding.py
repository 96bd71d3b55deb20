"""Motion that slides along the wall of the cavity and is sharp inside it.

The map from side 0 to side 1 is W in the wall and W o G o L in the cavity:

* L, local waves in the tissue: a chain of maps, each of which changes the distance of two points
  by less than itself, so that it has no folds, and an inverse to any precision;
* G, the organs' motion along the wall: the flow of a velocity that has no part across the wall;
* W, what wall and organs share, the removal of the affine part included.

L and G keep the cavity's surface where it is, so that W takes it to one place from both sides:
there is neither gap nor overlap. On each side the map is smooth, and its inverse is solved for at
every voxel centre.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.phantom.motion import affine_field, best_affine, exponential, remove_affine
from regbench.phantom.shapes import smooth_step
from regbench.spatial.field import Field
from regbench.spatial.operations import compose, jacobian_determinant, newton_step
from regbench.spatial.resample import sample_vectors
from regbench.spatial.volume import (
    centred_affine,
    spacing_of,
    voxel_grid,
    voxel_to_world,
    world_to_voxel,
)

from .anatomy import Anatomy
from .grid import FIELD_OF_VIEW, grid_points
from .motion import FADE, Motion, fade, guide

#: Shortest and longest wave of the local motion, mm: 5 and 12 voxels of the usual size.
WAVES = (15.0, 36.0)
#: Waves, each a map of its own.
COUNT = 6
#: The most by which one map changes the distance of two points, as a part of it. Under 1, a map has
#: no folds.
STEEPEST = 0.75
#: mm from the wall, inwards, over which the local motion grows from nothing.
RISE = 12.0
#: Share of the drawn velocities: what slides is not spread out, and so needs less.
SHARE = 0.5
#: mm of the Gaussian that takes the kinks out of the organs' velocity before it is guided.
BLUR = 6.0
#: Voxels from the sliding surface up to which the truth does not count.
MARGIN = 2.0
_SQUARINGS = 6
_LEAST_JACOBIAN = 0.1
#: Voxels to which the inverse is solved.
_PRECISION = 1e-3
_NEWTON_STEPS = 4
_USUAL = (48, 48, 48)


@dataclass(frozen=True)
class Waves:
    """A chain of maps p -> p + r(p) a sin(k p + b), in mm, one after the other.

    The waves are transverse (a k = 0), as in tissue that keeps its volume. The window r is 0 at the
    wall of the cavity and at the ends of the field of view.

    Attributes:
        amplitude, vector: (n, 3) mm and rad/mm.
        phase: (n,) rad.
    """

    amplitude: NDArray[np.float32]
    vector: NDArray[np.float32]
    phase: NDArray[np.float32]

    @staticmethod
    def draw(rng: np.random.Generator) -> "Waves":
        """Random waves: each length, direction and phase is independent of all others."""
        number = 2 * np.pi / np.exp(rng.uniform(*np.log(WAVES), (COUNT, 1)))
        heading, other = rng.normal(0, 1, (2, COUNT, 3))
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        across = np.cross(heading, other)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        # The slope of a wave under its window: a cubic step rises by at most 1.5 over its length.
        slope = number + 1.5 / RISE + 1.5 / FADE
        parts = STEEPEST / slope * across, number * heading, rng.uniform(0, 2 * np.pi, COUNT)
        return Waves(*(np.asarray(part, np.float32) for part in parts))

    def step(self, index: int, points: NDArray, anatomy: Anatomy) -> NDArray[np.float32]:
        """(..., 3) mm: by how much one map of the chain moves points (..., 3)."""
        window = smooth_step(-anatomy.cavity(points), 0.0, RISE) * fade(
            points, FIELD_OF_VIEW[2] / 2
        )
        wave = window * np.sin(points @ self.vector[index] + self.phase[index])
        return (wave[..., None] * self.amplitude[index]).astype(np.float32)

    def forward(self, points: NDArray, anatomy: Anatomy) -> NDArray[np.float32]:
        """Where points (..., 3) mm come to."""
        for index in range(COUNT):
            points = points + self.step(index, points, anatomy)
        return points

    def backward(self, points: NDArray, anatomy: Anatomy, close: float) -> NDArray[np.float32]:
        """Where points (..., 3) mm come from, to `close` mm."""
        for index in reversed(range(COUNT)):
            start = points.reshape(-1, 3)
            found, open_ = start.copy(), np.arange(len(start))
            # Each map moves two points by less than they are apart: the iteration converges.
            while len(open_):
                better = start[open_] - self.step(index, found[open_], anatomy)
                change = np.abs(better - found[open_]).max(axis=1)
                found[open_] = better
                open_ = open_[change > close]
            points = found.reshape(points.shape)
        return points


@dataclass(frozen=True)
class SlidingMotion:
    """The whole motion on a grid.

    Attributes:
        anatomy: of side 0.
        waves: L.
        cavity, wall: W o G and W from side 0 to side 1, in voxels, each on the whole grid. Between
            the voxels they are interpolated linearly; this defines the motion.
        from_cavity, from_wall: their inverses at the voxel centres.
    """

    anatomy: Anatomy
    waves: Waves
    cavity: Field
    wall: Field
    from_cavity: Field
    from_wall: Field

    @cached_property
    def inside(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(X, Y, Z) for each side: whether the tissue at a voxel centre is of the cavity."""
        return tuple(  # type: ignore[return-value]
            self.anatomy.cavity(grid_points(self.wall.shape, shift)) < 0
            for shift in (None, self.from_wall.displacement)
        )

    def moved(self, points: NDArray) -> NDArray[np.float64]:
        """Voxel coordinates in side 1 of points (n, 3) of the cavity in side 0."""
        affine = self.wall.affine
        start = voxel_to_world(points, affine).astype(np.float32)
        there = world_to_voxel(self.waves.forward(start, self.anatomy), affine)
        return there + sample_vectors(self.cavity.displacement, there)

    def into(self) -> Field:
        """W o G o L, on the whole grid: true in the cavity alone."""
        grid = voxel_grid(self.wall.shape)
        return Field((self.moved(grid) - grid).astype(np.float32), self.wall.affine)

    @cached_property
    def of_cavity(self) -> tuple[Field, Field]:
        """`into` and its inverse."""
        affine, shape = self.wall.affine, self.wall.shape
        start = grid_points(shape, self.from_cavity.displacement)
        close = _PRECISION * float(spacing_of(affine).min())
        origin = self.waves.backward(start, self.anatomy, close)
        back = world_to_voxel(origin, affine) - voxel_grid(shape)
        return self.into(), Field(back.astype(np.float32), affine)


def sliding_motion(
    motion: Motion, waves: Waves, anatomy: Anatomy, shape: tuple[int, int, int]
) -> tuple[SlidingMotion, float]:
    """The motion from side 0 to side 1, and the share of it that was kept to have no folds."""
    kept = SHARE
    for size in dict.fromkeys((_USUAL, shape)):
        wall, slip = _velocities(motion, anatomy, size)
        while True:
            local = replace(waves, amplitude=waves.amplitude * np.float32(kept / SHARE))
            made = _flow(wall, slip, local, anatomy, kept)
            if _least_jacobian(made) > _LEAST_JACOBIAN:
                break
            kept *= 0.9
    return made, kept / SHARE


def joined(made: SlidingMotion) -> tuple[tuple[Field, Field], tuple[NDArray, NDArray]]:
    """The true fields of both directions, and (X, Y, Z) where each one counts."""
    inside = made.inside
    fields = [
        Field(np.where(own[..., None], cavity.displacement, wall.displacement), wall.affine)
        for own, cavity, wall in zip(
            inside, made.of_cavity, (made.wall, made.from_wall), strict=True
        )
    ]
    counts = [_from_edge(own) > MARGIN for own in inside]
    return (fields[0], fields[1]), (counts[0], counts[1])


def _from_edge(inside: NDArray) -> NDArray[np.float64]:
    """Voxels from each voxel centre to the surface between the two sides."""
    # The surface is half a voxel before the first centre on the other side.
    away = [ndimage.distance_transform_edt(side) for side in (inside, ~inside)]
    return np.maximum(*away) - 0.5


def _velocities(
    motion: Motion, anatomy: Anatomy, shape: tuple[int, int, int]
) -> tuple[Field, Field]:
    """The velocities of W and G, voxels per unit time."""
    points, affine = grid_points(shape), centred_affine(shape, FIELD_OF_VIEW)
    spacing = spacing_of(affine)
    organs = motion.inside(points, anatomy) - motion.wall.at(points)
    organs = ndimage.gaussian_filter(organs, [*(BLUR / spacing), 0.0], mode="nearest")
    window = fade(points, FIELD_OF_VIEW[2] / 2)[..., None]
    slip = guide(organs, anatomy.cavity(points), spacing) * window / spacing
    common = (motion.wall.at(points) + motion.waves_at(points)) / spacing
    inside = (anatomy.cavity(points) < 0)[..., None]
    body = anatomy.torso.skin(points) < 0
    for _ in range(3):
        # Taken away before the motion fades, the affine part leaves little for its exact removal.
        whole = Field((np.where(inside, slip, 0) + common * window).astype(np.float32), affine)
        common = common - affine_field(best_affine(whole, body), whole).displacement
    wall = Field((common * window).astype(np.float32), affine)
    return wall, Field(slip.astype(np.float32), affine)


def _flow(wall: Field, slip: Field, waves: Waves, anatomy: Anatomy, share: float) -> SlidingMotion:
    """The motion of a share of the velocities, without its affine part over the body."""
    (wall, from_wall), (along, against) = (
        [exponential(_times(v, sign * share), squarings=_SQUARINGS) for sign in (1, -1)]
        for v in (wall, slip)
    )
    cavity, from_cavity = compose(along, wall), compose(from_wall, against)
    made = SlidingMotion(anatomy, waves, cavity, wall, from_cavity, from_wall)
    points = grid_points(wall.shape)
    inside = (anatomy.cavity(points) < 0)[..., None]
    whole = np.where(inside, made.into().displacement, wall.displacement)
    matrix = best_affine(Field(whole, wall.affine), anatomy.torso.skin(points) < 0)
    cavity, from_cavity = _solved(*remove_affine(cavity, from_cavity, matrix))
    wall, from_wall = _solved(*remove_affine(wall, from_wall, matrix))
    return SlidingMotion(anatomy, waves, cavity, wall, from_cavity, from_wall)


def _times(field: Field, factor: float) -> Field:
    return Field(field.displacement * np.float32(factor), field.affine)


def _solved(field: Field, inverse: Field) -> tuple[Field, Field]:
    """A field and its inverse at the voxel centres, from one that is near it."""
    for _ in range(_NEWTON_STEPS):
        inverse = newton_step(inverse, field)
    return field, inverse


def _least_jacobian(made: SlidingMotion) -> float:
    """The smallest Jacobian determinant of both directions, each side of the surface by itself."""
    least = []
    for own, cavity, wall in zip(
        made.inside, made.of_cavity, (made.wall, made.from_wall), strict=True
    ):
        least += [jacobian_determinant(cavity.displacement)[own].min()]
        least += [jacobian_determinant(wall.displacement)[~own].min()]
    return float(min(least))
