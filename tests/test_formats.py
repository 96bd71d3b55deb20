"""The formats of tables: what is quoted, what is escaped, what is bold."""

import csv
import io

from regbench.render.formats import to_csv, to_markdown
from regbench.render.model import Cell, Column, Table, TableRow

ODD = 'M|1 *x* <b> [l](u) `c` a_b_c #, "q"\nnext'


def _odd_table() -> Table:
    rows = (TableRow(ODD, (Cell("1.00±0.10", 1.0, True),), True),)
    return Table("T|t\nx", "C", (Column("Dice | (%)"),), rows, ("a\nb", "c"))


def test_csv_quotes_odd_titles_and_keeps_notes_on_one_line() -> None:
    lines = to_csv(_odd_table()).split("\n", 3)
    assert lines[:3] == ["# T|t x. C", "# a b", "# c"]
    header, row = csv.reader(io.StringIO(lines[3]))
    assert header == ["Method", "Dice | (%)"]
    assert row == [ODD, "1.00±0.10"]


def test_no_row_of_a_csv_reads_as_a_note() -> None:
    rows = (TableRow("# my method", (Cell("1"),), True),)
    text = to_csv(Table("T", "C", (Column("x"),), rows, ()))
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# T. C"]


def test_markdown_escapes_titles_and_bolds_the_best() -> None:
    lines = to_markdown(_odd_table()).splitlines()
    assert lines[0] == r"# T\|t x"
    table = [line for line in lines if line.startswith("|")]
    assert table[0] == r"| Method | Dice \| (%) |"
    assert table[1] == "| --- | ---: |"
    assert len(table) == 3
    assert table[2].endswith(" | **1.00±0.10** |")
    for raw in ("|1", "*x", "<b", "[l", "`c", "_b", "#,"):
        assert "\\" + raw in table[2]
    assert "next" in table[2]
    assert lines[-2:] == ["- a b", "- c"]
