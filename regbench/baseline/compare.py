"""Golden values: their bounds, reading and writing them, and comparing a run's numbers, two-sided.

`tolerances.yaml` says how far a number may lie from its golden value, and why. Values are a
frame with the columns of the collected table (`regbench.reports.results`), one number a row, sorted
by KEY. `value` is nan unless `status` is `ok`.
"""

import csv
import io
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, PrivateAttr

from regbench.base.errors import BadInput
from regbench.base.files import readable, write_text
from regbench.base.models import List, Model, check, key
from regbench.base.schemas import read_yaml
from regbench.plugins.models import MethodId, MetricId
from regbench.reports.results import COLUMNS, Results

Reason = Annotated[
    str,
    Field(title="text, not blank", pattern=r"\S"),
    AfterValidator(lambda text: " ".join(text.split())),
]
#: The columns that identify a number. `label` is empty for a metric of the whole case.
KEY = ["task", "run", "seed", "case", "metric", "label"]
#: The metric of the rows: a method's seconds over the reference's on the same task.
TIME_RATIO = "time_ratio"
#: Kinds of change, in the order in which they are listed.
KINDS = {
    "moved": "moved beyond their bound",
    "status": "changed status",
    "unit": "changed unit",
    "missing": "missing",
    "new": "new",
}
#: What only the machine decides: ignored without a word, unless a bound is stated.
MACHINE = {
    **dict.fromkeys(
        (f"register_{way}{name}" for way in ("", "alone_") for name in ("cpu_s", "load", "lost")),
        "depends on the machine and what else it did",
    ),
    **dict.fromkeys(
        (f"register_{gpu}{way}s" for way in ("", "alone_") for gpu in ("", "gpu_")),
        "a time, which depends on the machine and its load",
    ),
    "peak_memory_mb": "depends on the allocator and the versions",
}


class Width(Model):
    """How far a value may lie from its golden value, to both sides."""

    absolute: float = key("part of a bound, in the metric's unit", ge=0)
    relative: float = key("part of a bound, as a share of the golden value", 0.0, ge=0)

    def width(self, golden: float) -> float:
        """The largest distance from `golden` that is no change."""
        return self.absolute + self.relative * abs(golden)


class MetricBound(Width):
    """A width and its reason."""

    reason: Reason = key("why the bound is as wide as it is")


class Looser(Model):
    """Methods that have bounds of their own."""

    methods: Annotated[List[MethodId], Field(min_length=1)] = key("method ids")
    reason: Reason = key("why the bounds are wider")
    metrics: dict[MetricId, Width] = key("bounds that replace those above", min_length=1)


class TolerancesFile(Model):
    """The bounds of a baseline: `tolerances.yaml`."""

    metrics: dict[MetricId, MetricBound] = key(
        "a bound for each metric: `absolute`, `reason` and optionally `relative`", min_length=1
    )
    looser: List[Looser] = key(
        "groups of `methods` that have bounds of their own for some `metrics`, with one `reason` "
        "for the group",
        (),
    )
    ignored: dict[MetricId, Reason] = key(
        "metric id to the reason why the metric is not compared. What only the machine decides "
        "(times, load, memory) need not be listed",
        {},
    )
    time_reference: MethodId | None = key(
        "a method that each task has once. Every other one gets a row `time_ratio`: its seconds "
        "over those of the reference in the same run",
        None,
    )
    _file: Path | None = PrivateAttr(None)

    def bound(self, method: str, metric: str) -> MetricBound:
        """The bound of a metric of a method.

        Raises:
            BadInput: none is stated.
        """
        for group in self.looser:
            if method in group.methods and metric in group.metrics:
                return MetricBound(**group.metrics[metric].model_dump(), reason=group.reason)
        if metric not in self.metrics:
            raise BadInput(
                f"no tolerance for metric {metric!r}",
                file=self._file,
                expected=f"metrics.{metric} with absolute and reason, or ignored.{metric}",
            )
        return self.metrics[metric]


