"""The status of one case of one run: its outcome, its reason, and what it cost."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, seal, write_json, write_text

#: What the machine did, and not the method: the next workflow tries such a case again.
INTERRUPTED = "interrupted"
#: Outcomes that make the verdict non-zero.
FAILURES = ("failed", "timeout", "out-of-memory", INTERRUPTED)

FIELD_NAME = "displacement.nii.gz"
STATUS_NAME = "status.json"


@dataclass(frozen=True)
class Status:
    """What became of a case.

    Attributes:
        case: its id.
        outcome: `ok`, `failed`, `timeout`, `out-of-memory`, `interrupted` or `skipped`.
        reason: one line, for everything but ok.
        key: hash of all that the result depends on.
        register_s: seconds of the method's own work, imports, disk and warm-up excluded; None
            where there was none: it failed, or was handed a ready-made field.
        peak_memory_mb: largest resident memory of the method's processes during the case.
        threads, device, seed: as it ran.
        field_sha256: of the displacement field's file.
        facts: versions, settings, times: for people, not for comparing.
    """

    case: str
    outcome: str
    key: str
    reason: str = ""
    register_s: float | None = None
    peak_memory_mb: float | None = None
    threads: int = 1
    device: str = "cpu"
    seed: int = 0
    field_sha256: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `status.json`, the last file of a case folder."""
        content = asdict(self)
        write_json(folder / STATUS_NAME, {**content, "sha256": digest(content)})


def read_status(folder: Path) -> Status | None:
    """The status of a case folder; None where the case is not finished.

    A torn or changed file, and one of an earlier version of the engine, count as not finished.
    """
    try:
        content = dict(read_json(folder / STATUS_NAME))
        known = content.pop("sha256", None)
        return Status(**content) if known == digest(content) else None
    except (BadInput, TypeError, ValueError):
        return None


def write_statuses(file: Path, statuses: Iterable[Status]) -> None:
    """Write the statuses of a run's cases, in order, as one JSON list (`cases.json`)."""
    write_json(file, [asdict(status) for status in statuses])
    seal(file)


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
    writer.writerows(map(astuple, rows))
    write_text(file, buffer.getvalue())


def read_rows(file: Path, starts: tuple[str, ...] = ("",)) -> list[Row]:
    """Read a csv that `write_rows` wrote: the rows whose status begins with one of `starts`.

    Raises:
        BadInput: it has other columns.
    """
    with file.open(newline="", encoding="utf-8") as handle:
        reader = csv.reader(handle)
        head = next(reader, [])
        if tuple(head) != COLUMNS:
            raise BadInput("wrong columns", file=file, expected=",".join(COLUMNS), found=head)
        return [
            Row(case, metric, label, float(value), unit, status)
            for case, metric, label, value, unit, status in reader
            if status.startswith(starts)
        ]
