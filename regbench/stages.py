"""Versions of the engine's stages, derived from the code each stage consists of.

A stage's version is a hash over the syntax trees of the modules that it imports, directly or not.
Changing what the code does changes the version, and the stage's jobs run again; comments,
docstrings and layout do not.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

#: Stage to the module that carries it out. What a stage does not import cannot rerun it.
STAGES = {
    "prepare": "regbench.data.prepare",
    "train": "regbench.learning.train",
    "register": "regbench.running.worker",
    "evaluate": "regbench.measure.evaluate",
    "collect": "regbench.results.collect",
    "render": "regbench.render.render",
}

#: Modules that decide what is run, not what comes out: errors, configuration and discovery.
#: What they hand on (settings, paths, plugin sources) is tracked by value.
_PLUMBING = {"regbench.config", "regbench.errors", "regbench.files", "regbench.stages"}


@cache
def stage_version(stage: str) -> str:
    """A short hash of the code of a stage."""
    return _combined(closure(STAGES[stage]))


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
    return name.startswith(("regbench.plugins", "regbench.schemas"))


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
