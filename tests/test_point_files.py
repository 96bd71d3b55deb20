"""Files of points as other tools write them: every format gives the same numbers, frame, names."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import one_line

from regbench.base.errors import BadInput
from regbench.data.layout import FRAMES
from regbench.data.point_files import read_points

POINTS = np.array([[1.5, -2.25, 30.0], [4.0, 5.0, -6.125]])
ROWS = "1.5,-2.25,30\n4,5,-6.125\n"
#: Slicer 5.6 writes this, but for fewer decimals.
FCSV = """# Markups fiducial file version = 5.6
# CoordinateSystem = {}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,1.5,-2.25,30,0,0,0,1,1,1,0,apex,"left, upper",,2,0
2,4,5,-6.125,0,0,0,1,1,1,0,hilum,,,2,0
"""
VTK = "# vtk DataFile Version 5.1\n{}\n{}\nDATASET POLYDATA\nPOINTS 2 {}\n"
NAMES = ("apex", "hilum")


def markups(**changes: object) -> str:
    """Slicer's `.mrk.json` with the two points and one that was never placed."""
    placed = [
        {"id": str(k), "label": name, "position": point, "positionStatus": "defined"}
        for k, (name, point) in enumerate(zip(NAMES, POINTS.tolist(), strict=True))
    ]
    unplaced = {"id": "9", "label": "later", "position": [0, 0, 0], "positionStatus": "undefined"}
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm"}
    return json.dumps({"markups": [{**markup, "controlPoints": [*placed, unplaced], **changes}]})


def binary(kind: str, code: str) -> bytes:
    return (
        VTK.format("x SPACE=RAS", "BINARY", kind).encode() + POINTS.astype(code).tobytes() + b"\n"
    )


FORMATS: dict[str, tuple[str, str | bytes, tuple[str, ...], tuple[str, ...]]] = {
    "plain": (".csv", ROWS, ("voxel",), ()),
    "with a byte order mark": (".csv", "\ufeff" + ROWS, ("voxel",), ()),
    "ijk": (".csv", "i,j,k\n" + ROWS, ("voxel",), ()),
    "RAS": (".csv", "R,A,S\n" + ROWS, ("ras",), ()),
    "LPS": (".csv", "L, P, S\n" + ROWS, ("lps",), ()),
    "x_ras": (".csv", '"x_ras","y_ras","z_ras"\n' + ROWS, ("ras",), ()),
    "mm": (".csv", "x_mm,y_mm,z_mm\n" + ROWS, ("ras", "lps"), ()),
    "no frame": (".csv", "x,y,z\n" + ROWS, FRAMES, ()),
    "names, other columns": (
        ".csv",
        "label,s,size,l,p\napex,30,9,1.5,-2.25\nhilum,-6.125,9,4,5\n",
        ("lps",),
        NAMES,
    ),
    "fcsv LPS": (".fcsv", FCSV.format("LPS"), ("lps",), NAMES),
    "fcsv of Slicer 4.10": (".fcsv", FCSV.format("0"), ("ras",), NAMES),
    "fcsv without a frame": (
        ".fcsv",
        FCSV.replace("# CoordinateSystem = {}\n", ""),
        ("ras", "lps"),
        NAMES,
    ),
    "mrk.json": (".mrk.json", markups(), ("lps",), NAMES),
    "mrk.json RAS": (".mrk.json", markups(coordinateSystem="RAS"), ("ras",), NAMES),
    "vtk": (".vtk", VTK.format("x", "ASCII", "float") + "1.5 -2.25 30 4\n5 -6.125\n", FRAMES, ()),
    "vtk with cells": (
        ".vtk",
        VTK.format("x SPACE=LPS", "ASCII", "double") + "1.5 -2.25 30 4 5 -6.125\nVERTICES 2 4\n1 0",
        ("lps",),
        (),
    ),
    "vtk binary": (".vtk", binary("float", ">f4"), ("ras",), ()),
    "vtk binary double": (".vtk", binary("double", ">f8"), ("ras",), ()),
    "elastix points": (".txt", "point\n2\n1.5 -2.25 30\n4 5 -6.125\n", ("lps",), ()),
    "elastix indices": (".pts", "index\n2\n1.5 -2.25 30\n4 5 -6.125\n", ("voxel",), ()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_points(tmp_path: Path, name: str) -> None:
    ending, content, frames, names = FORMATS[name]
    file = tmp_path / f"points{ending}"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_points(file)
    assert found.values.tolist() == POINTS.tolist()
    assert (found.frames, found.names) == (frames, names)
    assert found.assumed == (frames == ("voxel",) and "," in str(content) and "i,j" not in content)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["F-1", "F-2"], ("1", "2")),
        (["moving_1", "moving_2"], ("1", "2")),
        # Vertebrae are no lists.
        (["L1", "L2"], ("L1", "L2")),
        (["a-1", "b-1"], ("a-1", "b-1")),
        (["a", "a"], ()),
        (["a", ""], ()),
    ],
)
def test_names_are_those_of_points(
    tmp_path: Path, labels: list[str], names: tuple[str, ...]
) -> None:
    """Slicer calls the points of a list after the list."""
    rows = zip(labels, ROWS.splitlines(), strict=True)
    file = tmp_path / "p.csv"
    file.write_text("label,r,a,s\n" + "".join(f"{label},{row}\n" for label, row in rows))
    assert read_points(file).names == names


