"""Reruns are predictable: which jobs are planned after each kind of edit, and no others."""

from pathlib import Path

import pytest
from finished import pair_of_methods
from toy_project import ToyProject


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    project = pair_of_methods(tmp_path_factory)
    assert project.planned() == {}
    return project


def edited(project: ToyProject, file: str, old: str, new: str) -> dict[str, int]:
    """The plan while `file` has `new` in the place of `old`."""
    path = project.root / file
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    try:
        return project.planned()
    finally:
        path.write_text(text)


REPORTS = {"render": 2}
DOWN = {"collect": 1, "merge": 1, **REPORTS}


def test_a_methods_source_reruns_that_method(finished: ToyProject) -> None:
    plan = edited(finished, "methods/shift/method.py", "time.sleep", "time.sleep  # a nap\n    ")
    assert plan == {"register": 1, "evaluate": 1, **DOWN}


def test_a_method_s_metadata_reruns_that_method(finished: ToyProject) -> None:
    plan = edited(finished, "methods/shift/method.yaml", "title: Shift\n", "title: Shifted\n")
    assert plan == {"register": 1, "evaluate": 1, **DOWN}


def test_a_cache_in_a_plugin_folder_reruns_nothing(finished: ToyProject) -> None:
    cache = finished.root / "methods" / "shift" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "method.cpython-311.pyc").write_bytes(b"new")
    (finished.root / "methods" / "shift" / "notes.txt").write_text("not a source")
    assert finished.planned() == {}


def test_a_metric_reruns_the_evaluation_only(finished: ToyProject) -> None:
    plan = edited(finished, "metrics/dice.py", "200.0 *", "199.0 *")
    assert plan == {"evaluate": 2, **DOWN}


def test_a_report_definition_renders_only(finished: ToyProject) -> None:
    plan = edited(finished, "reports/table.yaml", "caption: ", "caption: new ")
    assert plan == {"render": 1}


def test_a_kind_of_report_renders_its_reports_only(finished: ToyProject) -> None:
    plan = edited(finished, "reports/kinds/table.py", "def build", "# new\ndef build")
    assert plan == {"render": 1}


def test_a_setting_of_the_config_reruns_its_run(finished: ToyProject) -> None:
    before = finished.config["methods"]
    finished.config["methods"] = ["identity", {"method": "shift", "settings": {"by": 2.0}}]
    try:
        assert finished.planned() == {"register": 1, "evaluate": 1, **DOWN}
    finally:
        finished.config["methods"] = before


def test_a_label_group_of_the_config_reruns_the_evaluation(finished: ToyProject) -> None:
    labels = finished.config["tasks"]["toy"]["labels"]
    finished.config["tasks"]["toy"]["labels"] = {**labels, "rod": [2]}
    try:
        assert finished.planned() == {"evaluate": 2, **DOWN}
    finally:
        finished.config["tasks"]["toy"]["labels"] = labels


def test_a_setting_of_the_data_reruns_everything(finished: ToyProject) -> None:
    finished.config["datasets"]["toy"]["settings"] = {"shape": [14, 10, 8]}
    try:
        assert finished.planned() == {"prepare": 1, "register": 2, "evaluate": 2, **DOWN}
    finally:
        del finished.config["datasets"]["toy"]["settings"]


def test_the_engine_s_warp_reruns_what_warps(finished: ToyProject) -> None:
    plan = edited(
        finished,
        "regbench/spatial/warp.py",
        "sample_moved(moving.data, field.displacement)",
        "moving.data",
    )
    # Neither identity nor shift warps anything.
    assert plan == {"evaluate": 2, **DOWN}


def test_the_engine_s_rendering_renders_only(finished: ToyProject) -> None:
    plan = edited(finished, "regbench/reports/formats.py", '" | ".join', '"  |  ".join')
    assert plan == REPORTS


@pytest.mark.parametrize(
    "file",
    [
        "regbench/spatial/warp.py",
        "regbench/measure/evaluate.py",
        "regbench/cli/main.py",
        "Snakefile",
    ],
)
def test_a_comment_reruns_nothing(finished: ToyProject, file: str) -> None:
    path = finished.root / file
    text = path.read_text()
    path.write_text(text + "\n# a comment\n")
    try:
        assert finished.planned() == {}
    finally:
        path.write_text(text)


@pytest.mark.verify
def test_an_edited_metric_is_measured_anew_and_the_others_are_not(finished: ToyProject) -> None:
    folder = finished.folder("shift")
    statuses = {p: p.stat().st_mtime_ns for p in folder.glob("*/status.json")}
    log = (folder / "evaluation.jsonl").read_text().splitlines()
    metric = finished.root / "metrics" / "dice.py"
    text = metric.read_text()
    metric.write_text(text.replace("200.0 *", "100.0 *"))
    try:
        finished.snakemake()
    finally:
        metric.write_text(text)
    assert statuses == {p: p.stat().st_mtime_ns for p in folder.glob("*/status.json")}
    now = (folder / "evaluation.jsonl").read_text().splitlines()
    changed = {line.split('"metric": "')[1].split('"')[0] for line in set(now) - set(log)}
    assert changed == {"dice"}
    halved = Path(finished.root / "reports" / "table.csv").read_text()
    finished.snakemake()
    assert halved != Path(finished.root / "reports" / "table.csv").read_text()
    assert finished.planned() == {}
