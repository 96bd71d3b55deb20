"""Damaging a folder of data and predictions: the tools of the lists of bad inputs."""

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from helpers import SHAPE, edit_json, random_image
from numpy.typing import NDArray

from regbench.spatial.volume import Volume

FIXED, MOVING = "Toy_0001_0000", "Toy_0001_0001"
CASE = f"{FIXED}_{MOVING}"
PAIR = {"fixed": f"./imagesTr/{FIXED}.nii.gz", "moving": f"./imagesTr/{MOVING}.nii.gz"}
OTHER = {"fixed": "./imagesTr/Toy_0002_0000.nii.gz", "moving": "./imagesTr/Toy_0002_0001.nii.gz"}


@dataclass(frozen=True)
class Folder:
    """A data set of two pairs with a field each, to be damaged; `more`: words of the command."""

    root: Path
    more: list[str]

    @property
    def json(self) -> Path:
        return self.root / "data" / "Toy_dataset.json"

    @property
    def field(self) -> Path:
        return self.root / "pred" / "disp_0001_0001.nii.gz"

    @property
    def npz(self) -> Path:
        """The name of an archive that takes the field's place."""
        self.field.unlink()
        return self.field.with_name("disp_0001_0001.npz")

    def image(self, stem: str = FIXED) -> Path:
        return self.root / "data" / "imagesTr" / f"{stem}.nii.gz"

    def labels(self, stem: str = FIXED) -> Path:
        return self.root / "data" / "labelsTr" / f"{stem}.nii.gz"

    def landmarks(self, stem: str = FIXED) -> Path:
        return self.root / "data" / "landmarksTr" / f"{stem}.csv"


Make = Callable[[Folder], object]


@dataclass(frozen=True)
class Bad:
    """One bad input.

    Attributes:
        what: is wrong, for people.
        make: damages the folder.
        says: words of the answer, in their order in one line.
    """

    what: str
    make: Make
    says: tuple[str, ...]


def nifti(path: Path, data: NDArray, affine: Any = None) -> None:
    """Write any array as NIfTI."""
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4) if affine is None else affine), path)


def patch(path: Path, offset: int, value: NDArray | np.generic) -> None:
    """Replace bytes of a NIfTI file's header."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[offset : offset + value.nbytes] = value.tobytes()
    path.write_bytes(gzip.compress(bytes(raw), 1))


def bomb(path: Path) -> None:
    """A small file that truly unpacks to 24 MiB of zeros."""
    header = nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), np.float32), np.eye(4)).to_bytes()[:352]
    sizes = np.array((4, 128, 128, 128, 3), np.int16).tobytes()
    with gzip.open(path, "wb", 1) as file:
        file.write(header[:40] + sizes + header[50:])
        for _ in range(6):
            file.write(bytes(4 * 2**20))


def patch_size(path: Path, sizes: tuple[int, ...]) -> None:
    """Another shape in the header, the data left as they are."""
    patch(path, 40, np.array(sizes, np.int16))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-12])


def linked(path: Path, target: Path) -> None:
    """The file moved away, and a link in its place."""
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    path.symlink_to(target)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def oversized(path: Path) -> None:
    """65 MiB, of which nothing is on the disk."""
    os.truncate(path, 65 * 2**20)


def filled(value: float, kind: str = "float32") -> NDArray:
    data = np.zeros((*SHAPE, 3), kind)
    data[1, 2, 3, 1] = value
    return data


def image_with(value: float) -> Volume:
    data = random_image(1).data.copy()
    data[1, 2, 3] = value
    return Volume(data, np.eye(4))


def npz_claiming(path: Path, shape: tuple[int, ...], version: tuple[int, int] = (1, 0)) -> None:
    """An archive whose header claims any shape, with hardly any data behind it."""
    head = io.BytesIO()
    claims = {"descr": "<f4", "fortran_order": False, "shape": shape}
    if version == (1, 0):
        np.lib.format.write_array_header_1_0(head, claims)
    else:
        np.lib.format.write_array_header_2_0(head, claims)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arr_0.npy", head.getvalue() + bytes(64))


def flip(path: Path) -> None:
    """One bit in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def npz_with_more(path: Path) -> None:
    """An array of the right shape, and 24 MiB of zeros behind it."""
    whole = io.BytesIO()
    np.save(whole, filled(0))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("arr_0.npy", whole.getvalue() + bytes(24 * 2**20))


def npz_with_bad_checksum(path: Path) -> None:
    np.savez(path, np.ones((*SHAPE, 3), np.float32))
    flip(path)


def pickled(path: Path) -> None:
    np.savez(path, np.array([{"a": 1}, None], object))


def entry(folder: Folder, number: int, **changes: Any) -> None:
    """Change one entry of the JSON's list `training`."""
    content = json.loads(folder.json.read_text())
    content["training"][number].update(changes)
    folder.json.write_text(json.dumps(content))


def pairs(*items: Any) -> Make:
    return lambda f: edit_json(f.json, registration_val=list(items))


def top(**changes: Any) -> Make:
    return lambda f: edit_json(f.json, **changes)


def with_mask(folder: Folder, mask: NDArray) -> None:
    """A mask of the first fixed image."""
    entry(folder, 0, mask="./masksTr/m.nii.gz")
    (folder.root / "data" / "masksTr").mkdir()
    nifti(folder.root / "data" / "masksTr" / "m.nii.gz", mask)


def twins(folder: Folder) -> None:
    """Two pairs with equal numbers at the end of their names, and one file for both."""
    for old in list((folder.root / "data").rglob("Toy_0002*")):
        old.rename(old.with_name(old.name.replace("Toy_0002", "Other_0001")))
    folder.json.write_text(folder.json.read_text().replace("Toy_0002", "Other_0001"))
