"""The jobs that render reports: their files, inputs and keys, as the Snakefile asks for them.

A run that stops leaves no files in `reports/` that look like its result.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regbench.base import paths
from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.project import plugin_roots, workflow_root
from regbench.base.schemas import did_you_mean
from regbench.plan import keys
from regbench.plan.config import Config
from regbench.plan.jobs import Inputs
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import ReportKind, ReportPlugin
from regbench.reports.formats import FORMATS, PICTURES, TEMPLATES, to_text
from regbench.reports.model import read_json_table

FOLDER = Path("reports")
#: Where the files of earlier runs go.
EARLIER = FOLDER / "earlier"
#: Names the config that last ran.
_LAST = FOLDER / ".config"


class ReportJobs:
    """The reports of a config. File names are text, as Snakemake wants them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.reports = config.catalog.reports
        self.kinds = config.catalog.report_kinds

    def wanted(self) -> list[str]:
        """Every file of the reports that the config names; of all whose task it has by default."""
        return [file for report in self._wanted() for file in self._files_of(report)]

    def every_file(self) -> list[str]:
        """Every file of every report."""
        return [file for report in self.reports.values() for file in self._files_of(report)]

    def refuse(self, file: str) -> Any:
        """Say which report a file was meant to be of.

        Raises:
            BadInput: always.
        """
        meant = did_you_mean([file], self.every_file())
        raise BadInput(
            f"no report makes {file}{meant}", expected=f"one of {', '.join(self.reports)}"
        )

    def pages(self) -> list[str]:
        """Ids of the reports that show the other reports."""
        return [report.id for report in self.reports.values() if self._kind(report).page]

    def figures(self) -> list[str]:
        """Ids of the reports that have a picture beside their table."""
        return [report.id for report in self.reports.values() if self._kind(report).drawn]

    def files(self, report: str, *, drawn: bool) -> list[str]:
        """The files of a report; `{report}` is kept as a wildcard."""
        return [f"reports/{report}.{ending}" for ending in (*FORMATS, *(PICTURES if drawn else ()))]

    def inputs(self, report: str) -> Inputs:
        """Inputs of a report: its file, those of the reports that it names, results, and others.

        Raises:
            BadInput: the config lacks the report's task, or a metric that the report names is
                unknown.
        """
        plugin = self.reports[report]
        kind = self._kind(plugin)
        named = (plugin, *self._named(plugin))
        if plugin.task is None and not self._fits(plugin):
            raise BadInput(
                f"report {report} needs metrics that config {self.config.name!r} does not name",
                expected=f"metrics: [{', '.join(kind.metrics)}, ...]",
            )
        if not self._fits(plugin):
            raise BadInput(
                f"report {report} needs the task {plugin.task!r}, which config"
                f" {self.config.name!r} lacks",
                expected=f"one of {', '.join(self.config.tasks)}",
            )
        for item in named:
            for name in item.metrics:
                lookup(self.config.catalog.metrics, name, "metric", item.file)
        inputs: Inputs = {
            "report": [str(item.file) for item in named],
            "kind": sorted({str(file) for item in named for file in self._kind(item).files}),
            "templates": [str(file) for file in TEMPLATES],
        }
        inputs |= {name: getattr(self, f"_{name}")(plugin) for name in kind.inputs}
        if kind.results != "none":
            name, task = self.config.name, report if kind.results == "own" else plugin.task
            file = paths.metrics_file(name) if task is None else paths.task_metrics_file(name, task)
            inputs["results"] = str(file)
        if kind.page:
            others = [
                f for r in self._wanted() if not self._kind(r).page for f in self._files_of(r)
            ]
            shown = {f"reports/{r.id}.{e}" for r in self._wanted() for e in ("json", "png")}
            inputs["shown"] = [file for file in others if file in shown]
        return inputs

    def key(self, report: str) -> str:
        """The code that renders a report: its kind's, and that of the reports that it names."""
        plugin = self.reports[report]
        kinds = {item.kind: self._kind(item) for item in (plugin, *self._named(plugin))}
        return keys.render(kinds.values())

    def caption(self, report: str) -> str:
        """A report's caption as reStructuredText, for Snakemake's own report."""
        text = self.reports[report].caption
        # A backslash before punctuation takes away its meaning as markup.
        return re.sub(r"([^\w\s])", r"\\\1", " ".join(text.split()))

    def brief(self, since: float) -> str:
        """The leaderboards that were rendered after a time (of the epoch), in short."""
        # Not above: every plan imports this module, and none needs pandas.
        from regbench.reports.brief import brief

        files = [Path(f"reports/{r.id}.json") for r in self._wanted() if r.kind == "leaderboard"]
        new = [file for file in files if file.is_file() and file.stat().st_mtime >= since]
        return "\n\n".join(to_text(brief(read_json_table(file))) for file in new)

    def _named(self, report: ReportPlugin) -> list[ReportPlugin]:
        """The reports that a report builds upon, and those that these build upon."""
        names = [report.content.get(field) for field in ("ours", "published", "recipe")]
        ids = [name for name in names if isinstance(name, str)]
        direct = [lookup(self.reports, name, "report", report.file) for name in ids]
        return [*direct, *(item for named in direct for item in self._named(named))]

    def _fits(self, report: ReportPlugin) -> bool:
        has_task = report.task is None or report.task in self.config.tasks
        return has_task and set(self._kind(report).metrics) <= set(self.config.metrics)

    def _wanted(self) -> list[ReportPlugin]:
        named = self.config.raw.get("reports")
        reports = self.reports.values()
        return [r for r in reports if (r.id in named if named is not None else self._fits(r))]

    def _files_of(self, report: ReportPlugin) -> list[str]:
        if self._kind(report).page:
            return [f"reports/{report.id}.html"]
        return self.files(report.id, drawn=self._kind(report).drawn)

    def _layout(self, report: ReportPlugin) -> list[str]:
        """The JSON of the data set."""
        return [
            str(paths.layout_file(self.config.name, self.config.tasks[str(report.task)].dataset.id))
        ]

    def _cases(self, report: ReportPlugin) -> list[str]:
        """The statuses of the cases of the runs that are shown.

        Fields themselves are no outputs of jobs, so that Snakemake does not delete those of a
        failed one: the statuses, which hold the hash of each field, are inputs in their place.
        """
        task, rows = report.task, () if self._kind(report).page else report.rows
        return [
            str(paths.run_folder(self.config.name, run.task.id, run.id, seed) / paths.CASES)
            for run in self.config.every_run
            if run.task.id in self.config.tasks and task in (None, run.task.id)
            if not rows or run.method.id in rows
            for seed in self.config.seeds_of(run)[: None if task is None else 1]
        ]

    def _methods(self, report: ReportPlugin) -> list[str]:
        """The files of the methods whose networks are built."""
        methods = self.config.catalog.methods
        shown = [methods[name] for name in report.rows if name in methods]
        return sorted({str(path) for method in shown for path in method.files})

    def _metrics(self, report: ReportPlugin) -> list[str]:
        """The files of all metrics."""
        return [str(metric.file) for metric in self.config.catalog.metrics.values()]

    def _kind(self, report: ReportPlugin) -> ReportKind:
        return self.kinds[report.kind]


