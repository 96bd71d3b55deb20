"""The grids behind the reports of kind sweep, as tasks and runs of a config."""

from collections.abc import Sequence
from dataclasses import replace

from regbench.base.errors import BadInput
from regbench.plan.config import RunConfig, TaskConfig, make_runs
from regbench.plan.models import MethodEntry
from regbench.plan.places import Places
from regbench.plugins.catalog import Catalog, lookup


def expand_sweeps(
    catalog: Catalog,
    tasks: dict[str, TaskConfig],
    runs: Sequence[RunConfig],
    grid: str,
    selection: str,
    places: Places,
) -> tuple[dict[str, TaskConfig], tuple[RunConfig, ...]]:
    """A task of each report's id, and its runs.

    A grid without settings varies the config's first run of each method, and trains it where the
    config gives it weights; of a run that the config has, too, it takes over the weights.

    Args:
        catalog: with the reports.
        tasks, runs: of the config; a report whose task is not among them has no grid.
        grid: which of the report's grids.
        selection: the cases that are measured, `validation` or `test`.
        places: of the config.
    """
    found: dict[str, TaskConfig] = {}
    points: list[RunConfig] = []
    for report in catalog.reports.values():
        if report.kind != "sweep" or report.task not in tasks:
            continue
        if report.id in tasks:
            raise BadInput(f"a task is called {report.id!r}, as a report is", expected="another id")
        base, setting = tasks[report.task], report.content["setting"]
        split = "validation" if selection == "validation" else "auto"
        task = replace(
            base, id=report.id, split=split, trained_on=report.id, extra_labels={}, sweep=True
        )
        found[report.id] = task
        given = lookup(report.content["grids"], grid, "grid", report.file)
        here = {run.id: run for run in reversed(runs) if run.task.id == base.id}
        first = {run.method.id: run for run in here.values()}
        items = []
        for value in given["values"]:
            for name in given["methods"]:
                settings = {**given.get("settings", {}), setting: value}
                own = None if given.get("settings") else first.get(name)
                if own is not None:
                    same = own.settings.get(setting) == value
                    changes = {k: v for k, v in own.overrides.items() if k != "checkpoint"}
                    settings = changes if same else {**changes, **settings}
                items.append(MethodEntry.model_construct(method=name, settings=settings))
        trained = replace(task, trained_on=base.trained_on)
        points += [
            replace(run, task=trained) if run.id in here else run
            for run in make_runs(items, {task.id: task}, catalog, report.file, places)
        ]
    return found, tuple(points)
