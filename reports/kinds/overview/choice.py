"""Which case is drawn: the one that the report names, or the median one."""

from collections.abc import Mapping

import pandas as pd

from regbench.base.errors import BadInput
from regbench.data.layout import Case
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.case_figure import CaseFigure, figure_of, missing_fields
from regbench.reports.cells import median_of, worst_first
from regbench.reports.request import Request
from regbench.reports.results import task_cases


def read_case(request: Request) -> CaseFigure:
    """Choose the case, read its images and fields, warp, and choose planes and parts.

    The report has `rows` (methods, all but controls by default), `case`, `views`, `zoom`, `show`.

    Raises:
        BadInput: an unknown task or case, or a fixed or moving image that cannot be read.
    """
    report, results, (task,) = request.report, request.results, request.tasks
    runs = [
        run
        for run in request.runs(task)
        if (run.method in report.rows if report.rows else run.kind != "control")
    ]
    cases = task_cases(request.config, task)
    whys = {run.run: missing_fields(request.config, run) for run in runs}
    about = request.tasks[task]
    values = worst_first(results.rows(task), runs, list(about.labels), request.metrics)
    name, chosen = _choose_case(report, cases, values, whys)
    return figure_of(
        request, task, cases[name], chosen, [(run, whys[run.run][name]) for run in runs]
    )


def _choose_case(
    report: ReportPlugin,
    cases: Mapping[str, Case],
    values: tuple[str, pd.Series],
    whys: Mapping[str, Mapping[str, str]],
) -> tuple[str, str]:
    """The case and, in words, how it was chosen.

    It is the one that the report names; else the median one of `values` (a metric's title, and the
    cases from worst to best), among those for which most methods have a field.
    """
    named = report.content.get("case")
    if named is not None:
        if named not in cases:
            raise BadInput(
                f"no case {named!r}", file=report.file, expected=f"one of {', '.join(cases)}"
            )
        return named, "named by the report"
    sound = [name for name, case in cases.items() if not case.problem]
    if not sound:
        raise BadInput(f"report {report.id}: the task has no case to draw", file=report.file)
    fields = {name: sum(not why[name] for why in whys.values()) for name in sound}
    most = [name for name in sound if fields[name] == max(fields.values())]
    title, series = values
    ranked = [name for name in series.index if name in most]
    among = "" if len(most) == len(cases) else f", of the {len(most)} with the most fields"
    if not ranked:
        return most[0], f"the first{among}"
    return median_of(ranked), f"the median {title}{among}"
