"""The motion between two states: the flow of a random velocity, pre-aligned, and its inverse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.motion import affine_field, best_affine, exponential, remove_affine
from regbench.spatial.field import Field
from regbench.spatial.operations import polish
from regbench.spatial.volume import centred_affine, voxel_grid, voxel_to_world

from .grid import FIELD_OF_VIEW, axes_of
from .patient import Patient
from .render import LEFT, RIGHT, body_distance, lung_labels
from .velocity import Velocity, draw_velocity, mobility

#: Amplitudes are fixed on this grid, so that they do not depend on the pair's shape.
_COARSE = (24, 24, 32)
#: mm of space around the field of view in which the flow is computed too.
_MARGIN = 14.0
_SQUARINGS = 4
#: mm; the largest second difference of the displacement over 6 mm steps anywhere in the body. More
#: than that, and linear interpolation at 3 mm voxels is no longer good to 0.05 voxel.
_SHARPEST = 3.3


@dataclass(frozen=True)
class Motion:
    """The motion between two states on one grid.

    Attributes:
        fields: u and its inverse; `fields[0]` takes points of the first state to the second.
        log_volume: (2,) natural logarithm of the second volume over the first, left and right
            lung, before pre-alignment (to first order in the velocity).
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
        amplitude: lowest and highest mean length in mm of the displacement inside the lungs after
            affine pre-alignment; patients are drawn evenly in between.
    """
    velocity = draw_velocity(rng)
    wanted = float(rng.uniform(*amplitude))
    scale, drift, log_volume = _calibrate(velocity, patient, wanted)

    affine = centred_affine(shape, FIELD_OF_VIEW)
    pad = np.ceil(_MARGIN / np.diag(affine)[:3]).astype(int)
    cut = tuple(slice(p, p + n) for p, n in zip(pad, shape, strict=True))
    large = (shape[0] + 2 * pad[0], shape[1] + 2 * pad[1], shape[2] + 2 * pad[2])
    around = affine.copy()
    around[:3, 3] -= pad * np.diag(affine)[:3]
    raw, mobile = _velocity_field(velocity, patient, large, around)
    steady = _without(drift, raw) * mobile * np.float32(scale)
    forward = exponential(Field(steady, around), squarings=_SQUARINGS)
    backward = exponential(Field(-steady, around), squarings=_SQUARINGS)

    weight = np.zeros(large, np.float32)
    weight[cut] = _inside_body(patient, shape, affine)
    forward, backward = remove_affine(forward, backward, best_affine(forward, weight))
    forward, backward = polish(forward, backward, last=0.5)
    first, second = (
        Field(np.ascontiguousarray(field.displacement[cut]), affine)
        for field in (forward, backward)
    )
    return Motion((first, second), log_volume)


def _calibrate(
    velocity: Velocity, patient: Patient, wanted: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The factor that gives the wanted amplitude, the affine to take off, the volume change.

    Where the body is less mobile, velocities are smaller in proportion. An affine fitted with the
    mobility as its weight, and taken off before that, leaves a velocity whose best affine over
    the body is none, and yet ribs and spine nearly at rest.

    Returns:
        factor; 4x4 affine in mm; (2,) log volumes.
    """
    affine = centred_affine(_COARSE, FIELD_OF_VIEW)
    raw, mobile = _velocity_field(velocity, patient, _COARSE, affine)
    body = _inside_body(patient, _COARSE, affine)
    matrix = best_affine(raw, body * mobile[..., 0])
    drift = affine @ matrix @ np.linalg.inv(affine)
    rest = _without(drift, raw) * mobile * np.diag(affine)[:3]
    labels = lung_labels(patient, _points(_COARSE, affine))
    length = np.linalg.norm(rest, axis=-1)[labels > 0].mean()
    bend = _second_difference(rest)[body > 0].max()
    scale = min(wanted / float(length), _SHARPEST / float(bend))
    moving = raw.displacement * mobile
    divergence = sum(np.gradient(moving[..., k], axis=k) for k in range(3))
    moved = [scale * float(divergence[labels == side].mean()) for side in (LEFT, RIGHT)]
    return scale, drift, np.array(moved) - velocity.sign * velocity.even_part


def _velocity_field(
    velocity: Velocity, patient: Patient, shape: tuple[int, int, int], affine: NDArray
) -> tuple[Field, NDArray[np.float32]]:
    """The velocity on a grid, in its voxels, and the mobility (X, Y, 1, 1) to multiply it by."""
    axes = [axis - patient.offset[k] for k, axis in enumerate(axes_of(shape, affine))]
    spacing = np.diag(affine)[:3].astype(np.float32)
    return Field(velocity.on_grid(axes) / spacing, affine), mobility(axes)[..., None]


def _without(drift: NDArray, raw: Field) -> NDArray[np.float32]:
    """The velocity (X, Y, Z, 3) less that of a 4x4 affine in mm, in voxels."""
    matrix = np.linalg.inv(raw.affine) @ drift @ raw.affine
    return raw.displacement - affine_field(matrix, raw).displacement


def _second_difference(vectors: NDArray) -> NDArray[np.float32]:
    """(X, Y, Z) length of the sum over the axes of a vector field's absolute second differences."""
    total = np.zeros(vectors.shape, np.float32)
    for axis in range(3):
        middle = tuple(slice(1, -1) if k == axis else slice(None) for k in range(3))
        total[middle] += np.abs(np.diff(vectors, 2, axis=axis))
    return np.linalg.norm(total, axis=-1)


def _inside_body(
    patient: Patient, shape: tuple[int, int, int], affine: NDArray
) -> NDArray[np.float32]:
    """(X, Y, Z) 1 in the body, 0 in the air."""
    points = _points(shape, affine) - patient.offset
    return (body_distance(patient, points) < 0).astype(np.float32)


def _points(shape: tuple[int, int, int], affine: NDArray) -> NDArray[np.float32]:
    """(X, Y, Z, 3) mm of every voxel centre."""
    return voxel_to_world(voxel_grid(shape), affine).astype(np.float32)
