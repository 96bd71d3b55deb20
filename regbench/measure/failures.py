"""Metrics that failed on finished cases, read from a run's rows without holding all of them."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.paths import METRICS
from regbench.base.records import COLUMNS, Row

#: A status is the last field of a line; it is quoted where it has a comma.
_MARKS = (b",failed", b',"failed')


def failed_metrics(folder: Path, statuses: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows of finished cases that a metric gave no value for by failing.

    Args:
        folder: of the run and seed; nothing is found where its rows are not written yet.
        statuses: of the run's cases.

    Raises:
        BadInput: the file of rows has other columns.
    """
    file = folder / METRICS
    # Most runs have none: their rows need not be taken apart.
    content = file.read_bytes() if file.is_file() else b""
    if not any(mark in content for mark in _MARKS):
        return []
    done = {status["case"] for status in statuses if status["outcome"] == "ok"}
    with file.open(newline="", encoding="utf-8") as handle:
        reader = csv.reader(handle)
        head = next(reader, [])
        if tuple(head) != COLUMNS:
            raise BadInput("wrong columns", file=file, expected=",".join(COLUMNS), found=head)
        return [
            Row(case, metric, label, float(value), unit, status)
            for case, metric, label, value, unit, status in reader
            if status.startswith("failed") and case in done
        ]
