"""Transforms of ITK, as ANTs, Slicer and SimpleITK write them: text, MATLAB, HDF5, fields.

ITK's world is LPS millimetres; what is returned works on RAS.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.convert import RAS_TO_LPS
from regbench.spatial.field import Field
from regbench.spatial.nifti import MAX_VALUES, read_array, write_array
from regbench.spatial.transforms.model import Affine, BSpline, Chain, Displacements, Transform
from regbench.spatial.transforms.text import words_of
from regbench.spatial.volume import voxel_grid, voxel_to_world
from regbench.spatial.warp import positions

_FLIP = np.array([-1.0, -1.0, 1.0])


def read_text(path: Path) -> Transform:
    """A text file (`.txt`, `.tfm`) that begins with `#Insight Transform File`."""
    parts: list[tuple[str, NDArray, NDArray]] = []
    kind, parameters = "", np.empty(0)
    for line in words_of(path):
        key, _, rest = line.partition(":")
        if key == "Transform":
            kind = rest.strip()
        elif key == "Parameters":
            parameters = _numbers(rest, path)
        elif key == "FixedParameters":
            parts.append((kind, parameters, _numbers(rest, path)))
    return _composed([item for item in parts if not _is_list(item[0])], path)


def read_matlab(path: Path) -> Transform:
    """A `.mat` file of ANTs: MATLAB 4, one matrix with its type as name, and `fixed`."""
    from scipy.io import loadmat

    try:
        found = {name: np.ravel(value) for name, value in loadmat(path).items()}
        kind = next(name for name in found if name[:2] != "__" and name != "fixed")
        parts = [(kind, found[kind].astype(float), found["fixed"].astype(float))]
    except Exception as error:
        # SciPy raises errors of many types on damaged files.
        raise BadInput("is not a transform of ITK", file=path, found=str(error)) from error
    return _composed(parts, path)


def read_hdf5(path: Path) -> Transform:
    """An `.h5` file: one transform, or a composite with its parts in ITK's order (last first)."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            groups = sorted(file["TransformGroup"].items(), key=lambda item: int(item[0]))
            parts = []
            for _, group in groups:
                kind = group["TransformType"][0].decode()
                if not _is_list(kind):
                    p, f = (_stored(group, name) for name in ("Parameters", "FixedParameters"))
                    parts.append((kind, p, f))
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise BadInput("is not a transform of ITK", file=path, found=str(error)) from error
    return _composed(parts, path)


def _stored(group: Any, name: str) -> NDArray[np.float64]:
    """A list of numbers; ITK wrote the names without their first s until version 5."""
    numbers = group.get(f"Transform{name}", group.get(f"Tranform{name}"))
    if numbers.size > 3 * MAX_VALUES:
        raise ValueError(f"{numbers.size} numbers")
    return np.array(numbers, float)


def read_displacements(path: Path) -> Transform:
    """A displacement field: NIfTI (X, Y, Z, 1, 3), LPS millimetres, on any grid; or NRRD."""
    if path.suffix == ".nrrd":
        return _read_nrrd(path)
    data, affine = read_array(path)
    if data.ndim != 5 or data.shape[3:] != (1, 3):
        raise BadInput(
            "is not a displacement field of ITK",
            file=path,
            expected="(X, Y, Z, 1, 3)",
            found=data.shape,
        )
    return Displacements(_finite(data[:, :, :, 0] * _FLIP, path), affine)


def write_displacements(path: Path, field: Field, moving_affine: NDArray) -> None:
    """A field as ANTs, ITK and Slicer read it: NIfTI (X, Y, Z, 1, 3), LPS millimetres, atomically.

    Args:
        path: `.nii` or `.nii.gz`.
        field: in voxels.
        moving_affine: 4x4 of the moving image.
    """
    start = voxel_to_world(voxel_grid(field.shape), field.affine)
    vectors = voxel_to_world(positions(field), moving_affine) - start
    data = (vectors * _FLIP).astype(np.float32)[:, :, :, None]
    write_array(path, data, field.affine, intent="vector")


def _read_nrrd(path: Path) -> Transform:
    try:
        import SimpleITK as sitk
    except ModuleNotFoundError:
        raise BadInput("needs SimpleITK to be read", file=path, expected=".nii.gz") from None
    from regbench.spatial.convert import from_sitk

    try:
        image = sitk.ReadImage(str(path), sitk.sitkVectorFloat64)
    except RuntimeError as error:
        raise BadInput("is not a readable image", file=path, found=str(error)[-200:]) from error
    direction = np.reshape(image.GetDirection(), (3, 3))
    return Displacements(
        _finite(from_sitk(image) * _FLIP, path),
        _affine(np.array(image.GetOrigin()), np.array(image.GetSpacing()), direction),
    )


