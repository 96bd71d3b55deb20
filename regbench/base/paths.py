"""Where everything lies: the one place that knows the names of folders."""

from pathlib import Path

from regbench.base.files import read_json

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
    """How often the failed cases of a run were sent round again."""
    file = folder / RETRIES
    return int(read_json(file)) if file.is_file() else 0
