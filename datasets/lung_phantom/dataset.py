"""The lung phantom: one patient's thorax at inspiration and at expiration, from a seed."""

import numpy as np
from numpy.typing import NDArray

from regbench.data.pair import Pair, Side
from regbench.phantom.motion import smooth_noise
from regbench.phantom.shapes import in_box
from regbench.spatial.field import Field
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.volume import (
    Volume,
    centred_affine,
    voxel_grid,
    voxel_to_world,
    world_to_voxel,
)
from regbench.spatial.warp import positions, warp_points

from . import tissues
from .breathing import Motion, draw_motion
from .grid import FIELD_OF_VIEW
from .patient import Patient, draw_patient
from .render import LEFT, RIGHT, Rendering, lung_labels, render

DEFAULT = (48, 48, 64)

#: Landmarks: branch points of vessels this thick (radius, mm), this far (voxels) from the rim.
_LANDMARK_RADIUS, _LANDMARK_RIM = 1.9, 1.0


def make_pair(
    seed: int,
    *,
    shape: tuple[int, int, int] = DEFAULT,
    amplitude: tuple[float, float] = (4.0, 8.5),
    noise: float = 0.02,
) -> Pair:
    """One patient at inspiration and at expiration; equal seeds give equal bytes.

    Args:
        seed: of everything random. Anatomy and motion do not depend on the shape, noise does.
        shape: (X, Y, Z) voxels of a field of view of 144 x 144 x 192 mm, x to the right, y to the
            front, z to the head.
        amplitude: lowest and highest mean length in mm of the displacement inside the lungs.
        noise: standard deviation of the image noise where there is any tissue.

    Returns:
        sides[0] inspiration, sides[1] expiration: CT in [0, 1], air around the body 0; labels
        1 left, 2 right lung; mask: the body where both images show it; landmarks: branch points
        of lung vessels. fields[0] takes sides[0] to sides[1], fields[1] is its inverse.
    """
    shape = (int(shape[0]), int(shape[1]), int(shape[2]))
    anatomy_seed, motion_seed, *noise_seeds = np.random.SeedSequence(seed).spawn(4)
    patient = draw_patient(np.random.default_rng(anatomy_seed))
    motion = draw_motion(np.random.default_rng(motion_seed), patient, shape, amplitude)

    affine = centred_affine(shape, FIELD_OF_VIEW)
    width = float(np.diag(affine)[:3].max())
    landmarks = _landmarks(patient, motion.fields, affine)
    sides = []
    for k, noise_seed in enumerate(noise_seeds):
        # The first state is the reference; the second looks back into it by the inverse field.
        index = voxel_grid(shape) if k == 0 else positions(motion.fields[1])
        points = voxel_to_world(index, affine).astype(np.float32)
        density = _density(motion, k, lung_labels(patient, points))
        rendering = render(patient, points, width, density)
        image = _acquire(np.random.default_rng(noise_seed), rendering, noise)
        mask = (rendering.body > 0.5) & _seen(motion.fields[k])
        sides.append(
            Side(
                image=Volume(image, affine),
                labels=Volume(rendering.labels, affine),
                mask=Volume(mask.astype(np.uint8), affine),
                landmarks=landmarks[k],
            )
        )
    notes = {
        "log_volume_left": float(motion.log_volume[0]),
        "log_volume_right": float(motion.log_volume[1]),
    }
    return Pair((sides[0], sides[1]), motion.fields, notes)


def _density(motion: Motion, state: int, labels: NDArray) -> NDArray[np.float32]:
    """(2, X, Y, Z) g/ml of both lungs in state 0 (inspiration) or 1: they keep their mass.

    Each lung's mean density follows its volume before pre-alignment; in the second state it is
    spread as the (pre-aligned) motion squeezes the lung here more and there less.
    """
    change = np.clip(motion.log_volume, -0.7, 0.7)
    half = 0.5 if state == 0 else -0.5
    squeeze = np.ones(labels.shape, np.float32)
    if state == 1:
        squeeze = jacobian_determinant(motion.fields[1].displacement)
    result = []
    for k, side in enumerate((LEFT, RIGHT)):
        mean = np.float32(tissues.LUNG_DENSITY * np.exp(half * change[k]))
        result.append(mean * np.clip(squeeze / squeeze[labels == side].mean(), 0.7, 1.5))
    return np.stack(result)


def _acquire(rng: np.random.Generator, rendering: Rendering, noise: float) -> NDArray[np.float32]:
    """The image of a rendering: detector noise, none in the air around the body, clipped to [0, 1].

    The noise is slightly correlated, as after a soft reconstruction kernel.
    """
    shape = rendering.values.shape
    grain = smooth_noise(rng, shape, 0.5)
    image = rendering.values + np.float32(noise) * rendering.body * grain
    return np.where(rendering.body > 0, np.clip(image, 0, 1), 0).astype(np.float32)


def _seen(field: Field) -> NDArray[np.bool_]:
    """(X, Y, Z) where a field leads to a place inside the other image."""
    return in_box(positions(field), np.zeros(3), np.array(field.shape) - 1)


def _landmarks(
    patient: Patient, fields: tuple[Field, Field], affine: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 3) voxel coordinates of the same branch points in both states, all inside both."""
    points = np.concatenate([tree.branch_points for tree in patient.trees])
    radii = np.concatenate([tree.branch_radius for tree in patient.trees])
    points = points[radii >= _LANDMARK_RADIUS] + patient.offset
    points = points[lung_labels(patient, points) > 0]
    first = world_to_voxel(points, affine)
    second = warp_points(first, fields[0])
    high = np.array(fields[0].shape) - 1 - _LANDMARK_RIM
    both = np.concatenate([first, second], axis=1)
    kept = ((both >= _LANDMARK_RIM) & (both <= np.tile(high, 2))).all(axis=1)
    return first[kept], second[kept]
