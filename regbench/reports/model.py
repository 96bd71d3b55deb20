"""A table before it has a format: columns, rows and notes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from regbench.base.errors import BadInput
from regbench.plugins.kinds import ReportPlugin


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: unique, as in the csv's header: `ASD liver (mm)`.
        group, label: the paper's two-level header: `ASD (mm)` over `liver`.
        direction: which value is best: `higher`, `lower` or `none`.
        precision: number of decimals.
    """

    title: str
    group: str = ""
    label: str = ""
    direction: str = "none"
    precision: int = 2


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what is printed, beginning with the number, or `-`.
        value: what is compared; None if there is nothing to compare.
        best: whether it is the best of its column among the ranked rows.
        n: number of cases that count in it.
    """

    text: str
    value: float | None = None
    best: bool = False
    n: int = 0


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


def mark_best(rows: Sequence[TableRow], columns: Sequence[Column]) -> list[TableRow]:
    """Mark the best ranked cell of each column that has a direction, and all that tie with it."""
    ranked = [row.cells for row in rows if row.ranked]
    best = [_best([cells[k] for cells in ranked], c.direction) for k, c in enumerate(columns)]

    def marked(row: TableRow) -> TableRow:
        pairs = zip(row.cells, best, strict=True)
        cells = (replace(cell, best=row.ranked and (cell.n, cell.value) == b) for cell, b in pairs)
        return replace(row, cells=tuple(cells))

    return [marked(row) for row in rows]


def _best(cells: Sequence[Cell], direction: str) -> tuple[int, float] | None:
    """The number of cases and the value of the best cell; None unless two cells compete."""
    # A mean over fewer cases is one of an easier set: it does not compete.
    most = max((cell.n for cell in cells), default=0)
    values = [cell.value for cell in cells if cell.n == most > 0 and cell.value is not None]
    if direction == "none" or len(values) < 2:
        return None
    return most, max(values) if direction == "higher" else min(values)


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
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        data["columns"] = tuple(Column(**column) for column in data["columns"])
        data["rows"] = tuple(
            TableRow(**{**row, "cells": tuple(Cell(**cell) for cell in row["cells"])})
            for row in data["rows"]
        )
        return Table(**{**data, "notes": tuple(data["notes"])})
    except OSError as error:
        raise BadInput("cannot be read", file=file, found=error.strerror) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("is not a table", file=file, expected="a report's .json") from error
