"""The index page of a finished toy workflow: complete, escaped, reproducible, and true."""

import contextlib
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished import copy_of
from helpers import kind_module
from test_page_parts import NASTY
from toy_project import REPO, ToyProject

from regbench.plan.config import load_config
from regbench.reports.request import Request
from regbench.reports.results import read_results
from regbench.spatial.field import read_field

page_module = kind_module("page")
case_records = kind_module("page", "records").case_records
Bundle = kind_module("page", "parts").Bundle
TITLE = NASTY.replace("\u2028", "")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return copy_of(tmp_path_factory, "page", run_page)


def run_page(project: ToyProject) -> None:
    shutil.copy(REPO / "reports" / "index.yaml", project.root / "reports")
    project.config["methods"] = [
        "identity",
        {"method": "shift", "title": TITLE, "settings": {"by": 2.0}},
        {"method": "shift", "title": "Bent", "settings": {"bend": 2.0}},
        {"method": "trouble", "settings": {"how": "raise"}},
    ]
    done = project.snakemake("reports/index.html", check=False)
    assert done.returncode == 3, done.stderr[-3000:]


@pytest.fixture
def root(finished: ToyProject) -> Iterator[Path]:
    with contextlib.chdir(finished.root):
        yield finished.root


def build(project: ToyProject, **changes: Any) -> str:
    """The page, rendered here; `changes` are fields of its yaml."""
    config = load_config(project.config_file, project.root)
    report = config.catalog.reports["index"]
    report.content.update(changes)
    shown = [Path("reports/table.json"), Path("reports/leaderboard.json")]
    return page_module.build(Request(config, report, Path("results/toy/metrics.parquet"), shown))


def data(text: str, name: str) -> Any:
    """JSON that the page holds."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text)
    assert found, name
    return json.loads(found[1])


def missing(text: str) -> str:
    """What the page says is missing."""
    return text.partition('<section id="missing">')[2].partition("</section>")[0]


@pytest.fixture
def some_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer to build with, whether or not the package is installed."""
    monkeypatch.setattr(page_module, "read_bundle", lambda file: Bundle("eA==", "BSD"))


def test_the_workflow_writes_the_page_and_then_has_nothing_to_do(finished: ToyProject) -> None:
    text = (finished.root / "reports" / "index.html").read_text()
    assert 'id="report-table"' in text and 'id="report-leaderboard"' in text
    assert not re.search(r'(src|href)="(?!data:|#)', text), "it asks for other files"
    assert finished.planned("reports/index.html") == {}
    for name, old, new in [
        ("index.yaml", "title: Results", "title: All results"),
        ("kinds/page/page.css", "{", "{ "),
    ]:
        file = finished.root / "reports" / name
        before = file.read_text()
        file.write_text(before.replace(old, new))
        assert finished.planned("reports/index.html") == {"page": 1}
        file.write_text(before)


def test_equal_results_give_equal_bytes(
    finished: ToyProject, root: Path, some_bundle: None
) -> None:
    assert build(finished) == build(finished)


def test_names_are_text(finished: ToyProject, root: Path) -> None:
    text = build(finished)
    titles = {record["title"] for record in data(text, "records")}
    assert TITLE in titles
    body = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "<b>" not in body and "&lt;b&gt;A &amp; B&lt;/b&gt;" in body


def test_failed_cases_are_told_with_their_reason(finished: ToyProject, root: Path) -> None:
    text = missing(build(finished))
    assert "1 of 3 cases failed" in text and "no such luck" in text


def test_a_case_has_its_status_values_and_hashes(finished: ToyProject, root: Path) -> None:
    records = data(build(finished), "records")
    shift = next(record for record in records if record["run"] == "shift@by=2.0")
    case = shift["cases"][0]
    stored = json.loads((finished.folder("shift@by=2.0") / "cases.json").read_text())[0]
    assert {name: case[name] for name in stored} == stored
    assert {"dice", "folds"} <= {row[0] for row in case["values"]}
    identity = next(record for record in records if record["run"] == "identity")
    assert identity["cases"][0]["command"]


