"""What jobs ask for: how a run is cut into jobs, and their limits, memory and minutes.

Everything here is declared: by the method, the data set and the config. Measured times have no part
in it: a plan would change from one workflow to the next, and jobs would run again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from regbench.plan.config import SHAPES, Config, RunConfig, TaskConfig
from regbench.plugins.kinds import MethodPlugin

Item = TypeVar("Item")

#: Minutes that a register job should take, where the config does not say.
JOB_MINUTES = 10.0
#: Jobs of one run at most, where minutes decide: planning takes 3 ms and 25 kB a job.
MOST_JOBS = 200
#: Seconds for a million voxels, by the kind of a method that declares none. They are high: a job
#: that ends early costs a start of seconds, one that is too long costs its place in a queue.
KIND_SECONDS = {
    **{"control": 0.0, "learned": 5.0, "pretrained": 5.0},
    **{"optimisation": 30.0, "external": 30.0},
}
#: The harness' own share: seconds for a case, and for a million voxels (it reads and checks the
#: images, and writes and reads the field).
HARNESS_CASE_S = 0.03
HARNESS_MEGAVOXEL_S = 1.5
#: Seconds of a step of fine-tuning on a pair for a million voxels.
INSTANCE_MEGAVOXEL_S = 4.0
#: Millions of voxels of an image where no setting says. Most volumes of the field have fewer.
MEGAVOXELS = 2.0
#: Seconds for importing a method and warming it up, unless the limit of a case is longer.
START_UP_S = 300.0
#: How often timing alone registers its case, each time in a fresh process.
REPEATS = 3
#: Minutes that no job exceeds: a day.
MOST_MINUTES = 1440
#: Minutes beside the cases: a node that wakes, imports on a slow file system, hashing of inputs.
MARGIN_MINUTES = 10
#: Seconds of preparing or evaluating a pair at most. It takes few; on large images a minute.
PAIR_S = 120.0
#: Processes that share the pairs of a generated data set at most.
MAKERS = 4


@dataclass(frozen=True)
class Shard:
    """Every `of`-th case from the `index`-th on (1-based), so that shards are equally long."""

    index: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that is written `<index>-of-<of>`."""
        index, _, of = text.partition("-of-")
        return cls(int(index), int(of))

    def __str__(self) -> str:
        return f"{self.index}-of-{self.of}"

    def take(self, cases: Sequence[Item]) -> list[Item]:
        """The cases of this shard."""
        return list(cases[self.index - 1 :: self.of])


@dataclass(frozen=True)
class Limits:
    """Limits of one case: wall seconds, and resident bytes of the worker with its children."""

    time_s: float
    memory_bytes: float

    @classmethod
    def of(cls, config: Config, method: MethodPlugin) -> "Limits":
        """The limits of a config where it has some, else the method's own."""
        declared, limits = method.resources, config.limits
        memory_gb = limits.get("memory_gb", declared.memory_gb)
        return cls(float(limits.get("time_s", declared.time_limit_s)), 2**30 * memory_gb)


def shards(config: Config, run: RunConfig) -> list[Shard]:
    """The shards that a run is cut into, by what is declared of its cases."""
    settings = run.task.dataset.settings
    steps = run.settings.get("instance_steps", 0) if run.method.has_weights else 0
    count = shard_count(
        case_count(run.task),
        case_seconds(run.method, settings) + steps * INSTANCE_MEGAVOXEL_S * megavoxels(settings),
        config.job_minutes or JOB_MINUTES,
        run.method.resources.cases_per_job,
    )
    return [Shard(index, count) for index in range(1, count + 1)]


def shard_count(cases: int, seconds: float, job_minutes: float, cases_per_job: int | None) -> int:
    """Into how many jobs a run is cut: at least one, at most one a case, and MOST_JOBS.

    A job should take `job_minutes`, with so many `seconds` a case. `cases_per_job` decides instead
    where it is given, and without MOST_JOBS.
    """
    if cases_per_job is not None:
        return max(1, math.ceil(cases / cases_per_job))
    per_job = max(1, math.floor(60 * job_minutes / seconds))
    return min(MOST_JOBS, max(1, math.ceil(cases / per_job)))


def case_count(task: TaskConfig) -> int:
    """How many cases of a task are registered and evaluated, known before preparation.

    Raises:
        BadInput: the data set cannot be listed, or no case has the task's direction.
    """
    source, split = task.dataset.source, task.evaluated_split()
    if source is not None:
        return len(source.directed(split, task.direction))
    return task.dataset.counts().get(split, 0)


def case_seconds(method: MethodPlugin, settings: Mapping[str, Any]) -> float:
    """Expected seconds of one case, by the settings of its data set.

    The method's `resources.seconds_per_megavoxel`, else its kind, says how fast it is.
    """
    rate = method.resources.seconds_per_megavoxel
    if rate is None:
        rate = 0.0 if "precomputed_field" in method.needs else KIND_SECONDS[method.kind]
    return HARNESS_CASE_S + (HARNESS_MEGAVOXEL_S + rate) * megavoxels(settings)


def maker_mb(settings: Mapping[str, Any]) -> int:
    """MB of a process that makes pairs: 1.3 GB were measured at 144x144x128."""
    return math.ceil(2048 * max(1.0, megavoxels(settings) / 2.65))


def megavoxels(settings: Mapping[str, Any]) -> float:
    """Millions of voxels of a data set's images, as far as its settings say."""
    for name in SHAPES:
        shape = settings.get(name)
        if isinstance(shape, list | tuple) and len(shape) == 3:
            return math.prod(shape) / 1e6
    return MEGAVOXELS


def minutes(seconds: float) -> int:
    """Minutes that a job asks for whose work takes so many seconds at most."""
    return min(MOST_MINUTES, MARGIN_MINUTES + math.ceil(seconds / 60))
