"""The configuration: read, checked against its schema and the plugins, and resolved."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.schemas import did_you_mean, read_yaml
from regbench.data.layout import PREALIGNED, Layout, check_seeds, named_path, read_layout
from regbench.plan.places import Places
from regbench.plugins.catalog import Catalog, discover, lookup
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin, check_known
from regbench.plugins.loading import load_entry
from regbench.plugins.weights import fetched_weights, weights_file

if TYPE_CHECKING:
    from regbench.plan.models import DatasetEntry, StudyEntry, TaskEntry

#: Settings of data sets that say the shape of the prepared images, and the most voxels of one.
SHAPES = ("shape", "size")
MAX_VOXELS = 2**29
#: Settings of learned methods that only registration reads. Runs that differ in nothing else share
#: one training.
REGISTRATION_SETTINGS = ("instance_steps", "instance_rate")
#: Keys whose values need no more than the check of the file.
_AS_GIVEN = (
    *("name", "description", "seeds", "keep_fields", "keep_warped", "timing", "job_minutes"),
    *("device", "selection", "study"),
)


@dataclass(frozen=True)
class DatasetConfig:
    """A data set as configured: plugin, settings and splits merged over the plugin's own."""

    id: str
    plugin: DatasetPlugin
    settings: dict[str, Any]
    splits: dict[str, dict[str, int]]

    @cached_property
    def source(self) -> Layout | None:
        """The pairs on disk that an imported data set is made of; None for a generated one.

        The plugin's `pairs` lists them; without one, `settings.path` is a Learn2Reg dataset JSON.
        They are listed once: a plan asks for every run, and there may be ten thousand pairs.

        Raises:
            BadInput: `settings.path` is missing or names no valid data set; or what `pairs` names
                returns no Layout.
        """
        if self.plugin.importer is None:
            return None
        if self.plugin.pairs is not None:
            found = load_entry(self.plugin.folder, self.plugin.pairs)(self.settings)
            if not isinstance(found, Layout):
                raise BadInput(
                    f"data set {self.id}: {self.plugin.pairs} returns no listing of pairs",
                    file=self.plugin.folder,
                    expected="a regbench.data.layout.Layout",
                    found=type(found).__name__,
                )
            return found
        return read_layout(named_path(self.settings, "a dataset JSON", f"data set {self.id}"))

    @property
    def prealigned(self) -> bool:
        """Whether pairs are affinely aligned: as the plugin says, unless its alignment is off."""
        return self.plugin.prealigned and self.settings.get("alignment", "affine") in PREALIGNED

    def counts(self) -> dict[str, int]:
        """Number of cases of each split, known before preparation."""
        if self.source is not None:
            return {split: len(cases) for split, cases in self.source.cases.items()}
        return {split: numbers["count"] for split, numbers in self.splits.items()}


@dataclass(frozen=True)
class TaskConfig:
    """A task: a data set in one direction, with label groups.

    `labels` None means: one group per label of the data set. `direction` None means: the data
    set's own. `trained_on` is the task whose training pairs the learned methods are trained on.
    `sweep`: no task of the config, but the grid of runs behind a report.
    """

    id: str
    title: str
    dataset: DatasetConfig
    split: str
    direction: tuple[int, int] | None
    labels: dict[str, tuple[int, ...]] | None
    extra_labels: dict[str, tuple[int, ...]]
    label_interpolation: str
    prealigned: bool
    trained_on: str
    notes: tuple[str, ...] = ()
    sweep: bool = False

    def evaluated_split(self) -> str:
        """The split that is evaluated: for `auto` see `Layout.evaluation_split`."""
        if self.split != "auto":
            return self.split
        if self.dataset.source is not None:
            return self.dataset.source.evaluation_split()
        return "test" if self.dataset.counts().get("test", 0) else "validation"


