"""The results: one tidy table of all rows, with typed facts about its tasks and runs."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from regbench.base import paths
from regbench.base.errors import BadInput
from regbench.base.files import check_file, check_seal, seal, write_bytes
from regbench.data.layout import Case, read_layout
from regbench.plan.config import Config, RunConfig, TaskConfig
from regbench.spatial.nifti import read_volume

#: The costs of a case, by their names in status.json, with their units.
COSTS = {"register_s": "s", "peak_memory_mb": "MB"}
#: The columns that a run's rows have of their own.
_ROW = ("case", "metric", "label", "value", "unit", "status")
COLUMNS = ("task", "run", "method", "seed", *_ROW)
#: Cases of a phantom whose organs are measured for the notes.
MEASURED = 10
_TEXT = tuple(name for name in COLUMNS if name not in ("seed", "value"))
_KEY = b"regbench"


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """What a reader must know about a task.

    Attributes:
        data: the data set in words; `dataset` is its id, `version` and `settings` are its own.
        fixed, moving: names of the modalities.
        cases, training, validation: the numbers of cases that are evaluated and in these splits.
        trained_on: the task whose training pairs the learned methods saw.
        labels: label group to the values of the label map that it unites.
        interpolation: how labels are warped.
        remarks: what the preparation of the data adds to the notes of every table.
        notes: what the config adds.
        prealigned: whether the pairs are taken as affinely aligned.
        unmeasured: why accuracy is not measured; empty where it is.
    """

    title: str
    data: str
    dataset: str
    synthetic: bool
    version: int
    settings: dict[str, Any]
    fixed: str
    moving: str
    split: str
    cases: int
    training: int
    trained_on: str = ""
    validation: int
    labels: dict[str, list[int]]
    interpolation: str
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prealigned: bool = False
    unmeasured: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a reader must know about a run; `changes` are the settings that the config changes.

    `parameters` and `validation_pairs` are None for methods without training; `origin` is the
    record of given weights, None for others. `own` is what of the training is the plugin's own.
    `declared`: `parameters` were not counted.
    """

    task: str
    run: str
    method: str
    title: str
    base_title: str = ""
    kind: str
    seeds: list[int]
    settings: dict[str, Any]
    threads: int
    parameters: int | None = None
    validation_pairs: int | None = None
    origin: dict[str, Any] | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    uses_labels: bool = False
    own: list[str] = field(default_factory=list)
    declared: bool = False


@dataclass(frozen=True, kw_only=True)
class Results:
    """Collected results. `frame` has the columns COLUMNS; the costs of a case are rows, too."""

    frame: pd.DataFrame
    config: str
    description: str = ""
    tasks: dict[str, TaskFacts]
    runs: list[RunFacts]
    seeds: list[int]
    selection: str = "validation"
    timing: str
    hardware: str

    @classmethod
    def of(cls, frame: pd.DataFrame, facts: dict[str, Any]) -> "Results":
        """Rows, with the facts as they are in JSON."""
        tasks = {name: TaskFacts(**item) for name, item in facts["tasks"].items()}
        runs = [RunFacts(**item) for item in facts["runs"]]
        return cls(frame=frame, **{**facts, "tasks": tasks, "runs": runs})

    def facts(self) -> dict[str, Any]:
        """Everything but the rows, for JSON."""
        tasks = {name: asdict(task) for name, task in self.tasks.items()}
        plain = {k: v for k, v in vars(self).items() if k != "frame"}
        return {**plain, "tasks": tasks, "runs": [asdict(run) for run in self.runs]}

    def rows(self, *tasks: str) -> pd.DataFrame:
        """The rows of these tasks."""
        return self.frame[self.frame["task"].isin(tasks)]

    def of_task(self, task: str) -> list[RunFacts]:
        """The runs of a task."""
        return [run for run in self.runs if run.task == task]


def collect(config: Config, task: TaskConfig) -> Results:
    """The rows of all runs of a task, with their costs as further rows."""
    runs = [run for run in config.every_run if run.task.id == task.id]
    return Results(
        frame=_joined([_rows(config, run, seed) for run in runs for seed in config.seeds_of(run)]),
        config=config.name,
        description=config.description,
        tasks={task.id: _task_facts(config, task)},
        runs=[_run_facts(config, run) for run in runs],
        seeds=list(config.seeds),
        selection=config.selection,
        timing=config.timing,
        hardware=hardware(),
    )


