"""A table before it has a format: columns, rows and notes."""

from dataclasses import dataclass, field


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
