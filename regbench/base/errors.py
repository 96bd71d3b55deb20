"""The one error type for bad input: one line that says what, which file, expected, found."""

import os
import traceback
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


def of_code(error: BaseException, file: Path | None = None) -> str:
    """The one line on an error of a plugin's code, which for its `file` names the line in it, too.

    It is the innermost one that led to the error. BadInput says by itself what is wrong.
    """
    said = " ".join(str(error).split())
    if isinstance(error, BadInput):
        return said
    steps = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in steps if frame.f_code.co_filename == str(file)]
    where = f" ({file.parent.name}/{file.name}, line {lines[-1]})" if file and lines else ""
    return f"{type(error).__name__}: {said}".removesuffix(": ") + where