def merge(parts: Sequence[Results]) -> Results:
    """The results of several tasks in one."""
    return replace(
        parts[0],
        frame=_joined([_coded(part.frame) for part in parts]),
        tasks={name: task for part in parts for name, task in part.tasks.items()},
        runs=[run for part in parts for run in part.runs],
    )


def write_results(file: Path, results: Results) -> None:
    """Write as Parquet, atomically; the facts go into the file's metadata."""
    # Here, not above: a light installation lacks it, and scores fields.
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(results.frame, preserve_index=False)
    extra = {_KEY: json.dumps(results.facts()).encode()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **extra})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_bytes(file, sink.getvalue().to_pybytes())
    seal(file)


def read_results(file: Path) -> Results:
    """What `write_results` wrote.

    Raises:
        BadInput: there is no such file, it is damaged, or it is another table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_file(file, "collected results")
    check_seal(file)
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise BadInput("is not a readable table", file=file, found=str(error)) from error
    facts = (table.schema.metadata or {}).get(_KEY)
    if facts is None or not set(COLUMNS) <= set(table.column_names):
        expected = f"columns {', '.join(COLUMNS)}"
        raise BadInput("is not a table of results", file=file, expected=expected)
    try:
        return Results.of(table.to_pandas(), json.loads(facts))
    except (TypeError, KeyError) as error:
        what = "is a table of another version"
        raise BadInput(what, file=file, expected="collected results", found=str(error)) from error


def dimensions(cases: Sequence[Case], groups: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """How large a phantom's body is, which may be a miniature: a line from its first cases."""
    maps = []
    for case in cases[:MEASURED]:
        # A broken case is told of elsewhere.
        with contextlib.suppress(BadInput):
            if case.problem is None and case.fixed.labels is not None:
                maps.append(read_volume(case.fixed.labels, labels=True))
    if not maps:
        return
    edges = " x ".join(f"{edge:.4g}" for edge in maps[0].spacing * maps[0].data.shape)
    ml = {
        name: np.mean([np.isin(m.data, values).sum() * np.prod(m.spacing) for m in maps]) / 1000
        for name, values in groups.items()
    }
    volumes = "".join(f", {name} {volume:.3g} ml" for name, volume in ml.items())
    yield f"true dimensions: {edges} mm in all{volumes} (fixed images, mean of {len(maps)} cases)"


