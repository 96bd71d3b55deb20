"""NiiVue, out of the bundle that the package `ipyniivue` ships. The package is not imported."""

import base64
import gzip
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "ipyniivue"
#: The bundle is a Jupyter widget that exports nothing but itself. This is where it makes its
#: viewer: the name behind `new` is NiiVue's class, and one more export line hands it out.
_MADE = re.compile(r'"Creating new Niivue instance"\);.{0,200}?=new ([\w$]+)\(', re.DOTALL)


@dataclass(frozen=True)
class Bundle:
    """NiiVue as text for a page.

    Attributes:
        code: JavaScript module that exports `Niivue`, gzip, in base64.
        licence: the package's licence text, which must go with it.
    """

    code: str
    licence: str


def bundle_file() -> Path | None:
    """The widget's JavaScript, or None where the package is not installed."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    if found is None or not found.submodule_search_locations:
        return None
    file = Path(next(iter(found.submodule_search_locations))) / "static" / "widget.js"
    return file if file.is_file() else None


def read_bundle(file: Path | None) -> Bundle | str:
    """The bundle, or why there is none, in one line."""
    if file is None:
        return f"no viewer: the package {PACKAGE} is not installed (pip install {PACKAGE})"
    text = file.read_text(encoding="utf-8")
    made = _MADE.search(text)
    if made is None:
        return f"no viewer: this version of {PACKAGE} has no NiiVue where it is looked for"
    code = f"{text}\nexport{{{made[1]} as Niivue}};\n"
    packed = gzip.compress(code.encode(), compresslevel=9, mtime=0)
    return Bundle(base64.b64encode(packed).decode("ascii"), _licence(file))


def _licence(file: Path) -> str:
    """The licence in the package's metadata, wherever a wheel puts it."""
    folders = file.parents[2].glob(f"{PACKAGE}-*.dist-info")
    files = sorted(path for folder in folders for path in folder.rglob("LICENSE*"))
    return files[0].read_text(encoding="utf-8") if files else ""
