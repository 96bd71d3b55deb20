"""The status of one case of one run: its outcome, its reason, and what it cost."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from regbench.errors import BadInput
from regbench.files import read_json, write_json

OUTCOMES = ("ok", "failed", "timeout", "out-of-memory", "skipped")
#: Outcomes that make the verdict non-zero.
FAILURES = ("failed", "timeout", "out-of-memory")

FIELD_NAME = "displacement.nii.gz"
STATUS_NAME = "status.json"


@dataclass(frozen=True)
class Status:
    """What became of a case.

    Attributes:
        case: its id.
        outcome: one of OUTCOMES.
        reason: one line, for everything but ok.
        fingerprint: hash of all that the result depends on.
        register_s: seconds of the method's own work, imports, disk and warm-up excluded; None
            where there was none: it failed, or was handed a ready-made field.
        peak_memory_mb: largest resident memory of the method's processes during the case.
        threads, device, seed: as it ran.
        field_sha256: of the displacement field's file.
        facts: versions, settings, times: for people, not for comparing.
    """

    case: str
    outcome: str
    fingerprint: str
    reason: str = ""
    register_s: float | None = None
    peak_memory_mb: float | None = None
    threads: int = 1
    device: str = "cpu"
    seed: int = 0
    field_sha256: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `status.json`, the last file of a case folder."""
        write_json(folder / STATUS_NAME, asdict(self))


def read_status(folder: Path) -> Status | None:
    """The status of a case folder; None where the case is not finished (or the file is torn)."""
    try:
        return Status(**read_json(folder / STATUS_NAME))
    except (BadInput, TypeError):
        return None
