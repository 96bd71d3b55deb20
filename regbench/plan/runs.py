"""The runs of a config: of its methods, and of the grids behind reports of runs of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.data.layout import LONGEST_NAME
from regbench.plan.config import RunConfig, TaskConfig
from regbench.plan.models import MethodEntry
from regbench.plan.places import Places
from regbench.plugins.catalog import Catalog, lookup
from regbench.plugins.kinds import check_known, check_settings


def make_runs(
    methods: Iterable[MethodEntry],
    tasks: dict[str, TaskConfig],
    catalog: Catalog,
    where: Path | str,
    places: Places,
) -> list[RunConfig]:
    """The runs of the listed methods, on the tasks that each names."""
    runs: list[RunConfig] = []
    for item in methods:
        plugin = lookup(catalog.methods, item.method, "method", where, catalog.broken)
        check_known(item.settings, plugin.settings, f"methods: settings of {plugin.id}", where)
        check_settings(plugin, item.settings, where)
        for name in tasks if item.tasks is None else item.tasks:
            run = RunConfig(
                id=run_id(plugin.id, item.settings),
                task=lookup(tasks, name, "task", where),
                method=plugin,
                settings={**plugin.settings, **places.settings(item.settings)},
                overrides=item.settings,
                title=item.title or "",
                root=places.root,
                parameters=item.parameters or plugin.parameters,
                seeds=item.seeds or (),
            )
            if len(run.id.encode()) > LONGEST_NAME:
                found = f"{run.id[:40]}..."
                expected = f"a run's name, with its settings, of at most {LONGEST_NAME} bytes"
                raise BadInput("the name of a run", file=where, expected=expected, found=found)
            if any(r.id == run.id and r.task.id == name for r in runs):
                raise BadInput(f"method {run.id!r} is listed twice on task {name!r}", file=where)
            runs.append(run)
    return [replace(run, title=run.title or _title(run, runs)) for run in runs]


def _title(run: RunConfig, runs: list[RunConfig]) -> str:
    """The method's title, with the overrides that tell the run from others of its method."""
    others = [other.overrides for other in runs if other.method is run.method]
    changes = sorted(run.overrides.items())

    def shown(key: str, value: Any) -> str:
        # Where a file lies on this machine says nothing to a reader.
        name = _file_name(value)
        alike = dict.fromkeys(str(o[key]) for o in others if _file_name(o.get(key)) == name)
        return f"{key}={name}" + (f" #{[*alike].index(str(value)) + 1}" if len(alike) > 1 else "")

    own = [shown(k, v) for k, v in changes if any(k not in o or o[k] != v for o in others)]
    return f"{run.method.title} ({', '.join(own)})" if own else run.method.title


def _file_name(value: Any) -> str:
    """A value as text; of a path the last part."""
    return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else str(value)


def run_id(method: str, overrides: dict[str, Any]) -> str:
    """The method id, plus `@key=value` for each overridden setting.

    No comma: a job on another machine is told its run on a command line that commas divide.
    """
    if not overrides:
        return method
    parts = []
    for key, value in sorted(overrides.items()):
        text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
        text = text.lower() if isinstance(value, bool) else text
        parts.append(f"{key}={''.join(c if c.isalnum() or c in '._-+' else '_' for c in text)}")
    return "@".join([method, *parts])


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
        sweeps = catalog.report_kinds[report.kind].results == "own"
        if not sweeps or report.task not in tasks:
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
