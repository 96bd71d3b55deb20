"""Columns as a report asks for them, and the rows of a task's runs that fill them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from regbench.plugins.kinds import MetricPlugin
from regbench.plugins.weights import REFERENCE
from regbench.reports import cells
from regbench.reports.cells import TRUTH, begins, finished, seed_spread, summarise, times_of
from regbench.reports.model import Cell, Column, TableRow, mark_best, spread
from regbench.reports.request import Request
from regbench.reports.results import RunFacts

#: Columns that are facts of a run, not metrics.
FACTS = {
    "parameters": Column("Params (M)", precision=3),
    "time_gpu": Column("Time GPU (s)", "Wall time (s)", "GPU", more=spread("Time GPU (s)")),
    "time_cpu": Column("Time CPU (s)", "Wall time (s)", "CPU", more=spread("Time CPU (s)")),
    "cpu_seconds": Column("CPU seconds", more=spread("CPU seconds")),
    "cases": cells.CASES,
    "weights": Column("Weights"),
}
#: The source of a column that shows how far a metric's mean moves from seed to seed.
SPREAD = "spread"


class Filled(NamedTuple):
    """A column and what fills it.

    Attributes:
        column: its header.
        source: the id of a metric, a key of FACTS, or SPREAD.
        label: the label group of the metric; for SPREAD the id of the metric.
    """

    column: Column
    source: str
    label: str = ""


def expand_columns(
    request: Request,
    wanted: Iterable[Mapping[str, str]],
    frame: pd.DataFrame,
    labels: Iterable[str],
) -> list[Filled]:
    """The columns of a report: a metric of labels has one for each label group.

    A metric that no run could have (no labels, no landmarks, no true field) has no column. A
    metric that failed keeps its column; cases that failed as a whole do not tell.

    Raises:
        BadInput: a metric is unknown.
    """
    there = _present(frame)
    columns: list[Filled] = []
    for item in wanted:
        if "fact" in item:
            columns.append(Filled(FACTS[item["fact"]], item["fact"]))
            continue
        metric = request.measure(item)
        if "metric" in item:
            groups = labels if metric.labelled else [""]
            title = item.get("title", metric.title)
            columns += [_of(metric, title, x) for x in groups if (metric.id, x) in there]
        elif frame["seed"].nunique() > 1:
            title = cells.with_unit(f"{metric.title} between seeds", metric.unit)
            columns.append(Filled(Column(title, precision=metric.precision), SPREAD, metric.id))
    return columns


def _present(frame: pd.DataFrame) -> set[tuple[str, str]]:
    """The metrics that some run could have, each with a label group.

    A case that failed as a whole has failed rows of every metric, whatever its data have. They
    count only where no other case tells.
    """
    could = ~begins(frame["status"], "skipped")
    lost = frame[(frame["metric"] == "register_s") & (frame["status"] != "ok")]
    if lost.empty:
        return _pairs(frame[could])
    case = ["task", "run", "seed", "case"]
    index = pd.MultiIndex.from_frame
    told = ~index(frame[case]).isin(index(lost[case]))
    return _pairs(frame[told & could]) | (_pairs(frame[could]) - _pairs(frame[told]))


def _pairs(frame: pd.DataFrame) -> set[tuple[str, str]]:
    pairs = frame[["metric", "label"]].drop_duplicates()
    return set(zip(pairs["metric"], pairs["label"], strict=True))


def _of(metric: MetricPlugin, title: str, label: str) -> Filled:
    unit = "" if metric.unit == "voxels" else metric.unit
    name = cells.with_unit(f"{title} {label}".rstrip(), unit)
    group = cells.with_unit(title, unit)
    column = Column(name, group, label, metric.direction, metric.precision, spread(name))
    return Filled(column, metric.id, label)


def shown_metrics(request: Request, columns: Sequence[Filled]) -> list[MetricPlugin]:
    """The metrics that have a column, each once."""
    names = dict.fromkeys(source for _, source, _ in columns)
    return [request.metrics[name] for name in names if name in request.metrics]


def task_rows(request: Request, task: str, columns: Sequence[Filled]) -> list[TableRow]:
    """A row for each run of a task, the best of each column marked."""
    frame, total = request.results.rows(task), request.results.tasks[task].cases
    runs = request.runs(task)
    rows = [_row(run, frame[frame["run"] == run.run], total, columns) for run in runs]
    truth = next((row for row, run in zip(rows, runs, strict=True) if run.method == TRUTH), None)
    return mark_best(rows, [column for column, _, _ in columns], truth)


def _row(run: RunFacts, frame: pd.DataFrame, total: int, columns: Sequence[Filled]) -> TableRow:
    """The row of a run, from its collected rows and the number of cases of its task."""
    groups = dict(list(frame.groupby(["metric", "label"], observed=True)))

    def measured(metric: str, label: str = "") -> pd.DataFrame:
        return groups.get((metric, label), frame.iloc[:0])

    done = finished(measured("register_s"), run.seeds)
    times = times_of(frame, run.seeds, total)
    facts = {
        "parameters": Cell("-" if run.parameters is None else cells.millions(run.parameters)),
        "time_gpu": times.cell("gpu"),
        "time_cpu": times.cell("cpu"),
        "cpu_seconds": times.cell("cpu_seconds"),
        "cases": cells.share_cell(done, total),
        "weights": Cell(_weights(run)),
    }

    def cell(column: Column, source: str, label: str) -> Cell:
        if source in facts:
            return facts[source]
        if source == SPREAD:
            spread = seed_spread(frame[frame["metric"] == label], run.seeds, total)
            return Cell(cells.decimals(spread, column.precision))
        return summarise(measured(source, label), run.seeds, total).cell(column.precision)

    ranked = done == total and run.kind != "control"
    return TableRow(run.title, tuple(cell(*filled) for filled in columns), ranked)


def _weights(run: RunFacts) -> str:
    """Whether weights were trained here, or are published, the reference weights or a file's."""
    if run.kind not in ("learned", "pretrained"):
        return "-"
    name = str(run.settings["checkpoint"]).partition(":")[0]
    own = "trained" if run.kind == "learned" else "published"
    return name if name == REFERENCE else "file" if name else own
