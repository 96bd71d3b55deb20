"""What the viewer shows: tasks, their chosen cases, methods, and the names of their volumes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from regbench.plan.config import Config
from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.cells import median_of, worst_first
from regbench.reports.page.records import task_cases
from regbench.reports.page.volumes import CaseVolumes, case_volumes, fill
from regbench.reports.palette import organ_colours
from regbench.reports.planes import viewer_options
from regbench.reports.results import Results, RunFacts

#: Cases of a task, where the page's yaml does not say.
CASES = 3


@dataclass(frozen=True)
class Choice:
    """A case, and why it is shown: `median Dice of 10 cases`."""

    case: str
    why: str


def make_manifest(
    config: Config, page: ReportPlugin, results: Results, budget: int
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Choose cases and make their volumes, as many as fit.

    Args:
        config: whose results are shown.
        page: its `cases` is how many of each task are wanted.
        results: of all tasks.
        budget: characters that the volumes may take.

    Returns:
        What the viewer must know; the volumes in base64 by name; a line for each thing it lacks.
    """
    entries: dict[str, dict[str, Any]] = {}
    # Each with its place among the cases of its task, its task, and why it was chosen.
    wanted: list[tuple[tuple[int, str, str], Callable[[], CaseVolumes]]] = []
    for number, task in enumerate(config.tasks):
        facts = results.tasks[task]
        labels = list(facts.labels)
        entries[task] = {
            **{"task": task, "title": facts.title, "labels": labels, "cases": []},
            "colours": organ_colours(labels, page.content.get("colours", "safe")),
            **{"fixed": facts.fixed, "moving": facts.moving},
        }
        runs = [run for run in config.runs if run.task.id == task]
        cases = {case.id: case for case in task_cases(config, task)}
        chosen = choose_cases(
            results.rows(task),
            [run for run in results.runs if run.task == task],
            list(cases),
            labels,
            config.catalog.metrics,
            page.content.get("cases", CASES),
        )
        for place, choice in enumerate(chosen):
            case, prefix = cases[choice.case], f"t{number}c{place}"
            make = partial(case_volumes, config, runs, case, facts.labels, prefix)
            wanted.append(((place, task, choice.why), make))
    # The median case of every task comes before the second case of any.
    wanted.sort(key=lambda item: item[0][0])
    blobs: dict[str, str] = {}
    missing: list[str] = []
    left_out = 0
    for (_, task, why), made in fill(wanted, budget):
        if made is None:
            left_out += 1
            continue
        blobs |= made.data
        missing += made.missing
        if made.entry["runs"]:
            entries[task]["cases"].append({**made.entry, "why": why})
    if left_out:
        missing.append(f"viewer: {left_out} more cases do not fit the page's limit (limit_mb)")
    shown = [entry for entry in entries.values() if entry["cases"]]
    return {"tasks": shown, "orientation": viewer_options()}, blobs, missing


def choose_cases(
    frame: pd.DataFrame,
    runs: Sequence[RunFacts],
    cases: Sequence[str],
    labels: Sequence[str],
    metrics: Mapping[str, MetricPlugin],
    count: int,
) -> list[Choice]:
    """At most `count` of a task's cases: the median, the worst, the best, then the others.

    `cases` are ids in the data set's order; the other arguments are those of `worst_first`.
    """
    title, values = worst_first(frame, runs, labels, metrics)
    order = [case for case in values.index if case in cases]
    if not order:
        return [Choice(case, "in the data set's order") for case in cases[:count]]
    why: dict[str, str] = {}
    for case, what in ((median_of(order), "median"), (order[0], "worst"), (order[-1], "best")):
        # One case may be two of these.
        why.setdefault(case, f"{what} {title} of {len(order)} cases")
    why |= {case: "" for case in cases if case not in why}
    return [Choice(case, text) for case, text in why.items()][:count]