BROKEN: dict[str, tuple[str, str | bytes, list[str]]] = {
    "csv: nothing": (".csv", "\n", ["wrong shape"]),
    "csv: a header alone": (".csv", "r,a,s\n", ["wrong shape"]),
    "csv: a word": (".csv", "1,2,3\n4,left,6\n", ["not a list of points", "left"]),
    "csv: a row too short": (".csv", "r,a,s\n1,2\n", ["not a list of points"]),
    "fcsv: cut off": (".fcsv", FCSV.format("LPS")[:-20], ["not a list of points"]),
    "fcsv: no points": (".fcsv", "# CoordinateSystem = LPS\n", ["wrong shape"]),
    "mrk.json: cut off": (".mrk.json", markups()[:-40], ["not a list of points"]),
    "mrk.json: a list": (".mrk.json", "[1, 2]", ["not a list of points"]),
    "mrk.json: no markups": (".mrk.json", "{}", ["not a list of points", "no 'markups'"]),
    "mrk.json: nothing placed": (".mrk.json", markups(controlPoints=[]), ["wrong shape"]),
    "mrk.json: metres": (".mrk.json", markups(coordinateUnits="m"), ["the unit 'm', not mm"]),
    "mrk.json: a frame": (".mrk.json", markups(coordinateSystem=7), ["the frame 7"]),
    "mrk.json: NaN": (
        ".mrk.json",
        markups(controlPoints=[{"position": [1, 2, float("nan")]}]),
        ["not finite"],
    ),
    "mrk.json: brackets": (".mrk.json", "[" * 100_000, ["not a list of points"]),
    "vtk: another file": (".vtk", "solid cube\n", ["not a list of points", "legacy VTK"]),
    "vtk: cut off": (".vtk", binary("double", ">f8")[:-20], ["not a list of points"]),
    "vtk: whole numbers": (".vtk", binary("int", ">i4"), ["not a list of points"]),
    "vtk: a negative count": (
        ".vtk",
        VTK.format("x", "ASCII", "float").replace("POINTS 2", "POINTS -1") + "1 2 3\n",
        ["not a list of points"],
    ),
    "elastix: cut off": (".txt", "point\n2\n1 2 3\n", ["3 numbers of 2 points"]),
    "elastix: words": (".txt", "points\n2\n1 2 3\n", ["'points'", "point or index"]),
    "elastix: nothing": (".pts", "", ["not a list of points"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line(tmp_path: Path, name: str) -> None:
    ending, content, words = BROKEN[name]
    file = tmp_path / f"points{ending}"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadInput) as error:
        read_points(file)
    one_line(error.value, file, *words)
