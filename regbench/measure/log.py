"""The log of finished measurements of a run: what makes evaluation incremental and resumable."""

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO

from regbench.base.files import write_text
from regbench.base.records import Row

LOG_NAME = "evaluation.jsonl"


class MeasurementLog:
    """One line a case and metric, appended as it is measured; used as a context manager.

    Args:
        folder: of the run and seed.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOG_NAME
        self._known = _read(self.file)
        self._used: dict[tuple[str, str], str] = {}
        self._handle: IO[str] | None = None

    def __enter__(self) -> "MeasurementLog":
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._handle = self.file.open("a", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.close()
        if kind is None:
            # Everything was asked for: what was not is of metrics and cases that are gone.
            write_text(self.file, "".join(self._used.values()))

    def find(self, case: str, metric: str, key: str) -> list[Row] | None:
        """The rows measured under this key, or None."""
        known = self._known.get((case, metric))
        if known is None or known[0] != key:
            return None
        self._used[case, metric] = known[2]
        return known[1]

    def add(self, case: str, metric: str, key: str, rows: list[Row]) -> None:
        """Keep new rows; on disk when this returns."""
        entry = {"case": case, "metric": metric, "key": key, "rows": [asdict(r) for r in rows]}
        line = json.dumps(entry) + "\n"
        self._used[case, metric] = line
        if self._handle is not None:
            self._handle.write(line)
            self._handle.flush()


def _read(file: Path) -> dict[tuple[str, str], tuple[str, list[Row], str]]:
    found: dict[tuple[str, str], tuple[str, list[Row], str]] = {}
    if not file.is_file():
        return found
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            rows = [Row(**row) for row in entry["rows"]]
        except (ValueError, TypeError, KeyError):
            # The line that an interruption tore; it is measured again.
            continue
        found[entry["case"], entry["metric"]] = (entry["key"], rows, line + "\n")
    return found
