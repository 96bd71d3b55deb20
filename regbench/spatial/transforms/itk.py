"""Files of ITK, which ANTs, Slicer and SimpleITK write: text, MATLAB, HDF5, displacement fields.

The numbers in them refer to LPS millimetres. The transforms that are returned map RAS millimetres.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

from regbench.base.errors import BadInput
from regbench.spatial.convert import RAS_LPS, RAS_TO_LPS, ItkGeometry, from_sitk, to_itk
from regbench.spatial.field import Field
from regbench.spatial.nifti import MAX_VALUES, header_of, write_array
from regbench.spatial.transforms.files import numbers, read_lines, read_vectors
from regbench.spatial.transforms.model import Affine, Displacements, Transform
from regbench.spatial.volume import check_affine

#: ITK's type of a transform, its parameters and its fixed parameters.
Part = tuple[str, NDArray, NDArray]
#: Number of a type's parameters; a type with more than three has a centre as fixed parameters.
_LINEAR = {"IdentityTransform": 0, "TranslationTransform": 3, "Similarity3DTransform": 7}
_LINEAR |= dict.fromkeys(("Euler3DTransform", "VersorRigid3DTransform"), 6)
_LINEAR |= dict.fromkeys(("AffineTransform", "MatrixOffsetTransformBase"), 12)
#: The order of interpolation of a type on a grid.
_ON_GRID = {"DisplacementFieldTransform": 1, "BSplineTransform": 3}
_COMPOSITE = "CompositeTransform"
#: Bytes of numbers that a byte of a compressed file can hold.
_MOST_PACKED = 1032


def read_itk(path: Path) -> list[Transform]:
    """Transforms (`.txt`, `.tfm`, `.mat`, `.h5`) or a displacement field (`.nii.gz`, `.nrrd`).

    Raises:
        BadInput: damaged, or of a type that is not supported.
    """
    if path.name.endswith((".nii", ".nii.gz")):
        if header_of(path).get_intent()[2] == "Mapping":
            raise BadInput("is a deformation of SPM", file=path, expected="a field of ITK")
        vectors, affine = read_vectors(path, "ITK", (1, 3))
        return [Displacements(vectors * RAS_LPS, affine)]
    if path.suffix == ".nrrd":
        return [_nrrd(path)]
    read = _hdf5 if path.suffix in (".h5", ".hdf5") else _matlab if is_matlab(path) else _text
    kinds = read(path)
    parts = kinds[1:] if kinds and kinds[0][0].startswith(_COMPOSITE) else kinds
    if not parts or (len(parts) > 1 and parts is kinds):
        expected, found = f"one, or a {_COMPOSITE}", f"{len(parts)} transforms"
        raise BadInput("holds no transform of ITK", file=path, expected=expected, found=found)
    # ITK applies the last part of a composite first.
    return [from_parameters(kind, p, fixed, path) for kind, p, fixed in reversed(parts)]


def is_matlab(path: Path) -> bool:
    """Whether a `.mat` file is binary, and not the text that FSL and Greedy write."""
    with path.open("rb") as file:
        return path.suffix == ".mat" and b"\0" in file.read(64)


def write_itk(path: Path, field: Field, moving_affine: NDArray) -> None:
    """A field for ANTs, ITK and Slicer, as of `to_itk`: NIfTI (X, Y, Z, 1, 3), atomically."""
    vectors = to_itk(field, moving_affine)[:, :, :, None]
    write_array(path, vectors, field.affine, intent="vector")


def from_parameters(kind: str, parameters: NDArray, fixed: NDArray, path: Path) -> Transform:
    """A transform by ITK's type, its parameters and its fixed parameters.

    Raises:
        BadInput: an unsupported type, or numbers that do not fit it; it names `path`.
    """
    name, *dimensions = kind.split("_")
    p, f = parameters, fixed
    # A fourth word is the order of splines that are not cubic.
    if name not in {**_LINEAR, **_ON_GRID} or len(dimensions) > 3:
        expected = "a linear one, cubic B-splines, a displacement field, or a composite of these"
        raise BadInput(f"holds a transform of the type {kind}", file=path, expected=expected)
    if not (np.isfinite(p).all() and np.isfinite(f).all()):
        raise BadInput(f"holds a {name} whose numbers are not finite", file=path)
    count = _LINEAR.get(name, 3 * int(np.prod(f[:3])))
    least = 18 if name in _ON_GRID else 3 * (count > 3)
    if p.size != count or f.size < least:
        expected = f"{count} parameters and {least} fixed parameters"
        found = f"{p.size} and {f.size}"
        raise BadInput(f"holds a damaged {name}", file=path, expected=expected, found=found)
    if name in _LINEAR:
        return Affine(_matrix(name, p, f, path))
    # Size, origin, spacing and direction of the grid.
    affine = ItkGeometry(f[6:9], f[3:6], f[9:18].reshape(3, 3)).affine
    check_affine(affine, path)
    z, y, x = f[2::-1].astype(int)
    if name == "BSplineTransform":
        vectors = p.reshape(3, z, y, x).T
    else:
        vectors = p.reshape(z, y, x, 3).transpose(2, 1, 0, 3)
    return Displacements(vectors * RAS_LPS, affine, _ON_GRID[name])


def _matrix(name: str, p: NDArray, fixed: NDArray, path: Path) -> NDArray[np.float64]:
    """4x4 on RAS millimetres of a matrix and a translation about a centre."""
    turn, shift, centre = np.eye(3), p[3:6], fixed[:3]
    if p.size <= 3:
        shift, centre = np.resize(p, 3) if p.size else np.zeros(3), np.zeros(3)
    elif name == "Euler3DTransform":
        # A fourth fixed parameter other than 0 says that z comes first.
        order = "ZYX" if fixed.size > 3 and fixed[3] else "ZXY"
        turn = Rotation.from_euler(order, [p["XYZ".index(axis)] for axis in order]).as_matrix()
    elif p.size == 12:
        turn, shift = p[:9].reshape(3, 3), p[9:]
    else:
        versor = [*p[:3], np.sqrt(max(0.0, 1 - p[:3] @ p[:3]))]
        turn = Rotation.from_quat(versor).as_matrix() * (p[6] if p.size == 7 else 1.0)
    if not np.linalg.det(turn):
        raise BadInput(f"holds a singular {name}", file=path, expected="one with an inverse")
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = turn, centre + shift - turn @ centre
    return np.asarray(RAS_TO_LPS @ lps @ RAS_TO_LPS)


def _text(path: Path) -> list[Part]:
    parts: list[Part] = []
    kind, parameters = "", np.empty(0)
    for line in read_lines(path):
        key, _, rest = line.partition(":")
        if key == "Transform":
            kind = rest.strip()
            if kind.startswith(_COMPOSITE):
                # It has no numbers of its own.
                parts.append((kind, parameters, parameters))
        elif key == "Parameters":
            parameters = numbers(rest.split(), path)
        elif key == "FixedParameters":
            parts.append((kind, parameters, numbers(rest.split(), path)))
            kind = ""
    if kind and not kind.startswith(_COMPOSITE):
        raise BadInput(f"holds a damaged {kind}", file=path, expected="FixedParameters")
    return parts


def _matlab(path: Path) -> list[Part]:
    """MATLAB 4, as ANTs writes it: one matrix with its type as its name, and `fixed`."""
    try:
        found = {name: np.ravel(value) for name, value in loadmat(path).items()}
        kind = next(name for name in found if name[:2] != "__" and name != "fixed")
        return [(kind, found[kind].astype(float), found["fixed"].astype(float))]
    except Exception as error:
        # SciPy raises errors of many types on damaged files.
        raise BadInput("is not a transform of ITK", file=path, found=str(error)) from error


def _hdf5(path: Path) -> list[Part]:
    import h5py

    most = min(3 * MAX_VALUES, _MOST_PACKED * path.stat().st_size)

    def stored(group: Any, name: str) -> NDArray[np.float64]:
        # ITK wrote these names without their first s until version 5; a composite has no numbers.
        found = group.get(f"Transform{name}", group.get(f"Tranform{name}", np.empty(0)))
        if found.size > most:
            raise ValueError(f"{found.size} numbers")
        return np.array(found, float)

    try:
        with h5py.File(path, "r") as file:
            root = file["TransformGroup"]
            groups = [root[name] for name in sorted(root, key=int)]
            kinds = [group["TransformType"][0].decode() for group in groups]
            both = [[stored(g, f"{word}Parameters") for word in ("", "Fixed")] for g in groups]
            return [(kind, p, f) for kind, (p, f) in zip(kinds, both, strict=True)]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise BadInput("is not a transform of ITK", file=path, found=str(error)) from error


def _nrrd(path: Path) -> Displacements:
    try:
        import SimpleITK as sitk
    except ModuleNotFoundError:
        raise BadInput("needs SimpleITK to be read", file=path, expected=".nii.gz") from None
    try:
        image = sitk.ReadImage(str(path), sitk.sitkVectorFloat64)
        vectors = from_sitk(image)
        direction = np.reshape(image.GetDirection(), (3, 3))
        geometry = ItkGeometry(np.array(image.GetSpacing()), np.array(image.GetOrigin()), direction)
    except (RuntimeError, ValueError) as error:
        raise BadInput("is not a readable image", file=path, found=str(error)[-200:]) from error
    if vectors.shape[3:] != (3,) or not np.isfinite(vectors).all():
        expected, found = "(X, Y, Z, 3), finite", vectors.shape
        raise BadInput("is not a field of ITK", file=path, expected=expected, found=found)
    return Displacements(vectors * RAS_LPS, geometry.affine)
