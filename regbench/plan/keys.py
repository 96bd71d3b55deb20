"""Keys: hashes of what results depend on. A result whose key differs is made again.

There is one function for each stage, and its value has two uses. On disk it is a part of a result's
key, beside the content of the files that a single pair, case or training reads. In Snakemake it is
a part of a job's parameter, beside what decides which pairs and cases there are. So a job runs only
where a result is stale, and no stale result is left without a job. Files that another job writes
are the exception: they are inputs of the job.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from regbench.base.files import digest, sha256
from regbench.data.field_names import list_fields
from regbench.plan.code import Code, known_answers
from regbench.plan.config import Config, RunConfig, TaskConfig
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin, MetricPlugin, ReportKind
from regbench.plugins.loading import package_version

#: Stage to the functions that carry it out. Code that these do not lead to cannot rerun it.
ROOTS = {
    "prepare": ("regbench.execution.prepare:prepare",),
    "train": ("regbench.learning.job:run_training",),
    "register": ("regbench.execution.launcher:launch", "regbench.execution.worker:main"),
    "measure": tuple(
        f"regbench.measure.case:{name}" for name in ("CaseFiles", "measure", "failed_rows")
    ),
    "evaluate": ("regbench.measure.evaluate:evaluate",),
    "collect": ("regbench.reports.results:collect", "regbench.reports.results:merge"),
    "render": ("regbench.reports.request:render",),
}
#: Keys of a config that no table of results quotes.
UNQUOTED = ("plugins", "limits", "job_minutes")
_CODE = Code(Path(__file__).parent.parent, known_answers)


def code(stage: str, sources: Iterable[Path] = ()) -> str:
    """The engine's code behind a stage that runs a plugin of these files."""
    return _CODE.key(ROOTS[stage], sources)


def prepare(plugin: DatasetPlugin) -> str:
    """What all pairs of a data set depend on; a pair's key adds its settings, seed and files."""
    return digest([_contents(plugin.folder, plugin.files), code("prepare", plugin.files)])


def train(run: RunConfig, seed: int) -> str:
    """What a training depends on, except its images."""
    task = run.task
    return digest(
        [
            _method(run, seed, run.training_settings),
            task.trained_on,
            task.direction,
            list((task.labels or {}).items()),
            code("train", run.method.files),
        ]
    )


def register(run: RunConfig, seed: int) -> str:
    """What all cases of a run depend on; a case's key adds its images and other inputs."""
    return digest(
        [
            _method(run, seed),
            run.method.entry,
            list(run.method.command),
            run.task.prealigned,
            code("register", run.method.files),
        ]
    )


def measure(task: TaskConfig, metric: MetricPlugin) -> str:
    """What all values of a metric depend on; a value's key adds the case, field and annotations."""
    return digest(
        [
            None if task.labels is None else list(task.labels.items()),
            list(task.extra_labels.items()),
            task.label_interpolation,
            sha256(metric.file),
            code("measure", [metric.file]),
        ]
    )


def evaluate(config: Config, task: TaskConfig) -> str:
    """What the evaluation of a run depends on: all its metrics, and what is kept of its fields."""
    metrics = [config.catalog.metrics[name] for name in config.metrics]
    keys = {metric.id: measure(task, metric) for metric in metrics}
    return digest([list(keys.items()), config.keep_fields, config.keep_warped, code("evaluate")])


def collect(config: Config) -> str:
    """What a table of results quotes from the config, and the code that collects the table."""
    quoted = {key: value for key, value in config.raw.items() if key not in UNQUOTED}
    return digest([quoted, code("collect")])


def render(kinds: Collection[ReportKind]) -> str:
    """The code that renders reports of these kinds; the reports' files are inputs of the jobs."""
    files = [file for kind in kinds for file in kind.files]
    contents = {kind.id: _contents(kind.file.parent, kind.files) for kind in kinds}
    versions = {name: package_version(name) for kind in kinds for name in kind.packages}
    return digest([contents, versions, code("render", files)])


def given_files(method: MethodPlugin, settings: Mapping[str, Any]) -> dict[str, list[int]]:
    """The states of the files of a method that takes ready-made fields."""
    return states(list_fields(settings)) if "precomputed_field" in method.needs else {}


def states(files: Iterable[Path]) -> dict[str, list[int]]:
    """Size and time (ns) of each file.

    For planning, which must not read many gigabytes. The keys of cases and pairs have the content.
    """
    stats = {str(path): path.stat() for path in files}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def named_files(settings: Mapping[str, Any]) -> dict[str, str]:
    """The content of each file that a setting names: a checkpoint, a program, a matrix."""
    named = {key: value for key, value in settings.items() if isinstance(value, str)}
    # Not Path.is_file: it raises for text that is too long to be a name.
    files = {key: Path(value) for key, value in named.items() if os.path.isfile(value)}  # noqa: PTH113
    return {key: sha256(path) for key, path in files.items()}


def _method(run: RunConfig, seed: int, settings: Mapping[str, Any] | None = None) -> list[Any]:
    return [
        _contents(run.method.folder, run.method.files),
        dict(run.settings if settings is None else settings),
        named_files(run.settings_of(seed)),
        run.method.missing(),
        seed,
    ]


def _contents(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in files}
