"""NIfTI files: the one reader and writer of the project, with the checks that a header needs."""

import logging
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Literal

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import check_file, write_bytes
from regbench.spatial.volume import Volume, check_affine, spacing_of, voxel_to_world

try:
    # The same formats: a field is packed in a seventh of the time.
    from isal import igzip as gzip
    from isal.igzip_lib import IsalError as _DeflateError
except ImportError:
    # A method's own environment lacks it.
    import gzip  # type: ignore[no-redef]

    _DeflateError = zlib.error  # type: ignore[assignment]
#: A header may not promise more numbers than this (512 x 1024 x 1024). No volume of this field is
#: larger, and a small file that unpacks to more would exhaust the memory.
MAX_VALUES = 2**29
#: Bytes of voxels that a byte of a file can hold: gzip packs at most 1032 into one.
_MOST_PACKED = {".gz": 1032, ".nii": 1}
#: nibabel reads the extensions between header and voxels whole. They may not be longer than this.
MAX_OFFSET = 64 * 2**20
#: Size of a header (NIfTI-1 and NIfTI-2) to the place and type of the voxels' offset in it.
_OFFSETS = {348: (108, "f4"), 540: (168, "i8")}
#: Sides of a voxel that an image of a body may have, mm; and how far, in voxels, two statements of
#: one grid's place may differ.
VOXEL_MM = (1e-3, 1e3)
APART = 0.5
TRUST = " (or geometry: trust in the data set's settings, --trust-geometry)"
#: Bytes that may follow the voxels: some programs fill up their blocks.
_PADDING = 2**16

#: What damaged NIfTI files and archives raise. zipfile raises RuntimeError for a password and
#: NotImplementedError for an unknown kind of archive, numpy SyntaxError for a malformed header.
_UNREADABLE: tuple[type[Exception], ...] = (
    # zlib's own, too: nibabel reads the header, and archives are unpacked, without isal.
    *(ImageFileError, HeaderDataError, zipfile.BadZipFile, zlib.error),
    # The types of isal call it an instance.
    _DeflateError,  # type: ignore[assignment]
    *(OSError, EOFError, ValueError, OverflowError),
    *(RuntimeError, NotImplementedError, SyntaxError),
)
# nibabel logs what it also raises; an error must be one line.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)


def read_array(path: Path) -> tuple[NDArray, NDArray[np.float64]]:
    """Read a NIfTI file of any number of axes, header checked before its data are trusted.

    Returns:
        data in the file's own type (scaled where the header says so), and its affine.

    Raises:
        BadInput: missing, not NIfTI, truncated, an absurd size, or a bad affine.
    """
    image = _open(path)
    promised = _promised_bytes(path, image)
    check_affine(image.affine, path)
    with reading(path, "is truncated or damaged", f"{promised} bytes of voxels"):
        return _ordered(_voxels(path, image), "C"), np.asarray(image.affine, float)


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
    integers = np.issubdtype(data.dtype, np.integer)
    if not integers and not np.isfinite(data).all():
        bad = int((~np.isfinite(data)).sum())
        raise BadInput("has voxels that are not finite", file=path, expected="none", found=bad)
    if labels:
        # A number beyond int32 becomes another one here, and is refused below.
        with np.errstate(invalid="ignore"):
            whole = (data if integers else np.rint(data)).astype(np.int32)
        if not (np.can_cast(data.dtype, np.int32) or np.array_equal(whole, data)):
            raise BadInput(
                "is not a label map",
                file=path,
                expected="whole numbers",
                found="fractions, or numbers beyond 32 bits",
            )
        return Volume(whole, affine)
    with np.errstate(over="ignore"):
        intensities = np.ascontiguousarray(data, dtype=np.float32)
    if not np.isfinite(intensities).all():
        largest = f"{float(np.abs(data).max()):g}"
        raise BadInput(
            "has voxels beyond 32-bit numbers", file=path, expected="up to 3e38", found=largest
        )
    return Volume(intensities, affine)


def write_array(path: Path, data: NDArray, affine: NDArray, *, intent: str = "none") -> None:
    """Write an array as NIfTI, atomically; equal input gives equal bytes."""
    # In the order of the file nibabel takes it as it is.
    image = nibabel.Nifti1Image(_ordered(data, "F"), affine)
    image.header.set_xyzt_units("mm")
    image.header.set_intent(intent)
    content = image.to_bytes()
    if path.name.endswith(".gz"):
        content = gzip.compress(content, compresslevel=1, mtime=0)
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
    actual = read_shape(path)
    if actual != tuple(shape):
        raise BadInput(what, file=path, expected=tuple(shape), found=actual)