@dataclass(frozen=True)
class RunConfig:
    """One method with one set of settings on one task; `root` is the project's."""

    id: str
    task: TaskConfig
    method: MethodPlugin
    settings: dict[str, Any]
    overrides: dict[str, Any]
    title: str
    root: Path = Path()
    parameters: int | None = None
    seeds: tuple[int, ...] = ()

    @property
    def checkpoint(self) -> str:
        """The name of given weights; empty for a run that is trained, or needs no training."""
        return str(self.settings["checkpoint"]) if self.method.has_weights else ""

    def settings_of(self, seed: int) -> dict[str, Any]:
        """The settings of a job: `checkpoint` is the file that the name stands for."""
        name = self.checkpoint or fetched_weights(self.method)
        if not name:
            return self.settings
        file = weights_file(name, self.method, self.task.trained_on, seed, self.root)
        return {**self.settings, "checkpoint": str(file)}

    @property
    def training_settings(self) -> dict[str, Any]:
        """The settings without those that only registration reads."""
        return {k: v for k, v in self.settings.items() if k not in REGISTRATION_SETTINGS}

    def trainer(self, runs: "Iterable[RunConfig]") -> "RunConfig | None":
        """The first run that trains this one's weights, or None: a run of the same method and
        settings of training, on the task that this one is trained on."""
        task, own = self.task.trained_on, self.training_settings
        alike = (r for r in runs if r.task.id == task and r.method.id == self.method.id)
        return next((run for run in alike if run.training_settings == own), None)