def _is_list(kind: str) -> bool:
    return kind.startswith("CompositeTransform")


def _composed(parts: Sequence[tuple[str, NDArray, NDArray]], path: Path) -> Transform:
    """ITK applies the last part of a list first."""
    if not parts:
        raise BadInput("holds no transform of ITK", file=path)
    read = []
    for kind, parameters, fixed in reversed(parts):
        try:
            read.append(from_parameters(kind.split("_")[0], parameters, fixed))
        except (ValueError, IndexError) as error:
            raise BadInput(f"holds a damaged {kind}", file=path, found=str(error)) from error
        except BadInput as error:
            raise BadInput(str(error), file=path) from error
    return read[0] if len(read) == 1 else Chain(read)


def from_parameters(kind: str, parameters: NDArray, fixed: NDArray) -> Transform:
    """A transform by ITK's class name, parameters and fixed parameters.

    Raises:
        BadInput: a type that is not known here, or numbers that are not finite.
        ValueError: the numbers do not fit the type.
    """
    p, f = np.asarray(parameters, float), np.asarray(fixed, float)
    if not (np.isfinite(p).all() and np.isfinite(f).all()):
        raise BadInput(f"holds a {kind} whose numbers are not finite")
    if kind in ("DisplacementFieldTransform", "BSplineTransform"):
        size = tuple(int(n) for n in f[:3])
        affine = _affine(f[3:6], f[6:9], f[9:18].reshape(3, 3))
        if kind == "BSplineTransform":
            return BSpline(p.reshape(3, *size[::-1]).T * _FLIP, affine)
        return Displacements(p.reshape(*size[::-1], 3).transpose(2, 1, 0, 3) * _FLIP, affine)
    matrix, offset = _linear(kind, p, f)
    centre = f[:3] if f.size >= 3 else np.zeros(3)
    lps = np.eye(4)
    lps[:3, :3] = matrix
    lps[:3, 3] = centre + offset - matrix @ centre
    return Affine(RAS_TO_LPS @ lps @ RAS_TO_LPS)


def _linear(kind: str, p: NDArray, f: NDArray) -> tuple[NDArray, NDArray]:
    """Matrix and translation about the centre."""
    if kind == "IdentityTransform":
        return np.eye(3), np.zeros(3)
    if kind == "TranslationTransform":
        return np.eye(3), _take(p, 0, 3)
    if kind == "Euler3DTransform":
        # A fourth fixed parameter other than 0 says that z comes first.
        order = "ZYX" if f.size > 3 and f[3] else "ZXY"
        return rotation(_take(p, 0, 3), order), _take(p, 3, 3)
    if kind in ("VersorRigid3DTransform", "Similarity3DTransform"):
        from scipy.spatial.transform import Rotation

        x, y, z = _take(p, 0, 3)
        w = np.sqrt(max(0.0, 1 - x * x - y * y - z * z))
        scale = _take(p, 6, 1)[0] if kind[0] == "S" else 1.0
        return scale * Rotation.from_quat([x, y, z, w]).as_matrix(), _take(p, 3, 3)
    if kind in ("AffineTransform", "MatrixOffsetTransformBase"):
        return _take(p, 0, 9).reshape(3, 3), _take(p, 9, 3)
    raise BadInput(
        f"holds a transform of the type {kind}",
        expected="an affine or rigid one, cubic B-splines, a displacement field, or a list of them",
    )


def rotation(angles: NDArray, order: str) -> NDArray[np.float64]:
    """The product of the rotations about the axes in `order`; angles about x, y, z in radians."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler(order, [angles["XYZ".index(axis)] for axis in order]).as_matrix()


def _affine(origin: NDArray, spacing: NDArray, direction: NDArray) -> NDArray[np.float64]:
    """ITK's geometry as a 4x4 matrix from voxels to RAS millimetres."""
    lps = np.eye(4)
    lps[:3, :3] = direction * np.asarray(spacing)
    lps[:3, 3] = origin
    return RAS_TO_LPS @ lps


def _take(values: NDArray, first: int, count: int) -> NDArray:
    if values.size < first + count:
        raise ValueError(f"{values.size} parameters")
    return values[first : first + count]


def _numbers(text: str, path: Path) -> NDArray[np.float64]:
    try:
        return np.array(text.split(), float)
    except ValueError as error:
        raise BadInput("holds text where numbers belong", file=path, found=str(error)) from error


def _finite(vectors: NDArray, path: Path) -> NDArray:
    if not np.isfinite(vectors).all():
        raise BadInput("holds displacements that are not finite", file=path)
    return vectors
