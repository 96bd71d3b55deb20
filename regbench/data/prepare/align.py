"""Affine alignment of the moving image to the fixed one, by ANTs with Mattes mutual information."""

import tempfile
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.data.prepare.grid import isotropic
from regbench.spatial.convert import RAS_TO_LPS, to_ants
from regbench.spatial.resample import resample_volume
from regbench.spatial.transforms.itk import read_itk
from regbench.spatial.transforms.model import Affine
from regbench.spatial.volume import Volume, rescale, voxel_to_world

#: Kinds of alignment, and ANTs' stages for each: a stage begins where the one before ended.
STAGES = {"none": (), "rigid": ("Rigid",), "affine": ("Rigid", "Affine")}
#: Options of ANTs; three of them per resolution, coarse to fine. Its defaults begin at a sixth of
#: the resolution: three voxels of a thin slab.
OPTIONS = {
    "aff_metric": "mattes",
    "aff_sampling": 32,
    "aff_random_sampling_rate": 0.25,
    "aff_iterations": (1000, 500, 250),
    "aff_shrink_factors": (4, 2, 1),
    "aff_smoothing_sigmas": (2, 1, 0),
}
#: Lowest and highest ratio of the volumes after and before an alignment that can be true.
SCALES = (0.3, 3.0)


def align(fixed: Volume, moving: Volume, kind: str, shift: NDArray) -> NDArray[np.float64]:
    """The 4x4 matrix from fixed to moving world millimetres (RAS+).

    ANTsPy: Mattes mutual information with 32 bins on a regular quarter of the voxels; three
    resolutions. One thread and a fixed seed, so that the same images give the same matrix.

    Args:
        fixed, moving: intensities from 0 to 1; `coarse` makes them from native images.
        kind: `rigid`, or `affine` (a rigid stage before it), or `none`: the identity.
        shift: (3,) where it begins: millimetres from fixed to moving world (RAS+).

    Raises:
        BadInput: ANTsPy is not installed or fails, or the matrix cannot be true: it mirrors, or
            changes the volume more than threefold.
    """
    if kind not in STAGES:
        raise BadInput("unknown alignment", expected=f"one of {', '.join(STAGES)}", found=kind)
    if kind == "none":
        return np.eye(4)
    matrix = _register(fixed, moving, STAGES[kind], shift)
    scale = float(np.linalg.det(matrix[:3, :3]))
    if not SCALES[0] <= scale <= SCALES[1]:
        raise BadInput(
            "the alignment cannot be true",
            expected=f"a volume ratio from {SCALES[0]} to {SCALES[1]}; or alignment: none",
            found=f"{scale:.3g}",
        )
    return matrix


def _register(
    fixed: Volume, moving: Volume, stages: tuple[str, ...], shift: NDArray
) -> NDArray[np.float64]:
    """The matrix that ANTs finds, unchecked."""
    try:
        import ants
    except ImportError as error:
        raise BadInput(
            "alignment needs ANTsPy, which is not installed",
            expected="pip install antspyx, or alignment: none",
        ) from error
    # `ants.registration(random_seed=...)` has no effect; this has.
    ants.config.set_ants_deterministic(True, seed_value=1)
    target, source = to_ants(fixed), to_ants(moving)
    with tempfile.TemporaryDirectory(prefix="regbench-align-") as folder:
        file = str(Path(folder) / "start.mat")
        start = ants.create_ants_transform(
            transform_type="AffineTransform",
            dimension=3,
            parameters=[*np.eye(3).ravel(), *(RAS_TO_LPS[:3, :3] @ shift)],
        )
        ants.write_transform(start, file)
        for stage in stages:
            try:
                file = ants.registration(
                    target,
                    source,
                    type_of_transform=stage,
                    initial_transform=file,
                    outprefix=str(Path(folder) / f"{stage}_"),
                    **OPTIONS,
                )["fwdtransforms"][0]
            except (RuntimeError, ValueError, IndexError) as error:
                raise BadInput("the alignment failed", found=str(error) or error) from error
        (found,) = cast("list[Affine]", read_itk(Path(file)))
    return np.asarray(found.matrix)


def coarse(image: Volume, bounds: tuple[float, float], spacing: float) -> Volume:
    """An image for the alignment: [0, 1], isotropic, smoothed where voxels become larger."""
    data = rescale(image.data, *bounds)
    factor = spacing / image.spacing
    data = ndimage.gaussian_filter(data, 0.4 * np.maximum(factor - 1, 0))
    grid = isotropic(image.grid, spacing)
    return resample_volume(Volume(data, image.affine), grid.shape, grid.affine)


def start_shift(kind: str, sides: tuple[Side, Side], small: tuple[Volume, Volume]) -> NDArray:
    """(3,) millimetres from fixed to moving world (RAS+).

    Args:
        kind: what coincides at the beginning. `mass`: the centres of mass of the intensities;
            `labels`: the centres of the labels that both images have; `headers`: the two worlds as
            the headers state them.
        sides: fixed and moving, native.
        small: fixed and moving images, intensities from 0 to 1.

    Raises:
        BadInput: `labels`, and the two images have no label in common.
    """
    if kind == "headers":
        return np.zeros(3)
    if kind == "mass":
        fixed, moving = (mass_centre(volume) for volume in small)
        return moving - fixed
    centres = [label_centres(side.labels) for side in sides]
    common = sorted(set(centres[0]) & set(centres[1]))
    if not common:
        raise BadInput(
            "setting alignment_start: labels, but the two images have no label in common",
            expected="mass or headers, which need no labels",
        )
    return np.mean([centres[1][label] - centres[0][label] for label in common], axis=0)


def mass_centre(volume: Volume) -> NDArray[np.float64]:
    """(3,) world millimetres: the centre of mass of the intensities."""
    return voxel_to_world(np.array(ndimage.center_of_mass(volume.data)), volume.affine)


def label_centres(labels: Volume | None) -> dict[int, NDArray[np.float64]]:
    """Label to the centre of its voxels, in world millimetres; background left out."""
    if labels is None:
        return {}
    values = [int(value) for value in np.unique(labels.data) if value != 0]
    centres = ndimage.center_of_mass(np.ones(labels.shape), labels.data, values) if values else []
    return {
        value: voxel_to_world(np.array(centre), labels.affine)
        for value, centre in zip(values, centres, strict=True)
    }
