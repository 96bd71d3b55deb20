"""The motion: a smooth random velocity of millimetres, its flow, and how far it may go.

The velocity is a sum of Gaussians on a lattice in millimetres, so that the motion is the same at
every spacing. It fades to 0 at the faces of the image, so nothing enters or leaves it, and it is
free of an affine part over the body, as affinely aligned pairs are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.prepare.grid import isotropic
from regbench.phantom.motion import affine_field, best_affine, exponential
from regbench.phantom.shapes import smooth_step
from regbench.spatial.field import Field
from regbench.spatial.operations import inverse_residual, jacobian_determinant, polish
from regbench.spatial.resample import resample_volume
from regbench.spatial.volume import Grid, Volume

Fields = tuple[Field, Field]
#: Scales that the image must be long along every axis: the outer two are where the motion fades.
LEAST_SCALES = 4.0
#: Voxels that a scale must have along every axis: linear interpolation follows no finer field.
LEAST_VOXELS = 2.0
#: What both fields keep everywhere: the least Jacobian determinant, and the most voxels by which
#: they may fail to undo each other.
LEAST_JACOBIAN, LARGEST_RESIDUAL = 0.1, 0.5
#: The grid on which the amplitude is settled has this many voxels a scale.
_COARSE = 3.0
#: Relative error of the amplitude.
_CLOSE = 0.02


@dataclass(frozen=True)
class Motion:
    """A random velocity on any grid of one field of view.

    Attributes:
        weights: (a, b, c, 3) mm, the lattice of Gaussians.
        extent: (3,) mm, the field of view.
        scale: mm, their standard deviation and the lattice's spacing.
        affine: 4x4 in mm from the first face: the affine part, which is taken away.
    """

    weights: NDArray[np.float32]
    extent: NDArray[np.float64]
    scale: float
    affine: NDArray[np.float64]

    def velocity(self, grid: Grid) -> Field:
        """Voxels per unit time."""
        places = [(np.arange(n) + 0.5) * s for n, s in zip(grid.shape, grid.spacing, strict=True)]
        result = self.weights
        window = np.ones((1, 1, 1), np.float32)
        for axis, (place, length) in enumerate(zip(places, self.extent, strict=True)):
            count = self.weights.shape[axis]
            nodes = length / 2 + (np.arange(count) - (count - 1) / 2) * self.scale
            basis = np.exp(-0.5 * ((place[:, None] - nodes) / self.scale) ** 2)
            # The first axis is used up and its grid goes to the end; three turns restore the order.
            result = np.moveaxis(np.tensordot(basis.astype(np.float32), result, (1, 0)), 0, 2)
            depth = np.minimum(place, length - place)
            shape = [1, 1, 1]
            shape[axis] = -1
            window = window * smooth_step(depth, 0.0, self.scale).reshape(shape)
        spacing = grid.spacing.astype(np.float32)
        like = Field.zero(grid.shape, grid.affine)
        common = affine_field(_in_voxels(self.affine, grid), like).displacement
        rest = (result / spacing - common) * window[..., None]
        return Field(np.ascontiguousarray(rest, np.float32), grid.affine)


def draw_motion(rng: np.random.Generator, body: Volume, scale: float) -> Motion:
    """Draw a motion of no particular amplitude for the field of view of an image.

    Args:
        rng: of everything.
        body: mask; the affine part is that over the body.
        scale: mm.

    Raises:
        BadInput: the image is too small for the scale, or the scale too fine for its voxels.
    """
    extent = np.array(body.shape) * body.spacing
    if extent.min() < LEAST_SCALES * scale * (1 - 1e-3):
        raise BadInput(
            f"the image is too small for a field of scale {scale:g} mm",
            expected=f"at least {LEAST_SCALES * scale:g} mm along every axis",
            found=f"{extent.min():g} mm",
        )
    if scale < LEAST_VOXELS * body.spacing.max():
        raise BadInput(
            "the field's scale is too fine for the voxels",
            expected=f"scale_mm of at least {LEAST_VOXELS * body.spacing.max():g}",
            found=f"{scale:g}",
        )
    counts = (np.ceil(extent / scale) + 7).astype(int)
    weights = rng.standard_normal((*counts, 3)).astype(np.float32)
    motion = Motion(weights, extent, scale, np.eye(4))
    coarse = _coarse(body, scale)
    for _ in range(3):
        velocity = motion.velocity(coarse.grid)
        found = _in_millimetres(best_affine(velocity, coarse.data), coarse.grid)
        motion = replace(motion, affine=motion.affine + found - np.eye(4))
    return motion


def true_fields(motion: Motion, region: Volume, amplitude: float) -> Fields:
    """The flow whose displacement has a mean length of `amplitude` mm in a region, and its inverse.

    Args:
        motion: of no particular amplitude.
        region: mask, of the grid of the result.
        amplitude: mm.

    Raises:
        BadInput: the field would fold; it says the largest amplitude at which it does not.
    """
    if not region.data.any():
        raise BadInput("the region that the amplitude is measured in is empty")
    factor = _settled(motion, region, amplitude)
    if factor is not None:
        velocity = motion.velocity(region.grid)
        # The coarse grid's amplitude differs by some percent.
        for _ in range(3):
            fields = _flow(velocity, factor)
            reached = mean_length(fields[0], region.data)
            if _is_close(reached, amplitude):
                break
            factor *= amplitude / reached
        if _is_close(reached, amplitude) and _sound(fields):
            return fields
    raise BadInput(
        f"a field of {amplitude:g} mm with a scale of {motion.scale:g} mm would fold",
        expected=f"amplitude_mm of at most {_largest(motion, region, amplitude):g},"
        " or a larger scale_mm",
    )


def mean_length(field: Field, region: NDArray) -> float:
    """Mean length of the displacement in a region, mm."""
    return float(field.length_mm[region > 0].mean())


def _settled(motion: Motion, region: Volume, amplitude: float) -> float | None:
    """The factor of the velocity whose flow has the amplitude; None where it cannot be had."""
    coarse = _coarse(region, motion.scale)
    velocity = motion.velocity(coarse.grid)
    factor = amplitude / mean_length(velocity, coarse.data)
    for _ in range(5):
        reached = mean_length(_exponential(velocity, factor), coarse.data)
        if _is_close(reached, amplitude, _CLOSE / 4):
            return factor
        factor *= amplitude / reached
    return None


def _is_close(reached: float, amplitude: float, tolerance: float = _CLOSE) -> bool:
    return abs(reached / amplitude - 1) <= tolerance


def _largest(motion: Motion, region: Volume, below: float) -> float:
    """An amplitude near the largest that does not fold, with two digits, rounded down."""
    coarse = _coarse(region, motion.scale)
    velocity, fine = (motion.velocity(mask.grid) for mask in (coarse, region))
    low, high = 0.0, below / mean_length(velocity, coarse.data)
    for _ in range(5):
        middle = (low + high) / 2
        low, high = (middle, high) if _sound(_flow(velocity, middle)) else (low, middle)
    while not _sound(fields := _flow(fine, high)):
        high *= 0.9
    # The amplitude that is settled may be a little more than the one that is asked for.
    reached = (1 - 2 * _CLOSE) * mean_length(fields[0], region.data)
    digit = 10.0 ** (np.floor(np.log10(reached)) - 1)
    return float(round(np.floor(reached / digit) * digit, 6))


def _exponential(velocity: Field, factor: float) -> Field:
    step = velocity.displacement * np.float32(factor)
    # The first step is at most a tenth of a voxel.
    squarings = int(np.clip(np.ceil(np.log2(10 * max(np.abs(step).max(), 1e-6))), 1, 12))
    return exponential(Field(step, velocity.affine), squarings=squarings)


def _flow(velocity: Field, factor: float) -> Fields:
    # A little more than half a step leaves equal errors in both directions.
    return polish(_exponential(velocity, factor), _exponential(velocity, -factor), last=0.58)


def _sound(fields: Fields) -> bool:
    return (
        min(jacobian_determinant(f.displacement).min() for f in fields) >= LEAST_JACOBIAN
        and max(inverse_residual(*p).max() for p in (fields, fields[::-1])) <= LARGEST_RESIDUAL
    )


def _coarse(mask: Volume, scale: float) -> Volume:
    grid = isotropic(mask.grid, max(scale / _COARSE, float(mask.spacing.min())))
    return resample_volume(mask, grid.shape, grid.affine, labels=True)


def _face(grid: Grid) -> NDArray[np.float64]:
    """4x4 from mm from the first face to voxels."""
    matrix = np.diag([*(1 / grid.spacing), 1.0])
    matrix[:3, 3] = -0.5
    return matrix


def _in_voxels(affine: NDArray, grid: Grid) -> NDArray[np.float64]:
    """An affine of millimetres from the first face in a grid's voxels."""
    face = _face(grid)
    return np.asarray(face @ affine @ np.linalg.inv(face))


def _in_millimetres(affine: NDArray, grid: Grid) -> NDArray[np.float64]:
    face = _face(grid)
    return np.asarray(np.linalg.inv(face) @ affine @ face)
