"""Which of the engine's code a result depends on, to the function: found by reading, not running.

From the functions that carry out a stage, every name that they use is followed through the modules
that define it. Functions, classes and constants that nothing leads to do not count.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ENGINE = "regbench"
#: Of a module: everything that it defines, and the statements that run when it is imported.
_WHOLE, _IMPORTED = "*", "<import>"

#: What no result depends on, and why. A name ending in a dot is a package.
PLUMBING = {
    "regbench.plan.config": "reads the config; what it says is counted by value",
    "regbench.plan.models": "the model of a config; what it says is counted by value",
    "regbench.plan.code": "makes keys, and no results",
    "regbench.plan.keys": "makes keys, and no results",
    "regbench.plan.resources": "cuts runs into jobs, and says what these ask for",
    "regbench.plugins.catalog": "finds plugins; their files are counted by content",
    "regbench.plugins.kinds": "metadata of plugins; their files are counted by content",
    "regbench.plugins.loading": "imports plugins; their files are counted by content",
    "regbench.plugins.models": "models of metadata; plugins' files are counted by content",
    "regbench.base.models": "refuses wrong metadata and changes none",
    "regbench.base.schemas": "reads YAML; what it says is counted by value",
    "regbench.base.errors": "words of errors",
    "regbench.base.files": "writes whole files or none; their content comes from elsewhere",
    "regbench.base.paths": "names of files and folders",
    "regbench.base.project": "finds the project's folder",
    "regbench.base.devices": "hands out devices; each status and record names its own",
    "regbench.execution.method_log": "what a method prints; no field depends on it",
    "regbench.execution.process": "ends processes",
    "regbench.execution.protocol": "carries requests and answers",
    "regbench.execution.sandbox": "refuses writes outside the working folder",
    "regbench.execution.worker_client": "enforces limits, which rerun nothing: see `retry`",
}

#: What may begin with a docstring.
_DOCUMENTED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
#: A definition: its module and its name. With an empty module: a name from outside the engine.
Node = tuple[str, str]
#: What an import names: a module, and a name in it (None: the module itself).
Target = tuple[str, str | None]


def is_plumbing(module: str) -> bool:
    """Whether no result depends on a module."""
    return any(
        module == name or (name.endswith(".") and f"{module}.".startswith(name))
        for name in PLUMBING
    )


@dataclass(frozen=True)
class Code:
    """The source code of an engine.

    Attributes:
        package: its folder, named `regbench`.
    """

    package: Path
    _modules: dict[str, "_Module | None"] = field(default_factory=dict, compare=False)
    _reached: dict[Node, frozenset[Node]] = field(default_factory=dict, compare=False)
    _hashes: dict[Node, str] = field(default_factory=dict, compare=False)

    def key(self, roots: Iterable[str], sources: Iterable[Path] = ()) -> str:
        """A hash of all definitions that functions of the engine and plugins depend on.

        Comments, docstrings and layout have no part in it.

        Args:
            roots: functions of the engine, `module:name`.
            sources: files of a plugin. Only what they use of the engine counts here.

        Raises:
            LookupError: the engine has no such function.
        """
        hashes = sorted(self._hash(node) for node in self.reached(roots, sources))
        return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]

    def reached(self, roots: Iterable[str], sources: Iterable[Path] = ()) -> frozenset[Node]:
        """The definitions behind `key`."""
        found: set[Node] = set()
        for root in roots:
            module, _, name = root.partition(":")
            known = self._module(module)
            if known is None or name not in known.definitions:
                raise LookupError(f"the engine has no {root}")
            found |= self._closure((module, name))
        for path in sources:
            if path.suffix == ".py":
                plugin = _plugin(path, path.stat().st_mtime_ns)
                # Its own definitions count by the file's content.
                for node in plugin.uses(self, plugin.body):
                    found |= self._closure(node) if node[0] else {node}
        return frozenset(found)

    def resolve(self, module: str, name: str | None) -> Node | None:
        """What an import names; None for plumbing."""
        if module.split(".")[0] != ENGINE:
            return "", module if name is None else f"{module}.{name}"
        if name is not None and self._module(f"{module}.{name}") is not None:
            module, name = f"{module}.{name}", None
        return None if is_plumbing(module) else (module, name or _WHOLE)

    def _closure(self, start: Node) -> frozenset[Node]:
        if start not in self._reached:
            found: set[Node] = set()
            todo = [start]
            while todo:
                node = todo.pop()
                if node not in found:
                    found.add(node)
                    todo.extend(self._next(node))
            self._reached[start] = frozenset(found)
        return self._reached[start]

    def _next(self, node: Node) -> Iterator[Node]:
        module = self._module(node[0])
        if module is None:
            return
        if node[1] in module.imports:
            # A module may hand on what it imports itself.
            targets = (self.resolve(*target) for target in module.imports[node[1]])
            yield from (target for target in targets if target is not None)
            return
        yield (module.name, _IMPORTED)
        if node[1] != _IMPORTED and node[1] not in module.definitions:
            yield from ((module.name, name) for name in module.definitions)
        yield from module.uses(self, module.statements(node[1]))

    def _module(self, name: str) -> "_Module | None":
        if name not in self._modules:
            base = self.package.joinpath(*name.split(".")[1:])
            files = (base.with_suffix(".py"), base / "__init__.py")
            file = next((path for path in files if path.is_file()), None)
            known = name.split(".")[0] == ENGINE and file is not None
            self._modules[name] = _Module(name, file) if known and file else None
        return self._modules[name]

    def _hash(self, node: Node) -> str:
        if node not in self._hashes:
            module = self._module(node[0])
            body = [] if module is None else module.statements(node[1])
            text = "\n".join([*node, *(statement.text for statement in body)])
            self._hashes[node] = hashlib.sha256(text.encode()).hexdigest()
        return self._hashes[node]


class _Statement:
    """One top-level statement, read once: its syntax as text, and the names that it uses.

    Attributes:
        text: its syntax without docstrings, comments and layout.
        names: that it reads, whatever they name.
        attributes: (name, attribute) of what it reads as `name.attribute`.
        imports: (local name, target) of its imports, those inside functions included.
        defines: the names that it binds.
        runs: it may do more than to bind names.
    """

    def __init__(self, node: ast.stmt) -> None:
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.imports: set[tuple[str, Target]] = set()
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        script = _is_script(node)
        self.defines = [] if is_import or script else _defined(node)
        compound = isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try)
        self.runs = not script and not is_import and (compound or not self.defines)
        parts: list[str] = []
        self._read(node, parts)
        self.text = " ".join(parts)

    def _read(self, node: ast.AST, parts: list[str]) -> None:
        kind = type(node)
        parts.append(kind.__name__)
        if isinstance(node, ast.Name):
            self.names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            self.attributes.add((node.value.id, node.attr))
            parts.append(f"{node.value.id}.{node.attr}")
            return
        elif isinstance(node, ast.Import):
            for alias in node.names:
                self.imports.add((alias.asname or alias.name.split(".")[0], (alias.name, None)))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                self.imports.add((alias.asname or alias.name, (node.module, alias.name)))
        for name in kind._fields:
            value = getattr(node, name, None)
            if name == "body" and isinstance(node, _DOCUMENTED):
                value = node.body[1:] if _is_text(node.body[0]) else node.body
            if isinstance(value, list):
                parts.append("[")
                for item in value:
                    if isinstance(item, ast.AST):
                        self._read(item, parts)
                    else:
                        parts.append(repr(item))
                parts.append("]")
            elif isinstance(value, ast.expr_context):
                continue
            elif isinstance(value, ast.AST):
                self._read(value, parts)
            else:
                parts.append(repr(value))
        parts.append(";")


class _Module:
    """A source file: top-level name to the statements that define it, or to what is imported."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        body = ast.parse(file.read_text(encoding="utf-8")).body
        self.body = [_Statement(node) for node in body if not _is_text(node)]
        self.imports: dict[str, set[Target]] = {}
        self.definitions: dict[str, list[_Statement]] = {}
        for statement in self.body:
            # Two functions may import different things under one name.
            for local, target in statement.imports:
                self.imports.setdefault(local, set()).add(target)
            for defined in statement.defines:
                self.definitions.setdefault(defined, []).append(statement)

    def statements(self, name: str) -> list[_Statement]:
        """What defines a name; for _IMPORTED what does more than to define or import."""
        if name != _IMPORTED:
            return self.definitions.get(name, [])
        return [statement for statement in self.body if statement.runs]

    def uses(self, code: Code, statements: list[_Statement]) -> set[Node]:
        """What some statements use."""
        found: set[Node | None] = set()
        for statement in statements:
            names = set(statement.names)
            for name, attribute in statement.attributes:
                modules = [code.resolve(*target) for target in self.imports.get(name, ())]
                if modules and all(node is None or node[1] == _WHOLE for node in modules):
                    found.update(code.resolve(node[0], attribute) for node in modules if node)
                else:
                    names.add(name)
            for name in names:
                found.update(code.resolve(*target) for target in self.imports.get(name, ()))
                if name in self.definitions:
                    found.add((self.name, name))
        return {node for node in found if node is not None}


@cache
def _plugin(path: Path, changed_ns: int) -> _Module:
    """A plugin's file; read again once it has changed."""
    return _Module("", path)


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    places: list[ast.AST] = [statement]
    if isinstance(statement, ast.Assign):
        places = list(statement.targets)
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        places = [statement.target]
    nodes = [node for place in places for node in ast.walk(place)]
    names = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return names + [n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)]


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, or another text that nothing reads."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_script(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__"`: not run where the module is imported."""
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.left, ast.Name)
        and statement.test.left.id == "__name__"
    )
