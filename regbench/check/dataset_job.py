"""A process that prepares a data set: a worker of `regbench check`."""

from pathlib import Path
from typing import Any

from regbench.execution.prepare import prepare
from regbench.execution.protocol import Answerer, serve_requests
from regbench.plan.config import DatasetConfig
from regbench.plugins.kinds import read_dataset


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """What answers `file`: the data set is prepared there."""
    plugin = read_dataset(Path(job["folder"]))
    dataset = DatasetConfig(plugin.id, plugin, job["settings"], job["splits"])

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        prepare(dataset, Path(request["file"]))
        return {}

    return {}, answer


if __name__ == "__main__":
    serve_requests(start)
