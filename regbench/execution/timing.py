"""Timing one case alone: for a figure that nothing else on the machine has touched."""

import shutil
import tempfile
from pathlib import Path

from regbench.base.files import write_json
from regbench.base.paths import TIMING, TRAINING
from regbench.data.layout import read_layout
from regbench.execution.launcher import launch
from regbench.execution.worker_client import REPEATS
from regbench.plan.config import Config, RunConfig
from regbench.plan.resources import Shard


def time_alone(config: Config, run: RunConfig, seed: int, layout_file: Path, folder: Path) -> None:
    """Register the first case REPEATS times, each in a fresh process, and keep the seconds.

    The workflow gives this job all cores, so that no other job of it runs beside.
    """
    layout = read_layout(layout_file)
    cases = layout.directed(run.task.evaluated_split(), run.task.direction)
    seconds = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            if run.method.learned:
                shutil.copy(folder / TRAINING, scratch)
            only_first = Shard(1, len(cases))
            status = launch(
                config, run, seed, layout_file, scratch, only_first, scratch / "log.txt"
            )[0]
        if status.register_s is not None:
            seconds.append(status.register_s)
    write_json(folder / TIMING, {"case": cases[0].id, "register_s": seconds})
