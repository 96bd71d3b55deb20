"""Importing a plugin's code, by path, under a module name of the engine's own."""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from regbench.base.errors import BadInput

if TYPE_CHECKING:
    from regbench.plugins.kinds import MetricPlugin, ReportKind


def installed(module: str) -> bool:
    """Whether a module can be imported, found out without importing it."""
    if not module:
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # Its parent package is not there.
        return False


def package_version(name: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing_package(error: ModuleNotFoundError) -> str:
    """The package that is not installed; empty where a part of an installed one is missing."""
    name = (error.name or "").partition(".")[0]
    own = name.startswith(("regbench_plugin_", "regbench"))
    return "" if not name or own or installed(name) else name


def load_entry(folder: Path, entry: str) -> Any:
    """The object that `module:name` names in a plugin folder.

    Raises:
        BadInput: the module has no such name, or is not Python. Other errors of the plugin's own
            code pass through.
    """
    module_name, name = entry.split(":")
    module = load_part(folder, module_name)
    if not hasattr(module, name):
        raise BadInput(
            f"has no {name!r}", file=folder / f"{module_name}.py", expected=f"entry {entry}"
        )
    return getattr(module, name)


def load_metric(plugin: "MetricPlugin") -> Callable[[Any], float]:
    """A metric's function: the one with the file's own name."""
    function = getattr(load_module(plugin.file), plugin.id, None)
    if not callable(function):
        raise BadInput("has no function of its own name", file=plugin.file, expected=plugin.id)
    return function


def load_kind(plugin: "ReportKind") -> Callable[[Any], Any]:
    """The function that builds reports of a kind."""
    file = plugin.file
    module = load_part(file.parent, file.stem) if plugin.in_folder else load_module(file)
    function = getattr(module, "build", None)
    if not callable(function):
        raise BadInput("has no function build", file=plugin.file, expected="def build(request)")
    return function


def load_part(folder: Path, module: str) -> ModuleType:
    """A module of a plugin that is a folder.

    The folder becomes a package with a private name, so that its files import each other
    relatively and two plugins may both have a `method.py`.
    """
    with _reading_code(folder / f"{module}.py"):
        return importlib.import_module(f"{_package(folder)}.{module}")


def load_module(file: Path) -> ModuleType:
    """A plugin that is one file: a metric, or a kind of report."""
    with _reading_code(file):
        return _load_file(f"regbench_plugin_{_tag(file)}", file)


@contextmanager
def _reading_code(file: Path) -> Iterator[None]:
    """Turn code that is no Python into BadInput, which names its file and line."""
    try:
        yield
    except SyntaxError as error:
        what = f"is not valid Python in line {error.lineno or 1}"
        raise BadInput(what, file=error.filename or file, found=error.msg) from error


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
