"""Points as other tools write them: their numbers, and the frame that the file states.

A frame is `voxel`, `ras` or `lps`: indices of the image's voxels, or world millimetres.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import check_plain_file

FRAMES = ("voxel", "ras", "lps")
#: No list of landmarks comes near this: a million points.
MAX_BYTES = 64 * 2**20
#: What a file may call a frame. Slicer before 2019 wrote numbers.
_NAMES = {
    **{"ras": "ras", "lps": "lps", "voxel": "voxel", "ijk": "voxel", "index": "voxel"},
    **{"0": "ras", "1": "lps", "2": "voxel"},
}
#: Column titles that state a frame; the first three of a header decide.
_COLUMNS = {
    ("r", "a", "s"): "ras",
    ("l", "p", "s"): "lps",
    ("i", "j", "k"): "voxel",
    **{tuple(f"{axis}_{frame}" for axis in "xyz"): frame for frame in FRAMES},
}
Points = tuple[NDArray[np.float64], str | None]


def read_points(path: Path) -> Points:
    """Points (n, 3) in the file's own frame, and that frame; None where it states none.

    Reads csv with or without a header, Slicer's `.fcsv` and `.mrk.json`, legacy `.vtk`, and the
    point files of ITK and elastix (`.txt`, `.pts`). A csv without a header is in voxels, as in
    Learn2Reg.

    Raises:
        BadInput: missing, damaged, in another unit than mm, not finite, or without a point.
    """
    check_plain_file(path, MAX_BYTES)
    try:
        if path.suffix == ".vtk":
            points, frame = _vtk(path.read_bytes())
        else:
            points, frame = _reader(path)(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput("cannot be read", file=path, found=error.strerror) from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        raise BadInput(
            "is not a list of points", file=path, expected="three numbers a point", found=reason
        ) from error
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise BadInput("wrong shape of landmarks", file=path, expected="(n, 3)", found=points.shape)
    if not np.isfinite(points).all():
        raise BadInput("landmarks are not finite", file=path)
    return points, frame


def _reader(path: Path) -> Callable[[str], Points]:
    if path.name.endswith(".json"):
        return _markups
    return {".fcsv": _fiducials, ".txt": _itk, ".pts": _itk}.get(path.suffix, _csv)


def _csv(text: str) -> Points:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or _is_numbers(lines[0]):
        return _table(lines), "voxel"
    titles = [title.strip().strip('"').lower() for title in lines[0].split(",")]
    for names, frame in _COLUMNS.items():
        if set(names) <= set(titles):
            return _table(lines[1:], [titles.index(name) for name in names]), frame
    plain = next(
        (n for n in (("x", "y", "z"), ("x_mm", "y_mm", "z_mm")) if set(n) <= set(titles)), None
    )
    if plain is None:
        raise ValueError(f"the header {lines[0]!r}; expected x, y, z or {_known_headers()}")
    return _table(lines[1:], [titles.index(name) for name in plain]), None


def _is_numbers(line: str) -> bool:
    try:
        return bool(_table([line]).size)
    except ValueError:
        return False


def _known_headers() -> str:
    return ", ".join(" ".join(names) for names in _COLUMNS)


def _table(lines: list[str], columns: list[int] | None = None) -> NDArray[np.float64]:
    rows = [line.split(",") for line in lines]
    if columns is not None:
        rows = [[row[column].strip().strip('"') for column in columns] for row in rows]
    return np.array(rows, float).reshape(len(rows), -1 if rows else 3)


def _fiducials(text: str) -> Points:
    """Slicer's `.fcsv`: comments with the frame and the columns, then id, x, y, z, ..."""
    lines = text.splitlines()
    comments = dict(
        (part.strip() for part in line.lstrip("# ").partition("=")[::2])
        for line in lines
        if line.startswith("#")
    )
    titles = [title.strip() for title in comments.get("columns", "id,x,y,z").split(",")]
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    points = _table(rows, [titles.index(axis) for axis in "xyz"])
    return points, _frame(comments.get("CoordinateSystem", "RAS"))


def _markups(text: str) -> Points:
    """Slicer's `.mrk.json`; points that were named and not yet placed do not count."""
    markup = json.loads(text)["markups"][0]
    if markup.get("coordinateUnits", "mm") not in ("mm", ["mm"] * 3):
        raise ValueError(f"the unit {markup['coordinateUnits']!r}; expected mm")
    placed = [
        point["position"]
        for point in markup["controlPoints"]
        if point.get("positionStatus", "defined") == "defined"
    ]
    return np.array(placed, float).reshape(-1, 3), _frame(markup.get("coordinateSystem", "LPS"))


def _vtk(content: bytes) -> Points:
    """Legacy VTK, text or binary; Slicer states the frame in the title line."""
    head, _, rest = content.partition(b"POINTS ")
    lines = head.decode("latin-1").splitlines()
    words, _, body = rest.partition(b"\n")
    count, kind = words.split()[:2]
    kinds = {b"float": ">f4", b"double": ">f8"}
    if lines[2].strip() == "BINARY":
        points = np.frombuffer(body, kinds[kind], 3 * int(count))
    else:
        points = np.array(body.split()[: 3 * int(count)], float)
    stated = re.search(r"SPACE=(\w+)", lines[1])
    frame = _frame(stated[1]) if stated else None
    return points.astype(float).reshape(int(count), 3), frame


def _itk(text: str) -> Points:
    """`point` (LPS millimetres) or `index` (voxels), the number of points, then the points."""
    words = text.split()
    kind = words[0]
    frames = {"point": "lps", "index": "voxel"}
    if kind not in frames:
        raise ValueError(f"the first word {kind!r}; expected point or index")
    return np.array(words[2:], float).reshape(int(words[1]), 3), frames[kind]


def _frame(name: str) -> str:
    if name.lower() not in _NAMES:
        raise ValueError(f"the frame {name!r}; expected one of {', '.join(_NAMES)}")
    return _NAMES[name.lower()]
