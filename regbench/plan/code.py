"""The code of the engine that a result depends on, to the function: it is read and never run.

From the functions that carry out a stage, every name that they use is followed through the modules
that define it. Functions, classes and constants that nothing leads to do not count.
"""

import ast
import atexit
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, sha256, write_json

ENGINE = "regbench"
#: Names of two nodes of a module: all that it defines, and the statements that its import runs.
_WHOLE, _IMPORTED = "*", "<import>"

#: What no result depends on, and why.
PLUMBING = {
    "regbench.plan.config": "reads the config, whose values are counted",
    "regbench.plan.runs": "reads the config, whose values are counted",
    "regbench.plan.models": "the model of a config, whose values are counted",
    "regbench.plan.code": "makes keys, and no results",
    "regbench.plan.keys": "makes keys, and no results",
    "regbench.plan.resources": "cuts runs into jobs, and says what jobs ask for",
    "regbench.plugins.catalog": "finds plugins; their files are counted by content",
    "regbench.plugins.kinds": "metadata of plugins; their files are counted by content",
    "regbench.plugins.loading": "imports plugins; their files are counted by content",
    "regbench.plugins.models": "models of metadata; plugins' files are counted by content",
    "regbench.plugins.report_models": "models of metadata",
    "regbench.base.models": "refuses wrong metadata and changes none",
    "regbench.base.schemas": "reads YAML; what it says is counted by value",
    "regbench.base.errors": "words of errors",
    "regbench.base.files": "writes whole files or none; their content comes from elsewhere",
    "regbench.base.paths": "names of files and folders",
    "regbench.base.project": "finds the project's folder",
    "regbench.base.devices": "hands out devices; each status and record names its own",
    "regbench.execution.method_log": "what a method prints; no field depends on it",
    "regbench.execution.environment": "builds environments; their locks are counted by content",
    "regbench.execution.process": "ends processes",
    "regbench.execution.protocol": "carries requests, enforces limits, which rerun nothing",
    "regbench.execution.sandbox": "refuses writes outside the working folder",
    "regbench.execution.serving": "carries requests",
}

#: Statements that may begin with a docstring.
_DOCUMENTED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
#: A definition: its module and its name. With an empty module: a name from outside the engine.
Node = tuple[str, str]
#: What an import names: a module, and a name in it (None: the module itself).
Target = tuple[str, str | None]
#: Hashes that are known, in a folder that Snakemake makes where it runs, and that no method may
#: write to.
FILE = Path(".snakemake", "regbench-code.json")


class Code:
    """The source code of an engine, each file read once.

    Args:
        package: its folder, named `regbench`.
        known: finds what is known of it already, at the first question.
    """

    def __init__(
        self, package: Path, known: Callable[[Path], dict[str, str]] | None = None
    ) -> None:
        self.package = package
        self._known = known
        self._modules: dict[str, _Module | None] = {}
        self._closures: dict[Node, frozenset[Node]] = {}
        self._hashes: dict[Node, str] = {}

    def key(self, roots: Iterable[str], sources: Iterable[Path] = ()) -> str:
        """A hash of all definitions that functions of the engine and plugins depend on.

        It does not depend on comments, docstrings and layout.

        Args:
            roots: functions of the engine, `module:name`.
            sources: files of a plugin. Only what they use of the engine counts here.

        Raises:
            LookupError: the engine has no such function.
        """
        roots, files = sorted(roots), [path for path in sources if path.suffix == ".py"]
        question = digest([roots, sorted(map(sha256, files))])
        if question not in self._answers:
            self._answers[question] = self._find(roots, files)
        return self._answers[question]

    @cached_property
    def _answers(self) -> dict[str, str]:
        return {} if self._known is None else self._known(self.package)

    def _find(self, roots: list[str], files: list[Path]) -> str:
        nodes: set[Node] = set()
        for root in roots:
            name, _, function = root.partition(":")
            module = self._module(name)
            if module is None or function not in module.definitions:
                raise LookupError(f"the engine has no {root}")
            nodes |= self._closure((name, function))
        for path in files:
            plugin = _plugin(path)
            # The plugin's own definitions count by the content of the file.
            for node in plugin.uses(self, plugin.body):
                nodes |= self._closure(node)
        hashes = sorted(self._hash(node) for node in nodes)
        return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]

    def resolve(self, module: str, name: str | None) -> Node | None:
        """What an import names; None for plumbing."""
        if module.split(".")[0] != ENGINE:
            return "", module if name is None else f"{module}.{name}"
        if name is not None and self._module(f"{module}.{name}") is not None:
            module, name = f"{module}.{name}", None
        return None if module in PLUMBING else (module, name or _WHOLE)

    def _closure(self, start: Node) -> frozenset[Node]:
        if start not in self._closures:
            reached: set[Node] = set()
            todo = [start]
            while todo:
                node = todo.pop()
                if node not in reached:
                    reached.add(node)
                    todo.extend(self._next(node))
            self._closures[start] = frozenset(reached)
        return self._closures[start]

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
        """A module of the engine; None for any other name."""
        if name not in self._modules:
            package, *parts = name.split(".")
            base = self.package.joinpath(*parts)
            files = [base.with_suffix(".py"), base / "__init__.py"] if package == ENGINE else []
            file = next((path for path in files if path.is_file()), None)
            self._modules[name] = None if file is None else _Module(name, file)
        return self._modules[name]

    def _hash(self, node: Node) -> str:
        if node not in self._hashes:
            module = self._module(node[0])
            statements = [] if module is None else module.statements(node[1])
            text = "\n".join([*node, *(statement.text for statement in statements)])
            self._hashes[node] = hashlib.sha256(text.encode()).hexdigest()
        return self._hashes[node]


