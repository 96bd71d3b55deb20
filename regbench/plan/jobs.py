"""The jobs of a workflow: what they work on, and what each rule of the Snakefile needs for one.

Everything that decides whether a job runs again is in its `Needs`: a plugin's files are inputs;
settings, label groups and the code of the engine's stages are in the key.
"""

import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from regbench.base import paths
from regbench.base.errors import BadInput
from regbench.base.files import check_seal, digest, read_json, write_text
from regbench.base.project import CONFIG_FOLDER, WORKFLOW_PID, own_mark, workflow_root
from regbench.base.schemas import read_yaml
from regbench.data.layout import Case, Layout, read_layout, true_field_path
from regbench.plan import keys, resources
from regbench.plan.config import Config, RunConfig, TaskConfig, resolve

#: How the setting `folder` of a method that takes ready-made fields names a run of its task.
GIVEN_RUN = "run:"
#: What all other jobs wait for comes first, then methods that need no training: a table soon has
#: rows. Then the long trainings start, and the short jobs fill the cores to the end.
PREPARING, UNTRAINED, TRAINING = 30, 20, 10
#: Files of a job by the names that its rule knows them by: text, as Snakemake wants them.
Inputs = dict[str, str | list[str]]


@dataclass(frozen=True)
class Job:
    """A run of the config with one seed: what is registered, trained or evaluated, and where.

    Attributes:
        folder: for its results; each case has a folder in it.
        layout_file: dataset JSON of the prepared data set.
    """

    config: Config
    run: RunConfig
    seed: int
    folder: Path
    layout_file: Path

    @classmethod
    def of(cls, config: Config, run: RunConfig, seed: int) -> "Job":
        """The job whose files lie where a workflow of the config has them."""
        folder = paths.run_folder(config.name, run.task.id, run.id, seed)
        return cls(config, run, seed, folder, paths.layout_file(config.name, run.task.dataset.id))

    @cached_property
    def layout(self) -> Layout:
        """The prepared data set, read once."""
        try:
            check_seal(self.layout_file)
            return read_layout(self.layout_file)
        except BadInput as error:
            if not self.layout_file.is_file():
                raise
            raise paths.made_again(error, self.layout_file.parent) from error

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The cases that are registered and evaluated, in order, in the task's direction."""
        return self.split(self.run.task.evaluated_split())

    def damaged(self, case: Case) -> str:
        """See `Layout.damaged`. The next workflow prepares such a case again."""
        if damaged := self.layout.damaged(case):
            paths.try_again(self.layout_file.parent)
        return damaged

    def split(self, name: str) -> tuple[Case, ...]:
        """The cases of a split, in the task's direction."""
        return self.layout.directed(name, self.run.task.direction)

    def groups(self) -> dict[str, tuple[int, ...]]:
        """The task's label groups; by default one for each label of the data set; extras last."""
        main = self.run.task.labels
        return {**(self.layout.groups() if main is None else main), **self.run.task.extra_labels}

    def source(self) -> "Job":
        """The job that trains this one's weights: itself, or another."""
        if self.run.checkpoint:
            return self
        trainer = self.run.trainer(self.config.every_run)
        if trainer is None or (trainer.task.id, trainer.id) == (self.run.task.id, self.run.id):
            return self
        return Job.of(self.config, trainer, self.seed)

    def given(self) -> "Job | None":
        """The job whose fields this one's method is given, where its `folder` is `run:ID`.

        Raises:
            BadInput: no such run on the task.
        """
        named = str(self.run.settings.get("folder", ""))
        if "precomputed_field" not in self.run.method.needs or not named.startswith(GIVEN_RUN):
            return None
        run = self.config.run(self.run.task.id, named.removeprefix(GIVEN_RUN))
        # No cycle: a run's id holds its folder, and so the id of the run that it names.
        seeds = self.config.seeds_of(run)
        return Job.of(self.config, run, self.seed if self.seed in seeds else seeds[0])

    @property
    def environment_file(self) -> Path | None:
        """The record of the build of its method's own environment, if it has one."""
        own = self.run.method.environment
        return None if own is None else paths.environment_file(self.config.name, own.id)

    def shard_file(self, shard: str) -> Path:
        """The file that says that the cases of a shard, `<index>-of-<n>`, are registered."""
        return self.folder / "shards" / f"{shard}.json"


@dataclass(frozen=True)
class Needs:
    """What a job waits for and asks for.

    Attributes:
        inputs, key: when one of them changes, the job runs again.
        minutes: that a cluster gives to the job.
        threads, memory_mb, gpus: that the job takes.
        priority: of jobs that can start, those with the highest do.
    """

    inputs: Inputs
    key: str
    minutes: int = 0
    threads: int = 1
    memory_mb: int = 4096
    gpus: int = 0
    priority: int = 0


