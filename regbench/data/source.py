"""Where an imported data set lies: the path in its settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput


def named_path(settings: Mapping[str, Any], expected: str, of: str = "the data set") -> Path:
    """`settings["path"]` as a path.

    Args:
        settings: of a data set.
        expected: what the path must be the path of.
        of: what to call the data set in the error.

    Raises:
        BadInput: it is missing, empty or no text.
    """
    path = settings.get("path")
    if not isinstance(path, str) or not path:
        raise BadInput(f"{of} has no settings.path", expected=f"the path of {expected}")
    return Path(path)