def read_tolerances(file: Path) -> TolerancesFile:
    """Read and check `tolerances.yaml`; `ignored` then has what only the machine decides, too.

    Raises:
        BadInput: no such file, not YAML, an unknown key, a bound without a reason or not finite,
            a metric that is ignored and bounded, a method in two groups.
    """
    data = check(TolerancesFile, read_yaml(file), file)
    for metric in sorted(data.metrics.keys() & data.ignored.keys()):
        raise BadInput(f"metric {metric!r} is ignored and has a bound", file=file)
    listed = [method for group in data.looser for method in group.methods]
    for method in (name for name in listed if listed.count(name) > 1):
        raise BadInput(f"method {method!r} is in two groups of looser", file=file)
    unstated = {name: why for name, why in MACHINE.items() if name not in data.metrics}
    data._file = file
    return data.model_copy(update={"ignored": unstated | data.ignored})


def compare(
    golden: pd.DataFrame, current: pd.DataFrame, tolerances: TolerancesFile
) -> pd.DataFrame:
    """Every row that moved beyond its bound, is new or missing, or changed its status or unit.

    A distance equal to the bound is inside.

    Returns:
        a row for each change, sorted by KEY: KEY; `kind`, a key of KINDS; `method`, `value`, `unit`
        and `status` with suffixes `_old` and `_new`; `old` and `new`, the values as text, empty for
        a missing row; and `moved_by`, `bound` and `reason`, which are valid for `moved` only.

    Raises:
        BadInput: a metric has no tolerance, whether it moved or not.
    """
    both = golden.merge(current, "outer", KEY, suffixes=("_old", "_new"), indicator="side")
    both = both[~both["metric"].isin(list(tolerances.ignored))].sort_values(KEY, ignore_index=True)
    method = both["method_old"].where(both["side"] != "right_only", both["method_new"])
    bounds = [tolerances.bound(m, metric) for m, metric in zip(method, both["metric"], strict=True)]
    old, new = both["value_old"], both["value_new"]
    both["moved_by"] = new - old
    both["bound"] = [bound.width(v) for bound, v in zip(bounds, old.tolist(), strict=True)]
    both["reason"] = [bound.reason for bound in bounds]
    for side in ("old", "new"):
        cells = (both[f"{name}_{side}"] for name in ("value", "unit", "status"))
        both[side] = [_text(*cell) for cell in zip(*cells, strict=True)]
    # Equal infinities have not moved, although their distance is nan.
    moved = (old != new) & ~(both["moved_by"].abs() <= both["bound"])
    tests = {
        "new": both["side"] == "right_only",
        "missing": both["side"] == "left_only",
        "status": both["status_old"] != both["status_new"],
        "unit": both["unit_old"] != both["unit_new"],
        "moved": (both["status_old"] == "ok") & moved,
    }
    both["kind"] = np.select([test.to_numpy(bool) for test in tests.values()], list(tests), "")
    return both[both["kind"] != ""]


