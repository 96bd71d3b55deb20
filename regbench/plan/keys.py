"""Versions of the engine's stages, derived from the code each stage consists of.

A stage's version is a hash over the syntax trees of the modules that it imports, directly or not.
Changing what the code does changes the version, and the stage's jobs run again; comments,
docstrings and layout do not.
"""

import ast
import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from regbench.base.files import digest, sha256
from regbench.data.given_fields import list_fields
from regbench.plugins.kinds import REPORT_KINDS, MethodPlugin

PACKAGE = Path(__file__).parent.parent

#: Stage to the module that carries it out. What a stage does not import cannot rerun it.
STAGES = {
    "prepare": "regbench.execution.prepare",
    "train": "regbench.learning.train",
    "register": "regbench.execution.worker",
    "evaluate": "regbench.measure.evaluate",
    "collect": "regbench.reports.results",
    "render": "regbench.reports.render",
}

#: Modules that decide what is run, not what comes out: errors, configuration and discovery.
#: What they hand on (settings, paths, plugin sources) is tracked by value.
_PLUMBING = {
    "regbench.plan.config",
    "regbench.base.errors",
    "regbench.base.files",
    "regbench.plan.keys",
}


@cache
def stage_version(stage: str) -> str:
    """A short hash of the code of a stage."""
    return _combined(closure(STAGES[stage]))


def render_key(kinds: Iterable[str]) -> str:
    """The code that renders reports of these kinds; their files are inputs of the jobs."""
    modules = set(closure(STAGES["render"]))
    for kind in kinds:
        modules |= closure(f"{REPORT_KINDS}.{kind}")
    return _combined(modules)


def code_version(stage: str, sources: Iterable[Path]) -> str:
    """The version of a stage that runs a plugin: the stage's code and what the plugin imports.

    Args:
        stage: a key of STAGES.
        sources: the plugin's files; only the engine's modules they import count here, the files
            themselves are inputs of the jobs.
    """
    modules = set(closure(STAGES[stage]))
    for path in sources:
        if path.suffix == ".py":
            for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
                modules |= closure(name)
    return _combined(modules)


@cache
def closure(module: str) -> frozenset[str]:
    """The package's modules that `module` imports, itself included."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in found or name in _PLUMBING or _is_plumbing(name) or _file(name) is None:
            continue
        found.add(name)
        todo.extend(_imports_of(name))
    return frozenset(found)


def _is_plumbing(name: str) -> bool:
    return name.startswith(("regbench.plugins", "regbench.base.schemas"))


def _file(module: str) -> Path | None:
    parts = module.split(".")[1:]
    base = PACKAGE.joinpath(*parts)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _tree(module: str) -> ast.Module:
    file = _file(module)
    if file is None:
        raise ModuleNotFoundError(module)
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _imports_of(module: str) -> frozenset[str]:
    # Every plan asks for the modules of every plugin: no source is walked twice.
    return frozenset(_imported(_tree(module)))


def _combined(modules: Iterable[str]) -> str:
    hashes = sorted(_module_hash(module) for module in modules)
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def _imported(tree: ast.Module) -> set[str]:
    """Names of the package's modules (and of things in them) that a source imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "regbench"}


@cache
def _module_hash(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:]
    return hashlib.sha256(f"{module}\n{ast.dump(tree)}".encode()).hexdigest()


def method_fingerprint(
    method: MethodPlugin, settings: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """The part that all cases of a run share: plugin sources, settings, seed, engine stage."""
    return {
        "plugin": {str(path.relative_to(method.folder)): sha256(path) for path in method.files},
        "entry": method.entry,
        "command": list(method.command),
        "settings": dict(settings),
        "files": named_files(settings),
        "seed": seed,
        "stage": code_version("register", method.files),
    }


def case_fingerprint(
    shared: Mapping[str, Any], inputs: Iterable[Path], extra: Mapping[str, Any] | None = None
) -> str:
    """The hash of one case: the shared part, the content of its input files, and what else."""
    return digest([shared, [sha256(path) for path in inputs], dict(extra or {})])


def given_files(method: MethodPlugin, settings: Mapping[str, Any]) -> dict[str, list[int]]:
    """Size and time (ns) of each ready-made field of a method that takes such.

    For planning: it need not read what may be many gigabytes. A case counts by content.
    """
    if "precomputed_field" not in method.needs:
        return {}
    stats = {path.name: path.stat() for path in list_fields(settings)}
    return {name: [found.st_size, found.st_mtime_ns] for name, found in stats.items()}


def named_files(settings: Mapping[str, Any]) -> dict[str, str]:
    """The content of each file that a setting names: a checkpoint, a program, a matrix."""
    named = {key: value for key, value in settings.items() if isinstance(value, str)}
    # Not Path.is_file: it raises for text that is too long to be a name.
    files = {key: Path(value) for key, value in named.items() if os.path.isfile(value)}  # noqa: PTH113
    return {key: sha256(path) for key, path in files.items()}
