"""Where everything lies: the one place that knows the names of folders."""

from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import check_seal, read_json, write_json

CASES = "cases.json"
METRICS = "metrics.csv"
TIMING = "timing.json"
TRAINING = "training.json"
CHECKPOINT = "checkpoint.pt"
LOSSES = "loss.csv"
RETRIES = "retries.json"


def layout_file(config: str, dataset: str) -> Path:
    """Dataset JSON of a prepared data set."""
    return Path("data", config, dataset, f"{dataset}_dataset.json")


def run_folder(config: str, task: str, run: str, seed: int) -> Path:
    """Folder of one run with one seed; a folder a case lies in it."""
    return Path("results", config, task, run, f"seed{seed}")


def environment_file(config: str, environment: str) -> Path:
    """The record of the build of a method's own environment, by the environment's id."""
    return Path("results", config, "environments", f"{environment}.json")


def metrics_file(config: str) -> Path:
    """The table of all results."""
    return Path("results", config, "metrics.parquet")


def task_metrics_file(config: str, task: str) -> Path:
    """The table of one task's results."""
    return Path("results", config, task, "metrics.parquet")


def config_file(config: str, content: str) -> Path:
    """The resolved config that the jobs of a workflow read, by the hash of its content."""
    return Path("results", config, "configs", f"{content}.json")


def retries(folder: Path) -> int:
    """How often the cases of a run, or the pairs of a data set, were sent round again.

    The count is in the keys of their jobs.
    """
    file = folder / RETRIES
    try:
        return int(read_json(file)) if file.is_file() else 0
    except (BadInput, TypeError, ValueError):
        return 0


def try_again(folder: Path) -> None:
    """Have the next workflow plan the jobs of a run, or of a data set, again."""
    write_json(folder / RETRIES, retries(folder) + 1)


def read_own(file: Path, folder: Path | None = None) -> Any:
    """A JSON file that the engine wrote and sealed in the folder of a run, or below it.

    Raises:
        BadInput: it was cut or changed. The next workflow makes it again.
    """
    check_own(file, folder)
    return read_json(file)


def check_own(file: Path, folder: Path | None = None) -> None:
    """Refuse a file of a run's folder, or below it, that was cut or changed; see `read_own`."""
    try:
        check_seal(file)
    except BadInput as error:
        raise made_again(error, folder or file.parent) from error


def made_again(error: BadInput, folder: Path) -> BadInput:
    """The error of a damaged file in the folder of a run, which the next workflow makes again."""
    try_again(folder)
    return BadInput(str(error), expected="another run of snakemake, which makes it again")