def updated(golden: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Golden values after the changes. A row within its bound keeps its old value.

    Otherwise a number could drift in small steps, each within the bound.
    """
    new = changes[KEY].assign(
        **{name: changes[f"{name}_new"] for name in ("method", "value", "unit", "status")}
    )
    rows = pd.concat([golden, new]).drop_duplicates(KEY, keep="last")
    return rows.dropna(subset="status").sort_values(KEY, ignore_index=True)


def from_table(table: pd.DataFrame) -> pd.DataFrame:
    """The values of a collected table.

    Raises:
        BadInput: two rows have the same key.
    """
    columns = [table[name].tolist() for name in COLUMNS]
    return _values(list(zip(*columns, strict=True)), "results")


def numbers(results: Results, ignored: Collection[str], reference: str | None) -> pd.DataFrame:
    """What is compared of results: their rows but the ignored ones, and the ratios of times.

    Raises:
        BadInput: as `time_ratios` does.
    """
    parts = [results.frame[~results.frame["metric"].isin(list(ignored))]]
    parts += [time_ratios(results, reference)] if reference else []
    return from_table(pd.concat([part.astype(object) for part in parts]))


def check_reference(reference: str, task: str, methods: Sequence[str]) -> None:
    """Refuse (BadInput) a reference that is not one of a task's methods, without controls, once."""
    if (count := methods.count(reference)) != 1:
        what = f"time_reference {reference!r}: {count} runs of it on task {task!r}"
        raise BadInput(what, expected=f"one of {', '.join(methods) or '(no method)'}, once")


def time_ratios(results: Results, reference: str) -> pd.DataFrame:
    """A row TIME_RATIO for each run and seed of every method but the reference and controls.

    A run's time is the shortest of its cases, or with `timing: alone` of the repeats of its case:
    load only adds to a time. Without a time, the row has a status.

    Raises:
        BadInput: a task lacks the reference or has it twice, or the reference is a control.
    """
    frame, metric = results.frame, "register_alone_s" if results.timing == "alone" else "register_s"
    timed = frame[(frame["metric"] == metric) & (frame["status"] == "ok")]
    shortest = timed.astype({"task": str, "run": str}).groupby(["task", "run", "seed"])["value"]
    times = shortest.min().to_dict()
    rows: list[list[Any]] = []
    for task in results.tasks:
        runs = [run for run in results.of_task(task) if run.kind != "control"]
        check_reference(reference, task, [run.method for run in runs])
        (named,) = (run for run in runs if run.method == reference)
        below = min(times.get((task, named.run, seed), math.nan) for seed in named.seeds)
        for run, seed in ((r, seed) for r in runs if r is not named for seed in r.seeds):
            value = times.get((task, run.run, seed), math.nan) / below
            key = [task, run.run, run.method, seed, "all cases", TIME_RATIO, reference]
            rows.append([*key, value, "", "no time" if math.isnan(value) else "ok"])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def no_values() -> pd.DataFrame:
    """The golden values before the first ones."""
    return _values([], "")


def read_values(file: Path) -> pd.DataFrame:
    """Read golden values.

    Raises:
        BadInput: no such file, other columns, a bad number, two rows of the same key.
    """
    try:
        with readable(file):
            text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput("is not text", file=file, found=str(error)) from error
    head, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if tuple(head) != COLUMNS:
        raise BadInput("wrong columns", file=file, expected=",".join(COLUMNS), found=head)
    return _values(rows, file)


def write_values(file: Path, values: pd.DataFrame) -> None:
    """Write golden values as csv, sorted, numbers to their last digit, atomically."""
    rows = values.sort_values(KEY)[list(COLUMNS)]
    rows = rows.assign(value=[repr(value) for value in rows["value"].tolist()])
    write_text(file, rows.to_csv(index=False, lineterminator="\n"))


def name_of(row: Any) -> str:
    """The key of a row (a named tuple) in words."""
    words = f"{row.task} {row.run} seed{row.seed} {row.case} {row.metric} {row.label}"
    return words.strip()


def _values(rows: Sequence[Sequence[Any]], file: Path | str) -> pd.DataFrame:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(COLUMNS):
            expected = f"{len(COLUMNS)} cells"
            raise BadInput(f"row {number} is not complete", file=file, expected=expected)
        cells = dict(zip(COLUMNS, row, strict=True))
        try:
            _, value = int(cells["seed"]), float(cells["value"])
        except ValueError as error:
            raise BadInput(f"row {number} has a bad number", file=file, found=str(error)) from error
        if math.isnan(value) == (cells["status"] == "ok"):
            raise BadInput(
                f"row {number}: value and status disagree",
                file=file,
                expected="a number where the status is ok, else nan",
                found=f"{value} and {cells['status']}",
            )
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS), dtype=object)
    frame = frame.astype({"seed": "int64", "value": "float64"})
    for row in frame[frame.duplicated(KEY)].itertuples():
        raise BadInput(f"two rows of {name_of(row)}", file=file)
    return frame.sort_values(KEY, ignore_index=True)


def _text(value: float, unit: Any, status: Any) -> str:
    """A number with its unit, or the status; empty for a missing row."""
    if not isinstance(status, str):
        return ""
    return f"{value:.6g} {unit}".strip() if status == "ok" else status
