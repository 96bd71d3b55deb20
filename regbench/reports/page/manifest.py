"""What the viewer shows: tasks, their chosen cases, methods, and the names of their volumes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from regbench.reports.cells import median_of, worst_first
from regbench.reports.page.volumes import CaseVolumes, case_volumes, fill
from regbench.reports.palette import organ_colours
from regbench.reports.planes import viewer_options
from regbench.reports.request import Request
from regbench.reports.results import task_cases

#: Cases of a task, where the page's yaml does not say.
CASES = 3


def make_manifest(
    request: Request, budget: int
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Choose cases and make their volumes, as many as fit into a budget of characters.

    Returns:
        What the viewer must know; the volumes in base64 by name; a line for each thing it lacks.
    """
    config, content, results = request.config, request.report.content, request.results
    entries: dict[str, dict[str, Any]] = {}
    # Each with its place among the cases of its task, its task, and why it was chosen.
    wanted: list[tuple[tuple[int, str, str], Callable[[], CaseVolumes]]] = []
    for number, (task, facts) in enumerate(results.tasks.items()):
        if task not in config.tasks:
            continue
        labels, runs = list(facts.labels), results.of_task(task)
        entries[task] = {
            **{"task": task, "title": facts.title, "labels": labels, "cases": []},
            "colours": organ_colours(labels, content.get("colours", "safe")),
            **{"fixed": facts.fixed, "moving": facts.moving},
        }
        cases = task_cases(config, task)
        worst = worst_first(results.rows(task), runs, labels, request.metrics)
        chosen = choose_cases(worst, list(cases), content.get("cases", CASES))
        for place, (case, why) in enumerate(chosen.items()):
            prefix = f"t{number}c{place}"
            make = partial(case_volumes, config, runs, cases[case], facts, prefix)
            wanted.append(((place, task, why), make))
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


def choose_cases(worst: tuple[str, pd.Series], cases: Sequence[str], count: int) -> dict[str, str]:
    """At most `count` of a task's cases, with the reason: the median, worst and best, then others.

    `worst` is what `worst_first` says; `cases` are ids in the data set's order.
    """
    title, values = worst
    order = [case for case in values.index if case in cases]
    why: dict[str, str] = {}
    if order:
        for case, what in ((median_of(order), "median"), (order[0], "worst"), (order[-1], "best")):
            # One case may be two of these.
            why.setdefault(case, f"{what} {title} of {len(order)} cases")
    others = dict.fromkeys(
        (c for c in cases if c not in why), "" if why else "in the data set's order"
    )
    return dict([*why.items(), *others.items()][:count])
