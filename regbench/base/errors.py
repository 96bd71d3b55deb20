"""The one error type for bad input: one line that says what, which file, expected, found."""

import os
from pathlib import Path
from typing import Any


class BadInput(ValueError):
    """Input that a person can mend. Its text is one line; the command line exits with code 2.

    Args:
        what: what is wrong, in a few words.
        file: the file it is wrong in, where there is one.
        expected: what would have been right.
        found: what was there instead.
    """

    def __init__(
        self,
        what: str,
        *,
        file: Path | str | None = None,
        expected: Any = None,
        found: Any = None,
    ) -> None:
        parts = [f"{file}: {what}" if file is not None else what]
        if expected is not None:
            parts.append(f"expected {expected}")
        if found is not None:
            parts.append(f"found {found}")
        super().__init__("; ".join(" ".join(part.split()) for part in parts))


def in_words(error: BadInput | OSError) -> str:
    """The one line on an error, which for one of the system begins with its file, too."""
    if isinstance(error, OSError) and error.filename is not None:
        what = "cannot be read or written"
        error = BadInput(what, file=os.fsdecode(error.filename), found=error.strerror)
    return str(error)
