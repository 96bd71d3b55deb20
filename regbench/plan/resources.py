"""How a run is cut into jobs: by the seconds that its cases are expected to take.

Everything here is declared: by the method, the data set and the config. What was measured has no
part in it, or a plan would change from one workflow to the next and jobs would run again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from regbench.plugins.kinds import MethodPlugin

Item = TypeVar("Item")

#: Minutes that a register job should take, where the config does not say.
JOB_MINUTES = 10.0
#: Jobs of one run at most, where minutes decide: planning takes 3 ms and 25 kB a job.
MOST_JOBS = 200
#: Seconds a million voxels of a method that does not say, by its kind. High for its kind: a job
#: that ends early costs a start of seconds, one that is too long costs its place in a queue.
KIND_SECONDS = {"control": 0.0, "learned": 5.0, "optimisation": 30.0, "external": 30.0}
#: The harness' own share: seconds of a case, and of a million voxels (images read and checked,
#: the field written and read).
HARNESS_CASE_S = 0.03
HARNESS_MEGAVOXEL_S = 1.5
#: Millions of voxels of an image where no setting says: most volumes of the field have fewer.
MEGAVOXELS = 2.0
#: Seconds for importing a method and warming up; a longer limit of cases holds for it too.
START_UP_S = 300.0
#: Timing alone registers its case so often, each time in a fresh process.
REPEATS = 3
#: Settings of data sets that say the shape of the prepared images.
_SHAPES = ("shape", "size")


@dataclass(frozen=True)
class Shard:
    """Every `of`-th case from the `index`-th on (1-based), so that shards are equally long."""

    index: int = 1
    of: int = 1

    def take(self, cases: Sequence[Item]) -> list[Item]:
        """The cases of this shard."""
        return list(cases[self.index - 1 :: self.of])


def megavoxels(settings: Mapping[str, Any]) -> float:
    """Millions of voxels of a data set's images, as far as its settings say."""
    for name in _SHAPES:
        shape = settings.get(name)
        if isinstance(shape, list | tuple) and len(shape) == 3:
            return math.prod(shape) / 1e6
    return MEGAVOXELS


def case_seconds(method: MethodPlugin, settings: Mapping[str, Any]) -> float:
    """Expected seconds of one case.

    Args:
        method: its `resources.seconds_per_megavoxel`, else its kind, says how fast it is.
        settings: of the data set.
    """
    rate = method.resources.seconds_per_megavoxel
    if rate is None:
        rate = 0.0 if "precomputed_field" in method.needs else KIND_SECONDS[method.kind]
    return HARNESS_CASE_S + (HARNESS_MEGAVOXEL_S + rate) * megavoxels(settings)


def shard_count(cases: int, seconds: float, job_minutes: float, cases_per_job: int | None) -> int:
    """Into how many jobs a run is cut: at least one, at most one a case, and MOST_JOBS.

    Args:
        cases: of the run.
        seconds: expected of a case.
        job_minutes: that a job should take.
        cases_per_job: says it outright; None: by the minutes.
    """
    if cases_per_job is not None:
        return max(1, math.ceil(cases / cases_per_job))
    per_job = max(1, math.floor(60 * job_minutes / seconds))
    return min(MOST_JOBS, max(1, math.ceil(cases / per_job)))


def longest_shard(cases: int, shards: int) -> int:
    """Cases of the largest shard."""
    return math.ceil(cases / shards)


#: No job asks for more than a day.
MOST = 1440
#: For what is no case: a node that wakes, imports on a slow file system, hashing of inputs.
MARGIN = 10
#: A pair that is prepared, or a case that is evaluated, takes seconds; on large images a minute.
PER_PAIR = 2


def registering(cases: int, limit_s: float, start_up_s: float) -> int:
    """Minutes of a shard each of whose cases takes all of its time limit.

    Args:
        cases: of the shard.
        limit_s: seconds a case.
        start_up_s: seconds that the method's start with its warm-up may take.
    """
    return _bounded((start_up_s + cases * limit_s) / 60)


def timing(repeats: int, limit_s: float, start_up_s: float) -> int:
    """Minutes of one case that is registered `repeats` times, each in a fresh process."""
    return _bounded(repeats * (start_up_s + limit_s) / 60)


def training(borrowed: bool) -> int:
    """Minutes of a training, which has no limit: the most; a checkpoint is taken over at once."""
    return MARGIN if borrowed else MOST


def pairs(count: int) -> int:
    """Minutes of preparing, or of evaluating, so many pairs."""
    return _bounded(count * PER_PAIR)


def _bounded(minutes: float) -> int:
    return min(MOST, MARGIN + math.ceil(minutes))
