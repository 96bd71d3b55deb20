"""The paths in a config: relative to its folder, as found from the folder in which jobs run."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regbench.plugins.weights import REFERENCE

#: Settings whose text is a path, whatever it looks like. Other text is one if it has a slash.
_PATHS = ("path", "folder", "checkpoint")


class Places:
    """Finds what a config names, in its folder (None: it has none), else in the project's `root`.

    Attributes:
        elsewhere: paths that lead nowhere from the config's folder, but from the project's.
    """

    def __init__(self, folder: Path | None, root: Path) -> None:
        self.folder = folder and folder.resolve()
        self.root = root
        self.elsewhere: list[str] = []

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings with their paths as found from the current folder; others stay as they are."""
        return {k: self._find(v) or v if _is_path(k, v) else v for k, v in given.items()}

    def plugins(self, paths: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
        """Paths of plugins, made absolute."""
        folder = self.folder or self.root
        return {
            kind: [str(Path(self._find(path) or folder / path).absolute()) for path in listed]
            for kind, listed in paths.items()
        }

    @property
    def warning(self) -> str:
        """One line on the paths that are relative to the project's folder; empty without any."""
        names = ", ".join(dict.fromkeys(self.elsewhere))
        text = f"found from the project's folder only; write it relative to {self.folder}"
        return f"{names}: {text}" if names else ""

    def _find(self, text: str) -> str:
        """A path from the current folder; empty where it leads nowhere."""
        here = Path.cwd().resolve()
        if self.folder is not None and _leads_somewhere(self.folder / text):
            if self.folder == here or Path(text).is_absolute():
                return text
            file = Path(os.path.normpath(self.folder / text))
            # A short name, and the same one wherever the project lies: it is a part of keys.
            return str(file.relative_to(here) if file.is_relative_to(here) else file)
        for folder in (here, self.root):
            if _leads_somewhere(folder / text):
                self.elsewhere += [text] if self.folder is not None else []
                return text if folder == here else str(folder / text)
        return ""


def _is_path(key: str, value: Any) -> bool:
    if not isinstance(value, str) or not value or value.partition(":")[0] == REFERENCE:
        return False
    return "/" in value or key in _PATHS or key.endswith("_path")


def _leads_somewhere(path: Path) -> bool:
    """Whether a path exists: of one with {placeholders}, the folder before them."""
    before, found, _ = str(path).partition("{")
    # The letter stands for the name that the placeholder is in.
    place = Path(f"{before}x").parent if found else path
    # Unlike Path.exists, it takes text that is too long for a name.
    return os.path.exists(place)  # noqa: PTH110
