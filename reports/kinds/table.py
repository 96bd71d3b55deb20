"""A table of one task: one row for each run, in the report's order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from regbench.plugins.catalog import lookup
from regbench.reports.model import Table
from regbench.reports.notes import notes
from regbench.reports.request import Request
from regbench.reports.results import RunFacts
from regbench.reports.rows import expand_columns, shown_metrics, task_rows

KIND = {"fields": ["task", "columns"]}
#: Settings, or parts of a report's file, by name.
Values = Mapping[str, Any]


def build(request: Request) -> Table:
    """The table of the report's task."""
    report, results = request.report, request.results
    (task,) = request.tasks
    labels = results.tasks[task].labels
    columns = expand_columns(request, report.columns, results.rows(task), labels)
    if all(run.origin is None for run in results.of_task(task)):
        columns = [filled for filled in columns if filled.source != "weights"]
    about = [*notes(results, [task], shown_metrics(request, columns)), *departures(request, task)]
    rows = task_rows(request, task, columns)
    return Table.of(report, [column for column, _, _ in columns], rows, about)


def departures(request: Request, task: str) -> Iterator[str]:
    """In what the trainings of a table differ from those of a publication: one note, or none.

    It is on the learned methods that the publication has, too. Without a `recipe` there is none.

    Raises:
        BadInput: there is no report of that name, or it has no recipe.
    """
    name = request.report.content.get("recipe")
    if name is None:
        return
    known = {key: r for key, r in request.config.catalog.reports.items() if "recipe" in r.content}
    paper = lookup(known, name, "report with a recipe", request.report.file).content
    recipe: Values = paper["recipe"]
    runs = [
        run
        for run in request.results.of_task(task)
        # How the weights of a checkpoint were trained is not known here.
        if run.kind == "learned" and not run.settings["checkpoint"]
        if run.base_title in paper["published"]
    ]
    if not runs:
        return
    about = request.results.tasks[task]
    here = {"training": about.training, "validation": about.validation, about.split: about.cases}
    stated = list(_settings(runs, recipe["stated"], recipe.get("methods", {}), "paper"))
    for split, count in recipe.get("cases", {}).get(task, {}).items():
        if here.get(split, count) != count:
            stated.append(f"{here[split]} {split} cases (paper: {count})")
    unstated = [*recipe.get("open", ()), *_settings(runs, recipe.get("unstated", {}), {}, "plain")]
    yield (
        f"trainings, against the paper: {'; '.join(stated) or 'as stated there'}. "
        f"Not stated there: {'; '.join(unstated) or 'nothing'}"
    )


def _settings(
    runs: Sequence[RunFacts], wanted: Values, own: Mapping[str, Values], whose: str
) -> Iterator[str]:
    """Each setting that differs, with both values; the most frequent pair names no methods."""
    found: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for name, value in {**wanted, **own.get(run.method, {})}.items():
            if (here := run.settings.get(name, value)) != value:
                text = f"{name} {here} ({whose}: {value})"
                found.setdefault(name, {}).setdefault(text, []).append(run.title)
    for pairs in found.values():
        all_differ = sum(map(len, pairs.values())) == len(runs)
        for i, (text, titles) in enumerate(sorted(pairs.items(), key=lambda x: -len(x[1]))):
            yield text if all_differ and i == 0 else f"{text} for {', '.join(titles)}"
