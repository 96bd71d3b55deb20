"""Plugins written by hand: the smallest of each kind."""

from pathlib import Path

from regbench.base.files import write_text

METHOD = "title: A\nkind: control\nentry: method:register\n"
CODE = "def register(fixed, moving):\n    return 'A'\n"
DATASET = "title: D\nversion: 1\ngenerate: dataset:make\n"
METRIC = """METADATA = {"title": "M", "unit": "mm", "direction": "lower", "range": [0, None],
    "needs": "field", "empty": "-", "version": 1, "definition": "nothing"}

def NAME(field):
    return 7.0
"""
KIND = """from regbench.reports.model import Table

KIND = {"results": "none", "settings": {"size": 3}}

def build(request):
    return Table.of(request.report, ["A"], [], [f"size {request.report.settings['size']}"])
"""
FOLDER_KIND = """from pathlib import Path

from regbench.reports.model import Table

from .words import SIZE

KIND = {"results": "none", "settings": {"size": 3}}

def build(request):
    unit = (Path(__file__).parent / "parts" / "unit.txt").read_text()
    note = f"{SIZE} {request.report.settings['size']} {unit}"
    return Table.of(request.report, ["A"], [], [note])
"""
REPORT = "title: R\nkind: leaderboard\ncolumns:\n  - {fact: cases}\n"


def method_folder(folder: Path, text: str = METHOD, code: str = CODE) -> Path:
    """A method that answers A."""
    write_text(folder / "method.yaml", text)
    write_text(folder / "method.py", code)
    return folder


def dataset_folder(folder: Path, text: str = DATASET) -> Path:
    """A generated data set that makes nothing."""
    write_text(folder / "dataset.yaml", text)
    write_text(folder / "dataset.py", "def make():\n    pass\n")
    return folder


def metric_file(file: Path, text: str = METRIC) -> Path:
    """A metric that is always 7; NAME in the text becomes its own."""
    write_text(file, text.replace("NAME", file.stem))
    return file


def kind_file(file: Path, text: str = KIND) -> Path:
    """A kind of report whose tables have no rows."""
    write_text(file, text)
    return file


def kind_folder(folder: Path, text: str = "") -> Path:
    """A kind of report of three files, whose tables have no rows and say what the files hold."""
    write_text(folder / "kind.py", text or FOLDER_KIND)
    write_text(folder / "words.py", "SIZE = 'size'\n")
    write_text(folder / "parts" / "unit.txt", "mm")
    return folder
