"""The parts of the index page: what a browser gets to see is what was measured."""

import base64
import gzip
import json
import math
import re
from collections.abc import Sequence
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from helpers import AFFINES, REPOSITORY, kind_module, one_line

from regbench.base.errors import BadInput
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.cells import worst_first
from regbench.reports.formats import FORMATS, to_html
from regbench.reports.model import Cell, Column, Table, TableRow, read_json_table, to_json
from regbench.reports.planes import organ_map
from regbench.reports.results import RunFacts
from regbench.spatial.volume import Volume, to_ras

page, parts = kind_module("page"), kind_module("page", "parts")
volumes = kind_module("page", "volumes")
without_paths = kind_module("page", "records").without_paths
METRICS = discover(REPOSITORY).metrics
data_element, missing_list = partial(page.part, "data_element"), partial(page.part, "missing_list")
NASTY = "<b>A & B</b> </script> 50 %_{x} \u2028 größer"


# -- volumes ----------------------------------------------------------------------------------


def test_levels_of_an_image() -> None:
    data = np.array([-5.0, 0.0, 5.0, 10.0, 99.0])
    assert volumes.image_levels(data, (0, 10)).tolist() == [0, 0, 128, 255, 255]
    # An even image is black, not a division by zero.
    assert volumes.image_levels(np.full(3, 7.0), (7, 7)).tolist() == [0, 0, 0]


def test_a_small_bright_object_has_a_window() -> None:
    data = np.zeros(1000)
    data[0] = 5.0
    assert volumes.window_of(data) == (0.0, 5.0)


def test_rounding_neither_makes_nor_hides_a_fold() -> None:
    values = np.array([-9.0, -1.0, -1e-6, 0.0, 1e-6, 1.0, 3.0, 9.0])
    levels = volumes.jacobian_levels(values)
    assert ((levels < 64) == (values <= 0)).all()
    assert levels[0] == levels[1] == 0 and levels[-1] == 255
    assert abs(-1 + int(levels[5]) * 4 / 255 - 1) < 2 / 255


def test_label_groups_are_numbered_and_the_first_wins() -> None:
    labels = np.array([0, 1, 2, 3, 4])
    groups = {"liver": (1,), "kidney": (3, 4), "side": (4,)}
    assert organ_map(labels, groups).tolist() == [0, 1, 0, 2, 2]


@pytest.mark.parametrize("name", AFFINES)
def test_an_encoded_volume_keeps_its_places_and_values(name: str) -> None:
    affine = AFFINES[name]
    levels = np.zeros((4, 5, 6), np.uint8)
    levels[1, 2, 4] = 255
    text = volumes.encode(levels, affine, (-1.0, 3.0))
    assert text == volumes.encode(levels, affine, (-1.0, 3.0))
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    data = np.asarray(image.dataobj)
    assert data.min() == pytest.approx(-1) and data.max() == pytest.approx(3)
    place = np.argwhere(data > 2.9)
    assert len(place) == 1
    turned = to_ras(Volume(levels, affine))
    assert (place == np.argwhere(turned.data == 255)).all()
    # Straight, with the same spacing around the same middle.
    spacing, middle = turned.spacing, [*(np.array(turned.shape) - 1) / 2, 1]
    assert np.allclose(image.affine[:3, :3], np.diag(spacing), atol=1e-4)
    assert np.allclose(image.affine @ middle, turned.affine @ middle, atol=1e-4)
    if "oblique" not in name:
        assert np.allclose(image.affine @ [*place[0], 1], affine @ [1, 2, 4, 1], atol=1e-4)


def _made(size: int) -> volumes.CaseVolumes:
    return volumes.CaseVolumes(data={"x": "a" * size})


def test_what_does_not_fit_ends_the_filling() -> None:
    tried: list[int] = []

    def make(size: int) -> Any:
        def made() -> volumes.CaseVolumes:
            tried.append(size)
            return _made(size)

        return made

    found = list(volumes.fill([(str(size), make(size)) for size in (60, 50, 10)], 100))
    assert [(name, made is not None) for name, made in found] == [
        ("60", True),
        ("50", False),
        ("10", False),
    ]
    assert tried == [60, 50]


# -- which cases ------------------------------------------------------------------------------


def _frame(metric: str, values: dict[str, dict[str, float]]) -> pd.DataFrame:
    label = "all" if METRICS[metric].needs == "labels" else ""
    rows = [
        {"run": run, "case": case, "metric": metric, "label": label, "value": value, "status": "ok"}
        for run, cases in values.items()
        for case, value in cases.items()
    ]
    return pd.DataFrame(rows)


RUNS = [
    RunFacts(task="t", run=run, method=run, title=run, kind=kind, seeds=[0], settings={}, threads=1)
    for run, kind in (("moving", "control"), ("syn", "optimisation"))
]


def _choose(frame: pd.DataFrame, cases: Sequence[str], count: int) -> dict[str, str]:
    return volumes.choose_cases(worst_first(frame, RUNS, ["all"], METRICS), cases, count)


def test_the_median_case_comes_first_and_controls_do_not_count() -> None:
    dice = {"a": 90.0, "b": 70.0, "c": 80.0, "d": 60.0, "e": 95.0}
    # By the control alone, `d` would be the median.
    control = {"a": 1.0, "b": 2.0, "c": 5.0, "d": 3.0, "e": 4.0}
    frame = _frame("dice", {"syn": dice, "moving": control})
    # A label beside the task's groups does not count either.
    extra = _frame("dice", {"syn": {"a": 0.0}}).assign(label="left")
    frame = pd.concat([frame, extra])
    found = _choose(frame, list("abcde"), 4)
    assert list(found) == ["c", "d", "e", "a"]
    assert [why.split()[0] for why in list(found.values())[:3]] == ["median", "worst", "best"]


