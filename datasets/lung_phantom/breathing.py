"""The motion from inspiration to expiration: a random flow, pre-aligned, and its inverse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.motion import best_affine, exponential, remove_affine
from regbench.spatial.field import Field
from regbench.spatial.operations import polish
from regbench.spatial.volume import centred_affine, voxel_grid, voxel_to_world

from .grid import FIELD_OF_VIEW, axes_of
from .lungs import cavity_distance, diaphragm_distance, spine_distance
from .patient import Patient
from .render import LEFT, RIGHT, body_distance, lung_labels
from .velocity import Velocity, draw_velocity

#: Amplitudes are fixed on this grid, so that they do not depend on the pair's shape.
_COARSE = (24, 24, 32)
#: mm of space around the field of view in which the flow is computed too.
_MARGIN = 14.0
_SQUARINGS = 4
#: mm; the largest second difference of the displacement over 6 mm steps anywhere in the body. More
#: than that, and linear interpolation at 3 mm voxels is no longer good to 0.05 voxel.
_SHARPEST = 4.0
#: The mean divergence in either lung, before scaling, is lower than that: both lungs shrink.
_SHRINKING = -0.02


@dataclass(frozen=True)
class Motion:
    """The motion between two states on one grid.

    Attributes:
        fields: u and its inverse; `fields[0]` takes points of the first state to the second.
        log_volume: (2,) natural logarithm of the second volume over the first, left and right
            lung, before pre-alignment (to first order in the velocity); below 0.
    """

    fields: tuple[Field, Field]
    log_volume: NDArray[np.float64]


def draw_motion(
    rng: np.random.Generator,
    patient: Patient,
    shape: tuple[int, int, int],
    amplitude: tuple[float, float],
) -> Motion:
    """Draw a motion and compute it on the grid of `shape`.

    Args:
        rng: what is drawn does not depend on the shape.
        patient: whose chest moves.
        shape: (X, Y, Z) of the pair.
        amplitude: lowest and highest mean length in mm of the displacement inside the lungs;
            patients are drawn evenly in between.
    """
    velocity, scale, log_volume = _draw(rng, patient, amplitude)

    affine = centred_affine(shape, FIELD_OF_VIEW)
    pad = np.ceil(_MARGIN / np.diag(affine)[:3]).astype(int)
    cut = tuple(slice(p, p + n) for p, n in zip(pad, shape, strict=True))
    large = (shape[0] + 2 * pad[0], shape[1] + 2 * pad[1], shape[2] + 2 * pad[2])
    around = affine.copy()
    around[:3, 3] -= pad * np.diag(affine)[:3]
    steady = _millimetres(velocity, patient, large, around) * np.float32(scale)
    steady /= np.diag(around)[:3].astype(np.float32)
    forward = exponential(Field(steady, around), squarings=_SQUARINGS)
    backward = exponential(Field(-steady, around), squarings=_SQUARINGS)

    weight = np.zeros(large, np.float32)
    weight[cut] = _frame(patient, _points(shape, affine))
    forward, backward = remove_affine(forward, backward, best_affine(forward, weight))
    forward, backward = polish(forward, backward, last=0.5)
    first, second = (
        Field(np.ascontiguousarray(field.displacement[cut]), affine)
        for field in (forward, backward)
    )
    return Motion((first, second), log_volume)


def _draw(
    rng: np.random.Generator, patient: Patient, amplitude: tuple[float, float]
) -> tuple[Velocity, float, NDArray[np.float64]]:
    """A velocity that is an expiration, its factor, and the (2,) log volume changes.

    Velocities are drawn until both lungs shrink and the diaphragm rises on average. Where the
    wanted amplitude would make the motion too sharp, the factor is lower.
    """
    wanted = float(rng.uniform(*amplitude))
    affine = centred_affine(_COARSE, FIELD_OF_VIEW)
    spacing = np.diag(affine)[:3]
    points = _points(_COARSE, affine)
    labels = lung_labels(patient, points)
    body = body_distance(patient, points - patient.offset) < 0
    diaphragm = _diaphragm(patient, points)
    while True:
        velocity = draw_velocity(rng, patient.chest.scale)
        moving = _millimetres(velocity, patient, _COARSE, affine)
        divergence = sum(np.gradient(moving[..., k], spacing[k], axis=k) for k in range(3))
        change = np.array([float(divergence[labels == side].mean()) for side in (LEFT, RIGHT)])
        if (change < _SHRINKING).all() and moving[diaphragm, 2].mean() > 0:
            break
    length = np.linalg.norm(moving, axis=-1)[labels > 0].mean()
    bend = _second_difference(moving)[body].max()
    scale = min(wanted / float(length), _SHARPEST / float(bend))
    return velocity, scale, scale * change - velocity.even_part


def _millimetres(
    velocity: Velocity, patient: Patient, shape: tuple[int, int, int], affine: NDArray
) -> NDArray[np.float32]:
    """(X, Y, Z, 3) mm: the velocity on a grid in the field of view."""
    axes = axes_of(shape, affine)
    return velocity.on_grid([axis - patient.offset[k] for k, axis in enumerate(axes)])


def _second_difference(vectors: NDArray) -> NDArray[np.float32]:
    """(X, Y, Z) length of the sum over the axes of a vector field's absolute second differences."""
    total = np.zeros(vectors.shape, np.float32)
    for axis in range(3):
        middle = tuple(slice(1, -1) if k == axis else slice(None) for k in range(3))
        total[middle] += np.abs(np.diff(vectors, 2, axis=axis))
    return np.linalg.norm(total, axis=-1)


def _frame(patient: Patient, points: NDArray) -> NDArray[np.float32]:
    """1 at points (..., 3) of the spine and the body wall, on which images are pre-aligned."""
    local = points - patient.offset
    wall = (body_distance(patient, local) < 0) & (cavity_distance(patient.chest, local) > 0)
    return (wall | (spine_distance(patient.chest, local) < 0)).astype(np.float32)


def _diaphragm(patient: Patient, points: NDArray) -> NDArray[np.bool_]:
    """(...) points (..., 3) near both domes of the diaphragm, away from their rims."""
    local = points - patient.offset
    near = np.abs(diaphragm_distance(patient.chest, local)) < 4.0
    return near & (cavity_distance(patient.chest, local) < -6.0)


def _points(shape: tuple[int, int, int], affine: NDArray) -> NDArray[np.float32]:
    """(X, Y, Z, 3) mm of every voxel centre."""
    return voxel_to_world(voxel_grid(shape), affine).astype(np.float32)
