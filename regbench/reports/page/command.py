"""The command line that repeats one case outside the workflow."""

import shlex
from pathlib import Path
from typing import Any

import yaml

from regbench.base.files import digest
from regbench.base.paths import config_file
from regbench.data.layout import Case
from regbench.plan.config import Config, RunConfig


def reproduce(
    config: Config, run: RunConfig, seed: int, case: Case, checkpoint: str | None
) -> str | None:
    """`regbench register ...` for a case, or None for a control, which needs the data set.

    Args:
        config: its plugin paths go with the command.
        run: method and settings.
        seed: of the run.
        case: the pair, in the task's direction.
        checkpoint: file of a learned method's weights, None for others.

    Returns:
        One line for a POSIX shell, to be typed in the project's root.
    """
    if run.method.needs:
        return None
    words = ["regbench", "register", run.method.id]
    words += ["--fixed", str(case.fixed.image), "--moving", str(case.moving.image)]
    words += ["--output", f"{case.id}.nii.gz", "--seed", str(seed)]
    if run.task.prealigned:
        words.append("--prealigned")
    if checkpoint is not None:
        words += ["--checkpoint", checkpoint]
    for key, value in sorted(run.settings.items()):
        if value != run.method.settings.get(key):
            words += ["--set", f"{key}={_yaml(value)}"]
    if config.raw.get("plugins"):
        words += ["--config", str(config_file(config.name, digest(config.raw)[:16]))]
    return shlex.join(words)


def _yaml(value: Any) -> str:
    """A value as the command line reads it: one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def checkpoint_of(record: dict[str, Any]) -> str | None:
    """The weights that a training record names; None for a method without training."""
    found = record.get("checkpoint")
    return None if found is None else str(Path(found))
