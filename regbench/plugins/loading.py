"""Importing a plugin's code, by path, under a module name of the engine's own."""

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from regbench.base.errors import BadInput
from regbench.plugins.kinds import MetricPlugin

#: Module to the modules of earlier versions whose place it takes, and to `package:name` for names
#: that their packages handed on.
_EARLIER = {
    "base.errors": ("errors",),
    "base.files": ("files",),
    "base.schemas": ("schemas",),
    "data.layout": ("data.source",),
    "data.pair": ("data.check", "data.links"),
    "data.prepare.dataset": ("prepare.dataset",),
    "data.writer": ("data.importer",),
    "execution.program": ("running.program",),
    "measure.inputs": (
        *("measure.views", "measure:FieldView", "measure:LandmarkView"),
        *("measure:MaskPair", "measure:TruthView"),
    ),
    "measure.learn2reg": ("measure:KitField", "measure:KitMasks", "measure:kit_distances"),
    "plugins.interface": ("method",),
    "spatial.convert": (
        *("fields.agreement", "fields.ants_image", "fields.convert", "fields.itk_image"),
        "fields.sitk_image",
    ),
    "spatial.field": ("fields.field", "fields:Field", "fields:read_field", "fields:write_field"),
    "spatial.nifti": ("volumes.nifti", "volumes:read_volume", "volumes:write_volume"),
    "spatial.operations": (
        *("fields.algebra", "fields.jacobian", "fields.resample", "spatial.jacobian"),
        *("fields:compose", "fields:invert", "fields:jacobian_determinant"),
        "fields:resample_field",
    ),
    "spatial.resample": ("volumes.resample", "volumes:resample_volume"),
    "spatial.volume": ("volumes.volume", "volumes:Volume"),
    "spatial.warp": (
        "fields.warp",
        "fields:warp_image",
        "fields:warp_labels",
        "fields:warp_points",
    ),
}
MOVED = {f"regbench.{old}": f"regbench.{new}" for new, olds in _EARLIER.items() for old in olds}


def load_entry(folder: Path, entry: str) -> Any:
    """The object that `module:name` names in a plugin folder.

    The folder becomes a package with a private name, so that its files import each other
    relatively and two plugins may both have a `method.py`.

    Raises:
        BadInput: the module has no such name, or imports what an earlier version had. Errors of
            the plugin's own code pass through.
    """
    module_name, name = entry.split(":")
    with _naming_moves(folder.rglob("*.py")):
        package = _package(folder)
        module = importlib.import_module(f"{package}.{module_name}")
    if not hasattr(module, name):
        raise BadInput(
            f"has no {name!r}", file=folder / f"{module_name}.py", expected=f"entry {entry}"
        )
    return getattr(module, name)


def load_metric(plugin: MetricPlugin) -> Callable[[Any], float]:
    """A metric's function: the one with the file's own name."""
    with _naming_moves([plugin.file]):
        module = _load_file(f"regbench_plugin_{_tag(plugin.file)}", plugin.file)
    function = getattr(module, plugin.id, None)
    if not callable(function):
        raise BadInput("has no function of its own name", file=plugin.file, expected=plugin.id)
    return function


@contextmanager
def _naming_moves(sources: Iterable[Path]) -> Iterator[None]:
    """Turn a failed import of a module that has moved into one line with its place.

    Raises:
        BadInput: one of the plugin's files imports such a module, or is not Python.
    """
    try:
        yield
    except SyntaxError as error:
        what = f"is not valid Python in line {error.lineno}"
        raise BadInput(what, file=error.filename, found=error.msg) from error
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "regbench":
            for file in sources:
                _check_imports(file)
        raise


def _check_imports(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            names += [f"{node.module}{sign}{part.name}" for part in node.names for sign in ".:"]
        else:
            continue
        for name in names:
            if name in MOVED:
                place = "is" if ":" not in name else "is in"
                old = name.replace(":", ".")
                raise BadInput(f"imports {old}, which {place} {MOVED[name]} now", file=file)


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
