"""What the viewer shows: tasks, cases, methods, and the names of their volumes."""

from collections.abc import Callable
from functools import partial
from typing import Any

from regbench.base.paths import layout_file
from regbench.data.layout import read_layout
from regbench.plan.config import Config
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.page.choose import choose_cases
from regbench.reports.page.records import task_cases
from regbench.reports.page.volumes import CaseVolumes, Groups, case_volumes, fill
from regbench.reports.results import Results

#: How many cases of its task come before a case, the task, and why the case was chosen.
Place = tuple[int, str, str]
#: Cases of a task, where the page's yaml does not say.
CASES = 3


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
    tasks = {task: _task_entry(config, task, results) for task in config.tasks}
    wanted: list[tuple[Place, Callable[[], CaseVolumes]]] = []
    for number, task in enumerate(tasks):
        runs = [run for run in config.runs if run.task.id == task]
        cases = {case.id: case for case in task_cases(config, task)}
        chosen = choose_cases(
            results.rows(task),
            [run for run in results.runs if run.task == task],
            list(cases),
            list(results.tasks[task].labels),
            config.catalog.metrics,
            page.content.get("cases", CASES),
        )
        for order, choice in enumerate(chosen):
            case, prefix = cases[choice.case], f"t{number}c{order}"
            make = partial(case_volumes, config, runs, case, _groups(config, task), prefix)
            wanted.append(((order, task, choice.why), make))
    # The median case of every task comes before the second case of any.
    wanted.sort(key=lambda item: item[0][0])
    blobs: dict[str, str] = {}
    missing: list[str] = []
    left = 0
    for (_, task, why), made in fill(wanted, budget):
        if made is None:
            left += 1
            continue
        blobs |= made.data
        missing += made.missing
        if made.entry["runs"]:
            tasks[task]["cases"].append({**made.entry, "why": why})
    if left:
        missing.append(f"viewer: {left} more cases do not fit the page's limit (limit_mb)")
    return {"tasks": [task for task in tasks.values() if task["cases"]]}, blobs, missing


def _task_entry(config: Config, task: str, results: Results) -> dict[str, Any]:
    title = results.tasks[task].title
    return {"task": task, "title": title, "labels": list(_groups(config, task)), "cases": []}


def _groups(config: Config, task: str) -> Groups:
    """The label groups of a task; none where its data set has no labels."""
    item = config.tasks[task]
    if item.labels is not None:
        return dict(item.labels)
    return read_layout(layout_file(config.name, item.dataset.id)).groups()
