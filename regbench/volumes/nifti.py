"""NIfTI files: the one reader and writer of the project, with the checks that a header needs."""

import gzip
import logging
import zlib
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from regbench.errors import BadInput
from regbench.files import write_bytes
from regbench.volumes.volume import Volume, check_affine

#: A header may not promise more bytes than this: no volume of this field is larger.
MAX_BYTES = 8 * 2**30

_UNREADABLE = (
    *(ImageFileError, HeaderDataError),
    *(OSError, ValueError, EOFError, OverflowError, zlib.error),
)
# nibabel logs what it also raises: an error is one line.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)


def read_array(path: Path) -> tuple[NDArray, NDArray[np.float64]]:
    """Read a NIfTI file of any number of axes, header checked before its data are trusted.

    Returns:
        data in the file's own type (scaled where the header says so), and its affine.

    Raises:
        BadInput: missing, not NIfTI, truncated, an absurd size, or a bad affine.
    """
    path = Path(path)
    image = _open(path)
    item = image.header.get_data_dtype().itemsize
    promised = int(np.prod(image.shape, dtype=np.int64)) * item
    if promised <= 0 or promised > MAX_BYTES or min(image.shape, default=0) < 1:
        raise BadInput(
            "its header has an impossible shape",
            file=path,
            expected=f"1 to {MAX_BYTES} bytes of voxels",
            found=f"shape {image.shape}",
        )
    try:
        check_affine(image.affine)
        data = np.asanyarray(image.dataobj)
    except BadInput as error:
        raise BadInput(str(error), file=path) from error
    except _UNREADABLE as error:
        raise BadInput(
            "is truncated or damaged",
            file=path,
            expected=f"{promised} bytes of voxels",
            found=_brief(error),
        ) from error
    return data, np.asarray(image.affine, float)


def read_volume(path: Path, *, labels: bool = False) -> Volume:
    """Read a scalar volume.

    Args:
        path: a `.nii` or `.nii.gz` file.
        labels: read whole numbers (label maps, masks) instead of float32 intensities.

    Raises:
        BadInput: as `read_array`, and for volumes that are not 3-D, not finite, or (labels) not
            whole numbers.
    """
    data, affine = read_array(path)
    if data.ndim > 3 and set(data.shape[3:]) == {1}:
        data = data.reshape(data.shape[:3])
    if data.ndim != 3:
        raise BadInput(
            "is not a scalar volume", file=path, expected="three axes", found=f"shape {data.shape}"
        )
    if not np.issubdtype(data.dtype, np.number) or np.iscomplexobj(data):
        raise BadInput("does not hold real numbers", file=path, found=data.dtype)
    if not np.isfinite(data).all():
        bad = int((~np.isfinite(data)).sum())
        raise BadInput("has voxels that are not finite", file=path, expected="none", found=bad)
    if labels:
        whole = np.rint(data).astype(np.int32)
        if not np.array_equal(whole, data):
            raise BadInput(
                "is not a label map", file=path, expected="whole numbers", found="fractions"
            )
        return Volume(whole, affine)
    return Volume(np.ascontiguousarray(data, dtype=np.float32), affine)


def write_array(path: Path, data: NDArray, affine: NDArray, *, intent: str = "none") -> None:
    """Write an array as NIfTI, atomically; equal input gives equal bytes."""
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.header.set_intent(intent)
    content = image.to_bytes()
    if path.name.endswith(".gz"):
        content = gzip.compress(content, compresslevel=4, mtime=0)
    write_bytes(path, content)


def write_volume(path: Path, volume: Volume) -> None:
    """Write a volume: integers in the smallest type that holds them, images as float32."""
    data = volume.data
    if data.dtype == bool:
        data = data.astype(np.uint8)
    elif np.issubdtype(data.dtype, np.integer):
        small = data.size == 0 or (data.min() >= 0 and data.max() <= 255)
        data = data.astype(np.uint8 if small else np.int32)
    else:
        data = data.astype(np.float32)
    write_array(path, data, volume.affine)


def read_affine(path: Path) -> NDArray[np.float64]:
    """A file's affine, from its header alone.

    Raises:
        BadInput: missing, not NIfTI, or a bad affine.
    """
    affine = np.asarray(_open(path).affine, float)
    try:
        check_affine(affine)
    except BadInput as error:
        raise BadInput(str(error), file=path) from error
    return affine


def _open(path: Path) -> nibabel.Nifti1Image:
    if not path.is_file():
        raise BadInput("no such file", file=path, expected="a NIfTI file")
    try:
        image = nibabel.load(path)
    except _UNREADABLE as error:
        raise BadInput("is not a readable NIfTI file", file=path, found=_brief(error)) from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise BadInput("is not a NIfTI file", file=path, found=type(image).__name__)
    return image


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
