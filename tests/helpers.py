"""Small volumes, grids, data sets and projects that several tests share."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import write_json, write_text
from regbench.data.landmarks import write_landmarks
from regbench.phantom.motion import smooth_noise
from regbench.plugins.loading import load_module, load_part
from regbench.spatial.field import Field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume, voxel_grid

REPOSITORY = Path(__file__).resolve().parents[1]

#: Three unequal sizes: a swapped axis cannot hide.
SHAPE = (9, 12, 15)


def make_affine(
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    flips: tuple[int, int, int] = (1, 1, 1),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> NDArray[np.float64]:
    """A 4x4 RAS affine: rotations about x, y, z in degrees, then flips, spacing and origin."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles)):
        i, j = (k for k in range(3) if k != axis)
        one = np.eye(3)
        one[i, i] = one[j, j] = np.cos(angle)
        one[i, j], one[j, i] = -np.sin(angle), np.sin(angle)
        turn = turn @ one
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(np.multiply(flips, spacing))
    affine[:3, 3] = origin
    return affine


AFFINES = {
    "unit": np.eye(4),
    "anisotropic": make_affine((1.0, 2.0, 3.5), origin=(-20, 5, 70)),
    "flipped": make_affine((2.0, 0.7, 1.3), flips=(-1, 1, -1), origin=(30, -40, 11)),
    "oblique": make_affine((0.8, 1.5, 2.5), (20, -35, 50), origin=(7, -8, 9)),
    "oblique-flipped": make_affine((1.7, 0.6, 2.2), (-65, 10, 130), (1, -1, 1), (-5, 50, -90)),
}


def centred(affine: NDArray, shape: Any) -> NDArray[np.float64]:
    """The same grid moved so that its centre is the world's origin."""
    moved = np.array(affine, float)
    moved[:3, 3] = -moved[:3, :3] @ ((np.array(shape) - 1) / 2)
    return moved


def smooth_field(seed: int, *, shape: Any = SHAPE, size: float = 1.0, sigma: float = 3.0) -> Field:
    """An invertible random field that fades to 0 at the border; std about `size` voxels inside."""
    rng = np.random.default_rng(seed)
    fade = np.ones(shape, np.float32)
    for axis, n in enumerate(shape):
        view = [1, 1, 1]
        view[axis] = n
        fade = fade * np.sin(np.pi * np.arange(n) / (n - 1)).reshape(view).astype(np.float32)
    parts = [smooth_noise(rng, shape, sigma) * fade * np.float32(size) for _ in range(3)]
    return Field(np.stack(parts, axis=-1), np.eye(4))


def linear_field(matrix: Any, shift: Any, shape: Any = SHAPE, affine: Any = None) -> Field:
    """u(x) = M x + t."""
    grid = voxel_grid(shape).astype(float)
    vectors = grid @ np.asarray(matrix, float).T + np.asarray(shift, float)
    return Field(vectors.astype(np.float32), np.eye(4) if affine is None else affine)


def shift_field(shift: Any, shape: Any = SHAPE, affine: Any = None) -> Field:
    """u(x) = t everywhere."""
    return linear_field(np.zeros((3, 3)), shift, shape, affine)


def random_image(seed: int = 0, shape: Any = SHAPE, affine: Any = None) -> Volume:
    """A smooth random image."""
    data = smooth_noise(np.random.default_rng(seed), shape, 1.5)
    return Volume(data, np.eye(4) if affine is None else affine)


def sphere(shape: Any, centre: Any, radius: float, spacing: Any = (1, 1, 1)) -> NDArray[np.bool_]:
    """Voxels whose centres lie within `radius` mm of `centre` (voxels)."""
    offset = (voxel_grid(shape) - np.asarray(centre)) * np.asarray(spacing, float)
    return np.asarray(np.linalg.norm(offset, axis=-1) <= radius)


def box(shape: Any, start: Any, size: Any) -> NDArray[np.bool_]:
    """An axis-aligned box of voxels."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    return mask


def one_line(error: BadInput, *words: object) -> str:
    """The error's text, asserted to be one line that holds all the words."""
    text = str(error)
    assert "\n" not in text
    for word in words:
        assert str(word) in text
    return text


