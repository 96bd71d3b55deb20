"""Writing a new plugin folder and its test from a template."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.plugins.catalog import Catalog

TEMPLATES = Path(__file__).parent / "templates"
#: The templates of a method: values of `--kind`.
KINDS = ("python", "learned", "command")

_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
_LONGEST = 64


@dataclass(frozen=True)
class NewPlugin:
    """What was written: the plugin's id, its folder, its test."""

    id: str
    folder: Path
    test: Path


def new_method(
    name: str, kind: str, root: Path, catalog: Catalog, *, place: Path | None, title: str
) -> NewPlugin:
    """Write a method that works, from the template of its kind.

    Args:
        name: its id; hyphens are underscores in the folder's name.
        kind: one of KINDS.
        root: of the project.
        catalog: what there is; an id is given once.
        place: a folder for the plugin's folder and its test, outside the project; None: `methods/`
            and `tests/` of the project.
        title: the row's first cell.

    Raises:
        BadInput: the name is none, or it is taken.
    """
    folder = checked_name(name).replace("-", "_")
    method = folder.replace("_", "-")
    if method in catalog.methods:
        raise BadInput(f"the id {method!r} is taken", file=catalog.methods[method].folder)
    return _write(method, folder, kind, "methods", "method", root, place, title)


def new_dataset(
    name: str, root: Path, catalog: Catalog, *, place: Path | None, title: str
) -> NewPlugin:
    """Write a generated data set that works; arguments as of `new_method`."""
    folder = checked_name(name).replace("-", "_")
    if folder in catalog.datasets:
        raise BadInput(f"the id {folder!r} is taken", file=catalog.datasets[folder].folder)
    return _write(folder, folder, "dataset", "datasets", "dataset", root, place, title)


def checked_name(name: str) -> str:
    """A name that can be a folder and an id.

    Raises:
        BadInput: it has `/`, `..`, capitals, blanks or other characters, or is too long.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise BadInput(
            "not a name of a plugin",
            expected=f"a to z, 0 to 9 and hyphens, at most {_LONGEST}, such as my-method",
            found=repr(name[: 2 * _LONGEST]),
        )
    return name


def _write(
    plugin: str,
    name: str,
    template: str,
    plural: str,
    kind: str,
    root: Path,
    place: Path | None,
    title: str,
) -> NewPlugin:
    folder = (root / plural if place is None else place.absolute()) / name
    tests = root / "tests" if place is None else place.absolute()
    test = tests / f"test_{kind}_{name}.py"
    for path in (folder, test):
        if path.exists() or path.is_symlink():
            raise BadInput("is there already", file=path, expected="a new name")
    relative = os.path.relpath(folder, tests)
    # The metadata make a plugin of the folder: they come last.
    sources = sorted(
        (path for path in (TEMPLATES / template).iterdir() if path.is_file()),
        key=lambda path: path.suffix == ".yaml",
    )
    words = {
        "PLUGIN_PATH": relative,
        "PLUGIN_ID": plugin,
        "SCHEMAS": os.path.relpath(root / "docs" / "schemas", folder),
        "title: New method": f"title: {_yaml_text(title)}",
        "title: New data set": f"title: {_yaml_text(title)}",
    }
    write_text(test, _filled(TEMPLATES / "tests" / f"{kind}.py", words))
    for source in sources:
        write_text(folder / source.name, _filled(source, words))
    return NewPlugin(plugin, folder, test)


def _filled(file: Path, words: dict[str, str]) -> str:
    text = file.read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _yaml_text(text: str) -> str:
    """A title as one YAML scalar."""
    plain = " ".join(text.split())
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9 .()-]*", plain) and plain.lower() not in _YAML_WORDS:
        return plain
    return "'" + plain.replace("'", "''") + "'"


#: What YAML takes for something else than text.
_YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
