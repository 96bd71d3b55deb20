"""NIfTI files: the one reader and writer of the project, with the checks that a header needs."""

import gzip
import logging
import math
import zlib
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import write_bytes
from regbench.spatial.volume import Volume, check_affine

#: A header may not promise more numbers than this (512 x 1024 x 1024): no volume of this field is
#: larger, and a small file that unpacks to more is an attack on the memory.
MAX_VALUES = 2**29
#: Bytes of voxels that a byte of a file can hold: gzip folds at most 1032 into one.
_MOST_FOLDED = {".gz": 1032, ".nii": 1}
#: Between header and voxels there may be extensions, which nibabel reads whole: no more than this.
MAX_OFFSET = 64 * 2**20
#: Bytes that may follow the voxels: some programs fill up their blocks.
_PADDING = 2**16

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
    promised = _promised_bytes(path, image)
    try:
        check_affine(image.affine)
        data = _voxels(path, image)
    except BadInput as error:
        raise BadInput(str(error).removeprefix(f"{path}: "), file=path) from error
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
        # A number beyond int32 becomes another one here, and is refused below.
        with np.errstate(invalid="ignore"):
            whole = np.rint(data).astype(np.int32)
        if not np.array_equal(whole, data):
            raise BadInput(
                "is not a label map",
                file=path,
                expected="whole numbers",
                found="fractions, or numbers beyond 32 bits",
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


def read_shape(path: Path) -> tuple[int, ...]:
    """A file's shape, from its header alone; trailing axes of one are dropped beyond the third.

    With it a file that does not fit is refused before its voxels are unpacked.

    Raises:
        BadInput: missing, not NIfTI, or an absurd size.
    """
    image = _open(path)
    _promised_bytes(path, image)
    shape = tuple(map(int, image.shape))
    return shape[:3] if set(shape[3:]) == {1} else shape


def header_of(path: Path) -> nibabel.Nifti1Header:
    """A file's header.

    Raises:
        BadInput: missing, or not NIfTI.
    """
    return _open(path).header


def check_shape(path: Path, shape: tuple[int, ...], what: str) -> None:
    """Refuse a file whose header has another shape; `what` is the error's text.

    Raises:
        BadInput: as `read_shape`, or another shape.
    """
    found = read_shape(path)
    if found != tuple(shape):
        raise BadInput(what, file=path, expected=tuple(shape), found=found)


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
        _check_offset(path)
        image = nibabel.load(path)
    except BadInput:
        raise
    except _UNREADABLE as error:
        raise BadInput("is not a readable NIfTI file", file=path, found=_brief(error)) from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise BadInput("is not a NIfTI file", file=path, found=type(image).__name__)
    _check_unit(path, image)
    return image


def _voxels(path: Path, image: nibabel.Nifti1Image) -> NDArray:
    """The voxels of an opened file; of a compressed one, with its checksum compared."""
    if path.suffix != ".gz":
        return np.asanyarray(image.dataobj)
    with gzip.open(path) as stream:
        data = np.asanyarray(type(image).from_stream(stream).dataobj)
        # gzip compares the checksum when it is read to its end, and nibabel stops before that:
        # a damaged file would be other numbers, silently.
        if len(stream.read(_PADDING + 1)) > _PADDING:
            raise BadInput("holds more than its header says", file=path)
    return data


def _check_offset(path: Path) -> None:
    """Refuse voxels far behind the header: all that lies between would be unpacked."""
    with nibabel.openers.ImageOpener(str(path)) as file:
        raw = file.read(540)
    for order in ("<", ">"):
        size = np.frombuffer(raw[:4], f"{order}i4")
        if list(size) == [348] and len(raw) >= 112:
            offset = float(np.frombuffer(raw[108:112], f"{order}f4")[0])
        elif list(size) == [540] and len(raw) >= 176:
            offset = float(np.frombuffer(raw[168:176], f"{order}i8")[0])
        else:
            continue
        if not 0 <= offset <= MAX_OFFSET:
            raise BadInput(
                "its header places the voxels too far away",
                file=path,
                expected=f"at most {MAX_OFFSET} bytes",
                found=f"{offset:g}",
            )


def _check_unit(path: Path, image: nibabel.Nifti1Image) -> None:
    """Refuse a grid in metres or micrometres: its spacing would be taken for millimetres."""
    try:
        unit = image.header.get_xyzt_units()[0]
    except KeyError:
        unit = f"code {int(image.header['xyzt_units'])}"
    if unit not in ("mm", "unknown"):
        raise BadInput(
            "its header has an unfit unit of length", file=path, expected="mm", found=unit
        )


def _promised_bytes(path: Path, image: nibabel.Nifti1Image) -> int:
    """Bytes of voxels that the header promises, refused where the file cannot hold them."""
    count = math.prod(map(int, image.shape))
    if min(image.shape, default=0) < 1 or count > MAX_VALUES:
        raise BadInput(
            "its header has an impossible shape",
            file=path,
            expected=f"1 to {MAX_VALUES} voxels",
            found=f"shape {image.shape}",
        )
    promised = count * image.header.get_data_dtype().itemsize
    size = path.stat().st_size
    if promised > size * _MOST_FOLDED.get(path.suffix, promised):
        raise BadInput(
            "is truncated or damaged",
            file=path,
            expected=f"{promised} bytes of voxels",
            found=f"a file of {size} bytes",
        )
    return promised


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
