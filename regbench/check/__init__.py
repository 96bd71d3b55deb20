"""Checking a plugin before it is run, and making a new one from a template.

A finding is what a check found, and how it is printed.
"""

from dataclasses import dataclass

OK, WARNING, FAIL, NOTE = "ok", "warning", "FAIL", "note"
#: Titles in the templates of `regbench new-method` and `new-dataset`.
UNEDITED_TITLES = ("New method", "New data set")
#: The fix where only the plugin's own output can tell more.
SEE_LOG = "`--log FILE` keeps what it printed"


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes:
        check: what was looked at.
        outcome: `ok`; `warning`: works, but may not be what you want; `FAIL`: must be mended;
            `note`: nothing to judge, or impossible to tell.
        text: what was found, one line.
        fix: what to do about a `warning` or `FAIL`; empty otherwise.
    """

    check: str
    outcome: str
    text: str
    fix: str = ""

    def lines(self) -> str:
        """The finding as it is printed."""
        head = f"{self.outcome:<8} {self.check:<16} {self.text}"
        return f"{head}\n{'':<25} -> {self.fix}" if self.fix else head
