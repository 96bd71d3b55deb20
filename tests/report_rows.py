"""Collected results of made-up runs, and what the statistics table makes of them."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from helpers import REPOSITORY

from regbench.plugins.catalog import discover
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.model import Table
from regbench.reports.request import Request
from regbench.reports.results import Results

CATALOG = discover(REPOSITORY)
METRICS = CATALOG.metrics


def request(report: ReportPlugin, given: Results | None = None, *measured: str) -> Request:
    """A request of results that were not read from a file, for a config that names metrics."""
    config: Any = SimpleNamespace(name="toy", metrics=measured, catalog=CATALOG, runs=())
    asked = Request(config, report, None)
    vars(asked)["results"] = given
    return asked


def built(report: ReportPlugin, given: Results | None = None, *measured: str) -> Table:
    """The table of a report."""
    made = request(report, given, *measured).build()
    assert isinstance(made, Table)
    return made


def results(values: dict[str, list[float]], **more: dict[str, list[float]]) -> Results:
    """Runs with a Dice (or other metric) a case; nan is a case that failed."""
    rows = []
    for metric, table in {"dice": values, **more}.items():
        label = "liver" if METRICS[metric].labelled else ""
        for run, numbers in table.items():
            for i, value in enumerate(numbers):
                status = "failed: no luck" if math.isnan(value) else "ok"
                rows.append(["t", run, run, 0, f"c{i}", metric, label, value, "", status])
    names = ["task", "run", "method", "seed", "case", "metric", "label", "value", "unit", "status"]
    task = {
        **dict.fromkeys(("title", "data", "dataset", "fixed", "moving", "split"), "x"),
        **{"synthetic": False, "version": 1, "settings": {}, "interpolation": "nearest"},
        **{"cases": max(map(len, values.values())), "training": 0, "validation": 0},
        "labels": {"liver": [1]},
    }
    runs = [
        {"task": "t", "run": name, "method": name, "title": name.upper(), "kind": kind}
        | {"seeds": [0], "settings": {}, "threads": 1}
        for name in values
        for kind in ["control" if name == "identity" else "optimisation"]
    ]
    facts = {"config": "toy", "tasks": {"t": task}, "runs": runs, "seeds": [0]}
    frame = pd.DataFrame(rows, columns=names)
    return Results.of(frame, facts | {"timing": "shared", "hardware": "an abacus"})


def make_report(kind: str = "statistics", *metrics: str, **content: Any) -> ReportPlugin:
    columns = tuple({"metric": name} for name in metrics or ("dice",))
    task = content.pop("task", None)
    return ReportPlugin(
        "r", "R", kind, task, "Of toys.", (), columns, Path("r.yaml"), content=content
    )


def statistics_table(values: dict[str, list[float]], *metrics: str, **content: Any) -> Table:
    more = content.pop("more", {})
    report = make_report("statistics", *metrics, **content)
    return built(report, results(values, **more))


def by_title(table: Table) -> dict[str, dict[str, str]]:
    titles = [column.title for column in table.columns]
    return {
        row.title: dict(zip(titles, (cell.text for cell in row.cells), strict=True))
        for row in table.rows
    }
