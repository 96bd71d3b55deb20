"""Figures 4 to 6: which case, which planes, what is drawn, and what is said of what is missing."""

import io
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import (
    REPOSITORY,
    box,
    kind_module,
    linear_field,
    make_affine,
    one_line,
    read_report,
    shift_field,
    write_dataset,
    write_side,
)
from matplotlib.image import imread
from toy_project import make_project

from regbench.base.errors import BadInput
from regbench.base.files import write_json
from regbench.base.paths import layout_file, retries
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.case_figure import CaseFigure, Panel, layer
from regbench.reports.drawing import pictures
from regbench.reports.planes import (
    AXES,
    checkerboard,
    choose_region,
    grid_lines,
    label_score,
)
from regbench.reports.request import Request
from regbench.reports.results import Results, RunFacts
from regbench.spatial.field import write_field
from regbench.spatial.volume import Volume

overview, worst = kind_module("overview"), kind_module("worst")
choice, sheet = kind_module("overview", "choice"), kind_module("overview", "sheet")
METRICS = discover(REPOSITORY).metrics
SHAPE = (24, 20, 12)
AFFINE = make_affine((2.0, 2.0, 3.0), flips=(-1, 1, 1))
#: moving(x + 4) = fixed(x) along the first axis.
SHIFT = (4.0, 0.0, 0.0)
METHODS = {"right": SHIFT, "wrong": (0.0, 0.0, 0.0)}
DICE = {"right": 100.0, "wrong": 60.0}


class Toy:
    """Three pairs and two methods on disk, one of them right; everything can be changed."""

    def __init__(self, *, labels: bool = True) -> None:
        root = layout_file("toy", "toys").parent
        pairs, entries = [], []
        for case in ("a", "b", "c"):
            organ = box(SHAPE, (6, 5, 3), (10, 10, 6)).astype(np.int32)
            for side, start in (("0000", 0), ("0001", 4)):
                here = np.roll(organ, start, axis=0)
                image = Volume(here + 0.1 * np.indices(SHAPE).sum(axis=0) / 50, AFFINE)
                entries.append(write_side(root, f"{case}_{side}", image, here if labels else None))
            pairs.append((f"{case}_0000", f"{case}_0001"))
        write_dataset(root, entries, pairs).rename(layout_file("toy", "toys"))
        self.states = {name: {f"{c}_0000_{c}_0001": "ok" for c in "abc"} for name in METHODS}
        self.dice = {
            name: {f"{c}_0000_{c}_0001": DICE[name] - i for i, c in enumerate("bca")}
            for name in METHODS
        }
        for name, shift in METHODS.items():
            for case in self.states[name]:
                write_field(self.field(name, case), shift_field(shift, SHAPE, AFFINE))
        self.groups = {"liver": [1]} if labels else {}
        self.keep_fields = "all"
        self.titles = {name: name.title() for name in METHODS}

    def folder(self, name: str) -> Path:
        return Path("results/toy/t") / name / "seed0"

    def field(self, name: str, case: str) -> Path:
        return self.folder(name) / case / "displacement.nii.gz"

    def results(self) -> Results:
        task = {
            **dict.fromkeys(("title", "data", "fixed", "moving"), "x"),
            **{"synthetic": False, "version": 1, "settings": {}, "interpolation": "nearest"},
            **{"dataset": "toys", "split": "validation", "cases": 3, "training": 0},
            **{"validation": 3, "labels": self.groups},
        }
        runs = [
            {"task": "t", "run": name, "method": name, "title": self.titles[name]}
            | {"kind": "optimisation", "seeds": [0], "settings": {}, "threads": 1}
            for name in METHODS
        ]
        facts = {"config": "toy", "tasks": {"t": task}, "runs": runs, "seeds": [0]}
        return Results.of(self.frame(), facts | {"timing": "shared", "hardware": "an abacus"})

    def frame(self) -> pd.DataFrame:
        names = ["task", "run", "method", "seed", "case", "metric", "label", "value", "status"]
        rows = [
            ["t", name, name, 0, case, "dice", "liver", value, "ok"]
            for name, values in self.dice.items()
            for case, value in values.items()
            if self.groups
        ]
        return pd.DataFrame(rows, columns=names)

    def read(self, **content: Any) -> CaseFigure:
        for name, states in self.states.items():
            cases = [
                {"case": case, "outcome": "ok" if state == "ok" else "failed", "reason": state}
                for case, state in states.items()
            ]
            write_json(self.folder(name) / "cases.json", cases)
        return choice.read_case(self.request(**content))

    def request(self, **content: Any) -> Request:
        task = {"direction": None, "dataset": SimpleNamespace(id="toys")}
        config: Any = SimpleNamespace(
            name="toy",
            tasks={"t": SimpleNamespace(evaluated_split=lambda: "validation", **task)},
            catalog=SimpleNamespace(metrics=METRICS),
            keep_fields=self.keep_fields,
        )
        asked = Request(config, _report(**content), None)
        # As if they had been read.
        vars(asked)["results"] = self.results()
        return asked