def hardware() -> str:
    """The processor's model and the number of its cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(x.split(":", 1)[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores"


def _coded(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows, with each distinct text stored once."""
    return frame.astype(dict.fromkeys(_TEXT, "category"))


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several coded tables in one, in order."""
    columns: dict[str, Any] = {
        name: union_categoricals([part[name] for part in parts], sort_categories=True)
        if name in _TEXT
        else np.concatenate([part[name].to_numpy() for part in parts])
        for name in COLUMNS
    }
    return pd.DataFrame(columns)


def task_cases(config: Config, task: str) -> dict[str, Case]:
    """The evaluated cases of a task in its direction, by id."""
    item = config.tasks[task]
    layout = read_layout(paths.layout_file(config.name, item.dataset.id))
    return {case.id: case for case in layout.directed(item.evaluated_split(), item.direction)}


def _task_facts(config: Config, task: TaskConfig) -> TaskFacts:
    layout = read_layout(paths.layout_file(config.name, task.dataset.id))
    split = task.evaluated_split()
    cases = layout.directed(split, task.direction)
    plugin = task.dataset.plugin
    sides = task.direction or layout.direction
    fixed, moving = (plugin.modalities.get(str(side), f"modality {side}") for side in sides)
    groups = task.labels if task.labels is not None else layout.groups()
    remarks = layout.extra.get("remarks", [])
    remarks = [str(remark) for remark in remarks] if isinstance(remarks, list) else []
    if plugin.generate is not None:
        remarks += dimensions(cases, groups)
    return TaskFacts(
        title=task.title,
        data=plugin.title if plugin.generate else f"{layout.name} ({plugin.title})",
        dataset=task.dataset.id,
        synthetic=plugin.generate is not None,
        version=plugin.version,
        settings={k: v for k, v in task.dataset.settings.items() if k != "path"},
        fixed=fixed,
        moving=moving,
        split=split,
        cases=len(cases),
        training=len(layout.cases["training"]),
        trained_on=task.trained_on,
        validation=len(layout.cases["validation"]),
        labels={name: list(values) for name, values in groups.items()},
        interpolation=task.label_interpolation,
        remarks=remarks,
        notes=list(task.notes),
        prealigned=task.prealigned,
        unmeasured=layout.unmeasured(split),
    )


def _run_facts(config: Config, run: RunConfig) -> RunFacts:
    seeds = list(config.seeds_of(run))
    training = paths.run_folder(config.name, run.task.id, run.id, seeds[0]) / paths.TRAINING
    record = paths.read_own(training) if training.is_file() else {}
    cases = training.with_name(paths.CASES)
    statuses = paths.read_own(cases) if cases.is_file() else []
    counts = [record.get("parameters"), *(s["facts"].get("parameters") for s in statuses)]
    counted = next(filter(None, counts), None)
    published: dict[str, Any] | None = {} if run.method.kind == "pretrained" else None
    return RunFacts(
        task=run.task.id,
        run=run.id,
        method=run.method.id,
        title=f"{run.title} (labels)" if run.method.uses_labels else run.title,
        base_title=run.method.title,
        kind=run.method.kind,
        seeds=seeds,
        settings=run.settings,
        threads=run.method.resources.threads,
        parameters=counted or run.parameters,
        declared=counted is None and run.parameters is not None,
        validation_pairs=record.get("validation_pairs"),
        origin=record.get("origin", published),
        changes=run.overrides,
        uses_labels=run.method.uses_labels,
        own=record.get("own", []),
    )


def _rows(config: Config, run: RunConfig, seed: int) -> pd.DataFrame:
    """The coded rows of a run and seed: its metrics, then its costs."""
    folder = paths.run_folder(config.name, run.task.id, run.id, seed)
    paths.check_own(folder / paths.METRICS)
    metrics = pd.read_csv(
        folder / paths.METRICS,
        keep_default_na=False,
        na_values={"value": ["nan", ""]},
        # Cases and labels may be called 0001.
        dtype=dict.fromkeys((name for name in _ROW if name != "value"), str),
    )
    costs = _costs(folder, config.timing, run.method.resources.threads)
    rows = pd.concat([metrics, costs], ignore_index=True)
    names = {"task": run.task.id, "run": run.id, "method": run.method.id}
    # Coded at once: as text the rows of many cases would take gigabytes.
    return _coded(rows.assign(**names, seed=seed)[list(COLUMNS)])


def _costs(folder: Path, timing: str, threads: int) -> pd.DataFrame:
    rows = []
    for status in paths.read_own(folder / paths.CASES):
        outcome = status["outcome"]
        text = "ok" if outcome == "ok" else f"{outcome}: {status['reason']}"
        costs = [(name, status[name], unit) for name, unit in COSTS.items()]
        if status.get("device", "cpu") != "cpu":
            costs.append(("register_gpu_s", status["register_s"], "s"))
        costs += _work("register", status["facts"], threads)
        rows += [[status["case"], name, "", value, unit, text] for name, value, unit in costs]
    if timing == "alone":
        timed = paths.read_own(folder / paths.TIMING)
        # Without a time, a row without a value keeps the shared times from taking its place.
        cpu, gpu = timed["register_s"] or [None], timed.get("register_gpu_s", [])
        for name, values in (("register_alone_s", cpu), ("register_gpu_alone_s", gpu)):
            rows += [[timed["case"], name, "", value, "s", "ok"] for value in values]
        for facts in timed.get("facts", ()):
            work = _work("register_alone", facts, threads)
            rows += [[timed["case"], name, "", value, unit, "ok"] for name, value, unit in work]
    frame = pd.DataFrame(rows, columns=list(_ROW))
    return frame.astype({"value": float})


def _work(name: str, facts: Mapping[str, Any], threads: int) -> Iterator[tuple[str, float, str]]:
    """What a registration took of the processors, and what other work took of them meanwhile."""
    if (seconds := facts.get("register_cpu_s")) is not None and facts.get("device") != "cuda":
        yield f"{name}_cpu_s", seconds, "s"
    if (load := facts.get("load")) is not None:
        yield f"{name}_load", load, "cores"
        yield f"{name}_lost", max(load + threads - facts["cpus"], 0.0) / threads, ""
