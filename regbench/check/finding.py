"""What a check found, and how it is printed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

OK, WARNING, FAIL, NOTE = "ok", "warning", "FAIL", "note"
#: Titles that the templates of `regbench new-method` and `new-dataset` start with.
UNEDITED_TITLES = ("New method", "New data set")


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes:
        check: what was looked at.
        outcome: `ok`; `warning`: works, and may not be what you want; `FAIL`: to be mended;
            `note`: nothing to judge, or it cannot be told.
        text: what was found, one line.
        fix: what to do about it, for `warning` and `FAIL`; empty else.
    """

    check: str
    outcome: str
    text: str
    fix: str = ""

    def lines(self) -> str:
        """The finding as it is printed."""
        head = f"{self.outcome:<8} {self.check:<16} {self.text}"
        return f"{head}\n{'':<25} -> {self.fix}" if self.fix else head


def failed(findings: Sequence[Finding]) -> bool:
    """Whether something is to be mended."""
    return any(finding.outcome == FAIL for finding in findings)


def as_record(name: str, kind: str, folder: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as `--json` prints them."""
    return {
        "name": name,
        "kind": kind,
        "plugin": folder,
        "ok": not failed(findings),
        "checks": [asdict(finding) for finding in findings],
    }
