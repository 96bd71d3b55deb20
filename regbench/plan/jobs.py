"""The plan of a workflow: what the Snakefile asks for files, parameters and resources.

Everything that decides whether a job runs again is here: a plugin's files are inputs of its jobs;
settings, label groups and the code of the engine's stages are their parameters.
"""

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from regbench.base import paths
from regbench.base.devices import visible_gpus
from regbench.base.errors import BadInput
from regbench.base.files import digest, write_text
from regbench.base.project import WORKFLOW_PID, own_mark
from regbench.data.layout import true_field_path
from regbench.plan import keys
from regbench.plan import resources as minutes
from regbench.plan.config import Config, RunConfig, resolve
from regbench.plan.job import Job
from regbench.plan.resources import (
    JOB_MINUTES,
    REPEATS,
    START_UP_S,
    case_seconds,
    longest_shard,
    shard_count,
)

#: The variable that holds the Python of the jobs.
PYTHON = "REGBENCH_PYTHON"
#: The variable that holds the resolved config of the jobs. It is no parameter of theirs: what a
#: job depends on is, item by item.
CONFIG = "REGBENCH_CONFIG"


class Plan:
    """A resolved config as the Snakefile sees it. File names are text, as Snakemake wants them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name = config.name
        self.config_file = str(paths.config_file(config.name, digest(config.raw)[:16]))

    def job(self, task: str, run: str, seed: str) -> Job:
        """A run with one seed."""
        return Job.of(self.config, self.config.run(task, run), int(seed))

    # -- files ---------------------------------------------------------------------------------

    def layout(self, dataset: str) -> str:
        """Dataset JSON of a prepared data set; `{dataset}` is kept as a wildcard."""
        return str(paths.layout_file(self.name, dataset))

    def shards(self, task: str, run: str, seed: str) -> list[str]:
        """Status files of all shards of a run."""
        n = self.shard_count(self.config.run(task, run))
        return [str(self.job(task, run, seed).shard_file(f"{i}-of-{n}")) for i in range(1, n + 1)]

    def task_metrics(self, task: str) -> list[str]:
        """The metrics.csv of every run and seed of a task."""
        return [str(folder / paths.METRICS) for folder in self._folders(task)]

    def task_timings(self, task: str) -> list[str]:
        """The timing of every run and seed of a task, where the config asks for it."""
        if self.config.timing != "alone":
            return []
        return [str(folder / paths.TIMING) for folder in self._folders(task)]

    def task_table(self, task: str) -> str:
        """The table of a task's results; `{task}` is kept as a wildcard."""
        return str(paths.task_metrics_file(self.name, task))

    def table(self) -> str:
        """The table of all results."""
        return str(paths.metrics_file(self.name))

    # -- what makes jobs run again -------------------------------------------------------------

    def dataset_inputs(self, dataset: str) -> list[str]:
        """The plugin's files, and what lists the pairs of an imported data set.

        The files of the pairs are no inputs: Snakemake takes minutes for some thousands of them.
        """
        item = self.config.datasets[dataset]
        files = list(item.plugin.files)
        source = item.source()
        if source is not None and source.file.is_file():
            files.append(source.file)
        return [str(path) for path in files]

    def prepare_key(self, dataset: str) -> str:
        """The key of a data set's pairs, and what decides which pairs there are."""
        item = self.config.datasets[dataset]
        return digest(
            [keys.prepare(item.plugin), item.settings, item.splits, self._listed(dataset)]
        )[:16]

    def _listed(self, dataset: str) -> dict[str, list[int]]:
        """Size and time (ns) of every file on disk that an imported data set names.

        For planning: no image is read. Preparation goes by content.
        """
        source = self.config.datasets[dataset].source()
        if source is None:
            return {}
        pairs = [c for cases in source.cases.values() for c in cases]
        listed = {p for c in pairs for p in c.files}
        listed |= {true_field_path(source.root, c.moving.stem, c.fixed.stem) for c in pairs}
        # A missing file makes a failed case, not a workflow that cannot start.
        stats = {str(p): p.stat() for p in listed if p.is_file()}
        return {name: [found.st_size, found.st_mtime_ns] for name, found in stats.items()}

    def training(self, task: str, run: str, seed: str) -> list[str]:
        """The training record that a learned method's registration waits for; none for others."""
        job = self.job(task, run, seed)
        return [str(job.folder / paths.TRAINING)] if job.run.method.learned else []

    def borrowed(self, task: str, run: str, seed: str) -> list[str]:
        """The training record of the task that this one's checkpoints are taken over from."""
        job = self.job(task, run, seed)
        source = job.source()
        return [] if source is job else [str(source.folder / paths.TRAINING)]

    def train_key(self, task: str, run: str, seed: str) -> str:
        """The key of a training, and how often it was sent round again."""
        job = self.job(task, run, seed)
        return digest([keys.train(job.run, job.seed), paths.retries(job.folder)])[:16]

    def method_inputs(self, task: str, run: str) -> list[str]:
        """The plugin's files."""
        return [str(path) for path in self.config.run(task, run).method.files]

    def register_key(self, task: str, run: str, seed: str) -> str:
        """The key of a run's cases, what decides which cases there are, and retries."""
        job = self.job(task, run, seed)
        item = job.run
        return digest(
            [
                keys.register(item, job.seed),
                item.task.direction,
                item.task.evaluated_split(),
                keys.given_files(item.method, item.settings),
                paths.retries(job.folder),
            ]
        )[:16]

    def metric_inputs(self) -> list[str]:
        """The files of the configured metrics."""
        return [str(self.config.catalog.metrics[name].file) for name in self.config.metrics]

    def evaluate_key(self, task: str) -> str:
        """The key of a run's evaluation."""
        return keys.evaluate(self.config, self.config.every_task[task])

    def collect_key(self) -> str:
        """The key of the tables of results."""
        return keys.collect(self.config)

    # -- resources -----------------------------------------------------------------------------

    def shard_count(self, run: RunConfig) -> int:
        """How many jobs a run is cut into, by what is declared of its cases."""
        return shard_count(
            self._cases(run),
            self._case_seconds(run),
            self.config.job_minutes or JOB_MINUTES,
            run.method.resources.cases_per_job,
        )

    def threads(self, task: str, run: str) -> int:
        """Threads of a register job."""
        return self.config.run(task, run).method.resources.threads

    def memory_mb(self, task: str, run: str) -> int:
        """Memory of a register job."""
        asked = self.config.run(task, run).method.resources.memory_gb
        return int(1024 * self.config.limits.get("memory_gb", asked))

    def prepare_minutes(self, dataset: str) -> int:
        """Minutes a cluster gives to a job that prepares a data set; see `plan.resources`."""
        return minutes.pairs(sum(_counts(self, dataset).values()))

    def train_minutes(self, task: str) -> int:
        """Minutes a cluster gives to a training."""
        return minutes.training(borrowed=self.config.every_task[task].trained_on != task)

    def register_minutes(self, task: str, run: str) -> int:
        """Minutes a cluster gives to a shard, by the method's time limit."""
        item = self.config.run(task, run)
        return minutes.registering(self._longest(item), self._limit_s(item), START_UP_S)

    def time_minutes(self, task: str, run: str) -> int:
        """Minutes a cluster gives to a job that times one case."""
        return minutes.timing(REPEATS, self._limit_s(self.config.run(task, run)), START_UP_S)

    def evaluate_minutes(self, task: str) -> int:
        """Minutes a cluster gives to a job that evaluates a run."""
        item = self.config.every_task[task]
        return minutes.pairs(_counts(self, item.dataset.id).get(item.evaluated_split(), 0))

    def gpus(self, task: str, run: str) -> int:
        """GPUs a job asks for: a request to a cluster; on one machine locks hand them out."""
        if not self.config.run(task, run).method.can_use_gpu:
            return 0
        request = self.config.device
        return int(request == "cuda" or (request == "auto" and bool(visible_gpus())))

    def _cases(self, run: RunConfig) -> int:
        return _counts(self, run.task.dataset.id).get(run.task.evaluated_split(), 0)

    def _longest(self, run: RunConfig) -> int:
        return longest_shard(self._cases(run), self.shard_count(run))

    def _case_seconds(self, run: RunConfig) -> float:
        return case_seconds(run.method, run.task.dataset.settings)

    def _limit_s(self, run: RunConfig) -> float:
        return float(self.config.limits.get("time_s", run.method.resources.time_limit_s))

    def _folders(self, task: str) -> list[Path]:
        return [
            paths.run_folder(self.name, task, run.id, seed)
            for run in self.config.every_run
            if run.task.id == task
            for seed in self.config.seeds_of(run)
        ]


@cache
def _counts(plan: Plan, dataset: str) -> dict[str, int]:
    return plan.config.datasets[dataset].counts()


def start(raw: dict[str, Any], root: Path) -> Plan:
    """Resolve Snakemake's config, leave it where the jobs read it, and tell them who runs them.

    Raises:
        SystemExit: 2, after one line, when the config is wrong.
    """
    try:
        plan = Plan(resolve(raw, root))
        for run in plan.config.every_run:
            plan.shard_count(run)
    except BadInput as error:
        sys.stderr.write(f"regbench: {error}\n")
        raise SystemExit(2) from None
    for broken in plan.config.catalog.broken:
        sys.stderr.write(f"regbench: warning: left out: {broken.problem}\n")
    # One file a content: a workflow that is running keeps the config that it was started with.
    file = Path(plan.config_file)
    if not file.is_file():
        write_text(file, json.dumps(raw, indent=1) + "\n")
    os.environ[CONFIG] = plan.config_file
    os.environ[WORKFLOW_PID] = own_mark()
    os.environ[PYTHON] = sys.executable
    os.environ["REGBENCH_ROOT"] = str(root)
    os.environ["REGBENCH_WORK"] = str(Path.cwd())
    return plan
