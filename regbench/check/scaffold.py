"""Writing a new plugin folder and its test from a template."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.check import UNEDITED_TITLES
from regbench.plugins.catalog import Catalog

TEMPLATES = Path(__file__).parent / "templates"
#: The templates of a method: values of `--kind`.
KINDS = ("python", "learned", "command")
#: The template of a data set.
DATASET = "dataset"

_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
_LONGEST = 64


@dataclass(frozen=True)
class NewPlugin:
    """What was written: the plugin's id, its folder, its test."""

    id: str
    folder: Path
    test: Path


def new_plugin(
    template: str, name: str, root: Path, catalog: Catalog, *, place: Path | None, title: str
) -> NewPlugin:
    """Write a plugin that works, and its test, from a template.

    Args:
        template: one of KINDS for a method, or DATASET.
        name: its id. The folder's name has underscores for hyphens; so has a data set's id.
        root: of the project.
        catalog: the known plugins; an id must be new.
        place: a folder outside the project for the plugin's folder and its test; None: `methods/`
            or `datasets/`, and `tests/`, of the project.
        title: the first cell of its row in tables.

    Raises:
        BadInput: the name is not one of a plugin, or it is taken.
    """
    kind = DATASET if template == DATASET else "method"
    # It can be a folder and an id: no `/`, `..`, capitals or blanks.
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise BadInput(
            "not a name of a plugin",
            expected=f"a to z, 0 to 9 and hyphens, at most {_LONGEST}, such as my-method",
            found=repr(name[: 2 * _LONGEST]),
        )
    folder_name = name.replace("-", "_")
    plugin = folder_name if kind == DATASET else folder_name.replace("_", "-")
    known = catalog.datasets if kind == DATASET else catalog.methods
    if plugin in known:
        raise BadInput(f"the id {plugin!r} is taken", file=known[plugin].folder)
    folder = (place.absolute() if place else root / f"{kind}s") / folder_name
    tests = place.absolute() if place else root / "tests"
    test = tests / f"test_{kind}_{folder_name}.py"
    for path in (folder, test):
        if path.exists() or path.is_symlink():
            raise BadInput("is there already", file=path, expected="a new name")
    titled = yaml.safe_dump({"title": " ".join(title.split())}, allow_unicode=True, width=10_000)
    words = {
        "PLUGIN_PATH": os.path.relpath(folder, tests),
        "PLUGIN_ID": plugin,
        "SCHEMAS": os.path.relpath(root / "docs" / "schemas", folder),
        **{f"title: {unedited}": titled.strip() for unedited in UNEDITED_TITLES},
    }
    sources = [path for path in (TEMPLATES / template).iterdir() if path.is_file()]
    write_text(test, _filled(TEMPLATES / "tests" / f"{kind}.py", words))
    # The metadata turn a folder into a plugin, so they come last.
    for source in sorted(sources, key=lambda path: path.suffix == ".yaml"):
        write_text(folder / source.name, _filled(source, words))
    return NewPlugin(plugin, folder, test)


def _filled(file: Path, words: dict[str, str]) -> str:
    text = file.read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    return text
