"""The paper's two-level header: `ASD (mm)` over `liver`, `spleen`, `kidney`."""

from collections.abc import Sequence
from itertools import groupby

from regbench.reports.model import Column


def spans(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """The upper level: title and number of columns below it, from left to right."""
    keys = [(column.group or column.title, bool(column.label)) for column in columns]
    return [(title, len(list(group))) for (title, _), group in groupby(keys)]


def lower(columns: Sequence[Column]) -> list[str]:
    """The lower level: the label of each column, empty where it has none."""
    return [column.label for column in columns]