@dataclass(frozen=True)
class Config:
    """Everything a workflow run is made of."""

    name: str
    description: str
    file: Path | None
    root: Path
    catalog: Catalog
    datasets: dict[str, DatasetConfig]
    tasks: dict[str, TaskConfig]
    runs: tuple[RunConfig, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    keep_fields: str
    keep_warped: str
    timing: str
    job_minutes: float | None
    limits: dict[str, float]
    device: str
    selection: str
    study: "StudyEntry | None"
    sweeps: dict[str, TaskConfig]
    sweep_runs: tuple[RunConfig, ...]
    raw: dict[str, Any] = field(default_factory=dict)
    warning: str = ""

    @property
    def every_task(self) -> dict[str, TaskConfig]:
        """The tasks, and the grids behind reports."""
        return {**self.tasks, **self.sweeps}

    @property
    def every_run(self) -> tuple[RunConfig, ...]:
        """The runs, and those of the grids behind reports."""
        return (*self.runs, *self.sweep_runs)

    def seeds_of(self, run: RunConfig) -> tuple[int, ...]:
        """The seeds of a run: its own, else the config's.

        One for a method without randomness and in a grid; with given weights, one for each file.
        """
        seeds = run.seeds or self.seeds
        if not run.method.seeded or run.task.sweep:
            return seeds[:1]
        if not run.checkpoint:
            return seeds
        files = {run.settings_of(seed)["checkpoint"]: seed for seed in reversed(seeds)}
        return tuple(reversed(files.values()))

    def run(self, task: str, run: str) -> RunConfig:
        """The run of that id on that task, or one line that lists the task's runs."""
        lookup(self.every_task, task, "task", self.file)
        found = {r.id: r for r in self.every_run if r.task.id == task}
        if run not in found:
            what = f"no run {run!r} on task {task!r}{did_you_mean([run], list(found))}"
            raise BadInput(what, expected=f"one of {', '.join(found)}")
        return found[run]


def load_config(file: Path, root: Path, folder: Path | None = None) -> Config:
    """Read a config file; see `resolve`."""
    # YAML takes JSON's 1e-05 for a text.
    data = read_json(file) if file.suffix == ".json" else read_yaml(file)
    return resolve(data, root, file, folder or file.parent)


def resolve(
    data: dict[str, Any], root: Path, file: Path | None = None, folder: Path | None = None
) -> Config:
    """Check a parsed config and tie it to the plugins it names.

    Args:
        data, root: the config; the project.
        file, folder: that it was read from; that its paths are relative to (None: the project's).

    Raises:
        BadInput: one line on the first thing that is wrong: a key, a value, an unknown method,
            data set, task or metric, shared seeds, a setting the plugin does not know.
    """
    from regbench.base.models import check
    from regbench.plan.models import ConfigFile
    from regbench.plan.runs import expand_sweeps, make_runs

    where = file or "config"
    given = check(ConfigFile, data, where)
    places = Places(folder, root)
    catalog = discover(root, places.plugins(given.plugins.model_dump()), tolerant=True)
    datasets = {n: _dataset(n, item, catalog, where, places) for n, item in given.datasets.items()}
    tasks = {name: _task(name, item, datasets, where) for name, item in given.tasks.items()}
    if given.metrics == "all":
        metrics = tuple(sorted(name for name, metric in catalog.metrics.items() if metric.default))
    else:
        metrics = given.metrics
    for name in metrics:
        lookup(catalog.metrics, name, "metric", where)
    for name in given.reports:
        lookup(catalog.reports, name, "report", where)
    runs = tuple(make_runs(given.methods, tasks, catalog, where, places))
    _check_training(tasks, runs, where)
    sweeps, sweep_runs = expand_sweeps(catalog, tasks, runs, given.grid, given.selection, places)
    return Config(
        **{name: getattr(given, name) for name in _AS_GIVEN},
        file=file,
        root=root,
        catalog=catalog,
        datasets=datasets,
        tasks=tasks,
        runs=runs,
        metrics=metrics,
        limits=given.limits.model_dump(exclude_none=True),
        sweeps=sweeps,
        sweep_runs=sweep_runs,
        raw=data,
        warning=places.warning,
    )


def _dataset(
    name: str, item: "DatasetEntry", catalog: Catalog, where: Path | str, places: Places
) -> DatasetConfig:
    plugin = lookup(catalog.datasets, item.plugin, "data set", where, catalog.broken)
    check_known(item.settings, plugin.settings, f"datasets.{name}.settings", where)
    for key, value in item.settings.items():
        if key in SHAPES and value is not None:
            _check_grid(value, f"datasets.{name}.settings.{key}", where)
    splits = plugin.split_numbers()
    splits |= {split: numbers.model_dump() for split, numbers in item.splits.items()}
    check_seeds(splits, name, where)
    settings = {**plugin.settings, **places.settings(item.settings)}
    return DatasetConfig(name, plugin, settings, splits)


def _check_grid(shape: Any, field: str, where: Path | str) -> None:
    """Refuse what is no shape of a volume."""
    three = isinstance(shape, list | tuple) and [type(n) for n in shape] == [int] * 3
    if not three or min(shape) < 1 or math.prod(shape) > MAX_VOXELS:
        expected = f"three whole numbers from 1, together at most {MAX_VOXELS} voxels"
        raise BadInput(f"field {field}", file=where, expected=expected, found=str(shape)[:80])


def _task(
    name: str, item: "TaskEntry", datasets: dict[str, DatasetConfig], where: Path | str
) -> TaskConfig:
    dataset = lookup(datasets, item.dataset, "data set", f"{where}: task {name}")
    direction = item.direction
    made = dataset.plugin.importer is None
    if direction is not None and made and {direction.fixed, direction.moving} != {0, 1}:
        raise BadInput(
            f"task {name}: its data set is made of two modalities",
            file=where,
            expected="0 and 1, or 1 and 0",
            found=direction.model_dump(),
        )
    return TaskConfig(
        id=name,
        title=name if item.title is None else item.title,
        dataset=dataset,
        split=item.split,
        direction=None if direction is None else (direction.fixed, direction.moving),
        labels=item.labels,
        extra_labels=item.extra_labels,
        label_interpolation=item.label_interpolation,
        prealigned=dataset.prealigned if item.prealigned is None else item.prealigned,
        trained_on=item.trained_on or name,
        notes=item.notes,
    )


def _check_training(
    tasks: dict[str, TaskConfig], runs: tuple[RunConfig, ...], where: Path | str
) -> None:
    """A task may take over what another trains, if that one has the run and trains it itself."""
    for task in tasks.values():
        source = lookup(tasks, task.trained_on, "task", where)
        if source.trained_on != source.id:
            raise BadInput(
                f"task {task.id} is trained on {source.id}, which is not trained itself",
                file=where,
                expected=f"trained_on: {source.trained_on}",
            )
    for run in runs:
        if run.method.learned and not run.checkpoint and run.trainer(runs) is None:
            raise BadInput(
                f"{run.id} on task {run.task.id} is not trained",
                file=where,
                expected=f"{run.id} on task {run.task.trained_on} too, which it is trained on",
            )
