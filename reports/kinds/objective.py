"""The audit of the objective: what the training loss says of results whose worth is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from regbench.plugins.models import LearnedSettings
from regbench.reports import cells
from regbench.reports.cells import TRUTH, summary_of
from regbench.reports.charts import Chart, Series, Style, picture
from regbench.reports.drawing import Mark, plain
from regbench.reports.model import Cell, Column, Table, TableRow, spread
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request
from regbench.reports.results import RunFacts

KIND = {
    "fields": ["reference"],
    "metrics": ["objective_similarity", "objective_smoothness"],
    "drawn": True,
}
METRICS = ("objective_similarity", "objective_smoothness")
#: The method id of the field 0.
NOTHING = "identity"
#: The names of lines on which the loss is the same begin with it.
EQUAL = "equal loss: "
CELLS = (
    "cells: mean±std over pairs, or the value of one pair; loss: similarity + lambda * smoothness;"
    " break-even: the lambda at which a field costs as much as no registration, negative where its"
    " similarity is worse; over the reference: negative where the loss prefers the row"
)


@dataclass(frozen=True)
class Audit:
    """One task. Each table has a row for each pair and a column for each run, by id.

    Attributes:
        nothing, reference: ids of the run that leaves all as it is, and of the one that is right
            or taken to be; empty where there is none.
        tables: title of a column to its values and their decimals.
    """

    task: str
    runs: list[RunFacts]
    nothing: str
    reference: str
    tables: dict[str, tuple[pd.DataFrame, int]]

    def of(self, title: str, run: str, pairs: Sequence[str]) -> pd.Series:
        """The values of a run that are known, by pair."""
        return self.tables[title][0][run].reindex(list(pairs)).dropna()

    @property
    def pairs(self) -> list[str]:
        """The pairs that were measured."""
        return list(self.tables["Similarity"][0].index)


def build(request: Request) -> Drawing:
    """For each task a row for each run, means over pairs, then one for each pair; and a chart."""
    tasks = list(request.tasks)
    methods = request.config.catalog.methods
    minimised = {
        float(run.settings["lambda"])
        for task in tasks
        for run in request.runs(task)
        if run.method in methods and methods[run.method].objective == "training"
    }
    weights = sorted(minimised) or [LearnedSettings().lambda_]
    audits = [_audit(request, task, weights) for task in tasks]
    columns = list(dict.fromkeys(k for a in audits for k, v in a.tables.items() if len(v[0])))
    metrics = [request.metric(name) for name in dict.fromkeys([*METRICS, *request.config.metrics])]
    table = Table.of(
        request.report,
        ["Task", "Pair", *(Column(title, more=spread(title)) for title in columns)],
        [row for audit in audits for row in _rows(audit, columns)],
        [
            *(note for audit in audits for note in _verdict(request, audit, weights)),
            *notes(request.results, tasks, metrics, CELLS),
        ],
    )
    charts = [_chart(audit, weights[0]) for audit in audits if audit.pairs]
    return Drawing(table, picture(request, charts, Style(paint=_paint, inches=3.2)))


def _audit(request: Request, task: str, weights: Sequence[float]) -> Audit:
    runs = request.runs(task)
    measured = {
        name: request.values(task, runs, request.metric(name))
        for name in dict.fromkeys([*METRICS, *request.config.metrics])
    }
    similarity, smoothness = (measured.pop(name) for name in METRICS)
    wanted = (TRUTH, request.report.content["reference"])
    found = [r.run for name in wanted for r in runs if name in (r.run, r.method)]
    reference = next((name for name in found if similarity[name].notna().any()), "")
    nothing = next((run.run for run in runs if run.method == NOTHING), "")
    tables = {"Similarity": (similarity, 4), "Smoothness": (smoothness, 4)}
    if nothing:
        gain = similarity.rsub(similarity[nothing], axis=0)
        tables["Break-even lambda"] = gain / smoothness.where(smoothness > 0), 2
    for weight in weights:
        loss, name = similarity + weight * smoothness, f"(lambda {cells.setting(weight)})"
        tables[f"Loss {name}"] = loss, 4
        if reference:
            tables[f"Over the reference {name}"] = loss.sub(loss[reference], axis=0), 4
    for name, values in measured.items():
        metric = request.metric(name)
        tables[cells.axis(metric)] = values, metric.precision
    return Audit(task, runs, nothing, reference, tables)


def _rows(audit: Audit, columns: Sequence[str]) -> Iterator[TableRow]:
    for scope in [audit.pairs] * (len(audit.pairs) > 1) + [[pair] for pair in audit.pairs]:
        name = scope[0] if len(scope) == 1 else f"{len(scope)} pairs"
        for run in audit.runs:
            row = [
                summary_of(audit.of(k, run.run, scope), len(scope)).cell(audit.tables[k][1])
                if k in audit.tables
                else Cell("-")
                for k in columns
            ]
            yield TableRow(run.title, (Cell(audit.task), Cell(name), *row))


def _verdict(request: Request, audit: Audit, weights: Sequence[float]) -> Iterator[str]:
    """What is the reference, and whether the loss prefers it."""
    run = next((run for run in audit.runs if run.run == audit.reference), None)
    if run is None:
        wanted = request.report.content["reference"]
        yield f"warning: task {audit.task} has no reference: no true field, no field of {wanted}"
        return
    alike = request.config.catalog.methods[run.method].objective
    doubt = ": it minimises a measure of the loss's kind, which favours it" if alike else ""
    yield f"task {audit.task}: the reference is {run.title}{doubt}"
    known = audit.of("Similarity", run.run, audit.pairs)
    if len(known) < len(audit.pairs):
        lost = sorted(set(audit.pairs) - set(known.index))
        yield f"task {audit.task}: no reference of {', '.join(lost)}"
    if not audit.nothing:
        return
    even = audit.of("Break-even lambda", run.run, audit.pairs)
    if len(even):
        ok = [f"{cells.share((even > w).sum(), len(even))} at {cells.setting(w)}" for w in weights]
        yield (
            f"task {audit.task}: pairs in which the loss prefers the reference to no registration:"
            f" {', '.join(ok)}; break-even lambda {cells.decimals(even.min())} to"
            f" {cells.decimals(even.max())}"
        )


def _chart(audit: Audit, weight: float) -> Chart:
    """A point for each run, its mean over pairs, and the lines on which the loss is the same."""
    x, y = (audit.tables[k][0].dropna(axis=1).mean() for k in ("Smoothness", "Similarity"))
    shown = [run for run in audit.runs if run.run in x and run.run in y]
    points = [Series(r.title, (float(x[r.run]),), (float(y[r.run]),)) for r in shown]
    far = 1.1 * max([*x, 1e-6])
    lines = [
        Series(f"{EQUAL}{name}", (0.0, far), (start, start - weight * far))
        for name, run in (("no registration", audit.nothing), ("reference", audit.reference))
        if run in x and run in y
        for start in [float(y[run] + weight * x[run])]
    ]
    title = f"{audit.task}, lambda {cells.setting(weight)}"
    return Chart(title, "smoothness term", "similarity term", (*points, *lines))


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    for series in chart.series:
        colour, mark, _ = marks[series.name]
        if series.name.startswith(EQUAL):
            colour, mark = "#555555", "--" if series.name.endswith("reference") else ":"
        axes.plot(series.x, series.y, mark, color=colour, label=plain(series.name), lw=0.8, ms=5)
