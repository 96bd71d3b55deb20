"""Minutes that the jobs of a workflow ask a cluster for, as functions of cases and limits.

One machine does not look at them. A cluster ends a job that takes longer; finished cases and the
last checkpoint are kept, so that the same job, sent again, goes on from there. A job that asks for
more than its partition allows would wait for ever: no request is above `MOST`.
"""

import math

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
