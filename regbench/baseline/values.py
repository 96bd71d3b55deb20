"""The numbers of a run, row by row, and the csv file that golden ones are committed in."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.reports.results import COLUMNS


class Key(NamedTuple):
    """What a number is of. `label` is empty where the metric is of the whole case."""

    task: str
    run: str
    seed: int
    case: str
    metric: str
    label: str

    def __str__(self) -> str:
        label = f" {self.label}" if self.label else ""
        return f"{self.task} {self.run} seed{self.seed} {self.case} {self.metric}{label}"


@dataclass(frozen=True)
class Value:
    """One number, or why there is none.

    Attributes:
        method: id of the run's method.
        value: in `unit`; nan unless `status` is `ok`.
        unit, status: as in the collected table.
    """

    method: str
    value: float
    unit: str
    status: str

    @property
    def text(self) -> str:
        """The number with its unit, or the status."""
        return f"{self.value:.6g} {self.unit}".strip() if self.status == "ok" else self.status


Values = dict[Key, Value]


def from_table(frame: pd.DataFrame) -> Values:
    """The rows of a collected table (`regbench.reports.results.read_results`).

    Raises:
        BadInput: two rows are of one thing.
    """
    records = zip(*(frame[name].tolist() for name in COLUMNS), strict=True)
    return _indexed((dict(zip(COLUMNS, record, strict=True)) for record in records), "results")


def read_values(file: Path) -> Values:
    """Read golden values.

    Raises:
        BadInput: no such file, other columns, a number that is none, two rows of one thing.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput("cannot be read", file=file, found=error.strerror) from error
    except UnicodeDecodeError as error:
        raise BadInput("is not text", file=file, found=str(error)) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise BadInput(
            "wrong columns", file=file, expected=",".join(COLUMNS), found=reader.fieldnames
        )
    return _indexed(reader, file)


def write_values(file: Path, values: Mapping[Key, Value]) -> None:
    """Write golden values as csv, sorted, numbers to their last digit, atomically."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for key, item in sorted(values.items()):
        row = {**key._asdict(), "method": item.method, "value": repr(float(item.value))}
        row |= {"unit": item.unit, "status": item.status}
        writer.writerow([row[name] for name in COLUMNS])
    write_text(file, buffer.getvalue())


def _indexed(rows: Iterable[Mapping[str, object]], file: Path | str) -> Values:
    found: Values = {}
    for number, row in enumerate(rows, start=1):
        key, value = _parsed(row, file, number)
        if key in found:
            raise BadInput(f"two rows of {key}", file=file)
        found[key] = value
    return found


def _parsed(row: Mapping[str, object], file: Path | str, number: int) -> tuple[Key, Value]:
    # A short row has None in its last columns, a long one has a key None.
    if None in row or None in row.values():
        raise BadInput(f"row {number} is not complete", file=file, expected=f"{len(COLUMNS)} cells")
    text = {name: str(row[name]) for name in COLUMNS}
    try:
        seed, value = int(text["seed"]), float(text["value"])
    except ValueError as error:
        raise BadInput(f"row {number} is not of numbers", file=file, found=str(error)) from error
    if math.isnan(value) == (text["status"] == "ok"):
        raise BadInput(
            f"row {number}: a value and its status disagree",
            file=file,
            expected="a number where the status is ok, else nan",
            found=f"{value} and {text['status']}",
        )
    key = Key(text["task"], text["run"], seed, text["case"], text["metric"], text["label"])
    return key, Value(text["method"], value, text["unit"], text["status"])
