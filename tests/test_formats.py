"""The formats of tables: what is quoted, what is escaped, what is bold."""

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from regbench.reports.formats import (
    LETTERS,
    ROWS,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
    to_notes,
)
from regbench.reports.model import Cell, Column, Table, TableRow, spread

ODD = 'M|1 *x* <b> [l](u) `c` a_b_c #, "q"\nnext'


def _odd_table() -> Table:
    rows = (TableRow(ODD, (Cell("1.00±0.10", 1.0, True),), True),)
    return Table("T|t\nx", "C", (Column("Dice | (%)"),), rows, ("a\nb", "c"))


def test_csv_is_data_for_a_plain_reader() -> None:
    """Numbers in columns of their own, nothing for what is missing, no notes."""
    columns = (
        Column("Dice liver (%)", more=spread("Dice liver (%)")),
        Column("Cases", more=("Cases total",)),
        Column("p"),
        Column("Weights"),
    )
    rows = (
        TableRow("a", (Cell("86.65±3.42", 86.654321, n=4, more=(3.42, 4)), *_rest(4, "+1.2e-05"))),
        TableRow("b", (Cell("80.00 (n=1)", 80.0, n=1, more=(None, 1)), *_rest(1, "-0.5"))),
        TableRow("c", (Cell("-"), *_rest(0, "-"))),
    )
    table = Table("T", "C", columns, rows, ("a note",))
    frame = pd.read_csv(io.StringIO(to_csv(table)))
    numbers = ["Dice liver (%)", "Dice liver (%) std", "Dice liver (%) n", "Cases", "Cases total"]
    assert list(frame) == ["Method", *numbers, "p", "Weights"]
    assert all(pd.api.types.is_numeric_dtype(frame[name]) for name in (*numbers, "p"))
    assert frame["Dice liver (%)"].tolist()[:2] == [86.654321, 80.0]
    assert frame["Dice liver (%) n"].tolist()[:2] == [4, 1]
    assert frame["p"].tolist()[:2] == [1.2e-5, -0.5]
    assert frame[["Dice liver (%)", "p", "Weights"]].iloc[2].isna().all()
    assert frame["Dice liver (%) std"].isna().tolist() == [False, True, True]
    assert json.loads(to_notes(table)) == {"title": "T", "caption": "C", "notes": ["a note"]}


def _rest(done: int, p: str) -> tuple[Cell, Cell, Cell]:
    return Cell(f"{done}/4", done, more=(4,)), Cell(p), Cell("-")


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+rf", "-rf", "@SUM(1)", "\t=1+1"])
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    table = Table("T", "C", (Column(text),), (TableRow(text, (Cell(text),)),), first=text)
    for line in csv.reader(io.StringIO(to_csv(table))):
        assert line == [f"'{text.strip()}"] * 2


def test_csv_quotes_odd_titles() -> None:
    header, row = csv.reader(io.StringIO(to_csv(_odd_table())))
    assert header == ["Method", "Dice | (%)"]
    assert row == [" ".join(ODD.split()), "1"]


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


def test_latex_goes_on_over_pages_under_the_table_s_own_name() -> None:
    rows = tuple(TableRow(f"method {i}", (Cell("1.00"),), True) for i in range(ROWS + 1))
    text = to_latex(Table("Table 2", "Abdomen.", (Column("Dice (%)"),), rows))
    assert text.count(r"\begin{table}") == text.count(r"\toprule") == 2
    assert [f"method {i} &" in text for i in range(ROWS + 1)] == [True] * (ROWS + 1)
    assert r"\renewcommand{\fnum@table}{Table 2}" in text
    assert r"\caption{Abdomen. (part 2 of 2)}" in text
    assert r"\usepackage{lmodern}" in text
    assert r"{[}x{]}" in to_latex(Table("t", "[x]", (), ()))


def test_latex_cuts_a_wide_table_between_groups_and_repeats_what_tells_rows_apart() -> None:
    columns = [Column(f"{g} {k}", g, str(k)) for g in ("Dice", "ASD", "EPE") for k in range(8)]
    cells = tuple(Cell(f"8{k}.65±3.42") for k in range(8)) * 3
    rows = tuple(TableRow("SyN", (Cell(task), *cells)) for task in ("there", "back"))
    text = to_latex(Table("T", "C", (Column("Task"), *columns), rows))
    parts = text.split(r"\begin{table}")[1:]
    heads = [re.findall(r"\\multicolumn\{8\}\{c\}\{(\w+)\}", part) for part in parts]
    assert [x for part in heads for x in part] == ["Dice", "ASD", "EPE"] and len(parts) > 1
    for part in parts:
        assert "SyN & there &" in part and "SyN & back &" in part
        widest = max(len(line.replace("$", "")) for line in part.splitlines() if "SyN" in line)
        assert widest < 1.3 * LETTERS
    assert "part 1 of" not in to_latex(_paper_table())
