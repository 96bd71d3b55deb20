"""What a kind of report is asked with, and what it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regbench.base.errors import BadInput
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MetricPlugin, ReportPlugin, report_kind
from regbench.reports.model import Table

if TYPE_CHECKING:
    from regbench.plan.config import Config
    from regbench.reports.results import Results

#: What draws a report, given an ending: `png` or `pdf`.
Picture = Callable[[str], bytes]


@dataclass(frozen=True)
class Drawing:
    """A table that is drawn, too: both from one reading of the results."""

    table: Table
    picture: Picture


@dataclass(frozen=True)
class Request:
    """One report to build.

    Attributes:
        config: whose plugins describe the report and the metrics.
        report: its definition.
        file: the collected table; None for a report of no results.
        shown: files of other reports that a page shows.
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
        name: Any = self.report.content[field]
        other = lookup(self.config.catalog.reports, name, "report", self.report.file)
        made = Request(self.config, other, self.file).build()
        if isinstance(made, str):
            raise BadInput(f"report {name} is no table", file=self.report.file)
        return made.table if isinstance(made, Drawing) else made