def _report(rows: tuple[str, ...] = (), **content: Any) -> ReportPlugin:
    return ReportPlugin("r", "R", "overview", "t", "Of toys.", rows, (), Path("r.yaml"), content)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.chdir(tmp_path)
    return Toy()


def _picture(drawn: CaseFigure, ending: str = "png") -> bytes:
    return pictures(lambda: sheet.draw(drawn, ["" for _ in drawn.rows]))(ending)


def test_a_right_field_brings_image_and_labels_onto_the_fixed_one(toy: Toy) -> None:
    drawn = toy.read()
    right, wrong = drawn.panels
    assert drawn.labels is not None and right.labels is not None
    assert np.array_equal(right.labels, drawn.labels)
    assert wrong.labels is not None and wrong.image is not None
    # Unmoved, the organ lies 4 voxels further to the left of the patient.
    assert np.array_equal(wrong.labels, np.roll(drawn.labels, -4, axis=0))
    assert np.array_equal(wrong.image, drawn.moving.image)
    # The first axis runs to the left: RAS turns it around.
    assert drawn.labels[8:18].any(axis=(1, 2)).all() and not drawn.labels[:8].any()


def test_the_case_is_the_median_one_or_the_named_one(toy: Toy) -> None:
    drawn = toy.read()
    # Mean Dice: b 80, c 79, a 78.
    assert (drawn.case, drawn.chosen) == ("c_0000_c_0001", "the median Dice")
    assert toy.read(case="a_0000_a_0001").case == "a_0000_a_0001"
    with pytest.raises(BadInput) as error:
        toy.read(case="z")
    one_line(error.value, "no case 'z'", "a_0000_a_0001, b_0000_b_0001, c_0000_c_0001")


def test_the_case_is_one_that_has_fields(toy: Toy) -> None:
    toy.keep_fields = "reported"
    for name in METHODS:
        for case in ("b_0000_b_0001", "c_0000_c_0001"):
            toy.field(name, case).unlink()
    drawn = toy.read()
    assert drawn.case == "a_0000_a_0001"
    assert drawn.chosen == "the median Dice, of the 1 with the most fields"
    assert any("keep_fields: reported" in remark for remark in drawn.remarks)
    toy.field("wrong", "a_0000_a_0001").unlink()
    toy.states["right"]["a_0000_a_0001"] = "no luck"
    drawn = toy.read(case="a_0000_a_0001")
    whys = [panel.why for panel in drawn.panels]
    assert whys == ["failed: no luck", "field not kept (keep_fields: reported)"]
    assert _picture(drawn).startswith(b"\x89PNG")


