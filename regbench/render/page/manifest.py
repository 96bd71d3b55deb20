"""What the viewer shows: tasks, cases, methods, and the names of their volumes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from regbench.config import Config
from regbench.data.layout import read_layout
from regbench.plugins import ReportPlugin
from regbench.render.page.choose import choose_cases
from regbench.render.page.records import task_cases
from regbench.render.page.volumes import CaseVolumes, Groups, case_volumes, fill
from regbench.results.paths import layout_file

#: Cases of a task, where the page's yaml does not say.
CASES = 3


def make_manifest(
    config: Config, page: ReportPlugin, frame: pd.DataFrame, facts: dict[str, Any], budget: int
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Choose cases and make their volumes, as many as fit.

    Args:
        config: whose results are shown.
        page: its `cases` is how many of each task are wanted.
        frame, facts: of the merged table.
        budget: characters that the volumes may take.

    Returns:
        What the viewer must know; the volumes in base64 by name; a line for each thing it lacks.
    """
    manifest: dict[str, Any] = {"tasks": []}
    wanted: list[tuple[int, str, str, Callable[[], CaseVolumes]]] = []
    for number, task in enumerate(config.tasks):
        runs = [run for run in config.runs if run.task.id == task]
        groups = _groups(config, task)
        cases = {case.id: case for case in task_cases(config, task)}
        manifest["tasks"].append(
            {
                "task": task,
                "title": facts["tasks"][task]["title"],
                "labels": list(groups),
                "cases": [],
            }
        )
        chosen = choose_cases(
            frame[frame["task"] == task],
            [run for run in facts["runs"] if run["task"] == task],
            list(cases),
            config.catalog.metrics,
            page.content.get("cases", CASES),
        )
        for place, choice in enumerate(chosen):
            prefix = f"t{number}c{place}"
            make = partial(case_volumes, config, runs, cases[choice.case], groups, prefix)
            wanted.append((place, task, choice.why, make))
    # The median case of every task comes before the second case of any.
    wanted.sort(key=lambda item: item[0])
    whys = {f"{task} {place}": why for place, task, why, _ in wanted}
    blobs: dict[str, str] = {}
    missing: list[str] = []
    left = 0
    for name, made in fill([(f"{t} {p}", make) for p, t, _, make in wanted], budget):
        if made is None:
            left += 1
            continue
        blobs |= made.data
        missing += made.missing
        if made.entry["runs"]:
            task = next(t for t in manifest["tasks"] if t["task"] == name.split()[0])
            task["cases"].append({**made.entry, "why": whys[name]})
    if left:
        missing.append(f"viewer: {left} more cases do not fit the page's limit (limit_mb)")
    manifest["tasks"] = [task for task in manifest["tasks"] if task["cases"]]
    return manifest, blobs, missing


def _groups(config: Config, task: str) -> Groups:
    """The label groups of a task; none where its data set has no labels."""
    item = config.tasks[task]
    if item.labels is not None:
        return dict(item.labels)
    return read_layout(layout_file(config.name, item.dataset.id)).groups()
