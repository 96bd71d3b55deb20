"""A kind of report that is a folder: found, refused, run and rendered again like a single file."""

from pathlib import Path
from typing import Any

import pytest
from helpers import one_line, write_project
from plugin_files import FOLDER_KIND, kind_file, kind_folder
from test_report_kinds import MINE, asked, own_kinds

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.plan import keys
from regbench.plugins.catalog import Catalog, discover
from regbench.reports.jobs import ReportJobs

FILES = ["kind.py", "parts/unit.txt", "words.py"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project beside which there is room for plugins, with a report of the kind `mine`."""
    root = write_project(tmp_path / "project")
    own_kinds(root)
    write_text(root / "reports" / "r.yaml", MINE)
    return root


def mine(root: Path, text: str = FOLDER_KIND) -> Path:
    """The folder of the project's own kind."""
    return kind_folder(root / "reports" / "kinds" / "mine", text)


def note(catalog: Catalog) -> str:
    """What the report's table says."""
    table: Any = asked(catalog, catalog.reports["r"]).build()
    return str(table.notes[0])


# -- discovery --------------------------------------------------------------------------------


def test_a_folder_with_a_kind_is_one(root: Path) -> None:
    folder = mine(root)
    found = discover(root)
    assert set(found.report_kinds) == {"mine"}
    assert found.report_kinds["mine"].file == folder / "kind.py"
    assert note(found) == "size 3 mm"


def test_discovery_runs_none_of_it(root: Path) -> None:
    folder = mine(root, "KIND = {'settings': {'size': 3}}\nraise RuntimeError('imported')\n")
    write_text(folder / "__init__.py", "raise RuntimeError('imported')\n")
    assert discover(root).report_kinds["mine"].settings == {"size": 3}


@pytest.mark.parametrize("place", [".", "kinds/mine", "kinds/mine/kind.py"])
def test_a_path_of_the_config_brings_it(tmp_path: Path, root: Path, place: str) -> None:
    folder = kind_folder(tmp_path / "extra" / "kinds" / "mine")
    # Its own files are no reports.
    write_text(folder / "words.yaml", "size: 3\n")
    found = discover(root, {"reports": [f"../extra/{place}"]})
    assert note(found) == "size 3 mm" and set(found.reports) == {"r"}


@pytest.mark.parametrize("point", ["pkg_kinds", "pkg_kinds.kinds.mine"])
def test_an_installed_package_brings_it(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    for package in ("pkg_kinds", "pkg_kinds/kinds"):
        write_text(site / package / "__init__.py", "")
    write_text(kind_folder(site / "pkg_kinds" / "kinds" / "mine") / "__init__.py", "")
    info = site / "pkg-1.0.dist-info"
    write_text(info / "METADATA", "Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n")
    write_text(info / "entry_points.txt", f"[regbench.reports]\nmine = {point}\n")
    assert note(discover(root)) == "size 3 mm"


def test_other_folders_are_no_kinds(root: Path) -> None:
    folder = mine(root)
    for name in ("_draft", ".hidden"):
        kind_folder(folder.with_name(name))
    write_text(folder.with_name("unnamed") / "words.py", "KIND = {}\n")
    assert set(discover(root).report_kinds) == {"mine"}


def test_a_file_and_a_folder_of_one_name_are_an_error(root: Path) -> None:
    folder = mine(root)
    file = kind_file(folder.with_name("mine.py"))
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, "'mine' is taken", file, folder / "kind.py")


def test_a_single_file_may_not_have_the_name_that_makes_a_folder_a_kind(root: Path) -> None:
    file = kind_file(root / "reports" / "kinds" / "kind.py")
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, file, "kind.py makes its folder a kind", "kinds/NAME")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", ["has no KIND", "expected KIND = {...}"]),
        ("KIND = dict()\n", ["KIND must be a literal"]),
        ("KIND = {'feilds': []}\n", ["unknown key 'feilds'", "did you mean 'fields'"]),
    ],
)
def test_a_wrong_kind_is_one_line(root: Path, text: str, words: list[str]) -> None:
    folder = mine(root, text)
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, folder / "kind.py", *words)


# -- its code ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("def build", "def built", ["has no function build"]),
        ("from .words", "from .wards", ["report r", "ModuleNotFoundError", "wards"]),
        ("from .words", "from ..words", ["report r", "ImportError", "relative import"]),
        ("import SIZE", "import SIZES", ["report r", "ImportError", "SIZES"]),
    ],
)
def test_code_that_does_not_build_is_one_line(
    root: Path, old: str, new: str, words: list[str]
) -> None:
    folder = mine(root, FOLDER_KIND.replace(old, new))
    with pytest.raises(BadInput) as error:
        note(discover(root))
    one_line(error.value, folder / "kind.py", *words)


def test_a_file_that_is_no_python_is_named(root: Path) -> None:
    folder = mine(root)
    write_text(folder / "words.py", "SIZE = 'size'\ndef (:\n")
    with pytest.raises(BadInput) as error:
        note(discover(root))
    one_line(error.value, folder / "words.py", "not valid Python in line 2")


# -- what renders it again --------------------------------------------------------------------


def test_its_files_are_inputs_but_for_caches_and_hidden_ones(root: Path) -> None:
    folder = mine(root)
    for name in ("__pycache__/kind.pyc", ".kind.py.swp", "parts/__pycache__/x.pyc", ".idea/x"):
        write_text(folder / name, "")
    catalog = discover(root)
    config: Any = asked(catalog, catalog.reports["r"]).config
    inputs = ReportJobs(config).inputs("r")
    assert inputs["kind"] == [str(folder / name) for name in FILES]


@pytest.mark.parametrize("name", [*FILES, "new.js"])
def test_a_change_of_any_file_changes_its_key_alone(root: Path, name: str) -> None:
    folder = mine(root)
    kind_file(folder.with_name("other.py"))

    def found() -> dict[str, str]:
        return {name: keys.render([kind]) for name, kind in discover(root).report_kinds.items()}

    before, file = found(), folder / name
    write_text(file, (file.read_text() if file.exists() else "") + "\n")
    after = found()
    assert {name for name in before if before[name] != after[name]} == {"mine"}


def test_a_file_of_another_name_changes_its_key(root: Path) -> None:
    folder = mine(root)
    before = keys.render(discover(root).report_kinds.values())
    (folder / "parts" / "unit.txt").rename(folder / "parts" / "units.txt")
    assert keys.render(discover(root).report_kinds.values()) != before


def test_another_version_of_a_package_that_it_copies_from_changes_its_key(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(root, FOLDER_KIND.replace('{"results"', '{"packages": ["numpy", "nowhere"], "results"'))
    kinds = discover(root).report_kinds.values()
    before = keys.render(kinds)
    assert keys.render(kinds) == before
    monkeypatch.setattr(keys, "package_version", lambda name: "0" if name == "numpy" else None)
    assert keys.render(kinds) != before