def test_the_enlarged_part_is_where_the_methods_differ(toy: Toy) -> None:
    (region,) = toy.read().regions
    assert region.view == "axial" and 3 <= region.index < 9
    drawn = toy.read(views=["axial", "coronal", "sagittal"])
    assert [r.view for r in drawn.regions] == ["axial", "coronal", "sagittal"]
    # World coordinates: the first axis is flipped.
    zoom = {"axial": {"centre": [-20.0, 20.0, 15.0], "size_mm": 12}}
    (region,) = toy.read(zoom=zoom).regions
    assert (region.index, region.height, region.width) == (5, 6, 6)
    # Voxel (10, 10) of the file is at row 9 and column 10 from the top left.
    assert (region.top, region.left) == (6, 7)
    with pytest.raises(BadInput) as error:
        toy.read(zoom={"axial": {"centre": [20.0, 20.0, 15.0]}})
    one_line(error.value, "zoom.axial.centre", "r.yaml")


def test_the_arrow_is_where_the_contours_are_apart(toy: Toy) -> None:
    drawn = toy.read()
    table = overview.build_table(toy.request(), drawn)
    cells = {row.title: [cell.text for cell in row.cells] for row in table.rows}
    assert cells["Right"] == ["99.00", "-", "drawn"]
    # Moving has numbers of its own: nobody registered it, so it has no Dice here.
    assert cells["Moving"] == ["-", cells["Wrong"][1], "drawn"]
    # The shift is 4 voxels of 2 mm.
    assert float(cells["Wrong"][1]) == pytest.approx(8, abs=2.0)
    assert [column.title for column in table.columns] == [
        *("Dice liver (%)", "Disagreement, axial (mm)", "Status")
    ]
    assert "Case c_0000_c_0001 (the median Dice)" in table.caption
    assert "the patient's right is at the left, the front on top" in table.caption
    assert overview.panel_notes(drawn, toy.frame()) == ["", "Dice 99.0 %", "Dice 59.0 %"]
    arrows = _picture(toy.read(colours="paper"))
    assert _red(arrows) > 20
    # Nothing is marked: the legend has no arrow either.
    assert _red(_picture(toy.read(rows=("right",), colours="paper"))) == 0


def _red(picture: bytes) -> int:
    """Pixels in the arrows' colour."""
    pixels = imread(io.BytesIO(picture))[..., :3]
    return int((np.abs(pixels - [1.0, 0.1, 0.1]).max(axis=-1) < 0.05).sum())


def test_the_picture_has_a_grey_box_green_contours_and_a_reader_s_width(toy: Toy) -> None:
    pixels = imread(io.BytesIO(_picture(toy.read(colours="paper"))))[..., :3]
    # 174 mm at 300 dots an inch.
    assert pixels.shape[1] == 2055
    narrow = imread(io.BytesIO(_picture(toy.read(width="85mm"))))
    assert narrow.shape[1] == 1003 and narrow.shape[0] > pixels.shape[0]
    grey = np.abs(pixels - 0xD9 / 255).max(axis=-1) < 0.01
    assert grey[:, 850:].sum() > 5 * grey[:, :420].sum()
    green = (pixels[..., 1] > 0.6) & (pixels[..., [0, 2]].max(axis=-1) < 0.35)
    # In the fixed and moving image too.
    assert green[:, :420].sum() > 50 and green[:, 850:].sum() > 50


def test_the_same_results_are_the_same_bytes_and_others_are_not(toy: Toy) -> None:
    drawn = toy.read()
    for ending, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        assert _picture(drawn, ending) == _picture(toy.read(), ending)
        assert _picture(drawn, ending).startswith(start)
    before = _picture(drawn)
    write_field(toy.field("wrong", "c_0000_c_0001"), shift_field((2, 0, 0), SHAPE, AFFINE))
    assert before != _picture(toy.read())


