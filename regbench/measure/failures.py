"""What failed in a config's runs, and marking it to be repeated."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.paths import (
    CASES,
    METRICS,
    check_own,
    config_file,
    read_own,
    run_folder,
    try_again,
)
from regbench.base.records import FAILURES, FIELD_NAME, INTERRUPTED, STATUS_NAME, Row, read_rows
from regbench.plan.config import Config
from regbench.plan.keys import UNQUOTED
from regbench.plugins.loading import installed

#: A status is the last cell of a line in `metrics.csv`. It is quoted if it has a comma.
_LOST = ("failed", INTERRUPTED)
_MARKS = tuple(f"{start}{outcome}".encode() for start in (",", ',"') for outcome in _LOST)


@dataclass(frozen=True)
class RunResult:
    """A run with one seed, and how its cases ended.

    Attributes:
        name: task, run and seed.
        folder: of its results.
        statuses: of its cases; None where the run is not finished.
    """

    name: str
    folder: Path
    statuses: list[dict[str, Any]] | None

    def failed_metrics(self) -> list[Row]:
        """The rows of metrics that failed on finished cases, read without holding all rows.

        There are none if the run's rows are not written yet.

        Raises:
            BadInput: the file of rows has other columns.
        """
        file = self.folder / METRICS
        check_own(file)
        # Most runs have no failed metric: their rows need not be parsed.
        content = file.read_bytes() if file.is_file() else b""
        if not any(mark in content for mark in _MARKS):
            return []
        finished = {item["case"] for item in self.statuses or () if item["outcome"] == "ok"}
        return [row for row in read_rows(file, _LOST) if row.case in finished]


def results_of(config: Config, partial: bool = False) -> Iterator[RunResult]:
    """Every run of a config, with each of its seeds, as a workflow left it in the current folder.

    Args:
        partial: the workflow was asked for a part, which need not have any run.

    Raises:
        BadInput: no run of this config left anything here; or another version of the engine did.
    """
    runs = [(run, seed) for run in config.every_run for seed in config.seeds_of(run)]
    folders = [run_folder(config.name, run.task.id, run.id, seed) for run, seed in runs]
    stored = config_file(config.name, "").parent
    place = stored.parent.absolute()
    if not any(folder.is_dir() for folder in folders):
        if partial:
            return
        raise BadInput("no results", file=place, expected=f"a run of config {config.name!r} here")
    if all(_quoted(read_json(file)) != _quoted(config.raw) for file in stored.glob("*.json")):
        what, expected = "the results are of another config of this name", "a run of this one here"
        raise BadInput(what, file=place, expected=expected)
    for (run, seed), folder in zip(runs, folders, strict=True):
        # A point of a grid that nobody asked for is not unfinished.
        if not run.task.sweep or folder.is_dir():
            name = f"{run.task.id} {run.id} seed{seed}"
            yield RunResult(name, folder, _statuses(folder / CASES))


def _quoted(raw: Any) -> Any:
    """What results depend on in a config, as it is in JSON."""
    if not isinstance(raw, dict):
        return None
    kept = {
        key: value for key, value in raw.items() if key not in (*UNQUOTED, "keep_fields", "reports")
    }
    return json.loads(json.dumps(kept))


def _statuses(file: Path) -> list[dict[str, Any]] | None:
    if not file.is_file():
        return None
    found = read_own(file)
    fields = {"case", "outcome", "reason", "facts"}
    listed = found if isinstance(found, list) else [None]
    if not all(isinstance(item, dict) and fields <= item.keys() for item in listed):
        expected = "a list of statuses; another version made it, so run the workflow again"
        raise BadInput("is not a list of statuses", file=file, expected=expected)
    return found


def forget_failures(run: RunResult) -> list[str]:
    """Have the workflow repeat the failed cases of a run.

    These are the cases that failed, those that were skipped for a package that is installed by now
    or for their method's environment, and those with a failed metric. A case with a failed metric
    is registered again only if its field was not kept.

    Returns:
        the ids of the cases.
    """
    failed = [
        status["case"]
        for status in run.statuses or []
        if status["outcome"] in FAILURES
        or installed(status["facts"].get("missing", ""))
        or (status["outcome"] == "skipped" and "environment" in status["facts"])
    ]
    unmeasured = sorted({row.case for row in run.failed_metrics()})
    lost = [case for case in unmeasured if not (run.folder / case / FIELD_NAME).is_file()]
    for case in (*failed, *lost):
        (run.folder / case / STATUS_NAME).unlink(missing_ok=True)
    if failed or unmeasured:
        try_again(run.folder)
    return failed + unmeasured
