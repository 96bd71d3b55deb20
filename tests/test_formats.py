"""The formats of tables: what is quoted, what is escaped, what is bold."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from regbench.reports.formats import ROWS, to_csv, to_html, to_latex, to_markdown
from regbench.reports.model import Cell, Column, Table, TableRow

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


def _paper_table() -> Table:
    columns = (
        Column("Dice liver (%)", "Dice (%)", "liver"),
        Column("Dice spleen (%)", "Dice (%)", "spleen"),
        Column("Folds"),
    )
    cells = (Cell("86.65±3.42", 86.65, True), Cell("1.00"), Cell("-"))
    return Table("T", "C", columns, (TableRow("A_b & <c>", cells, True),), ("50 % of $x",))


def test_html_is_well_formed_escaped_and_has_the_paper_s_two_header_rows() -> None:
    page = to_html(_paper_table())
    whole = re.sub(r"<(meta[^>]*)>", r"<\1/>", page.split("\n", 1)[1])
    tree = ElementTree.fromstring(whole)  # noqa: S314 - our own page
    upper, below, row = tree.iter("tr")
    assert [(cell.text, cell.get("colspan")) for cell in upper] == [
        ("Method", None),
        ("Dice (%)", "2"),
        ("Folds", None),
    ]
    assert [cell.text for cell in below] == [None, "liver", "spleen", None]
    assert ["".join(cell.itertext()) for cell in row] == ["A_b & <c>", "86.65±3.42", "1.00", "-"]
    assert [cell.text for cell in tree.iter("strong")] == ["86.65±3.42"]
    assert "http" not in page.replace("http-equiv", "")
    odd = to_html(_odd_table())
    assert "&lt;b&gt;" in odd and "<b>" not in odd


def test_latex_escapes_and_spans_the_paper_s_two_header_rows() -> None:
    lines = to_latex(_paper_table()).splitlines()
    assert r"Method & \multicolumn{2}{c}{Dice (\%)} & \multicolumn{1}{c}{Folds} \\" in lines
    assert r"\cmidrule(lr){2-3}" in lines
    assert r" & liver & spleen &  \\" in lines
    assert r"A\_b \& \textless{}c\textgreater{} & \textbf{86.65$\pm$3.42} & 1.00 & - \\" in lines
    assert r"\item 50 \% of \$x" in lines
    assert lines[0] == r"\documentclass{article}" and lines[-1] == r"\end{document}"
    opened = [x for line in lines for x in re.findall(r"\\begin\{(\w+)\}", line)]
    closed = [x for line in lines for x in re.findall(r"\\end\{(\w+)\}", line)]
    assert sorted(opened) == sorted(closed)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_of_odd_names_and_many_rows_compiles_and_loses_no_row(tmp_path: Path) -> None:
    names = [
        "[first] of a row",
        "*star",
        "\u00dcn\u00ef \u80ba \u03bb",
        "a_b & <c> % $ # {x} ~ ^ \\",
    ]
    rows = tuple(TableRow(name, (Cell("1.00"),), True) for name in names * 12)
    table = Table("Odd & title", "100 % [\u80ba]", (Column("Dice (%)"),), rows, ("[x] is a note",))
    (tmp_path / "odd.tex").write_text(to_latex(table))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "odd.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    log = (tmp_path / "odd.log").read_text(errors="replace")
    assert "Float too large" not in log and "Overfull" not in log


def test_latex_goes_on_over_pages_and_takes_the_table_s_number() -> None:
    rows = tuple(TableRow(f"method {i}", (Cell("1.00"),), True) for i in range(ROWS + 1))
    text = to_latex(Table("Table 2", "Abdomen.", (Column("Dice (%)"),), rows))
    assert text.count(r"\begin{table}") == text.count(r"\toprule") == 2
    assert [f"method {i} &" in text for i in range(ROWS + 1)] == [True] * (ROWS + 1)
    assert r"\setcounter{table}{1}" in text and "(part 2 of 2)" in text
    assert r"{[}x{]}" in to_latex(Table("t", "[x]", (), ()))