def test_without_labels_there_are_pictures_without_contours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn = Toy(labels=False).read()
    assert drawn.organs == () and drawn.labels is None
    assert (drawn.case, drawn.chosen) == ("a_0000_a_0001", "the first")
    assert any("the data have no labels" in remark for remark in drawn.remarks)
    assert overview.panel_notes(drawn, Toy(labels=False).frame()) == ["", "", ""]
    assert _picture(drawn).startswith(b"\x89PNG")


def test_names_with_signs_and_a_broken_field_are_drawn_all_the_same(toy: Toy) -> None:
    toy.titles["right"] = "$x_1$ <b> & 100 % \N{GREEK SMALL LETTER LAMDA}"
    toy.field("wrong", "c_0000_c_0001").write_bytes(b"no field")
    drawn = toy.read(rows=("right", "wrong", "absent"))
    assert drawn.panels[1].why.startswith("failed: ")
    # The next workflow registers it again, and no other run.
    assert [retries(toy.folder(name)) for name in METHODS] == [0, 1]
    assert "not in config toy: absent" in drawn.remarks
    assert _picture(drawn).startswith(b"\x89PNG")
    assert _picture(toy.read(rows=("absent",))).startswith(b"\x89PNG")


@pytest.mark.verify
def test_the_workflow_draws_it_from_the_fields(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    report = {"title": "View", "kind": "overview", "task": "toy", "rows": ["shift", "trouble"]}
    (project.root / "reports" / "view.yaml").write_text(yaml.safe_dump(report))
    compared = {"title": "S", "kind": "statistics", "columns": [{"metric": "dice"}]}
    (project.root / "reports" / "sure.yaml").write_text(yaml.safe_dump(compared))
    project.config["methods"] = [
        *("identity", "shift"),
        {"method": "trouble", "settings": {"how": "raise"}},
    ]
    done = project.snakemake("reports/view.png", "reports/sure.csv", check=False)
    # One case failed: the verdict says so, the reports are there.
    assert done.returncode == 3
    for ending in ("png", "pdf", "md", "tex", "html", "json"):
        assert (project.root / "reports" / f"view.{ending}").stat().st_size > 500
    drawn = [row["Method"] for row in read_report(project.root, "view")[1]]
    assert drawn == ["Moving", "Shift", "Trouble"]
    rows = {row["Method"]: row for row in read_report(project.root, "sure")[1]}
    assert (rows["Trouble"]["Cases"], rows["Trouble"]["Cases total"]) == ("2", "3")
    assert project.planned("reports/view.png") == {}


@pytest.mark.parametrize(
    ("show", "thick"),
    [("warped", 1), ("warped", 2), ("checkerboard", 1), ("difference", 2), ("grid", 1)],
)
def test_thin_volumes_are_drawn_in_every_view(show: str, thick: int) -> None:
    shape = (12, 10, thick)
    rng = np.random.default_rng(0)
    images = [Volume(rng.random(shape), np.diag([1.0, 1.0, 5.0, 1.0])) for _ in range(2)]
    labels = box(shape, (3, 3, 0), (5, 4, thick)).astype(int)
    field = shift_field((1, 0, 0), shape, images[0].affine)
    rest: dict[str, Any] = {"kind": "learned", "seeds": [0], "settings": {}, "threads": 1}
    run = RunFacts(title="A", run="a", task="t", method="a", **rest)
    panel = Panel(run, 0, "", images[1].data, np.roll(labels, 3, axis=0), layer(show, field))
    regions = tuple(
        choose_region(label_score(labels, [np.roll(labels, 3, axis=0)]), labels, view, (4, 4))
        for view in AXES
    )
    drawn = CaseFigure(
        *(
            "c",
            "named",
            images[0],
            Panel(run, 0, "", images[1].data, labels),
            ("MR", "CT"),
            ("bone",),
        ),
        *(labels, (panel, Panel(run, 0, "failed: x")), regions, (), show),
    )
    assert _picture(drawn).startswith(b"\x89PNG")


def test_layers_are_the_field_s_numbers_in_anatomical_order() -> None:
    affine = make_affine((2.0, 1.0, 3.0), flips=(-1, 1, 1))
    field = shift_field((1.0, 0.0, 1.0), SHAPE, affine)
    magnitude = layer("magnitude", field)
    assert magnitude is not None and np.allclose(magnitude, math.sqrt(4 + 9))
    # x -> 0.5 x along the first axis: half the volume.
    half = linear_field(np.diag([-0.5, 0, 0]), (0, 0, 0), SHAPE, affine)
    jacobian, grid = layer("jacobian", half), layer("grid", half)
    assert jacobian is not None and np.allclose(jacobian, 0.5)
    assert grid is not None
    # The first axis runs to the left: the patient's rightmost voxel is the file's first.
    assert grid[-1, 0, 0].tolist() == [0.0, 0.0, 0.0]
    rows, columns = grid_lines(grid, "axial", 0)
    assert np.allclose(np.diff(columns, axis=1), 0.5) and np.allclose(np.diff(columns, axis=0), 0)
    assert np.allclose(np.diff(rows, axis=0), -1)
    assert layer("warped", field) is None
    with pytest.raises(BadInput):
        layer("jacobian", shift_field((1, 0, 0), (5, 5, 1)))


def test_a_checkerboard_has_both_pictures_in_turn() -> None:
    board = checkerboard(np.zeros((16, 24)), np.ones((16, 24)))
    assert (
        (board[:2, :2] == 0).all() and (board[:2, 2:4] == 1).all() and (board[2:4, :2] == 1).all()
    )
    assert board.mean() == 0.5


def test_a_jacobian_is_drawn_with_its_folds_and_std(toy: Toy) -> None:
    drawn, frame = toy.read(show="jacobian"), toy.frame()
    for metric, value in (("folds", 12.0), ("std_jacobian", 0.214)):
        row = ["t", "wrong", "wrong", 0, drawn.case, metric, "", value, "ok"]
        frame.loc[len(frame)] = row
    assert overview.panel_notes(drawn, frame) == ["", "- folds, std J -", "12 folds, std J 0.21"]


def test_a_difference_has_moving_minus_fixed_too(toy: Toy) -> None:
    drawn = toy.read(show="difference")
    titles = [tile.title for tile in sheet._tiles(drawn, ["", "", ""])]
    assert titles == ["Fixed", "Moving", "Moving", "Right", "Wrong"]
    assert [tile.title for tile in sheet._tiles(toy.read(), ["", "", ""])] == [
        *("Fixed", "Moving", "Right", "Wrong")
    ]


def test_the_gallery_has_each_method_s_worst_cases_or_says_why_not(toy: Toy) -> None:
    toy.read()
    toy.field("right", "a_0000_a_0001").unlink()
    made = worst.build(toy.request(metric="dice", cases=2))
    rows = [(row.title, *(cell.text for cell in row.cells)) for row in made.table.rows]
    # Dice of right: b 100, c 99, a 98; of wrong 40 less.
    assert rows == [
        ("Right", "a_0000_a_0001", "98.00", "99.00", "field not kept (keep_fields: all)"),
        ("Right", "c_0000_c_0001", "99.00", "99.00", "drawn"),
        ("Wrong", "a_0000_a_0001", "58.00", "59.00", "drawn"),
        ("Wrong", "c_0000_c_0001", "59.00", "59.00", "drawn"),
    ]
    for ending, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        assert made.picture(ending) == made.picture(ending)
        assert made.picture(ending).startswith(start)
    # Only the wrong ones have an arrow.
    red = _red(worst.build(toy.request(metric="dice", colours="paper")).picture("png"))
    toy.states["wrong"] = dict.fromkeys(toy.states["wrong"], "no luck")
    toy.read()
    assert red > _red(worst.build(toy.request(metric="dice", colours="paper")).picture("png")) + 20
