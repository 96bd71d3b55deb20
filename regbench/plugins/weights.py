"""Given weights of networks: which file a name stands for, and what is said of its content.

The reference weights lie in `reference/weights/TASK/METHOD.pt` of the project that a method is of,
those of a seed K other than 0 in `METHOD-seedK.pt`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin

#: The name of the reference weights; `reference:TASK` are those of another task.
REFERENCE = "reference"
_FOLDER = Path("reference", "weights")
#: What a table says of a checkpoint's record.
_SAID = ("task", "steps", "lambda", "seed", "commit")


def download_folder(plugin: MethodPlugin | DatasetPlugin) -> Path:
    """Where `regbench download` puts a plugin's files."""
    return Path("data", "downloads", plugin.folder.name)


def fetched_weights(method: MethodPlugin) -> str:
    """The name of a pretrained method's own weights, once downloaded; empty where it has none."""
    if method.weights is None:
        return ""
    return str(download_folder(method) / method.weights.url.rpartition("/")[2])


def no_weights(method: MethodPlugin, file: str) -> tuple[str, str] | None:
    """Outcome and reason of a pretrained method's cases where its weights cannot be used.

    Args:
        method: its own weights have a checksum, others have none.
        file: that the setting `checkpoint` stands for.
    """
    if method.kind != "pretrained":
        return None
    own = fetched_weights(method)
    if not Path(file).is_file():
        hint = f"regbench download {method.id}" if own else "the setting checkpoint names a file"
        return "skipped", f"there are no weights{' at ' * bool(file)}{file}: {hint}"
    if method.weights and Path(file).match(own):
        expected, found = method.weights.checksum, f"sha256:{sha256(Path(file))}"
        if found != expected:
            bad = BadInput("has another checksum", file=file, expected=expected, found=found)
            return "failed", str(bad)
    return None


def weights_file(name: str, method: MethodPlugin, task: str, seed: int, root: Path) -> Path:
    """The file that a method's setting `checkpoint` stands for, whether or not it is there.

    Args:
        name: `reference`, `reference:TASK`, or a path. `{task}`, `{method}` and `{seed}` stand for
            the arguments. A relative path is one of the project, else of the current folder.
        method, task, seed: what the weights are for.
        root: of the project. A pretrained method's own folder comes before it.
    """
    word, _, other = name.partition(":")
    if word == REFERENCE:
        folder = _reference_folder(method) / (other or task)
        own = folder / seed_file(method.id, seed)
        name = str(own if own.is_file() else folder / seed_file(method.id, 0))
    for key, value in {"task": task, "method": method.id, "seed": seed}.items():
        name = name.replace(f"{{{key}}}", str(value))
    here, file = Path.cwd(), root / name
    if method.kind == "pretrained" and (method.folder / name).is_file():
        file = method.folder / name
    if not file.is_file() and (here / name).is_file():
        file = here / name
    # A short name in messages, and the same one wherever the project lies.
    return file.relative_to(here) if file.is_relative_to(here) else file


def seed_file(method: str, seed: int) -> str:
    """The name of a method's reference weights that were trained with a seed."""
    return f"{method}-seed{seed}.pt" if seed else f"{method}.pt"


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
