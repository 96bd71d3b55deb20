"""Any tool's transform as the displacement field of a pair: which reader reads which file."""

import re
from collections.abc import Sequence
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import check_file
from regbench.spatial import FSL, IN_VOXELS, LAYOUTS
from regbench.spatial.field import Field, check_displacement
from regbench.spatial.nifti import header_of, read_affine, read_shape
from regbench.spatial.submission import read_submitted
from regbench.spatial.transforms import elastix, files
from regbench.spatial.transforms.itk import is_matlab, read_itk
from regbench.spatial.transforms.model import Displacements, Mapping, Transform, to_field
from regbench.spatial.volume import Grid, voxel_grid, voxel_to_world
from regbench.spatial.warp import positions

_NIFTI = (".nii", ".nii.gz")
_ENDINGS = {".dat": "deeds", ".npz": "voxel", ".h5": "itk", ".hdf5": "itk", ".nrrd": "itk"}
#: NIfTI's codes of intent: vectors, as this project writes them, and FSL's fields and coefficients.
_VECTORS, _OF_FSL = (1007,), range(2006, 2019)
_INVERTED = re.compile(r"\[(.+),\s*([01])\]")


def grid_of(image: Path) -> Grid:
    """The grid of an image, from its header alone.

    Raises:
        BadInput: not a readable volume of three axes.
    """
    shape = read_shape(image)
    if len(shape) != 3:
        raise BadInput("is not a scalar volume", file=image, expected="three axes", found=shape)
    x, y, z = shape
    return Grid((x, y, z), read_affine(image))


def named(name: str) -> tuple[Path, bool]:
    """The path in `FILE`, `[FILE,0]` or `[FILE,1]`, and whether its inverse (1) is meant."""
    found = _INVERTED.fullmatch(name)
    return (Path(found[1]), found[2] == "1") if found else (Path(name), False)


def read_transforms(names: Sequence[str], layout: str, fixed: Grid, moving: Grid) -> Field:
    """One transform, or several in the order of antsApplyTransforms, as a displacement field.

    The first one is applied first to a point of the fixed image. `[FILE,1]` is the inverse of a
    file, for one that maps moving to fixed.

    Args:
        names: of the files.
        layout: of all files, one of LAYOUTS.
        fixed, moving: the pair's grids.

    Raises:
        BadInput: a file is missing, damaged, ambiguous or unsupported, or has no inverse where one
            is asked for, or the files cannot be one list.
    """
    if not names:
        raise BadInput("no transform is named")
    named_files = [named(name) for name in names]
    layouts = [layout_of(path, layout) for path, _ in named_files]
    path, inverted = named_files[0]
    in_voxels = layouts[0] in IN_VOXELS
    if len(named_files) > 1 and set(IN_VOXELS) & {*layouts}:
        what = "a field in voxels stands alone"
        raise BadInput(what, file=path, expected="one file", found=f"{len(named_files)} files")
    if 0 < len([one for one in layouts if one in FSL]) < len(named_files):
        raise BadInput("FSL's transforms stand alone", file=path, found=", ".join(layouts))
    if in_voxels and not inverted:
        # As it is: nothing is interpolated.
        return _field(path, layouts[0], fixed)
    parts: list[Mapping] = []
    for (file, turned), one in zip(named_files, layouts, strict=True):
        read = [_in_world(file, one, moving, fixed)] if in_voxels else _transforms(file, one)
        parts += [part.inverse() for part in reversed(read)] if turned else read
    if layouts[0] in FSL:
        parts = files.fsl_in_world(parts, fixed, moving)
    try:
        return to_field(parts, fixed, moving)
    except BadInput as error:
        raise BadInput(str(error), file=", ".join(names)) from error


def files_of(name: str, layout: str) -> list[Path]:
    """Every file that is read for a name: a file of elastix may start from others."""
    path, _ = named(name)
    return elastix.files_of(path) if layout_of(path, layout) == "elastix" else [path]


def layout_of(path: Path, layout: str) -> str:
    """The layout of a file: the given one or, for `auto`, the one that its content shows.

    Raises:
        BadInput: an unknown layout, or a file that is missing or may be of several tools.
    """
    if layout not in LAYOUTS:
        raise BadInput("unknown layout", expected=", ".join(LAYOUTS), found=layout)
    check_file(path, "a transform")
    if layout != "auto":
        return layout
    candidates = "voxel or fsl"
    if path.name.endswith(_NIFTI):
        code, axes = int(header_of(path)["intent_code"]), len(read_shape(path))
        if header_of(path).get_intent()[2].startswith(files.NIFTYREG):
            return "niftyreg"
        if axes == 5 or code in (*_VECTORS, *_OF_FSL):
            return "itk" if axes == 5 else "voxel" if code in _VECTORS else "fsl"
    elif path.suffix in _ENDINGS or is_matlab(path):
        return _ENDINGS.get(path.suffix, "itk")
    else:
        candidates = "fsl, niftyreg or greedy"
        first = next(iter(files.read_lines(path)), "")
        if first.startswith(("#Insight Transform File", "(", "//")):
            return "itk" if first[0] == "#" else "elastix"
    raise BadInput("may be of several tools", file=path, expected=f"a layout: {candidates}")


def _field(path: Path, layout: str, fixed: Grid) -> Field:
    if layout != "deeds":
        return read_submitted(path, fixed.shape, fixed.affine, layout)
    displacement = files.read_dat(path, fixed.shape, range(1, 17))
    check_displacement(displacement, fixed.shape, file=path)
    return Field(displacement, fixed.affine)


def _in_world(path: Path, layout: str, fixed: Grid, moving: Grid) -> Displacements:
    """A field in voxels as a transform of RAS millimetres."""
    field = _field(path, layout, fixed)
    start = voxel_to_world(voxel_grid(fixed.shape), fixed.affine)
    return Displacements(voxel_to_world(positions(field), moving.affine) - start, fixed.affine)


def _transforms(path: Path, layout: str) -> Sequence[Transform]:
    volume = path.name.endswith((*_NIFTI, ".nrrd"))
    if layout == "itk" or (layout == "greedy" and volume):
        return read_itk(path)
    if layout == "elastix":
        return elastix.read_elastix(path)
    if not volume:
        # FLIRT's matrices lead from moving to fixed.
        matrix = files.read_matrix(path)
        return [matrix.inverse() if layout in FSL else matrix]
    return [files.read_fsl(path, FSL[layout]) if layout in FSL else files.read_niftyreg(path)]
