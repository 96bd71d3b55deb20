"""Training as a job of a workflow, which ends with a record of what happened."""

import signal
from pathlib import Path
from typing import Any

from regbench.base.devices import NoDevice, device
from regbench.base.errors import BadInput
from regbench.base.files import locked, seal, sha256, write_bytes, write_json
from regbench.base.paths import CHECKPOINT, TRAINING, read_own
from regbench.execution.process import run_apart
from regbench.execution.program import ending
from regbench.plan.jobs import Job


def run_training(job: Job) -> int:
    """Train a learned method, and write `training.json`.

    If there is no checkpoint, the record gives the reason: a missing package, a failure, a crash.

    Returns:
        the job's exit code: 2 for bad input from outside the plugin, else 0.
    """
    missing = job.run.method.missing()
    if missing:
        _write(job, "skipped", job.run.method.lacks(missing))
        return 0
    code = run_apart(lambda: _train(job))
    if code == -signal.SIGKILL:
        # Anyone may have killed it. A training that is at fault is killed again.
        code = run_apart(lambda: _train(job))
    if code in (0, 2):
        return code
    # The crash is that of a plugin's code.
    if code == -signal.SIGKILL:
        _write(job, "out-of-memory", "killed by the system, most likely for memory")
    else:
        _write(job, "failed", ending(code))
    return 0


def _copied(job: Job, source: Job) -> dict[str, Any]:
    """The training record of the same run on another task; copies its checkpoint too."""
    record: dict[str, Any] = read_own(source.folder / TRAINING)
    record["trained_on"] = source.run.task.id
    if record["outcome"] == "ok" and Path(record["checkpoint"]) == source.folder / CHECKPOINT:
        write_bytes(job.folder / CHECKPOINT, (source.folder / CHECKPOINT).read_bytes())
        record["checkpoint"] = str(job.folder / CHECKPOINT)
    return record


def _train(job: Job) -> None:
    source = job.source()
    if source is not job:
        _record(job, _copied(job, source))
        return
    splits = () if job.run.checkpoint else ("training", "validation")
    for case in (case for split in splits for case in job.split(split)):
        if damaged := job.damaged(case):
            raise BadInput(damaged, expected="another run of snakemake, which makes it again")
    # Imported in the child process: a process that has imported torch must not fork.
    from regbench.learning.train import train, training_of

    with locked(job.folder / ".lock-training"):
        try:
            with device(job.config.device) as name:
                _record(job, train(training_of(job), name))
        except NoDevice as problem:
            _write(job, "failed", str(problem))


def _write(job: Job, outcome: str, reason: str) -> None:
    _record(job, {"outcome": outcome, "reason": reason, "parameters": None})


def _record(job: Job, content: dict[str, Any]) -> None:
    if "checkpoint" in content:
        content = {**content, "checkpoint_sha256": sha256(Path(content["checkpoint"]))}
    write_json(job.folder / TRAINING, content)
    seal(job.folder / TRAINING)
