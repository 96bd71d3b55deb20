"""The changelog of golden values: what changed, from what to what, and why."""

import time
from collections.abc import Sequence
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.baseline.compare import Change
from regbench.baseline.summary import count_line, table


def checked_reason(reason: str) -> str:
    """The reason in one line.

    Raises:
        BadInput: it is empty.
    """
    text = " ".join(reason.split())
    if not text:
        raise BadInput("the reason is empty", expected='--reason "why the numbers changed"')
    return text


def append(file: Path, config: str, reason: str, changes: Sequence[Change], rows: int) -> None:
    """Add an entry at the end of the changelog; a first entry starts it.

    Args:
        file: Markdown; made where it is not there.
        config: name of the config.
        reason: why the values changed.
        changes: old and new values. The rows of a first baseline (`rows` 0) are only counted.
        rows: golden values there were.
    """
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("cannot be read", file=file, found=str(error)) from error
    text = text or f"# Changes of the golden values of `{config}`\n"
    day = time.strftime("%Y-%m-%d", time.gmtime())
    entry = ["", f"## {day}", "", checked_reason(reason), ""]
    if rows:
        entry += [f"{count_line(changes, rows)}.", "", *table(changes)]
    else:
        without = sum(change.new is not None and change.new.status != "ok" for change in changes)
        entry += [f"The first {len(changes)} golden values, {without} of them without a number."]
    write_text(file, text.rstrip("\n") + "\n" + "\n".join(entry) + "\n")
