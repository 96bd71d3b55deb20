"""From velocities to the true field and its inverse: pre-alignment, amplitudes, integration."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.motion import affine_field, best_affine, exponential, remove_affine
from regbench.spatial.field import Field
from regbench.spatial.operations import inverse_residual, jacobian_determinant, polish
from regbench.spatial.volume import centred_affine, spacing_of

from .anatomy import Anatomy
from .grid import FIELD_OF_VIEW, grid_points
from .motion import Motion, fade

#: The grid on which amplitudes are settled, the same for images of every shape.
_COARSE = (24, 24, 24)
#: The first step is then less than a tenth of a voxel of the usual size.
_SQUARINGS = 6
#: The Jacobian determinant that every field keeps everywhere.
_LEAST_JACOBIAN = 0.02
#: Voxels of the usual size by which the two fields may fail to undo each other in the body.
_LARGEST_RESIDUAL = 0.05
#: The size at which a motion is accepted, so that it is the same at every larger one.
_USUAL = (48, 48, 48)


def true_fields(
    motion: Motion, anatomy: Anatomy, shape: tuple[int, int, int], sliding: float
) -> tuple[Field, Field, float]:
    """The field from side 0 to side 1, its inverse, and the share of the motion that was kept.

    Both are flows of one velocity, forth and back. A motion that would fold the grid of the usual
    size, or whose fields would not undo each other on it, is scaled down; that of another `shape`
    is only kept from folding, so that the motion is the same at every size.

    Args:
        motion: velocities.
        anatomy: of side 0.
        shape: (X, Y, Z) of both images.
        sliding: as `Motion.velocity`. Sliding fields are held to having no folds alone.
    """
    kept = 1.0
    for size in dict.fromkeys((_USUAL, shape)):
        velocity, body = _prealigned(motion, anatomy, size, sliding)
        while True:
            forward, backward = _flow(velocity, body, kept)
            least = min(jacobian_determinant(f.displacement).min() for f in (forward, backward))
            strict = size == _USUAL and sliding == 0
            residual = _residual(anatomy, forward, backward, body) if strict else 0.0
            if least > _LEAST_JACOBIAN and residual <= _LARGEST_RESIDUAL:
                break
            # The residual grows about as fast as the motion.
            kept *= min(0.95, max(0.6, _LARGEST_RESIDUAL / max(residual, 1e-6)))
    return forward, backward, kept


def settle(
    motion: Motion, anatomy: Anatomy, amplitudes: tuple[float | None, ...], sliding: float
) -> Motion:
    """The same motion with the organs' shifts scaled to a given length after pre-alignment.

    Pre-alignment takes an unforeseeable part of every organ's motion away; what is left decides how
    hard a case is, so that is what is drawn.

    Args:
        motion: velocities.
        anatomy: where the organs are.
        amplitudes: mm for each of `motion.organs`, length of its mean velocity; None: as it is.
        sliding: as `Motion.velocity`.
    """
    points = grid_points(_COARSE)
    inside = [distance < 0 for distance in anatomy.organ_distances(points)]
    for _ in range(3):
        velocity, _ = _prealigned(motion, anatomy, _COARSE, sliding)
        millimetres = velocity.displacement * spacing_of(velocity.affine)
        organs = []
        for part, organ, amplitude in zip(motion.organs, inside, amplitudes, strict=True):
            mean = millimetres[organ].mean(axis=0)
            wanted = (
                1.0 if amplitude is None else amplitude / max(float(np.linalg.norm(mean)), 1e-3)
            )
            organs.append(replace(part, shift=part.shift + (min(wanted, 3.0) - 1) * mean))
        motion = replace(motion, organs=tuple(organs))
    return motion


def _flow(velocity: Field, body: NDArray, scale: float) -> tuple[Field, Field]:
    """The flow of a scaled velocity and its inverse, without the affine part over the body."""
    step = velocity.displacement * np.float32(scale)
    forward = exponential(Field(step, velocity.affine), squarings=_SQUARINGS)
    backward = exponential(Field(-step, velocity.affine), squarings=_SQUARINGS)
    forward, backward = remove_affine(forward, backward, best_affine(forward, body))
    # A little more than half a step leaves equal errors in both directions.
    return polish(forward, backward, last=0.58)


def _residual(anatomy: Anatomy, forward: Field, backward: Field, body: NDArray) -> float:
    """Voxels by which the fields fail to undo each other, at most, in either body."""
    moved = grid_points(forward.shape, backward.displacement)
    moving_body = anatomy.torso.skin(moved) < 0
    return max(
        float(inverse_residual(backward, forward)[body].max()),
        float(inverse_residual(forward, backward)[moving_body].max()),
    )


def _prealigned(
    motion: Motion, anatomy: Anatomy, shape: tuple[int, int, int], sliding: float
) -> tuple[Field, NDArray]:
    """The velocity in voxels without its affine part, and the (X, Y, Z) body that part is over.

    Taken from the velocity before it fades, the affine part leaves next to nothing for its exact
    removal from the flow, which moves the ends of the field of view too.
    """
    points, affine = grid_points(shape), centred_affine(shape, FIELD_OF_VIEW)
    spacing = spacing_of(affine)
    body = anatomy.torso.skin(points) < 0
    millimetres = motion.velocity(points, anatomy, spacing, sliding)
    window = fade(points, FIELD_OF_VIEW[2] / 2)[..., None]
    velocity = Field((millimetres / spacing).astype(np.float32), affine)
    for _ in range(3):
        common = affine_field(best_affine(velocity, body), velocity)
        rest = (velocity.displacement - common.displacement) * window
        velocity = Field(np.asarray(rest, np.float32), affine)
    return velocity, body
