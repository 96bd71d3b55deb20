"""Tidy rows of measurements, and their csv file."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from regbench.errors import BadInput
from regbench.files import write_text

COLUMNS = ("case", "metric", "label", "value", "unit", "status")


@dataclass(frozen=True)
class Row:
    """One number, or why there is none.

    Attributes:
        case: id of the case.
        metric: id of the metric.
        label: organ or label group; empty where the metric is of the whole field.
        value: nan unless `status` is `ok`.
        unit: of the value.
        status: `ok`, or `<outcome>: <reason>`.
    """

    case: str
    metric: str
    label: str
    value: float
    unit: str
    status: str = "ok"


def missing(case: str, metric: str, label: str, unit: str, status: str) -> Row:
    """A row without a number."""
    return Row(case, metric, label, math.nan, unit, status)


def write_rows(file: Path, rows: Iterable[Row]) -> None:
    """Write rows as csv, atomically."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = asdict(row)
        writer.writerow([values[name] for name in COLUMNS])
    write_text(file, buffer.getvalue())


def read_rows(file: Path) -> list[Row]:
    """Read a csv that `write_rows` wrote."""
    with file.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise BadInput(
                "wrong columns", file=file, expected=",".join(COLUMNS), found=reader.fieldnames
            )
        return [
            Row(*(float(item[c]) if c == "value" else item[c] for c in COLUMNS))  # type: ignore[arg-type]
            for item in reader
        ]
