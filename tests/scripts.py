"""The scripts of `tools/` as modules."""

import importlib
import sys
from types import ModuleType

from helpers import REPOSITORY

TOOLS = str(REPOSITORY / "tools")


def script(name: str) -> ModuleType:
    """A script, imported; scripts import each other by name."""
    if TOOLS not in sys.path:
        sys.path.append(TOOLS)
    return importlib.import_module(name)
