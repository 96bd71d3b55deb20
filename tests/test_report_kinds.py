"""Kinds of reports are plugins: where they are found, what is refused, how they are run."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import REPOSITORY, one_line, write_project
from plugin_files import kind_file
from report_rows import CATALOG, by_title, results

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.cli.main import main
from regbench.plugins.catalog import Catalog, discover
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.jobs import ReportJobs
from regbench.reports.request import Drawing, Request, render

MINE = "title: Mine\nkind: mine\n"
PAGE = REPOSITORY / "docs" / "add-a-report.md"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project beside which there is room for plugins."""
    return write_project(tmp_path / "project")


def own_kinds(root: Path) -> Path:
    """A folder for a project's own kinds, in the place of a link to those of the repository."""
    folder = root / "reports" / "kinds"
    folder.unlink()
    folder.mkdir()
    return folder


def asked(catalog: Catalog, report: ReportPlugin, given: Any = None) -> Request:
    config: Any = SimpleNamespace(name="toy", metrics=(), catalog=catalog, runs=())
    made = Request(config, report, None)
    vars(made)["results"] = given
    return made


def mine(root: Path, text: str) -> Request:
    """A request for a report of a kind with this code."""
    kind_file(own_kinds(root) / "mine.py", text)
    write_text(root / "reports" / "r.yaml", MINE)
    found = discover(root)
    return asked(found, found.reports["r"])


# -- discovery --------------------------------------------------------------------------------


def test_the_box_has_its_kinds_and_a_report_of_each() -> None:
    assert {report.kind for report in CATALOG.reports.values()} == set(CATALOG.report_kinds)
    assert {"table", "critical_difference"} <= set(CATALOG.report_kinds)


@pytest.mark.parametrize("place", ["kinds/mine.py", "."])
def test_a_path_of_the_config_brings_a_kind(tmp_path: Path, root: Path, place: str) -> None:
    kind_file(tmp_path / "extra" / "kinds" / "mine.py")
    write_text(root / "reports" / "r.yaml", MINE)
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, root / "reports" / "r.yaml", "unknown kind 'mine'", "overview", "table")
    found = discover(root, {"reports": [f"../extra/{place}"]})
    assert found.reports["r"].kind == "mine"
    assert found.report_kinds["mine"].file == tmp_path / "extra" / "kinds" / "mine.py"


def test_an_installed_package_brings_a_kind_and_its_report(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    write_text(site / "pkg_reports" / "__init__.py", "raise RuntimeError('imported')\n")
    write_text(site / "pkg_reports" / "kinds" / "__init__.py", "")
    kind_file(site / "pkg_reports" / "kinds" / "mine.py")
    write_text(site / "pkg_reports" / "piped.yaml", MINE)
    info = site / "pkg-1.0.dist-info"
    write_text(info / "METADATA", "Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n")
    write_text(info / "entry_points.txt", "[regbench.reports]\nmine = pkg_reports\n")
    found = discover(root)
    table = asked(found, found.reports["piped"]).build()
    assert table.notes == ("size 3",)  # type: ignore[union-attr]


def test_two_kinds_of_one_name_are_an_error(tmp_path: Path, root: Path) -> None:
    second = kind_file(tmp_path / "extra" / "table.py")
    with pytest.raises(BadInput) as error:
        discover(root, {"reports": [str(second)]})
    one_line(error.value, "'table' is taken", second, root / "reports" / "kinds" / "table.py")


def test_a_kind_that_is_meant_is_named(root: Path) -> None:
    write_text(root / "reports" / "r.yaml", MINE.replace("mine", "forrest"))
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, "unknown kind 'forrest'", "did you mean 'forest'")


def test_settings_have_the_kind_s_defaults_and_no_others(root: Path) -> None:
    kind_file(own_kinds(root) / "mine.py")
    report = root / "reports" / "r.yaml"
    write_text(report, MINE)
    assert discover(root).reports["r"].settings == {"size": 3}
    write_text(report, MINE + "settings: {size: 4}\n")
    assert discover(root).reports["r"].settings == {"size": 4}
    write_text(report, MINE + "settings: {sise: 4}\n")
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, report, "unknown setting 'sise'", "did you mean 'size'", "kind mine")
    write_text(report, MINE + "sise: 4\n")
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, report, "unknown key 'sise'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", ["has no KIND", "expected KIND = {...}"]),
        (
            "KIND = {\n 'settings': {'n': int(3)}}\n",
            ["must be a literal", "found int(3) in line 2"],
        ),
        ("def build(:\n", ["is not a readable Python file", "invalid syntax in line 1"]),
        ("KIND = 3\n", ["(top level)", "found 3"]),
        ("KIND = {'drawn': 'yes'}\n", ["field drawn", "expected true or false", "found 'yes'"]),
        ("KIND = {'feilds': []}\n", ["unknown key 'feilds'", "did you mean 'fields'"]),
        ("KIND = {'fields': ['tusk']}\n", ["no field 'tusk'", "did you mean 'task'", "settings"]),
        ("KIND = {'results': 'task'}\n", ["field results", "`tasks`, `own`, `none`", "'task'"]),
        ("KIND = {'inputs': ['fields']}\n", ["field inputs.0", "layout", "found 'fields'"]),
        ("KIND = {'inputs': ['layout']}\n", ["inputs: layout goes with the field task"]),
        (
            "KIND = {'results': 'own', 'fields': ['task', 'grids']}\n",
            ["results: own goes with the field setting"],
        ),
    ],
)
def test_a_wrong_kind_is_one_line(root: Path, text: str, words: list[str]) -> None:
    file = kind_file(own_kinds(root) / "mine.py", text)
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, file, *(word.replace("`", "") for word in words))


