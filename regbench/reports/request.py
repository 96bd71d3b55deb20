"""A request for one report: what its kind builds it from, and the files that it is written to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from regbench.base.errors import BadInput
from regbench.base.files import write_bytes, write_text
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MetricPlugin, ReportPlugin, report_kind
from regbench.reports.formats import FORMATS
from regbench.reports.model import Table

if TYPE_CHECKING:
    from regbench.plan.config import Config
    from regbench.reports.results import Results, RunFacts

#: Endings of the files that a figure is drawn in.
PICTURES = ("png", "pdf")


@dataclass(frozen=True)
class Drawing:
    """A table with its picture, which is drawn for an ending of PICTURES."""

    table: Table
    picture: Callable[[str], bytes]


@dataclass(frozen=True)
class Request:
    """One report to build.

    Attributes:
        config: whose plugins describe the report and the metrics.
        report: its definition.
        file: the collected table; None for a report that shows no results.
        shown: files of the other reports that a page shows.
    """

    config: Config
    report: ReportPlugin
    file: Path | None
    shown: Sequence[Path] = ()

    @property
    def metrics(self) -> Mapping[str, MetricPlugin]:
        """Metadata by id."""
        return self.config.catalog.metrics

    def metric(self, name: str) -> MetricPlugin:
        """Its metadata.

        Raises:
            BadInput: there is no such metric.
        """
        return lookup(dict(self.metrics), name, "metric", self.report.file)

    @property
    def given(self) -> Path:
        """The file of the collected table.

        Raises:
            BadInput: there is none.
        """
        if self.file is None:
            raise BadInput(f"report {self.report.id} is of results", expected="--results FILE")
        return self.file

    @cached_property
    def results(self) -> Results:
        """The collected results."""
        from regbench.reports.results import read_results

        return read_results(self.given)

    def build(self) -> Table | Drawing | str:
        """The report, by its kind."""
        made: Table | Drawing | str = report_kind(self.report.kind).build(self)
        return made

    def table(self, field: str) -> Table:
        """The table of the report that a field of this one names."""
        name: str = self.report.content[field]
        named = lookup(self.config.catalog.reports, name, "report", self.report.file)
        made = Request(self.config, named, self.file).build()
        if isinstance(made, str):
            raise BadInput(f"report {name} is no table", file=self.report.file)
        return made.table if isinstance(made, Drawing) else made


def tasks_of(report: ReportPlugin, results: Results) -> list[str]:
    """The report's task; every task of the results if the report names none.

    Raises:
        BadInput: the results have no such task.
    """
    if report.task is None:
        return list(results.tasks)
    if report.task not in results.tasks:
        raise BadInput(
            f"report {report.id} is about task {report.task!r}, which the results lack",
            file=report.file,
            expected=f"one of {', '.join(results.tasks)}",
        )
    return [report.task]


def runs_of(report: ReportPlugin, results: Results, task: str) -> list[RunFacts]:
    """The task's runs: those of the report's `rows` in that order, then the others as configured.

    The methods in the report's `without` are left out.
    """
    left_out = report.content.get("without", ())
    runs = [run for run in results.runs if run.task == task and run.method not in left_out]
    rank = {method: i for i, method in enumerate(report.rows)}
    return sorted(runs, key=lambda run: rank.get(run.method, len(rank)))


def measure(request: Request, item: Mapping[str, str]) -> MetricPlugin:
    """The metric of a column, better where the column says so.

    Raises:
        BadInput: there is no such metric.
    """
    metric = request.metric(item.get("metric") or item["spread"])
    return metric.model_copy(update={"direction": item.get("better", metric.direction)})


def metrics_of(request: Request) -> list[MetricPlugin]:
    """The metrics that the report's columns name, then those that only the config names.

    Raises:
        BadInput: a column is no metric, or an unknown one.
    """
    report = request.report
    for item in report.columns:
        if "metric" not in item:
            raise BadInput(
                f"a report of kind {report.kind} has metrics only",
                file=report.file,
                expected="columns: [{metric: dice}]",
                found=dict(item),
            )
    listed = [measure(request, item) for item in report.columns]
    measured = set(request.results.frame["metric"].unique())
    asked = [m for m in request.metrics.values() if m.id in measured and not m.default]
    return [*listed, *(m for m in asked if m.id not in {metric.id for metric in listed})]


def render(request: Request, outputs: Sequence[Path]) -> None:
    """Write a report in the formats that the endings of `outputs` ask for.

    Raises:
        BadInput: reports have no such format, or the report does not fit the results.
    """
    made = request.build()
    table = made.table if isinstance(made, Drawing) else made
    for output in outputs:
        ending = next((e for e in FORMATS if output.name.endswith(f".{e}")), output.suffix[1:])
        if isinstance(table, str):
            write_text(output, table)
        elif ending in FORMATS:
            write_text(output, FORMATS[ending](table))
        elif isinstance(made, Drawing) and ending in PICTURES:
            write_bytes(output, made.picture(ending))
        else:
            raise BadInput("unknown report format", file=output, expected=", ".join(FORMATS))
