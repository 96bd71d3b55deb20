"""The files that go into a page as they are: its templates, style and scripts, and NiiVue.

No wheel ships NiiVue as a plain file, but the Jupyter widget of the package `ipyniivue` contains
all of it. The widget is read as text; the package is never imported. `read_bundle` relies on this:

* `static/widget.js` is one JavaScript module, which exports only the widget;
* it logs MARK just before it creates its viewer, so the name after the next `new` is that of
  NiiVue's class;
* this name belongs to the top level of the module, so one more line can export it.
"""

import base64
import gzip
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "ipyniivue"
MARK = "Creating new Niivue instance"
_CLASS = re.compile(rf'"{MARK}"\);.{{0,200}}?=new ([\w$]+)\(', re.DOTALL)

HERE = Path(__file__).parent
STYLE = HERE / "page.css"
#: In the order in which they run; the first before anything else.
SCRIPTS = tuple(
    HERE / f"{name}.js"
    for name in ("start", "sheet", "sort", "volumes", "contours", "pane", "viewer", "cases")
)


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
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "static" / "widget.js"
    return file if file.is_file() else None


def read_bundle(file: Path | None) -> Bundle | str:
    """The bundle, or why there is none, in one line."""
    if file is None:
        return f"no viewer: the package {PACKAGE} is not installed (pip install {PACKAGE})"
    text = file.read_text(encoding="utf-8")
    match = _CLASS.search(text)
    if match is None:
        return (
            f"no viewer: this version of {PACKAGE} does not create a NiiVue viewer after"
            f' "{MARK}" in static/{file.name}'
        )
    code = f"{text}\nexport{{{match[1]} as Niivue}};\n"
    packed = gzip.compress(code.encode(), compresslevel=9, mtime=0)
    return Bundle(base64.b64encode(packed).decode("ascii"), _licence(file))


def _licence(file: Path) -> str:
    """The licence in the package's metadata, wherever a wheel puts it."""
    folders = file.parents[2].glob(f"{PACKAGE}-*.dist-info")
    files = sorted(path for folder in folders for path in folder.rglob("LICENSE*"))
    return files[0].read_text(encoding="utf-8") if files else ""
