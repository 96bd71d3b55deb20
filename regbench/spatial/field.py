"""The displacement field type, its checks, and its file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.nifti import read_array, read_shape, write_array
from regbench.spatial.volume import check_affine

#: On disk, displacements are multiples of this many voxels: rounded numbers compress better.
QUANTUM = 2.0**-10


@dataclass(frozen=True)
class Field:
    """A displacement field on the fixed image's grid.

    Attributes:
        displacement: float32 (X, Y, Z, 3), voxels of the fixed grid, component k along array axis
            k, pull-back: `warped(x) = moving(x + u(x))`.
        affine: 4x4 of the fixed grid, voxel index to world millimetres (RAS+).
    """

    displacement: NDArray[np.float32]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        check_displacement(self.displacement)
        check_affine(self.affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels of the fixed grid along each axis."""
        x, y, z, _ = self.displacement.shape
        return x, y, z

    @property
    def length_mm(self) -> NDArray[np.float64]:
        """(X, Y, Z) length of each displacement in millimetres."""
        return np.linalg.norm(self.displacement @ self.affine[:3, :3].T, axis=-1)

    @staticmethod
    def zero(shape: tuple[int, int, int], affine: NDArray) -> "Field":
        """The identity transform on a grid."""
        return Field(np.zeros((*shape, 3), np.float32), np.asarray(affine, float))


def check_displacement(
    displacement: NDArray, shape: tuple[int, ...] | None = None, *, file: Path | None = None
) -> None:
    """Refuse an array that is not a field of the convention (or does not fit a grid of `shape`).

    Raises:
        BadInput: wrong type, axes or shape, or values that are not finite.
    """
    if not isinstance(displacement, np.ndarray):
        raise BadInput(
            "a displacement field is an array", file=file, found=type(displacement).__name__
        )
    check_field_shape(displacement.shape, shape, file)
    if displacement.dtype != np.float32:
        raise BadInput(
            "wrong number type of a displacement field",
            file=file,
            expected="float32",
            found=displacement.dtype,
        )
    if not np.isfinite(displacement).all():
        bad = int((~np.isfinite(displacement)).sum())
        raise BadInput(
            "the displacement field is not finite", file=file, expected="0 bad values", found=bad
        )


def check_field_shape(
    actual: tuple[int, ...], shape: tuple[int, ...] | None, file: Path | None
) -> None:
    """Refuse a shape that no field has, or that does not fit a grid of `shape`.

    Raises:
        BadInput: it names both shapes and, where it can, the likely cause.
    """
    if len(actual) != 4 or actual[3] != 3:
        hint = ""
        if len(actual) == 4 and actual[0] == 3:
            hint = " (components first: move that axis to the end)"
        elif len(actual) == 5 and actual[3:] == (1, 3):
            hint = " (five axes: a field of ITK or ANTs, in millimetres; convert it)"
        raise BadInput(
            f"wrong shape of a displacement field{hint}",
            file=file,
            expected="(X, Y, Z, 3)" if shape is None else (*shape, 3),
            found=actual,
        )
    if shape is not None and actual[:3] != tuple(shape):
        raise BadInput(
            "the displacement field does not fit the fixed image",
            file=file,
            expected=(*shape, 3),
            found=actual,
        )


def read_field(path: Path, shape: tuple[int, ...] | None = None) -> Field:
    """Read a displacement field; with `shape`, one that fits a fixed image of that shape.

    A file that does not fit is refused by its header, before its voxels are unpacked.

    Raises:
        BadInput: not a readable NIfTI file, or not a field of the convention.
    """
    check_field_shape(read_shape(path), shape, path)
    data, affine = read_array(path)
    data = to_float32(data)
    check_displacement(data, shape, file=path)
    return Field(data, affine)


def to_float32(data: NDArray) -> NDArray:
    """Floating-point numbers as float32, infinite where they are too large; others as they are."""
    if not np.issubdtype(data.dtype, np.floating):
        return data
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(data, dtype=np.float32)


def write_field(path: Path, field: Field) -> None:
    """Write a field as NIfTI with the fixed affine, rounded to 2^-10 voxel, atomically."""
    rounded = np.round(field.displacement / np.float32(QUANTUM)) * np.float32(QUANTUM)
    # -0.0 and 0.0 are equal numbers with unequal bytes.
    write_array(path, rounded + np.float32(0), field.affine, intent="vector")


#: Share of the voxels that may be displaced by more than the image is long.
MAX_OUTSIDE = 0.05
#: Voxels by which the displacement may grow from voxel to voxel along every axis at once. Positions
#: grow by 1, positions in millimetres by the spacing. A registration this steep enlarges sixfold.
MAX_SLOPE = 0.8
#: Voxels along an axis that suffice to see either.
LOOKED_AT = 32


def check_plausible(displacement: NDArray[np.float32]) -> None:
    """Refuse a finite (X, Y, Z, 3) array that most likely is in another unit or holds positions.

    A poor field passes, and so does one in millimetres whose values could be voxels.

    Raises:
        BadInput: it says what is suspected, and gives the numbers.
    """
    sizes = np.array(displacement.shape[:3])
    # Of a large field, voxels some steps apart tell the same, and are counted in a moment.
    steps = np.maximum(sizes // LOOKED_AT, 1)
    displacement = displacement[tuple(slice(None, None, step) for step in steps)]
    outside = float(np.mean((np.abs(displacement) > sizes).any(axis=-1)))
    slopes = [_slope(displacement[..., axis], axis) / steps[axis] for axis in range(3)]
    if all(abs(slope) >= MAX_SLOPE for slope in slopes):
        raise BadInput(
            "the field looks like positions, not displacements",
            expected=f"it to grow by less than {MAX_SLOPE} voxels a voxel along some axis",
            found=", ".join(f"{slope:.2f}" for slope in slopes),
        )
    if outside > MAX_OUTSIDE:
        raise BadInput(
            "the field's displacements are larger than the image: it may be in another unit",
            expected=f"this of at most {MAX_OUTSIDE:.0%} of the voxels",
            found=f"{outside:.0%}",
        )


def _slope(component: NDArray[np.float32], axis: int) -> float:
    """How a component grows along its axis, from the first half of the voxels to the second."""
    n = component.shape[axis]
    if n < 4:
        return 0.0
    half = n // 2
    first, second = (np.take(component, part, axis) for part in (range(half), range(n - half, n)))
    return float((np.median(second) - np.median(first)) / (n - half))