def write_project(root: Path, methods: dict[str, dict[str, str]] | None = None) -> Path:
    """A project root with the repository's metrics and kinds of reports, and method folders.

    Args:
        root: folder to fill.
        methods: folder name to its files' contents.
    """
    write_text(root / "Snakefile", "")
    (root / "methods").mkdir()
    (root / "metrics").symlink_to(REPOSITORY / "metrics")
    (root / "reports").mkdir()
    (root / "reports" / "kinds").symlink_to(REPOSITORY / "reports" / "kinds")
    for name, files in (methods or {}).items():
        for file, content in files.items():
            write_text(root / "methods" / name / file, content)
    return root


def write_side(
    root: Path,
    stem: str,
    image: Volume,
    labels: NDArray | None = None,
    landmarks: NDArray | None = None,
) -> dict[str, str]:
    """The files of one image in the Learn2Reg layout, and its entry."""
    entry = {"image": f"./imagesTr/{stem}.nii.gz"}
    write_volume(root / entry["image"], image)
    if labels is not None:
        entry["label"] = f"./labelsTr/{stem}.nii.gz"
        write_volume(root / entry["label"], Volume(labels, image.affine))
    if landmarks is not None:
        entry["landmarks"] = f"./landmarksTr/{stem}.csv"
        write_landmarks(root / entry["landmarks"], landmarks)
    return entry


def write_dataset(
    root: Path, entries: list[Any], pairs: list[tuple[str, str]], **more: Any
) -> Path:
    """A dataset JSON; `pairs` are stems of the validation pairs."""
    content = {
        "name": "Toy",
        "registration_direction": {"fixed": 0, "moving": 1},
        "labels": {"0": "background", "1": "organ"},
        "training": entries,
        "registration_val": [
            {"fixed": f"./imagesTr/{a}.nii.gz", "moving": f"./imagesTr/{b}.nii.gz"}
            for a, b in pairs
        ],
    }
    file = root / "Toy_dataset.json"
    write_json(file, {k: v for k, v in {**content, **more}.items() if v is not None})
    return file


def toy_dataset(root: Path, *, numbers: tuple[int, ...] = (1,), affine: Any = None) -> Path:
    """Pairs of random images with a box label and two landmarks, moving shifted by (1, 2, -1)."""
    entries, pairs = [], []
    for number in numbers:
        stems = [f"Toy_{number:04d}_{k:04d}" for k in (0, 1)]
        for k, stem in enumerate(stems):
            start = (3, 4, 6) if k == 0 else (4, 6, 5)
            labels = box(SHAPE, start, (3, 4, 5)).astype(np.uint8)
            points = np.array([[4.0, 5.0, 7.0], [3.5, 6.25, 8.0]]) + k * np.array([1, 2, -1])
            image = random_image(number * 2 + k, affine=affine)
            entries.append(write_side(root, stem, image, labels, points))
        pairs.append((stems[0], stems[1]))
    return write_dataset(root, entries, pairs)


def edit_json(file: Path, **changes: Any) -> Path:
    """Replace top-level keys of a JSON file; None removes one."""
    content = {**json.loads(file.read_text()), **changes}
    write_json(file, {k: v for k, v in content.items() if v is not None})
    return file


def plain_number(text: str) -> float:
    """The number that a table's cell begins with."""
    found = re.match(r"-?\d+(\.\d+)?", text)
    assert found, text
    return float(found.group())


def kind_module(kind: str, part: str = "kind") -> Any:
    """The code of a kind of report of the repository; of a folder, one of its modules."""
    folder = REPOSITORY / "reports" / "kinds" / kind
    return load_part(folder, part) if folder.is_dir() else load_module(folder.with_suffix(".py"))


def read_report(root: Path, report: str) -> tuple[list[str], list[dict[str, str]]]:
    """The notes of a rendered report, and the rows of its csv."""
    file = root / "reports" / f"{report}.csv"
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return json.loads(file.with_suffix(".notes.json").read_text())["notes"], rows
