"""Pairs of abdominal MR (side 0) and CT (side 1) of one patient, with the true field."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.pair import Pair, Side
from regbench.spatial.volume import Volume, centred_affine, spacing_of, world_to_voxel
from regbench.spatial.warp import warp_points

from .acquisition import label_map, scan_ct, scan_mr
from .anatomy import Anatomy, Scene
from .flow import settle, true_fields
from .grid import FIELD_OF_VIEW, grid_points
from .motion import Motion
from .sliding import MARGIN, Waves, joined, sliding_motion

DEFAULT = (48, 48, 48)
SLIDING = 0.0
MOTIONS = ("smooth", "sliding")


def make_pair(
    seed: int,
    *,
    shape: Sequence[int] = DEFAULT,
    motion: str = MOTIONS[0],
    sliding: float = SLIDING,
) -> Pair:
    """One patient's MR and CT.

    Args:
        seed: of everything; equal seeds give equal bytes, and the same anatomy at every shape.
        shape: (X, Y, Z); the field of view stays, so the spacing is 144 mm / shape.
        motion: `smooth`, or `sliding`: the contents of the cavity slide along its wall, and have
            local motion down to waves of 15 mm. The masks then leave out the voxels within 2 of
            the sliding surface: the truth does not count there.
        sliding: of the smooth motion, 0 to 1: the part of the motion between organs and wall that
            is shear in a band of 6 mm (2 voxels of the default size); the rest fades over a larger
            distance.

    Raises:
        BadInput: there is no such motion, or `sliding` is set with the motion of that name.
    """
    size = (int(shape[0]), int(shape[1]), int(shape[2]))
    patient, moves, mr, ct = (np.random.default_rng([seed, stream]) for stream in range(4))
    if motion not in MOTIONS:
        raise BadInput("setting motion is unknown", expected=" or ".join(MOTIONS), found=motion)
    if motion == "sliding" and sliding != 0:
        raise BadInput("setting sliding is of the smooth motion", expected="0", found=sliding)
    anatomy = Anatomy.draw(patient)
    drawn = Motion.draw(moves, anatomy, _direction(seed))
    # Lobes as they come; spleen and kidneys by the length of their motion, mm.
    amplitudes = (None, None, moves.uniform(4.3, 5.7), *moves.uniform(4.2, 6.0, 2))
    landmarks = anatomy.landmarks()
    affine = centred_affine(size, FIELD_OF_VIEW)
    spacing = spacing_of(affine)
    if motion == "sliding":
        local = np.random.default_rng([seed, 5])
        settled = settle(drawn, anatomy, amplitudes, 1.0)
        made, kept = sliding_motion(settled, Waves.draw(local), anatomy, size)
        (forward, backward), counts = joined(made)
        deep = anatomy.cavity(landmarks) < -(MARGIN + 0.5) * spacing.max()
        points = world_to_voxel(landmarks[deep], affine)
        moved = made.moved(points)
    else:
        settled = settle(drawn, anatomy, amplitudes, sliding)
        forward, backward, kept = true_fields(settled, anatomy, size, sliding)
        counts = np.True_, np.True_
        points = world_to_voxel(landmarks, affine)
        moved = warp_points(points, forward)

    fixed_scene = anatomy.scene(grid_points(size))
    moving_scene = anatomy.scene(grid_points(size, backward.displacement))
    last = np.asarray(size) - 1
    inside = ((points >= 0) & (points <= last) & (moved >= 0) & (moved <= last)).all(axis=1)
    sides = (
        _side(scan_mr(mr, fixed_scene, spacing), fixed_scene, affine, points[inside], counts[0]),
        _side(scan_ct(ct, moving_scene, spacing), moving_scene, affine, moved[inside], counts[1]),
    )
    return Pair(sides, (forward, backward), notes={"motion_kept": kept})


def _direction(seed: int) -> float:
    """1 or -1 at random, but opposite for the two seeds 2k and 2k + 1.

    The largest motion then has zero mean over any block of such pairs, such as a split: the mean
    field of the training cases says nothing about the others, by design rather than by luck.
    """
    first = np.random.default_rng([seed // 2, 4]).choice([-1.0, 1.0])
    return float(first if seed % 2 == 0 else -first)


def _side(
    image: NDArray[np.float32],
    scene: Scene,
    affine: NDArray[np.float64],
    landmarks: NDArray,
    counts: NDArray | np.bool_,
) -> Side:
    mask = ((scene["body"] < 0) & counts).astype(np.uint8)
    return Side(
        Volume(image, affine), Volume(label_map(scene), affine), Volume(mask, affine), landmarks
    )