def read_affine(path: Path) -> NDArray[np.float64]:
    """A file's affine, from its header alone.

    Raises:
        BadInput: missing, not NIfTI, or a bad affine.
    """
    affine = np.asarray(_open(path).affine, float)
    check_affine(affine, path)
    return affine


def check_geometry(path: Path, image: Path | None = None, kind: str = "file") -> None:
    """Refuse a header that contradicts itself, or the image whose labels or mask the file is.

    A file that states no geometry (neither sform nor qform) contradicts no image.

    Raises:
        BadInput: voxels of an absurd size; or its sform and qform, or its affine and the image's,
            place a corner of the grid more than APART of a voxel's smallest side from each other.
    """
    opened = _open(path)
    check_affine(opened.affine, path)
    spacing = spacing_of(opened.affine)
    if spacing.min() < VOXEL_MM[0] or spacing.max() > VOXEL_MM[1]:
        expected = f"{VOXEL_MM[0]:g} to {VOXEL_MM[1]:g} mm{TRUST}"
        found = " x ".join(f"{side:g}" for side in spacing)
        raise BadInput("its voxels have an absurd size", file=path, expected=expected, found=found)
    with reading(path, "its header states no valid geometry"):
        sform, qform = (opened.header.get_sform(True)[0], opened.header.get_qform(True)[0])
    wrongs = []
    if sform is not None and qform is not None:
        wrongs.append((qform, "its sform and qform disagree", "one place for the grid"))
    if image is not None and (sform is not None or qform is not None):
        what = f"the {kind} {'lies' if kind == 'mask' else 'lie'} elsewhere than the image"
        wrongs.append((read_affine(image), what, "its affine"))
    # An image of another number of axes is refused where its shape is read.
    shape = np.array([*opened.shape, 1, 1, 1][:3])
    corners = np.array(list(product((0, 1), repeat=3))) * (shape - 1)
    for affine, what, expected in wrongs:
        distances = voxel_to_world(corners, opened.affine) - voxel_to_world(corners, affine)
        largest = float(np.linalg.norm(distances, axis=1).max())
        if largest > APART * spacing_of(affine).min():
            found = f"corners {largest:.3g} mm apart"
            raise BadInput(what, file=path, expected=expected + TRUST, found=found)


@contextmanager
def reading(path: Path, what: str, expected: str | None = None) -> Iterator[None]:
    """Turn whatever a damaged file raises inside the block into BadInput: `path: what; ...`."""
    try:
        yield
    except BadInput:
        raise
    except _UNREADABLE as error:
        brief = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(what, file=path, expected=expected, found=brief) from error


def _open(path: Path) -> nibabel.Nifti1Image:
    check_file(path, "a NIfTI file")
    with reading(path, "is not a readable NIfTI file"):
        _check_offset(path)
        image = nibabel.load(path)
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
        # gzip compares the checksum at the end of the stream, which nibabel does not reach: without
        # this, a damaged file would silently give wrong numbers.
        if len(stream.read(_PADDING + 1)) > _PADDING:
            raise BadInput("holds more than its header says", file=path)
    return data


def _ordered(data: NDArray, order: Literal["C", "F"]) -> NDArray:
    """A copy in the order of memory (C) or of files (F). Slabs are turned in the cache."""
    copy = np.empty_like(data, order=order, subok=False)
    for start in range(0, len(data), 16):
        copy[start : start + 16] = data[start : start + 16]
    return copy


def _check_offset(path: Path) -> None:
    """Refuse voxels far behind the header: everything between them would be unpacked."""
    with nibabel.openers.ImageOpener(str(path)) as file:
        header = file.read(540).ljust(540, b"\0")
    for order in ("<", ">"):
        size = int(np.frombuffer(header, f"{order}i4", 1)[0])
        if size not in _OFFSETS:
            continue
        place, kind = _OFFSETS[size]
        offset = float(np.frombuffer(header, f"{order}{kind}", 1, place)[0])
        if not 0 <= offset <= MAX_OFFSET:
            raise BadInput(
                "its header places the voxels too far away",
                file=path,
                expected=f"at most {MAX_OFFSET} bytes",
                found=f"{offset:g}",
            )


def _check_unit(path: Path, image: nibabel.Nifti1Image) -> None:
    """Refuse a grid in metres or micrometres: its spacing would be taken as millimetres."""
    try:
        unit = image.header.get_xyzt_units()[0]
    except KeyError:
        unit = f"code {int(image.header['xyzt_units'])}"
    if unit not in ("mm", "unknown"):
        raise BadInput(
            "its header has an unsupported unit of length", file=path, expected="mm", found=unit
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
    if promised > size * _MOST_PACKED.get(path.suffix, promised):
        raise BadInput(
            "is truncated or damaged",
            file=path,
            expected=f"{promised} bytes of voxels",
            found=f"a file of {size} bytes",
        )
    return promised
