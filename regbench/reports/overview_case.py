"""Which case a figure of one case shows, and which methods have a field of it."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.paths import CASES, run_folder
from regbench.base.records import FIELD_NAME
from regbench.data.layout import Case
from regbench.plan.config import Config
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.per_case import median_of
from regbench.reports.results import RunFacts


def choose_case(
    report: ReportPlugin,
    cases: Mapping[str, Case],
    values: tuple[str, pd.Series],
    states: Mapping[str, Mapping[str, str]],
) -> tuple[str, str]:
    """The case and, in words, how it was chosen.

    The one that the report names; else the median one, among those for which most methods have a
    field.

    Args:
        report: with `case`, or without.
        cases: by id.
        values: a metric's title, and the cases from worst to best.
        states: run to case to why there is no field, empty where there is one.

    Raises:
        BadInput: the named case is not there, or there is no case.
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
    fields = {name: sum(not known[name] for known in states.values()) for name in sound}
    most = [name for name in sound if fields[name] == max(fields.values())]
    title, series = values
    known = [name for name in series.index if name in most]
    among = "" if len(most) == len(cases) else f", of the {len(most)} with the most fields"
    if not known:
        return most[0], f"the first{among}"
    return median_of(list(known)), f"the median {title}{among}"


def states_of(config: Config, task: str, run: RunFacts) -> dict[str, str]:
    """Case to why the run's first seed has no field of it; empty where it has one."""
    folder = run_folder(config.name, task, run.run, run.seeds[0])
    found = {}
    for status in read_json(folder / CASES):
        why = ""
        if status["outcome"] != "ok":
            why = f"{status['outcome']}: {status['reason']}"
        elif not field_file(folder, status["case"]).is_file():
            why = f"field not kept (keep_fields: {config.keep_fields})"
        found[status["case"]] = why
    return found


def field_file(folder: Path, case: str) -> Path:
    """Where a run keeps the displacement field of a case."""
    return folder / case / FIELD_NAME
