"""Points as other tools write them: their numbers, the frame that the file states, their names."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import check_plain_file
from regbench.data.layout import FRAMES

#: No list of landmarks comes near this: a million points.
MAX_BYTES = 64 * 2**20
#: What a file may call a frame. Slicer wrote numbers once.
_NAMES = {
    **{"ras": "ras", "lps": "lps", "ijk": "voxel", "index": "voxel"},
    **{"0": "ras", "1": "lps", "2": "voxel"},
}
#: Titles of three columns, and the frames that their numbers may be in.
_COLUMNS = {
    **dict.fromkeys(["r a s", "r_mm a_mm s_mm", "x_ras y_ras z_ras"], ("ras",)),
    **dict.fromkeys(["l p s", "l_mm p_mm s_mm", "x_lps y_lps z_lps"], ("lps",)),
    **dict.fromkeys(["i j k", "x_voxel y_voxel z_voxel"], ("voxel",)),
    **{"x_mm y_mm z_mm": ("ras", "lps"), "x y z": FRAMES},
}
#: Titles of a column of names.
_LABELS = ("label", "name")


@dataclass(frozen=True)
class PointFile:
    """The content of a file.

    Attributes:
        values: (n, 3) in the file's own frame.
        frames: in which they may be; one where the file states it.
        names: of the points; empty where there are none.
        assumed: the frame is not stated, but a rule: a csv without a header is in voxels.
    """

    values: NDArray[np.float64]
    frames: tuple[str, ...] = FRAMES
    names: tuple[str, ...] = ()
    assumed: bool = False


def read_points(path: Path) -> PointFile:
    """Read csv with or without a header, Slicer's `.fcsv` and `.mrk.json`, legacy `.vtk`, and the
    point files of ITK and elastix (`.txt`, `.pts`).

    Raises:
        BadInput: missing, damaged, in another unit than mm, not finite, or without a point.
    """
    check_plain_file(path, MAX_BYTES)
    try:
        found = _reader(path)(path.read_bytes())
    except OSError as error:
        raise BadInput("cannot be read", file=path, found=error.strerror) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # numpy adds advice for programmers.
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).split(";")[0][:240]
        raise BadInput(
            "is not a list of points", file=path, expected="three numbers a point", found=reason
        ) from error
    shape = found.values.shape
    if len(shape) != 2 or shape[1] != 3 or not shape[0]:
        raise BadInput("wrong shape of landmarks", file=path, expected="(n, 3)", found=shape)
    if not np.isfinite(found.values).all():
        raise BadInput("landmarks are not finite", file=path)
    return found


def _reader(path: Path) -> Callable[[bytes], PointFile]:
    if path.name.endswith(".json"):
        return _markups
    return {".fcsv": _fiducials, ".vtk": _vtk, ".txt": _itk, ".pts": _itk}.get(path.suffix, _csv)


def _lines(content: bytes) -> list[str]:
    return [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]


def _table(lines: list[str], columns: Sequence[int] | None = None, kind: Any = float) -> NDArray:
    if not lines:
        return np.empty((0, 3))
    return np.loadtxt(
        lines, kind, comments=None, delimiter=",", ndmin=2, quotechar='"', usecols=columns
    )


def _csv(content: bytes) -> PointFile:
    lines = [line for line in _lines(content) if not line.startswith("#")]
    # A header holds a word; a row may hold a number that is damaged.
    if not lines or not re.search(r"[a-z]{2}|^\W*[a-z]", re.sub("nan|inf", "", lines[0].lower())):
        return PointFile(_table(lines), ("voxel",), assumed=True)
    titles = [title.strip().strip('"').lower() for title in lines[0].split(",")]
    for names, frames in _COLUMNS.items():
        if set(names.split()) <= set(titles):
            return _titled(lines[1:], titles, names.split(), frames)
    raise ValueError(f"the header {lines[0][:40]!r}, not one with {', or '.join(_COLUMNS)}")


def _titled(
    lines: list[str], titles: list[str], axes: Sequence[str], frames: tuple[str, ...]
) -> PointFile:
    """A table whose columns have titles."""
    values = _table(lines, [titles.index(axis) for axis in axes])
    labels = [titles.index(title) for title in _LABELS if title in titles][:1]
    names = _table(lines, labels, str)[:, 0] if labels and lines else ()
    return PointFile(values, frames, _distinct(names))


def _fiducials(content: bytes) -> PointFile:
    """Slicer's `.fcsv`: comments with the frame and the columns, then id, x, y, z, ..."""
    lines = _lines(content)
    stated = dict(re.findall(r"^#\s*(\w+)\s*=\s*(.*?)\s*$", "\n".join(lines), re.MULTILINE))
    rows = [line for line in lines if not line.startswith("#")]
    titles = re.split(r"\s*,\s*", stated.get("columns", "id,x,y,z"))
    # Slicer cannot know voxels: without a statement, it is one of the two worlds.
    frame = stated.get("CoordinateSystem")
    return _titled(rows, titles, "xyz", ("ras", "lps") if frame is None else _frame(frame))


