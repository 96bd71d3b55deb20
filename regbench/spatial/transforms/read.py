"""Any tool's transform as the displacement field of a pair: which reader reads which file."""

import re
from collections.abc import Sequence
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.spatial.field import Field, check_displacement
from regbench.spatial.nifti import read_affine, read_shape
from regbench.spatial.submission import LAYOUTS as VOXEL_LAYOUTS
from regbench.spatial.submission import read_submitted
from regbench.spatial.transforms import deeds, elastix, fsl, itk, niftyreg
from regbench.spatial.transforms.model import Affine, Chain, Grid, Transform, inverse, to_field
from regbench.spatial.transforms.text import read_matrix, words_of

#: What a file may hold. The first ones are fields in voxels, alone; the others may be lists.
LAYOUTS = (
    *VOXEL_LAYOUTS,
    *("deeds", "itk", "elastix", "niftyreg", "greedy"),
    *("fsl", "fsl-relative", "fsl-absolute"),
)
_ALONE = (*VOXEL_LAYOUTS, "deeds")
_INVERTED = re.compile(r"\[(.+),\s*([01])\]")


def grid_of(image: Path) -> Grid:
    """The grid of an image, by its header.

    Raises:
        BadInput: not a readable volume of three axes.
    """
    shape = read_shape(image)
    if len(shape) != 3:
        raise BadInput("is not a scalar volume", file=image, expected="three axes", found=shape)
    x, y, z = shape
    return Grid((x, y, z), read_affine(image))


def read_transforms(names: Sequence[str], layout: str, fixed: Grid, moving: Grid) -> Field:
    """One file, or several that are applied to points of the fixed image in this order.

    The order is that of antsApplyTransforms. `[FILE,1]` stands for the inverse.

    Args:
        names: of the files.
        layout: one of LAYOUTS, or `auto`, which goes by the file's content.
        fixed, moving: the pair's grids.

    Raises:
        BadInput: a file that cannot be read or whose layout is not plain, or an inverse or list of
            what has none.
    """
    files = [_named(name) for name in names]
    if not files:
        raise BadInput("no transform is named")
    layouts = [guess(path) if layout == "auto" else layout for path, _ in files]
    unknown = next((name for name in layouts if name not in LAYOUTS), None)
    if unknown is not None:
        raise BadInput("unknown layout", expected=", ".join(LAYOUTS), found=unknown)
    if layouts[0] in _ALONE:
        path, turned = files[0]
        if len(files) > 1 or turned:
            raise BadInput(
                "is a field in voxels, which stands alone and is not inverted", file=path
            )
        return _voxel_field(path, layouts[0], fixed)
    parts = []
    for (path, turned), name in zip(files, layouts, strict=True):
        if name.split("-")[0] != layouts[0].split("-")[0]:
            raise BadInput("is of another tool", file=path, expected=layouts[0], found=name)
        part = _part(path, name)
        parts.append(inverse(part) if turned else part)
    whole = fsl.between(parts, fixed, moving) if layouts[0][:3] == "fsl" else Chain(parts)
    try:
        return to_field(whole, fixed, moving)
    except BadInput as error:
        raise BadInput(str(error), file=files[0][0]) from error


def guess(path: Path) -> str:
    """The layout of a file, by its ending and its first words.

    Raises:
        BadInput: missing, or of a kind that several tools write.
    """
    if not path.is_file():
        raise BadInput("no such file", file=path, expected="a transform")
    if path.suffix == ".dat":
        return "deeds"
    if path.suffix == ".npz":
        return "voxel"
    if path.suffix in (".h5", ".hdf5", ".nrrd"):
        return "itk"
    if path.name.endswith((".nii", ".nii.gz")):
        if niftyreg.is_niftyreg(path):
            return "niftyreg"
        if len(read_shape(path)) == 5:
            return "itk"
        raise _unclear(path, "voxel, fsl")
    if path.suffix == ".mat" and b"\0" in path.read_bytes()[:64]:
        return "itk"
    first = next((line for line in words_of(path) if line.strip()), "")
    if first.startswith("#Insight Transform File"):
        return "itk"
    if first.startswith(("(", "//")):
        return "elastix"
    raise _unclear(path, "fsl, niftyreg, greedy")


def _unclear(path: Path, which: str) -> BadInput:
    return BadInput("may be of several tools", file=path, expected=f"--layout, one of {which}")


def _named(name: str) -> tuple[Path, bool]:
    found = _INVERTED.fullmatch(name)
    return (Path(found[1]), found[2] == "1") if found else (Path(name), False)


def _voxel_field(path: Path, layout: str, fixed: Grid) -> Field:
    if layout != "deeds":
        return read_submitted(path, fixed.shape, fixed.affine, layout)
    displacement = deeds.read_dat(path, fixed.shape)
    check_displacement(displacement, fixed.shape, file=path)
    return Field(displacement, fixed.affine)


def _part(path: Path, layout: str) -> Transform:
    volume = path.name.endswith((".nii", ".nii.gz", ".nrrd"))
    if layout == "itk":
        if volume:
            return itk.read_displacements(path)
        if path.suffix in (".h5", ".hdf5"):
            return itk.read_hdf5(path)
        text = path.suffix != ".mat" or path.read_bytes()[:1] == b"#"
        return itk.read_text(path) if text else itk.read_matlab(path)
    if layout == "elastix":
        return elastix.read_elastix(path)
    if layout == "greedy":
        return itk.read_displacements(path) if volume else Affine(read_matrix(path))
    if layout == "niftyreg":
        return niftyreg.read_niftyreg(path)
    if not volume:
        return fsl.read_flirt(path)
    return fsl.read_warp(path, {"fsl-absolute": True, "fsl-relative": False}.get(layout))
