"""The notes of a table: what data, which configuration, what the numbers mean, what went wrong."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from regbench.plugins.kinds import MetricPlugin
from regbench.plugins.weights import about_weights
from regbench.reports.cells import LOADED, MARK, begins, decimals, finished, times_of
from regbench.reports.results import Results, TaskFacts

#: The most reasons of failure that are listed for a run: a program's output may differ by case.
MAX_REASONS = 20
#: What the cells of most tables are.
CELLS = "cells: mean±std over cases (ddof 1) of the per-case mean over seeds"


def notes(
    results: Results, tasks: Sequence[str], metrics: Iterable[MetricPlugin], cells: str = CELLS
) -> Iterator[str]:
    """The notes of a table of these tasks and metrics; `cells` says what its numbers are."""
    frame = results.rows(*tasks)
    unmeasured = {task: results.tasks[task].unmeasured for task in tasks}
    yield from (f"warning: task {task}: {why}" for task, why in unmeasured.items() if why)
    for task in tasks:
        yield from _data(task, results.tasks[task])
    seeds = ", ".join(map(str, results.seeds))
    about = f"; {results.description}" if results.description else ""
    yield f"config: {results.config}{about}; seeds of methods with randomness: {seeds}"
    gpu = frame[frame["metric"] == "register_gpu_s"]["run"].unique()
    used = f"GPU used by {', '.join(sorted(map(str, gpu)))}" if len(gpu) else "no GPU used"
    yield f"hardware: {results.hardware}, {used}"
    yield cells
    yield from (f"{metric.id}: {metric.definition}" for metric in metrics)
    yield from _timing(results, tasks, frame)
    yield from _untimed(results, frame)
    yield from _training(results, tasks)
    yield from _changes(results, tasks)
    yield (
        "controls: Moving is the identity; Oracle warps by the true field. It is no ceiling:"
        " labels are sampled on a grid, and a method may fit the samples better; Mean field is the"
        " mean true field of the training cases, blind to the images"
    )
    yield "controls and methods that miss a case are not ranked; where all tie, none is the best"
    yield from _incomplete(results, tasks, frame)
    if results.selection == "test":
        yield (
            "warning: selection: test (as in the paper): settings were chosen on the very cases"
            " that are measured, which flatters every method that was tuned"
        )
    yield from _trouble(frame)


def _data(task: str, about: TaskFacts) -> Iterator[str]:
    kind = "synthetic phantom, not the paper's data: " if about.synthetic else ""
    version = f" version {about.version}" if about.synthetic else ""
    settings = "".join(f", {key} {value}" for key, value in about.settings.items() if value != "")
    yield f"data of task {task}: {kind}{about.data}{version}{settings}"
    yield (
        f"task {task}: fixed {about.fixed}, moving {about.moving}; {about.cases} "
        f"{about.split} cases, {about.training} training, {about.validation} validation; "
        f"pairs {'' if about.prealigned else 'not '}taken as affinely aligned"
    )
    for remark in about.remarks:
        yield f"data of task {task}: {remark}"
    yield from (f"task {task}: {note}" for note in about.notes)
    if about.labels:
        groups = "; ".join(f"{n} = {'+'.join(map(str, v))}" for n, v in about.labels.items())
        yield f"labels of task {task}: {groups}; warped by {about.interpolation} interpolation"


def _timing(results: Results, tasks: Sequence[str], frame: pd.DataFrame) -> Iterator[str]:
    what = (
        "Time CPU (s) and Time GPU (s): wall seconds of a case on that device, the method's own"
        " work after a warm-up, imports and disk excluded; CPU seconds: of all processors, for all"
        " processes of the method, in cases on the processor"
    )
    threads = sorted({f"{run.title} {run.threads}" for run in results.runs})
    how = (
        "one case alone on the machine, on the processor and on a GPU where there is one to use"
        if results.timing == "alone"
        else "other jobs ran beside it, and each case ran on one device: compare with care (timing:"
        " alone measures one case alone, on both devices)"
    )
    yield f"time: {what}; {how}; threads: {', '.join(threads)}"
    marked = False
    for task in tasks:
        rows, load = frame[frame["task"] == task], []
        for run in results.of_task(task):
            times = times_of(rows[rows["run"] == run.run], run.seeds, results.tasks[task].cases)
            if not math.isnan(times.load):
                load.append(f"{run.title} {decimals(times.load, 1)}{MARK * times.loaded}")
            marked |= times.loaded
        said = ", ".join(load) or "not measured"
        yield f"load of task {task}, processors at other work while a case ran: {said}"
    if marked:
        yield (
            f"{MARK} taken under load: other work had more than {LOADED:.0%} of the method's"
            " processors, so the wall time is too long"
        )


def _incomplete(results: Results, tasks: Sequence[str], frame: pd.DataFrame) -> Iterator[str]:
    """The methods that miss cases, and those that have none."""
    costs = frame[frame["metric"] == "register_s"]
    for task in tasks:
        total, here = results.tasks[task].cases, costs[costs["task"] == task]
        done = {
            run.title: finished(here[here["run"] == run.run], run.seeds)
            for run in results.of_task(task)
        }
        if short := [f"{title} (n={n})" for title, n in done.items() if 0 < n < total]:
            yield f"task {task}: fewer cases than {total}: {', '.join(short)}"
        if none := [title for title, n in done.items() if n == 0]:
            yield f"task {task}: no case of {', '.join(none)}"


def _untimed(results: Results, frame: pd.DataFrame) -> Iterator[str]:
    """The methods that were given their fields."""
    done = frame[(frame["metric"] == "register_s") & (frame["status"] == "ok")]
    without = set(done[done["value"].isna()]["run"])
    titles = sorted({run.title for run in results.runs if run.run in without})
    if titles:
        yield f"no time: the fields of {', '.join(titles)} were made elsewhere"


def _training(results: Results, tasks: Iterable[str]) -> Iterator[str]:
    """How the learned methods of each task got their weights."""
    for task in sorted(tasks):
        networks = [r for r in results.of_task(task) if "checkpoint" in r.settings]
        runs = [r for r in networks if r.kind == "learned" and not r.settings["checkpoint"]]
        recipes = {run.title: _recipe(run.settings) for run in runs}
        how = [
            f"{', '.join(title for title in recipes if recipes[title] == recipe)} {recipe}"
            for recipe in dict.fromkeys(recipes.values())
        ]
        source = results.tasks[task].trained_on or task
        if how:
            yield f"training for task {task}: on the pairs of task {source}; {'; '.join(how)}"
        for run in (run for run in runs if run.own):
            steps = " and ".join(name.replace("_", " ") for name in run.own)
            yield f"{run.title} is trained by its own {steps}, not by the recipe of the others"
        alone = [run.title for run in runs if run.validation_pairs == 0]
        if alone:
            yield (
                f"warning: no validation pair for task {task}: what the training of "
                f"{', '.join(alone)} is validated on, and its best weights chosen by, is the first "
                "training pair"
            )
        given: dict[str, list[str]] = {}
        for run in (run for run in networks if run.origin is not None):
            name = run.settings["checkpoint"] or "published ones"
            others = "".join(f", and of seed {seed}" for seed in run.seeds[1:])
            text = f"{name} ({about_weights(run.origin or {})}{others})"
            given.setdefault(text, []).append(run.title)
        for text, names in given.items():
            yield f"weights of {', '.join(names)} for task {task}, not trained here: {text}"
        declared = [run.title for run in results.of_task(task) if run.declared]
        if declared:
            yield f"parameters of {', '.join(declared)} for task {task}: declared, not counted"
    marked = [run.title for run in results.runs if run.task in tasks and run.uses_labels]
    if marked:
        who = ", ".join(dict.fromkeys(marked))
        yield f"labels: the training of {who} uses label maps, that of the others none"


def _changes(results: Results, tasks: Iterable[str]) -> Iterator[str]:
    """The settings that the config changes: a title has only what tells runs apart."""
    titles: dict[str, list[str]] = {}
    for run in (run for run in results.runs if run.task in tasks and run.changes):
        text = ", ".join(f"{key} {value}" for key, value in sorted(run.changes.items()))
        titles[text] = [*titles.get(text, ()), run.title]
    for text, names in titles.items():
        yield f"settings of {', '.join(dict.fromkeys(names))} changed: {text}"


def _recipe(settings: Mapping[str, Any]) -> str:
    coarse = settings.get("coarse_steps", 0)
    return (
        f"{settings['steps']} steps{f' ({coarse} of them coarse)' if coarse else ''}, "
        f"learning rate {settings['learning_rate']}, lambda {settings['lambda']}, "
        f"{settings.get('weights', 'best')} weights"
    )


def _trouble(frame: pd.DataFrame) -> Iterator[str]:
    """What has no value, and why."""
    measured = frame[begins(frame["status"], "failed", "empty")]
    lost = frame[(frame["metric"] == "register_s") & (frame["status"] != "ok")]
    failed = set(zip(lost["task"], lost["run"], lost["case"], strict=True))
    for (task, run, metric), rows in measured.groupby(["task", "run", "metric"], observed=True):
        # Cases that failed as a whole follow below, once each.
        names = sorted({case for case in rows["case"] if (task, run, case) not in failed})
        if names:
            why = rows[rows["case"].isin(names)]["status"].iloc[0]
            yield f"warning: {run} on {task}: {metric} of {len(names)} cases has no value: {why}"
    for (task, run), rows in lost.groupby(["task", "run"], observed=True):
        reasons = rows.groupby("status", observed=True)
        for reason, cases in list(reasons)[:MAX_REASONS]:
            names = sorted(set(cases["case"]))
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            listed = f"{', '.join(names[:5])}{more}"
            yield f"warning: {run} on {task}: {len(names)} cases {reason}: {listed}"
        if len(reasons) > MAX_REASONS:
            more = f"{len(reasons) - MAX_REASONS} more reasons; regbench verdict has them all"
            yield f"warning: {run} on {task}: {more}"