def test_a_wrong_kind_ends_a_command_with_code_2(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = kind_file(own_kinds(root) / "mine.py", "KIND = {'feilds': []}\n")
    assert main(["--root", str(root), "metrics"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(file) in said


# -- its code ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", ["has no function build"]),
        ("build = 3\n", ["has no function build"]),
        ("def build(request):\n    return 'text'\n", ["report r", "expected Table", "found str"]),
        ("def build(request):\n    1 / 0\n", ["report r", "ZeroDivisionError: division by zero"]),
    ],
)
def test_code_that_does_not_build_is_one_line(root: Path, code: str, words: list[str]) -> None:
    request = mine(root, f"KIND = {{'results': 'none'}}\n{code}")
    with pytest.raises(BadInput) as error:
        request.build()
    one_line(error.value, root / "reports" / "kinds" / "mine.py", *words)


def test_an_error_of_a_picture_is_one_line_below_its_traceback(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = mine(
        root,
        "from regbench.reports.model import Table\n"
        "from regbench.reports.request import Drawing\n"
        "KIND = {'results': 'none', 'drawn': True}\n"
        "def build(request):\n"
        "    return Drawing(Table.of(request.report, ['A'], [], []), lambda ending: {}[ending])\n",
    )
    assert isinstance(request.build(), Drawing)
    with pytest.raises(BadInput) as error:
        render(request, [tmp_path / "r.csv", tmp_path / "r.png"])
    one_line(error.value, root / "reports" / "kinds" / "mine.py", "report r", "KeyError: 'png'")
    assert "Traceback" in capsys.readouterr().err
    assert (tmp_path / "r.csv").is_file() and not (tmp_path / "r.png").exists()


def test_what_is_wrong_with_the_input_stays_the_input_s(root: Path) -> None:
    request = mine(
        root,
        "from regbench.base.errors import BadInput\nKIND = {'results': 'none'}\n"
        "def build(request):\n    raise BadInput('no luck', file='r.yaml')\n",
    )
    with pytest.raises(BadInput, match=r"^r\.yaml: no luck$"):
        request.build()


# -- the example of the docs ------------------------------------------------------------------


def example(file: str) -> str:
    """The text of a file in the page's examples."""
    found = re.search(rf"^`{file}`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert found is not None
    return found[1]


def test_the_example_shows_the_quantiles_of_each_method(root: Path) -> None:
    kind_file(own_kinds(root) / "quantiles.py", example("reports/kinds/quantiles.py"))
    report = root / "reports" / "spread.yaml"
    write_text(report, example("reports/spread.yaml").replace("ct-mri", "t"))
    found = discover(root)
    catalog = replace(CATALOG, report_kinds=found.report_kinds)
    values = {"a": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0], "b": [float("nan")] * 6}
    table: Any = asked(catalog, found.reports["spread"], results(values)).build()
    assert by_title(table) == {
        "A": {"Dice (%), 10 % of cases": "15.00", "Dice (%), 90 % of cases": "55.00"},
        "B": {"Dice (%), 10 % of cases": "-", "Dice (%), 90 % of cases": "-"},
    }


# -- the metrics that it names ----------------------------------------------------------------


def inputs_of(root: Path, text: str) -> Any:
    """The inputs of a report with these fields and of the kind table, on a task of the config."""
    write_text(root / "reports" / "r.yaml", f"title: R\nkind: table\ntask: t\n{text}")
    found = discover(root)
    config: Any = asked(found, found.reports["r"]).config
    config.tasks = {"t": None}
    return ReportJobs(config).inputs("r")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("columns: [{metric: dice}, {metric: dyce}, {metric: none}]", "r"),
        ("columns: [{fact: cases}, {spread: dyce}]", "r"),
        ("columns: [{metric: dice}]\nmetric: dyce", "r"),
        ("columns: [{metric: dice}]\nrecipe: other", "other"),
    ],
)
def test_an_unknown_metric_is_refused_with_the_file_that_names_it(
    root: Path, text: str, name: str
) -> None:
    write_text(root / "reports" / "other.yaml", "{title: O, kind: page, metric: dyce}")
    with pytest.raises(BadInput) as error:
        inputs_of(root, text)
    one_line(error.value, root / "reports" / f"{name}.yaml", "'dyce' (did you mean 'dice'?)")


def test_a_metric_that_the_config_does_not_measure_is_none_of_these(root: Path) -> None:
    write_text(root / "reports" / "other.yaml", "{title: O, kind: page, metric: dyce}")
    assert "results" in inputs_of(root, "columns: [{metric: l2r_dice}, {spread: epe}]\nmetric: tre")
