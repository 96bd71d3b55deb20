"""Published numbers, ours beside them, and the table of variants: what the repository ships."""

from dataclasses import replace

import pytest
from helpers import kind_module, one_line
from report_rows import CATALOG, built, request

from regbench.base.errors import BadInput
from regbench.reports.comparison import build_comparison
from regbench.reports.model import Cell, Column, Table, TableRow

gains = kind_module("gain").gains
build_variants = kind_module("variants").build_variants
REPORTS = CATALOG.reports


def row(table: Table, title: str) -> dict[str, Cell]:
    cells = next(r for r in table.rows if r.title == title).cells
    return {column.title: cell for column, cell in zip(table.columns, cells, strict=True)}


@pytest.mark.parametrize(
    ("report", "title", "column", "text", "best"),
    [
        ("table2-paper", "F3RNet-MRB", "Dice liver (%)", "86.79±3.18", True),
        ("table2-paper", "F3RNet-w/o F3D", "Dice kidney (%)", "83.58±3.18", True),
        ("table2-paper", "SyN", "Folds", "137.60", False),
        ("table2-paper", "FAIM", "Folds", "0.00", True),
        ("table2-paper", "VM-2", "Time CPU (s)", "23", False),
        ("table3-paper", "F3RNet-MRB", "Dice kidney (%)", "84.39±2.77", True),
        ("table4-paper", "F3RNet-MRB", "ASD lung (mm)", "1.69±0.34", True),
        ("table4-paper", "Moving", "Dice lung (%)", "86.37±3.45", False),
    ],
)
def test_published_numbers_are_the_paper_s(
    report: str, title: str, column: str, text: str, best: bool
) -> None:
    table = built(REPORTS[report])
    cell = row(table, title)[column]
    assert (cell.text, cell.best) == (text, best)
    assert "not measured here" in table.notes[0]


def test_a_published_row_of_another_length_is_refused() -> None:
    report = REPORTS["table4-paper"]
    content = {**report.content, "published": {"SyN": ["1.0±0.1"]}}
    with pytest.raises(BadInput) as error:
        built(replace(report, content=content))
    one_line(error.value, "row SyN", "expected 4 cells", "found 1")


def test_a_comparison_has_the_shared_columns_twice_and_every_method() -> None:
    theirs = built(REPORTS["table4-paper"])
    ours = Table(
        "T",
        "",
        (Column("Dice lung (%)"), Column("EPE (voxel)")),
        (
            TableRow("SyN", (Cell("95.93±0.36", 95.93), Cell("0.89")), ranked=True),
            TableRow("New", (Cell("1.00", 1.0), Cell("2.00")), ranked=True),
        ),
        ("data of task lung: synthetic phantom",),
    )
    table = build_comparison(REPORTS["table4-compare"], ours, theirs)
    assert [column.title for column in table.columns] == [
        "Dice lung (%), here",
        "Dice lung (%), paper",
    ]
    found = {r.title: [cell.text for cell in r.cells] for r in table.rows}
    assert found["SyN"] == ["95.93±0.36", "86.27±2.62"]
    assert found["New"] == ["1.00", "-"]
    assert found["Deeds"] == ["-", "87.28±2.78"]
    assert "two data sets" in table.notes[0]
    assert ours.notes[0] in table.notes


def test_the_variants_are_drawn_from_their_settings() -> None:
    report = REPORTS["table1"]
    counts = dict.fromkeys(report.rows, 123_456)
    table = build_variants(request(report), counts)
    marks = {r.title: "".join(cell.text for cell in r.cells[:4]) for r in table.rows}
    # The paper's Table 1: FR stream, encoder, decoder, more MRBs.
    assert marks == {
        "F3RNet-w/o F3D": "----",
        "F3RNet-w/ F3D": "XXX-",
        "F3RNet-Enc": "-X--",
        "F3RNet-Dec": "--X-",
        "F3RNet-FR": "X---",
        "F3RNet-MS": "-XX-",
        "F3RNet-MRB": "XXXX",
    }
    cells = row(table, "F3RNet-Enc")
    assert cells["Params (M), here"].text == "0.123"
    assert cells["Params (M), paper"].text == "0.321"


def test_a_row_without_factorised_parts_is_refused() -> None:
    report = replace(REPORTS["table1"], rows=("vm-1",))
    with pytest.raises(BadInput) as error:
        build_variants(request(report), {"vm-1": 1})
    one_line(error.value, "'vm-1'", "factorised")


def test_a_gain_is_over_each_side_s_own_moving_and_up_is_better() -> None:
    columns = (
        Column("Dice (%)", direction="higher"),
        Column("ASD (mm)", direction="lower"),
        Column("Std J", direction="none"),
    )
    rows = (
        TableRow("Moving", (Cell("60", 60.0), Cell("4", 4.0), Cell("-"))),
        TableRow("A", (Cell("75", 75.0), Cell("5", 5.0), Cell("0.1", 0.1))),
        TableRow("B", (Cell("-"), Cell("1.5", 1.5), Cell("0.1", 0.1))),
    )
    found = gains(Table("T", "", columns, rows))
    assert [column.title for column in found.columns] == ["Dice (%)", "ASD (mm)"]
    texts = {row.title: [cell.text for cell in row.cells] for row in found.rows}
    assert texts == {"A": ["+15.00", "-1.00"], "B": ["-", "+2.50"]}
    # Without an unregistered pair there is nothing to start from.
    assert gains(Table("T", "", columns, rows[1:])).columns == ()