def _markups(content: bytes) -> PointFile:
    """Slicer's `.mrk.json`; points that were named and not placed do not count."""
    markup, *more = json.loads(content.decode("utf-8-sig"))["markups"]
    if more:
        raise ValueError(f"{len(more) + 1} lists, not one")
    if markup.get("coordinateUnits", "mm") not in ("mm", ["mm"] * 3):
        raise ValueError(f"the unit {markup['coordinateUnits']!r}, not mm")
    placed = [p for p in markup["controlPoints"] if p.get("positionStatus", "defined") == "defined"]
    values = np.array([point["position"] for point in placed], float).reshape(-1, 3)
    names = [str(point.get("label", "")) for point in placed]
    return PointFile(values, _frame(markup.get("coordinateSystem", "LPS")), _distinct(names))


def _vtk(content: bytes) -> PointFile:
    """Legacy VTK, text or binary; Slicer states the frame in the title line."""
    head, found, rest = content.partition(b"POINTS ")
    lines = head.decode("latin-1").splitlines()
    if not lines or not lines[0].startswith("# vtk DataFile") or not found:
        raise ValueError("no POINTS of a legacy VTK file")
    line, _, body = rest.partition(b"\n")
    count, kind = line.split()[:2]
    if lines[2].strip() == "BINARY":
        size = 3 * int(count)
        values = np.frombuffer(body, {b"float": ">f4", b"double": ">f8"}[kind], size).astype(float)
    else:
        values = np.array(body.split()[: 3 * int(count)], float)
    stated = re.search(r"SPACE=(\w+)", lines[1])
    return PointFile(_counted(values, count), _frame(stated[1]) if stated else FRAMES)


def _itk(content: bytes) -> PointFile:
    """`point` (LPS millimetres) or `index` (voxels), the number of points, then the points."""
    kind, count, *numbers = content.decode("utf-8-sig").split()
    frames = {"point": ("lps",), "index": ("voxel",)}
    if kind not in frames:
        raise ValueError(f"the first word {kind[:40]!r}, not point or index")
    return PointFile(_counted(np.array(numbers, float), count), frames[kind])


def _counted(values: NDArray, count: str | bytes) -> NDArray[np.float64]:
    if values.size != 3 * int(count):
        raise ValueError(f"{values.size} numbers of {int(count)} points")
    return values.reshape(-1, 3)


def _frame(name: str) -> tuple[str, ...]:
    if str(name).lower() not in _NAMES:
        raise ValueError(f"the frame {name!r}, not one of {', '.join(_NAMES)}")
    return (_NAMES[str(name).lower()],)


def _distinct(names: Sequence[str] | NDArray) -> tuple[str, ...]:
    """Names of points, without the list's name that Slicer puts before their numbers.

    Empty where one is missing or repeated: such names tell no point from another.
    """
    plain = [str(name).strip() for name in names]
    parts = [re.fullmatch(r"(.*)[-_](\d+)", name) for name in plain]
    if len({part and part[1] for part in parts}) == 1 and parts[0]:
        plain = [part[2] for part in parts if part]
    return tuple(plain) if all(plain) and len(set(plain)) == len(plain) else ()