def known_reports(snakefile: Path) -> list[str]:
    """The ids of the reports of the project and the box, where no config can be read."""
    places = plugin_roots(workflow_root(snakefile))
    files = (file for place in places for file in (place / FOLDER).glob("*.yaml"))
    return [file.stem.replace("_", "-") for file in files]


def set_aside(ids: Iterable[str], config: str = "") -> None:
    """Move the files of reports to `EARLIER`, unless the last run was one of this config."""
    if config and _LAST.is_file() and _LAST.read_text(encoding="utf-8").strip() == config:
        return
    for name in ids:
        for ending in {*FORMATS, *PICTURES, "html"}:
            _move(FOLDER / f"{name}.{ending}")


def withdraw(ids: Iterable[str], config: str, planned: Iterable[str]) -> None:
    """Before the first job of a run: what it makes anew is gone until it is made.

    Args:
        ids: of all reports that it has.
        config: its name.
        planned: files that the run's jobs make. Reports are set aside; collected results, which are
            made of other files in seconds, are deleted.
    """
    set_aside(ids, config)
    for file in map(Path, planned):
        if file.parent == FOLDER:
            _move(file)
        elif file.name in (paths.CASES, paths.METRICS, paths.metrics_file("").name):
            file.unlink(missing_ok=True)
    write_text(_LAST, f"{config}\n")


def _move(file: Path) -> None:
    if file.is_file():
        EARLIER.mkdir(parents=True, exist_ok=True)
        file.replace(EARLIER / file.name)