class _Statement:
    """One top-level statement, read once: its syntax as text, and the names that it uses.

    Attributes:
        text: its syntax without docstrings, comments and layout.
        names: that it reads, whatever they stand for.
        attributes: (name, attribute) of each `name.attribute` in it.
        imports: (local name, target) of its imports, those inside functions included.
        defines: the names that it binds.
        runs: whether it may do more than bind names.
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

    def __init__(self, name: str, file: Path, text: str | None = None) -> None:
        self.name = name
        body = ast.parse(file.read_text(encoding="utf-8") if text is None else text).body
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
        """The statements that define a name; for _IMPORTED those that an import runs."""
        if name != _IMPORTED:
            return self.definitions.get(name, [])
        return [statement for statement in self.body if statement.runs]

    def uses(self, code: Code, statements: list[_Statement]) -> set[Node]:
        """The definitions that some statements name."""
        used: set[Node | None] = set()
        for statement in statements:
            names = set(statement.names)
            for name, attribute in statement.attributes:
                modules = [code.resolve(*target) for target in self.imports.get(name, ())]
                if modules and all(node is None or node[1] == _WHOLE for node in modules):
                    used.update(code.resolve(node[0], attribute) for node in modules if node)
                else:
                    names.add(name)
            for name in names:
                used.update(code.resolve(*target) for target in self.imports.get(name, ()))
                if name in self.definitions:
                    used.add((self.name, name))
        return {node for node in used if node is not None}


def _plugin(path: Path) -> _Module:
    """A plugin's file. What is not Python uses nothing."""
    try:
        return _Module("", path)
    except (SyntaxError, ValueError):
        return _Module("", path, "")


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


def known_answers(package: Path) -> dict[str, str]:
    """What a project's earlier processes answered about this very engine, by question.

    New answers are kept at exit, beside Snakemake's own records. Reading the engine and following
    its names takes half a second, in every plan and every job.
    """
    engine, file, process = _engine(package), FILE.absolute(), os.getpid()
    answers = _kept(file, engine)
    earlier = len(answers)

    def keep() -> None:
        new = len(answers) > earlier and file.parent.is_dir() and os.getpid() == process
        # What was read after an edit is no answer about the engine before it.
        if new and _engine(package) == engine:
            # Without a place for it, the next process takes its half second.
            with suppress(OSError):
                write_json(file, {"engine": engine, "answers": {**_kept(file, engine), **answers}})

    atexit.register(keep)
    return answers


def _engine(package: Path) -> str:
    contents = [[str(f.relative_to(package)), sha256(f)] for f in sorted(package.rglob("*.py"))]
    return digest([sys.version, contents])


def _kept(file: Path, engine: str) -> dict[str, str]:
    with suppress(BadInput, LookupError, TypeError, ValueError):
        content = read_json(file)
        return dict(content["answers"]) if content["engine"] == engine else {}
    return {}