def test_the_command_repeats_the_case(finished: ToyProject, root: Path) -> None:
    records = data(build(finished), "records")
    shift = next(record for record in records if record["run"] == "shift@by=2.0")
    case = shift["cases"][0]
    program, *words = shlex.split(case["command"])
    assert program == "regbench"
    done = finished.regbench(*words)
    assert done.returncode == 0, done.stderr
    repeated = read_field(root / words[words.index("--output") + 1])
    first = read_field(finished.folder("shift@by=2.0") / case["case"] / "displacement.nii.gz")
    assert np.array_equal(repeated.displacement, first.displacement)


def test_the_viewer_has_a_volume_of_everything(
    finished: ToyProject, root: Path, some_bundle: None
) -> None:
    text = build(finished)
    task = data(text, "manifest")["tasks"][0]
    assert task["labels"] == ["box", "both"] and len(task["cases"]) == 3
    assert task["cases"][0]["why"].startswith("median Dice of 3 cases")
    names = [name for case in task["cases"] for name in case["volumes"].values()]
    for case in task["cases"]:
        for run in case["runs"]:
            assert ("volumes" in run) != ("why" in run)
            names += run.get("volumes", {}).values()
    for name in names:
        assert f'id="blob-{name}"' in text


def test_a_page_without_the_package_says_so(
    finished: ToyProject, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "bundle_file", lambda: None)
    text = build(finished)
    assert "ipyniivue is not installed" in missing(text)
    assert 'id="manifest"' not in text and "blob-" not in re.sub(
        r"<script>.*?</script>", "", text, flags=re.DOTALL
    )


def test_fields_that_were_not_kept_are_told(
    finished: ToyProject, root: Path, some_bundle: None
) -> None:
    fields = list(finished.folder("shift@by=2.0").glob("*/displacement.nii.gz"))
    for file in fields:
        file.rename(file.with_suffix(".away"))
    try:
        text = build(finished)
    finally:
        for file in fields:
            file.with_suffix(".away").rename(file)
    assert "field not kept (keep_fields: all)" in missing(text)


def test_what_exceeds_the_limit_is_left_out_and_told(
    finished: ToyProject, root: Path, some_bundle: None
) -> None:
    whole = build(finished)
    size = sum(map(len, re.findall(r'id="blob-t\d.*?</script>', whole)))
    # Room for the median case and a little more.
    rest = len(build(finished, cases=0)) + page_module.RESERVE
    text = build(finished, cases=3, limit_mb=(rest + size / 2) / 1e6)
    shown = data(text, "manifest")["tasks"][0]["cases"]
    assert 0 < len(shown) < 3
    words = {1: "1 more case does not fit", 2: "2 more cases do not fit"}
    assert words[3 - len(shown)] in missing(text)


def test_of_many_cases_a_share_of_every_run_is_listed(finished: ToyProject, root: Path) -> None:
    config = load_config(finished.config_file, finished.root)
    frame = read_results(Path("results/toy/metrics.parquet")).frame
    whole, remarks = case_records(config, frame)
    assert sum(len(record["cases"]) for record in whole) == 12
    few, (*failures, line) = case_records(config, frame, most=8)
    assert [len(record["cases"]) for record in few] == [2, 2, 2, 2]
    # The failed case is the second of three; a case is told of as it is in the whole list.
    assert [case["outcome"] for case in few[3]["cases"]] == ["ok", "failed"]
    for some, every in zip(few, whole, strict=True):
        assert all(case in every["cases"] for case in some["cases"])
        assert {k: v for k, v in some.items() if k != "cases"}.items() <= every.items()
    assert failures == remarks and "1 of 3 cases failed" in failures[0]
    assert "8 of 12 are listed" in line
