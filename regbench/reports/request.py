"""A request for one report: what its kind builds it from, and the files that it is written to."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from regbench.base.errors import BadInput, of_code
from regbench.base.files import write_bytes, write_text
from regbench.plan.config import Config
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MetricPlugin, ReportKind, ReportPlugin
from regbench.plugins.loading import load_kind
from regbench.reports.cells import case_values
from regbench.reports.formats import FORMATS, PICTURES
from regbench.reports.model import Table
from regbench.reports.results import Results, RunFacts, TaskFacts, read_results


@dataclass(frozen=True)
class Drawing:
    """A table with its picture, which is drawn for an ending of PICTURES."""

    table: Table
    picture: Callable[[str], bytes]


@dataclass(frozen=True)
class Request:
    """One report to build. Every method raises BadInput where the report does not fit.

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

    @property
    def kind(self) -> ReportKind:
        """Metadata of the report's kind."""
        kinds = self.config.catalog.report_kinds
        return lookup(kinds, self.report.kind, "kind", self.report.file)

    def metric(self, name: str) -> MetricPlugin:
        """The metadata of a metric."""
        return lookup(dict(self.metrics), name, "metric", self.report.file)

    @cached_property
    def results(self) -> Results:
        """The collected results."""
        if self.file is None:
            raise BadInput(f"report {self.report.id} is of results", expected="--results FILE")
        return read_results(self.file)

    @cached_property
    def tasks(self) -> dict[str, TaskFacts]:
        """The report's task; every task of the results if the report names none."""
        report, known = self.report, self.results.tasks
        if report.task is None:
            return known
        if report.task not in known:
            raise BadInput(
                f"report {report.id} is about task {report.task!r}, which the results lack",
                file=report.file,
                expected=f"one of {', '.join(known)}",
            )
        return {report.task: known[report.task]}

    def runs(self, task: str) -> list[RunFacts]:
        """The task's runs: those of the report's `rows` in that order, then others as configured.

        The methods in the report's `without` are left out.
        """
        left_out = self.report.content.get("without", ())
        rank = {method: i for i, method in enumerate(self.report.rows)}
        runs = [run for run in self.results.of_task(task) if run.method not in left_out]
        return sorted(runs, key=lambda run: rank.get(run.method, len(rank)))

    def values(self, task: str, runs: Sequence[RunFacts], metric: MetricPlugin) -> pd.DataFrame:
        """A task's values by case and run, see `case_values`."""
        labels = list(self.results.tasks[task].labels)
        return case_values(self.results.rows(task), runs, metric, labels)

    def measure(self, item: Mapping[str, str]) -> MetricPlugin:
        """The metric of a column, better where the column says so."""
        metric = self.metric(item.get("metric") or item["spread"])
        return metric.model_copy(update={"direction": item.get("better", metric.direction)})

    def column_metrics(self) -> list[MetricPlugin]:
        """The metrics that the report's columns name, then those that only the config names."""
        for item in self.report.columns:
            if "metric" not in item:
                raise BadInput(
                    f"a report of kind {self.report.kind} has metrics only",
                    file=self.report.file,
                    expected="columns: [{metric: dice}]",
                    found=dict(item),
                )
        listed = [self.measure(item) for item in self.report.columns]
        measured = set(self.results.frame["metric"].unique()) - {metric.id for metric in listed}
        return [*listed, *(m for m in self.metrics.values() if m.id in measured and not m.default)]

    def build(self) -> Table | Drawing | str:
        """The report, by its kind: what its KIND says that `build` returns."""
        kind = self.kind
        with running(kind, self.report):
            made = load_kind(kind)(self)
        returned = str if kind.page else Drawing if kind.drawn else Table
        if not isinstance(made, returned):
            raise BadInput(
                f"build does not return what KIND says, for report {self.report.id}",
                file=kind.file,
                expected=returned.__name__,
                found=type(made).__name__,
            )
        return made

    def table(self, field: str) -> Table:
        """The table of the report that a field of this one names."""
        name: str = self.report.content[field]
        named = lookup(self.config.catalog.reports, name, "report", self.report.file)
        made = replace(self, report=named).build()
        if isinstance(made, str):
            raise BadInput(f"report {name} is no table", file=self.report.file)
        return made.table if isinstance(made, Drawing) else made


@contextmanager
def running(kind: ReportKind, report: ReportPlugin) -> Iterator[None]:
    """Turn an error of a kind's code into one line that names its file, below the traceback."""
    try:
        yield
    except (BadInput, OSError, MemoryError):
        raise
    except Exception as error:
        traceback.print_exc()
        found = of_code(error, kind.file)
        raise BadInput(f"cannot build report {report.id}", file=kind.file, found=found) from error


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
            with running(request.kind, request.report):
                picture = made.picture(ending)
            write_bytes(output, picture)
        else:
            raise BadInput("unknown report format", file=output, expected=", ".join(FORMATS))
