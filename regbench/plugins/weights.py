"""Given weights of learned methods: which file a name stands for, and what is said of its content.

The reference weights lie in `reference/weights/TASK/METHOD.pt` of the project that a method is of.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.plugins.kinds import MethodPlugin

#: The name of the reference weights; `reference:TASK` are those of another task.
REFERENCE = "reference"
_FOLDER = Path("reference", "weights")
#: What a table says of a checkpoint's record.
_SAID = ("task", "steps", "lambda", "seed", "commit")


def weights_file(name: str, method: MethodPlugin, task: str, seed: int, root: Path) -> Path:
    """The file that a method's setting `checkpoint` stands for, whether or not it is there.

    Args:
        name: `reference`, `reference:TASK`, or a path. `{task}`, `{method}` and `{seed}` stand for
            the arguments. A relative path is one of the project, else of the current folder.
        method, task, seed: what the weights are for.
        root: of the project.
    """
    word, _, other = name.partition(":")
    if word == REFERENCE:
        name = str(_reference_folder(method) / (other or task) / f"{method.id}.pt")
    for key, value in {"task": task, "method": method.id, "seed": seed}.items():
        name = name.replace(f"{{{key}}}", str(value))
    here, file = Path.cwd(), root / name
    if not file.is_file() and (here / name).is_file():
        file = here / name
    # A short name in messages, and the same one wherever the project lies.
    return file.relative_to(here) if file.is_relative_to(here) else file


def reference_weights(method: MethodPlugin, task: str = "") -> Path:
    """The reference weights of a method; without a task, those of the first one that has them.

    Raises:
        BadInput: there are none.
    """
    folder = _reference_folder(method)
    found = {file.parent.name: file for file in sorted(folder.glob(f"*/{method.id}.pt"))}
    for name in [task] if task else found:
        if name in found:
            return found[name]
    known = [f"{REFERENCE}:{name}" for name in found]
    raise BadInput(
        f"no reference weights of {method.id}{' for task ' * bool(task)}{task}",
        file=folder,
        expected=f"one of {', '.join(known)}" if known else f"TASK/{method.id}.pt",
    )


def about_weights(record: Mapping[str, Any]) -> str:
    """Where weights come from, by the record in their checkpoint."""
    said = ", ".join(f"{key} {record[key]}" for key in _SAID if key in record)
    return said or "no record of their training"


def _reference_folder(method: MethodPlugin) -> Path:
    return method.folder.parents[1] / _FOLDER
