"""Importing a plugin's code, by path, under a module name of the engine's own."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from regbench.base.errors import BadInput
from regbench.plugins.kinds import MetricPlugin


def load_entry(folder: Path, entry: str) -> Any:
    """The object that `module:name` names in a plugin folder.

    The folder becomes a package with a private name, so that its files import each other
    relatively and two plugins may both have a `method.py`.

    Raises:
        BadInput: the module has no such name. Errors of the plugin's own code pass through.
    """
    module_name, name = entry.split(":")
    module = importlib.import_module(f"{_package(folder)}.{module_name}")
    if not hasattr(module, name):
        raise BadInput(
            f"has no {name!r}", file=folder / f"{module_name}.py", expected=f"entry {entry}"
        )
    return getattr(module, name)


def load_metric(plugin: MetricPlugin) -> Callable[[Any], float]:
    """A metric's function: the one with the file's own name."""
    module = _load_file(f"regbench_plugin_{_tag(plugin.file)}", plugin.file)
    function = getattr(module, plugin.id, None)
    if not callable(function):
        raise BadInput("has no function of its own name", file=plugin.file, expected=plugin.id)
    return function


def _package(folder: Path) -> str:
    name = f"regbench_plugin_{_tag(folder)}"
    if name not in sys.modules:
        init = folder / "__init__.py"
        if init.is_file():
            _load_file(name, init, [str(folder)])
        else:
            package = ModuleType(name)
            package.__path__ = [str(folder)]
            sys.modules[name] = package
    return name


def _load_file(name: str, file: Path, search: list[str] | None = None) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise BadInput("cannot be imported", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _tag(path: Path) -> str:
    return path.stem + "_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:10]