def test_lower_is_better_where_the_metric_says_so() -> None:
    frame = _frame("tre", {"syn": {"a": 1.0, "b": 2.0, "c": 9.0, "d": 4.0}})
    found = _choose(frame, list("abcd"), 3)
    # Of an even number, the worse of the two in the middle.
    assert list(found) == ["d", "c", "a"]


def test_one_case_is_the_median() -> None:
    found = _choose(_frame("dice", {"syn": {"a": 90.0}}), ["a"], 3)
    assert found == {"a": "median Dice of 1 cases"}


def test_without_values_cases_come_in_their_order() -> None:
    frame = _frame("dice", {"syn": {"a": math.nan}}).assign(status="failed: no luck")
    found = _choose(frame, ["b", "a"], 1)
    assert list(found) == ["b"]


# -- text -------------------------------------------------------------------------------------


class _Scripts(HTMLParser):
    """The contents of script elements, as a browser would cut them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.outside = ""
        self.inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.inside = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found.append(data)
        else:
            self.outside += data


def test_no_name_ends_its_script_element() -> None:
    parser = _Scripts()
    parser.feed(data_element("x", {"title": NASTY}))
    assert parser.outside == ""
    assert json.loads("".join(parser.found)) == {"title": NASTY}


def test_a_missing_thing_is_text() -> None:
    parser = _Scripts()
    parser.feed(missing_list([NASTY]))
    assert NASTY in parser.outside and not parser.found
    assert missing_list([]) == ""


def _report() -> ReportPlugin:
    return ReportPlugin("table", "T", "table", None, "", (), (), Path("table.yaml"))


def _table() -> Table:
    cells = (Cell("91.20 ± 0.4", 91.2, True, 3), Cell("-"))
    columns = (Column("Dice liver (%)", "Dice (%)", "liver", "higher"), Column("Time (s)"))
    return Table(
        "T", "about <b>", columns, (TableRow("A & B", cells, True),), ("a note",), "Network"
    )


def test_a_table_comes_as_its_own_page_has_it() -> None:
    section = page.report_section(_report(), _table())
    start, _, inside = section.partition("\n")
    assert start.startswith('<section class="report" id="report-table" data-kind="table"')
    inside, _, end = inside.partition('\n<p class="downloads">')
    inside = inside.replace("h3>", "h1>")
    text = re.search(r'download="table.csv" href="data:text/csv;charset=utf-8;base64,([^"]*)"', end)
    assert text and base64.b64decode(text[1]).decode() == FORMATS["csv"](_table())
    assert f"<body>\n{inside}\n</body>" in to_html(_table())


def test_a_table_s_json_gives_the_same_table(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    file.write_text(to_json(_table()))
    assert read_json_table(file) == _table()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"columns": [{"name": 1}]}', "\xff"])
def test_a_broken_table_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "table.json"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(BadInput) as caught:
        read_json_table(file)
    one_line(caught.value, file, "is not a table")


# -- the viewer's bundle ----------------------------------------------------------------------

WIDGET = 'if(!v){console.log("Creating new Niivue instance");let B={},C=f(B);v=new t$2(C)}export{x}'


def _package(root: Path, text: str) -> None:
    widget = root / "ipyniivue" / "static" / "widget.js"
    widget.parent.mkdir(parents=True)
    widget.write_text(text)
    (root / "ipyniivue" / "__init__.py").write_text("raise RuntimeError('imported')")
    licence = root / "ipyniivue-9.dist-info" / "licenses" / "LICENSE"
    licence.parent.mkdir(parents=True)
    licence.write_text("BSD")


def test_the_class_is_exported_and_the_package_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, WIDGET)
    monkeypatch.syspath_prepend(str(tmp_path))
    bundle = parts.read_bundle(parts.bundle_file())
    assert isinstance(bundle, parts.Bundle)
    code = gzip.decompress(base64.b64decode(bundle.code)).decode()
    assert code == f"{WIDGET}\nexport{{t$2 as Niivue}};\n"
    assert bundle.licence == "BSD"


def test_a_bundle_of_another_making_gives_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "widget.js"
    file.write_text("export{x}")
    found = parts.read_bundle(file)
    assert isinstance(found, str) and "no viewer" in found


def test_no_package_no_viewer() -> None:
    found = parts.read_bundle(None)
    assert isinstance(found, str) and "pip install ipyniivue" in found


def test_a_figure_s_picture_stands_above_its_numbers(tmp_path: Path) -> None:
    table = Table("A", "about", (Column("Dice (%)"),), (), ("a note",))
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    text = page.report_section(_report(), table, picture)
    places = [text.index(part) for part in ("<h3>A", "<p>about", "cG5n", "<details", "a note")]
    assert places == sorted(places)
    assert text.count("<details") == text.count("</details>") == 1
    picture.unlink()
    with pytest.raises(BadInput, match=r"a\.png.*cannot be read"):
        page.report_section(_report(), table, picture)


def test_a_reason_names_no_folder_of_the_machine() -> None:
    text = 'File "/home/me/work/methods/a/method.py", line 3\n  1/2 of https://a.org/b/c ./x/y'
    told = without_paths(text)
    assert told == 'File ".../method.py", line 3\n  1/2 of https://a.org/b/c ./x/y'
