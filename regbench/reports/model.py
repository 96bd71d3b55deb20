"""A table before it has a format: columns, rows and notes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from regbench.base.errors import BadInput
from regbench.base.files import readable
from regbench.plugins.kinds import ReportPlugin


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: unique, as in the csv's header: `ASD liver (mm)`.
        group, label: the paper's two-level header: `ASD (mm)` over `liver`.
        direction: which value is best: `higher`, `lower`, `truth` (the nearest to the true
            field's) or `none`.
        precision: number of decimals.
        more: titles of the csv's columns for what else a cell says.
    """

    title: str
    group: str = ""
    label: str = ""
    direction: str = "none"
    precision: int = 2
    more: tuple[str, ...] = ()


def spread(title: str) -> tuple[str, str]:
    """The titles of the csv's columns for the deviation of a mean, and its number of cases."""
    return f"{title} std", f"{title} n"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what is printed, beginning with the number, or `-`.
        value: the number that is compared, and the csv's; None if the text says all, or nothing.
        best: whether it is the best of its column among the ranked rows.
        n: number of cases that count in it.
        more: what else the text says, in the order of the column's `more`.
    """

    text: str
    value: float | None = None
    best: bool = False
    n: int = 0
    more: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class TableRow:
    """A method's row. Controls, and methods that miss a case, are not ranked."""

    title: str
    cells: tuple[Cell, ...]
    ranked: bool = False


def parted(parts: Iterable[TableRow | str]) -> tuple[list[TableRow], list[str]]:
    """The rows, and the remarks for the notes that were made along with them."""
    made = list(parts)
    rows = [part for part in made if isinstance(part, TableRow)]
    return rows, [part for part in made if isinstance(part, str)]


class Span(NamedTuple):
    """A title of the upper header row: the index of its first column, and its number of columns."""

    title: str
    first: int
    width: int


@dataclass(frozen=True)
class Table:
    """A whole table. Each note is one line; `first` heads the column of the rows' titles."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    first: str = "Method"

    @classmethod
    def of(
        cls,
        report: ReportPlugin,
        columns: Iterable[Column | str],
        rows: Iterable[TableRow],
        notes: Iterable[str],
    ) -> "Table":
        """The table of a report, under its title and caption; a text is a column's title."""
        made = (Column(column) if isinstance(column, str) else column for column in columns)
        return cls(report.title, report.caption, tuple(made), tuple(rows), tuple(notes))

    @property
    def spans(self) -> list[Span]:
        """The upper of the paper's two header rows; each column's label is the lower."""
        spans: list[Span] = []
        keys = [(column.group or column.title, bool(column.label)) for column in self.columns]
        for (title, _), group in groupby(keys):
            first = spans[-1].first + spans[-1].width if spans else 0
            spans.append(Span(title, first, len(list(group))))
        return spans


def mark_best(
    rows: Sequence[TableRow], columns: Sequence[Column], truth: TableRow | None = None
) -> list[TableRow]:
    """Mark the best ranked cell of each column that has a direction, and those that tie with it.

    A column in which all tie has no best one. `truth` is the true field's row.
    """
    made = [list(row.cells) for row in rows]
    for k, column in enumerate(columns):
        at = truth.cells[k] if truth else Cell("-")
        worths = [
            _worth(row.cells[k], column.direction, at) if row.ranked else None for row in rows
        ]
        # A mean over fewer cases is one of an easier set: it does not compete.
        most = max((worth[0] for worth in worths if worth), default=0)
        rivals = {worth for worth in worths if worth and worth[0] == most}
        for cells, worth in zip(made, worths, strict=True):
            cells[k] = replace(cells[k], best=len(rivals) > 1 and worth == max(rivals))
    return [replace(row, cells=tuple(cells)) for row, cells in zip(rows, made, strict=True)]


def _worth(cell: Cell, direction: str, truth: Cell) -> tuple[int, float] | None:
    """The number of a cell's cases, and a number that is higher the better the cell is."""
    if cell.value is None or direction == "none":
        return None
    if direction == "truth":
        known = truth.value is not None and truth.n == cell.n
        # Rounded: what lies as far above as another lies below is a tie.
        return (cell.n, -round(abs(cell.value - (truth.value or 0.0)), 9)) if known else None
    return cell.n, cell.value if direction == "higher" else -cell.value


def to_json(table: Table) -> str:
    """The table with everything that it holds, for programs; `read_json_table` reads it."""
    # A value may be a NumPy scalar.
    content = asdict(table)
    return json.dumps(content, ensure_ascii=False, indent=1, default=lambda x: x.item()) + "\n"


def read_json_table(file: Path) -> Table:
    """The table in a file that `to_json` made.

    Raises:
        BadInput: the file is missing or holds no table.
    """
    with readable(file):
        content = file.read_bytes()
    try:
        return TypeAdapter(Table).validate_python(json.loads(content.decode()))
    except ValueError as error:
        raise BadInput("is not a table", file=file, expected="a report's .json") from error
