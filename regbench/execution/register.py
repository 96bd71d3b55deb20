"""The jobs on a run's cases: a shard of them is registered, or the first is timed alone."""

import os
import shutil
import sys
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from regbench.base.devices import visible_gpus
from regbench.base.files import seal, write_json
from regbench.base.paths import TIMING, TRAINING, try_again
from regbench.base.records import INTERRUPTED
from regbench.execution.launcher import RUNNING, launch
from regbench.execution.process import kill_below, run_apart
from regbench.execution.sandbox import adopt_orphans
from regbench.plan.jobs import Job
from regbench.plan.resources import REPEATS, Shard

#: How often a launcher is started: a method that kills it is given two tries a case.
MOST_KILLS = 50


def register_apart(job: Job, shard: Shard) -> int:
    """`register_shard` in a child process, which is started again if anything kills it.

    A case on which it is killed a second time fails: the method may be at fault. Returns the job's
    exit code.
    """
    adopt_orphans()
    suspects: list[str] = []
    running = job.folder / RUNNING.format(shard)
    while len(suspects) < MOST_KILLS:
        running.unlink(missing_ok=True)
        accused = {case for case in suspects if suspects.count(case) > 1}
        try:
            code = run_apart(lambda known=accused: register_shard(job, shard, known))  # type: ignore[misc]
        finally:
            kill_below(os.getpid())
        if code >= 0:
            running.unlink(missing_ok=True)
            return code
        suspects.append(running.read_text(encoding="utf-8") if running.is_file() else "")
    sys.stderr.write(f"regbench: the launcher was killed {MOST_KILLS} times\n")
    return 1


def register_shard(job: Job, shard: Shard, accused: Collection[str] = ()) -> None:
    """Register the cases of a shard; write the keys that they have to one file."""
    names = (job.config.name, job.run.task.id, job.run.id, f"seed{job.seed}")
    statuses = launch(job, shard, Path("logs", *names, f"method-{shard}.txt"), accused)
    if any(status.outcome == INTERRUPTED for status in statuses):
        try_again(job.folder)
    # The job's one declared output, written last. The statuses themselves lie beside their fields.
    write_json(job.shard_file(str(shard)), {status.case: status.key for status in statuses})
    seal(job.shard_file(str(shard)))


def time_alone(job: Job) -> None:
    """Register the first case REPEATS times, each in a fresh process, and keep the seconds.

    On the processor, and on a GPU if the method's cases may be registered on one. The workflow
    gives this job all cores, so that none of its other jobs runs beside it.
    """
    only_first = Shard(1, len(job.cases))
    seconds: dict[str, list[float]] = {"cpu": [], "cuda": []}
    facts: list[dict[str, Any]] = []
    asked = job.config.device if job.run.method.can_use_gpu else "cpu"
    gpu = asked == "cuda" or (asked == "auto" and bool(visible_gpus()))
    for place in ("cpu", "cuda")[: 1 + gpu] * REPEATS:
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            if job.run.method.learned:
                shutil.copy(job.folder / TRAINING, scratch)
            alone = replace(job, config=replace(job.config, device=place), folder=scratch)
            status = launch(alone, only_first, scratch / "log.txt")[0]
        if status.register_s is not None:
            seconds[place].append(status.register_s)
            facts.append({"device": place, **status.facts})
    timed = {"register_s": seconds["cpu"], "register_gpu_s": seconds["cuda"]}
    names = ("device", "register_cpu_s", "load", "cpus")
    kept = [{name: item.get(name) for name in names} for item in facts]
    write_json(job.folder / TIMING, {"case": job.cases[0].id, **timed, "facts": kept})
    seal(job.folder / TIMING)
