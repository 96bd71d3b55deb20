"""The legend of a case figure: the organs that have a contour in a plane that is drawn."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from test_case_figure import Toy, sheet, worst

from regbench.base.paths import layout_file
from regbench.reports.drawing import organ_colours
from regbench.spatial.nifti import read_volume, write_volume

GROUPS = {"absent": [9], "liver": [1], "low": [2]}
COLOURS = dict(zip(GROUPS, organ_colours(list(GROUPS)), strict=True))
#: In a plane below the liver, and in one through it: world millimetres.
BELOW, THROUGH = [-20, 20, 0], [-20, 20, 18]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy pairs; in the images of case c the lowest two planes have a piece of `low`."""
    monkeypatch.chdir(tmp_path)
    toy = Toy()
    toy.groups, values = GROUPS, toy.frame()
    monkeypatch.setattr(
        toy, "frame", lambda: pd.concat([values.assign(label=name) for name in GROUPS])
    )
    for file in labels_of("c"):
        volume = read_volume(file, labels=True)
        data = volume.data.copy()
        data[4:14, 4:14, :2] = 2
        write_volume(file, volume.with_data(data))
    return toy


def labels_of(case: str) -> list[Path]:
    return sorted(layout_file("toy", "toys").parent.glob(f"labels*/*{case}_*"))


def legend(figure: Figure) -> dict[str, Any]:
    """The legend's organs with their colours."""
    (shown,) = figure.legends
    pairs = zip(shown.get_texts(), shown.legend_handles, strict=True)
    found = {text.get_text(): handle for text, handle in pairs if "(fixed)" in text.get_text()}
    lines = {name: line for name, line in found.items() if isinstance(line, Line2D)}
    return {name.removesuffix(" (fixed)"): line.get_color() for name, line in lines.items()}


def colours(*organs: str) -> dict[str, str]:
    return {organ: COLOURS[organ] for organ in organs}


@pytest.mark.parametrize(
    ("views", "centre", "organs"),
    [
        (["axial"], BELOW, ["low"]),
        (["axial"], THROUGH, ["liver"]),
        (["axial", "coronal"], BELOW, ["liver", "low"]),
    ],
)
def test_organs_without_a_contour_are_left_out_and_the_others_keep_their_colours(
    toy: Toy, views: list[str], centre: list[float], organs: list[str]
) -> None:
    drawn = toy.read(case="c_0000_c_0001", views=views, zoom={"axial": {"centre": centre}})
    assert legend(sheet.draw(drawn, ["", "", ""])) == colours(*organs)


def test_the_gallery_has_the_organs_of_all_its_cases(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its first picture is of case a.
    labels_of("a")[0].unlink()
    toy.read()
    figures: list[Figure] = []
    monkeypatch.setattr(worst, "pictures", lambda draw: figures.append(draw()))
    worst.build(toy.request(metric="dice", views=["coronal"]))
    assert legend(figures[0]) == colours("liver", "low")