class Plan:
    """A resolved config as the Snakefile sees it: a method for each rule that names no report."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name = config.name
        self.environments = {
            own.id: own for run in config.every_run if (own := run.method.environment)
        }
        self.config_file = str(paths.config_file(config.name, digest(config.raw)[:16]))
        # All runs of a task are measured alike.
        self._evaluations = cache(lambda task: keys.evaluate(config, config.every_task[task]))

    def prepare(self, dataset: str) -> Needs:
        """The plugin's files, and the file that lists the pairs of an imported data set.

        The pairs' own files are in the key: Snakemake takes minutes for some thousands of inputs.
        """
        item = self.config.datasets[dataset]
        source = item.source
        listing = [source.file] if source is not None and source.file.is_file() else []
        again = paths.retries(paths.layout_file(self.name, dataset).parent)
        about = [item.settings, item.splits, _states(source), again]
        pairs = sum(item.counts().values())
        threads = max(1, min(pairs, resources.MAKERS) if item.plugin.generate else 1)
        return Needs(
            inputs={"plugin": _texts([*item.plugin.files, *listing])},
            key=_short([keys.prepare(item.plugin), *about]),
            minutes=resources.minutes(resources.PAIR_S * pairs),
            threads=threads,
            memory_mb=max(Needs.memory_mb, threads * resources.maker_mb(item.settings)),
            priority=PREPARING,
        )

    def environment(self, environment: str) -> Needs:
        """The lock. A retry of a run tries a failed build again, too."""
        own = self.environments[environment]
        jobs = [
            Job.of(self.config, run, seed)
            for run in self.config.every_run
            if run.method.environment == own
            for seed in self.config.seeds_of(run)
        ]
        key = [environment, *(paths.retries(job.folder) for job in jobs)]
        return Needs({"lock": str(own.lock)}, _short(key), priority=PREPARING)

    def train(self, task: str, run: str, seed: str) -> Needs:
        """A checkpoint that is borrowed from another task waits for the training there."""
        job = self._job(task, run, seed)
        source = job.source()
        borrowed = source is not job
        waits: Inputs = {"borrowed": str(source.folder / paths.TRAINING)} if borrowed else {}
        key = [keys.train(job.run, job.seed)]
        # Given weights are taken at once; a training itself has no limit.
        given = borrowed or job.run.checkpoint
        minutes = resources.MARGIN_MINUTES if given else resources.MOST_MINUTES
        return self._method_needs(job, waits, key, minutes, 0 if given else TRAINING)

    def register(self, task: str, run: str, seed: str) -> Needs:
        """Every shard of a run needs the same: what its longest one does."""
        job = self._job(task, run, seed)
        shards = resources.shards(self.config, job.run)
        cases = math.ceil(_case_count(job.run.task) / len(shards))
        limit_s = resources.Limits.of(self.config, job.run.method).time_s
        return self._registration(job, resources.START_UP_S + cases * limit_s)

    def time(self, task: str, run: str, seed: str) -> Needs:
        """One case, registered several times on each device."""
        job = self._job(task, run, seed)
        limit_s = resources.Limits.of(self.config, job.run.method).time_s
        devices = 1 + int(job.run.method.can_use_gpu and self.config.device != "cpu")
        seconds = devices * resources.REPEATS * (resources.START_UP_S + limit_s)
        return self._registration(job, seconds)

    def evaluate(self, task: str, run: str, seed: str) -> Needs:
        """The shards of a run, and the files of the configured metrics."""
        job = self._job(task, run, seed)
        metrics = [self.config.catalog.metrics[name].file for name in self.config.metrics]
        shards = resources.shards(self.config, job.run)
        return Needs(
            inputs={
                "layout": str(job.layout_file),
                "statuses": _texts(job.shard_file(str(shard)) for shard in shards),
                "metrics": _texts(metrics),
            },
            key=self._evaluations(job.run.task.id),
            minutes=resources.minutes(resources.PAIR_S * resources.case_count(job.run.task)),
            priority=_of_results(job),
        )

    def collect(self, task: str) -> Needs:
        """The results of every run and seed of a task; timings where the config asks for them."""
        folders = [
            paths.run_folder(self.name, task, run.id, seed)
            for run in self.config.every_run
            if run.task.id == task
            for seed in self.config.seeds_of(run)
        ]
        inputs: Inputs = {"metrics": _texts(f / paths.METRICS for f in folders)}
        if self.config.timing == "alone":
            inputs["timings"] = _texts(folder / paths.TIMING for folder in folders)
        return Needs(inputs, keys.collect(self.config))

    def merge(self) -> Needs:
        """The tables of all tasks."""
        tables = [paths.task_metrics_file(self.name, task) for task in self.config.tasks]
        return Needs({"tables": _texts(tables)}, keys.collect(self.config))

    def _job(self, task: str, run: str, seed: str) -> Job:
        return Job.of(self.config, self.config.run(task, run), int(seed))

    def _registration(self, job: Job, seconds: float) -> Needs:
        """A learned method waits for its training. The key says which cases there are, too.

        `seconds` are those of a start and cases that take all of their time limits.
        """
        learned = job.run.method.learned
        waits: Inputs = {"training": str(job.folder / paths.TRAINING)} if learned else {}
        if job.environment_file is not None:
            waits["environment"] = str(job.environment_file)
        if given := job.given():
            shards = resources.shards(self.config, given.run)
            waits["given"] = _texts(given.shard_file(str(shard)) for shard in shards)
        key = [
            keys.register(job.run, job.seed),
            job.run.task.direction,
            job.run.task.evaluated_split(),
            keys.given_files(job.run.method, job.run.settings),
        ]
        return self._method_needs(job, waits, key, resources.minutes(seconds), _of_results(job))

    def _method_needs(
        self, job: Job, waits: Inputs, key: list[Any], minutes: int, priority: int
    ) -> Needs:
        method = job.run.method
        return Needs(
            inputs={"layout": str(job.layout_file), "plugin": _texts(method.files), **waits},
            key=_short([*key, paths.retries(job.folder)]),
            minutes=minutes,
            threads=method.resources.threads,
            memory_mb=int(resources.Limits.of(self.config, method).memory_bytes / 2**20),
            # With `auto` none: its node decides.
            gpus=int(method.can_use_gpu and self.config.device == "cuda"),
            priority=priority,
        )


def _of_results(job: Job) -> int:
    """The priority of registering and measuring a run."""
    return 0 if job.run.method.learned else UNTRAINED


def _case_count(task: TaskConfig) -> int:
    """How many cases a task measures, or the grid behind a report.

    Raises:
        BadInput: none.
    """
    if not (count := resources.case_count(task)):
        split, expected = task.evaluated_split(), "1 at least"
        if not task.sweep:
            raise BadInput(f"task {task.id} has no {split} case", expected=expected)
        what = f"report {task.id}: data set {task.dataset.id} has no {split} case"
        raise BadInput(what, expected=f"{expected}, or `reports:` without this one")
    return count


def start(raw: dict[str, Any], snakefile: Path, files: Sequence[Path | str] = ()) -> Plan:
    """Resolve Snakemake's config, leave it where the jobs read it, and tell them who runs them.

    Args:
        raw: Snakemake's config.
        snakefile: folder of the Snakefile; see `workflow_root`.
        files: that Snakemake read the config from.

    Raises:
        BadInput: the config is wrong.
        OSError: the current folder cannot be written.
    """
    root = workflow_root(snakefile)
    for given in filter(Path.is_file, map(Path, files)):
        # Snakemake has read it, and takes the last of repeated keys.
        (read_json if given.suffix == ".json" else read_yaml)(given)
    file = Path(files[-1]).resolve() if files else None
    plan = Plan(resolve(raw, root, file, file and file.parent))
    named = raw.get("reports", list(plan.config.sweeps))
    for run in (*plan.config.runs, *(r for r in plan.config.sweep_runs if r.task.id in named)):
        # Listing the pairs of an imported data set may fail.
        _case_count(run.task)
    remarks = [f"left out: {broken.problem}" for broken in plan.config.catalog.broken]
    for task in plan.config.tasks.values():
        source = task.dataset.source
        if source is not None and (why := source.unmeasured(task.evaluated_split())):
            remarks.append(f"task {task.id}: {why}")
    for remark in filter(None, (plan.config.warning, *remarks)):
        sys.stderr.write(f"regbench: warning: {remark}\n")
    # One file a content: a workflow that is running keeps the config that it was started with.
    stored, text = Path(plan.config_file), json.dumps(raw, indent=1) + "\n"
    if not stored.is_file() or stored.read_bytes() != text.encode():
        write_text(stored, text)
    os.environ |= {
        # Not a parameter of the jobs: a job depends on single items of it, which are in its key.
        "REGBENCH_CONFIG": plan.config_file,
        CONFIG_FOLDER: str(Path.cwd() if file is None else file.parent),
        # A program in its place runs the jobs in an image: profiles/slurm/in-image.
        "REGBENCH_PYTHON": os.environ.get("REGBENCH_PYTHON") or sys.executable,
        "REGBENCH_ROOT": str(root),
        "REGBENCH_WORK": str(Path.cwd()),
        WORKFLOW_PID: own_mark(),
    }
    return plan


def _texts(files: Iterable[Path]) -> list[str]:
    """Below the current folder relative to it: a copy of the project has the same inputs."""
    here = Path.cwd()
    return [str(f.relative_to(here) if f.is_relative_to(here) else f) for f in files]


def _short(content: list[Any]) -> str:
    return digest(content)[:16]


def _states(source: Layout | None) -> dict[str, list[int]]:
    """The states of all files on disk that an imported data set names."""
    if source is None:
        return {}
    pairs = [case for cases in source.cases.values() for case in cases]
    files = {file for case in pairs for file in case.files}
    files |= {true_field_path(source.root, c.moving.stem, c.fixed.stem) for c in pairs}
    # A missing file makes a failed case, not a workflow that cannot start.
    return keys.states(file for file in files if file.is_file())
