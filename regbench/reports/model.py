"""A table before it has a format: columns, rows and notes."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from regbench.base.errors import BadInput


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: unique, as in the csv's header: `ASD liver (mm)`.
        group, label: the paper's two-level header: `ASD (mm)` over `liver`.
        direction: `higher`, `lower` or `none`: which value is best.
        precision: decimals.
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
        value: what is compared; None where there is nothing to compare.
        best: the best of its column among the complete methods.
        n: cases that count in it.
    """

    text: str
    value: float | None = None
    best: bool = False
    n: int = 0


@dataclass(frozen=True)
class TableRow:
    """A method's row. `ranked` is False for controls and for methods that miss a case."""

    title: str
    cells: tuple[Cell, ...]
    ranked: bool


@dataclass(frozen=True)
class Table:
    """A whole table, one line of text a note. `first` heads the column of the rows' titles."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)
    first: str = "Method"


def to_json(table: Table) -> str:
    """The table with everything that it holds, for programs; `read_json_table` reads it."""
    # Values may be NumPy's numbers and truth values.
    text = json.dumps(
        asdict(table), ensure_ascii=False, indent=1, default=lambda value: value.item()
    )
    return text + "\n"


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
