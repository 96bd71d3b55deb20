"""The first baseline: bounds from repeated runs, and times as ratios to a reference."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml
from helpers import REPOSITORY, one_line
from toy_project import make_project

from regbench.base.errors import BadInput
from regbench.baseline import run as module
from regbench.baseline.compare import (
    compare,
    from_table,
    numbers,
    read_tolerances,
    read_values,
    time_ratios,
)
from regbench.baseline.run import init
from regbench.cli.main import main
from regbench.reports.results import COLUMNS, Results, RunFacts

TOOL, REFERENCE = [2.0, 3.0], [1.0, 0.5]


def results(
    tool: list[float] = TOOL,
    reference: list[float] = REFERENCE,
    dice: float = 80.0,
    status: str = "ok",
    timing: str = "shared",
) -> Results:
    """One task, three methods, two cases: times in seconds and Dice in percent."""
    name = "register_alone_s" if timing == "alone" else "register_s"
    rows: list[list[Any]] = []
    for method, times in (("tool", tool), ("ref", reference), ("still", [1e-4, 1e-4])):
        for case, seconds in zip("ab", times, strict=True):
            good = status == "ok" or method != "tool"
            key = ["t", method, method, 0, case]
            state = "ok" if good else status
            rows.append([*key, name, "", seconds if good else math.nan, "s", state])
            value = dice if method == "tool" else 50.0
            rows.append([*key, "dice", "liver", value if good else math.nan, "%", state])
    runs = [
        RunFacts(task="t", run=m, method=m, title=m, kind=kind, seeds=[0], settings={}, threads=1)
        for m, kind in (("tool", "external"), ("ref", "optimisation"), ("still", "control"))
    ]
    return Results(
        frame=pd.DataFrame(rows, columns=list(COLUMNS)),
        config="c",
        tasks={"t": SimpleNamespace()},  # type: ignore[dict-item]
        runs=runs,
        seeds=[0],
        timing=timing,
        hardware="a machine",
    )


# -- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize("timing", ["shared", "alone"])
def test_a_time_is_the_shortest_over_the_reference_s_shortest(timing: str) -> None:
    (row,) = time_ratios(results(timing=timing), "ref").itertuples()
    assert (row.run, row.metric, row.label, row.status) == ("tool", "time_ratio", "ref", "ok")
    assert row.value == 2.0 / 0.5
    # A machine of half the speed is no change; neither is load on one case.
    slow = results([4.0, 99.0], [1.0, 50.0], timing=timing)
    assert time_ratios(slow, "ref")["value"].tolist() == [4.0]


def test_a_method_without_a_time_has_a_status() -> None:
    (row,) = time_ratios(results(status="failed: no luck"), "ref").itertuples()
    assert math.isnan(row.value) and row.status == "no time"
    nothing = results(reference=[math.nan, math.nan])
    assert time_ratios(nothing, "ref")["status"].tolist() == ["no time"]


@pytest.mark.parametrize(
    ("reference", "found"), [("none", "0 runs"), ("still", "0 runs"), ("tool", "2 runs")]
)
def test_a_reference_that_tells_no_time_is_one_line(reference: str, found: str) -> None:
    given = results()
    if reference == "tool":
        given.runs.append(given.runs[0])
    with pytest.raises(BadInput) as error:
        time_ratios(given, reference)
    one_line(error.value, f"time_reference '{reference}'", "task 't'", found, "tool, ref")


# -- bounds ------------------------------------------------------------------------------------


class Runs:
    """`init` on prepared results in place of workflows."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "golden" / "values.csv"
        metrics = {"dice": SimpleNamespace(precision=2)}
        self.config: Any = SimpleNamespace(
            name="c", catalog=SimpleNamespace(metrics=metrics), file=folder / "c.yaml"
        )
        self.config.tasks = {"t": SimpleNamespace(id="t")}
        self.config.runs = [
            SimpleNamespace(task=self.config.tasks["t"], method=SimpleNamespace(id=m, kind=kind))
            for m, kind in (("tool", "external"), ("ref", "optimisation"), ("still", "control"))
        ]
        self.monkeypatch = monkeypatch

    def __call__(self, *several: Results, reference: str = "ref") -> None:
        self.left = left = list(several)
        self.monkeypatch.setattr(module, "_run", lambda *_: Path())
        self.monkeypatch.setattr(module, "read_results", lambda _: left.pop(0))
        init(self.config, self.file, len(several), reference, "1")

    def changes(self, later: Results) -> list[str]:
        bounds = read_tolerances(self.file.parent / "tolerances.yaml")
        now = numbers(later, bounds.ignored, bounds.time_reference)
        changed = compare(read_values(self.file), now, bounds)
        return sorted(changed["metric"])


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(tmp_path, monkeypatch)


def test_runs_that_agree_have_the_least_bounds(runs: Runs) -> None:
    runs(results(), results())
    assert runs.changes(results()) == []
    assert runs.changes(results(dice=80.8)) == [] and runs.changes(results(dice=79.2)) == []
    assert runs.changes(results(dice=79.1)) == ["dice"] * 2
    # Up to twice the time; a faster tool is no change.
    assert runs.changes(results([4.0, 9.0])) == [] == runs.changes(results([0.01, 0.01]))
    assert runs.changes(results([4.1, 9.0])) == ["time_ratio"]
    assert runs.changes(results(status="failed: no")) == ["dice", "dice", "time_ratio"]
    # Machines differ in seconds: no number of the files is one.
    assert not {"register_s", "register_alone_s"} & set(read_values(runs.file)["metric"])


def test_runs_that_differ_widen_the_bounds_of_their_method_only(runs: Runs) -> None:
    runs(results(dice=80.0), results(dice=81.0), results([5.0, 5.0]))
    bounds = read_tolerances(runs.file.parent / "tolerances.yaml")
    assert bounds.bound("tool", "dice").width(80) == 3.2
    assert bounds.bound("ref", "dice").width(80) == pytest.approx(0.81)
    # The ratios are 4 and 10.
    assert bounds.bound("tool", "time_ratio").width(4.0) == 19.0
    assert "3 times the largest difference between 3 runs" in bounds.bound("tool", "dice").reason
    assert runs.changes(results(dice=83.1)) == []
    assert runs.changes(results(dice=83.3)) == ["dice"] * 2


def test_without_a_reference_no_time_is_compared(runs: Runs) -> None:
    runs(results(), results(), reference="")
    text = (runs.file.parent / "tolerances.yaml").read_text()
    assert "time_re" not in text and "time_ratio" not in text
    assert runs.changes(results([90.0, 90.0])) == []


def test_the_template_in_the_docs_is_read(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "baseline.md").read_text()
    file = tmp_path / "tolerances.yaml"
    file.write_text(page.partition("```yaml\n")[2].partition("```")[0])
    bounds = read_tolerances(file)
    assert bounds.time_reference == "syn" and bounds.bound("syn", "dice").absolute == 3


def test_what_is_no_baseline_is_one_line_and_writes_nothing(runs: Runs) -> None:
    lost = results(status="skipped: toolreg is not installed")
    for several, words in (
        ([results()], "at least 2"),
        ([lost, lost], "registers no case of t; found skipped: toolreg is not installed"),
        ([results(), results([math.nan, math.nan])], "not the same status in each of 2 runs"),
    ):
        with pytest.raises(BadInput) as error:
            runs(*several)
        one_line(error.value, words)
        assert not runs.file.parent.exists()
    # Before any run: there may be hours of them.
    with pytest.raises(BadInput) as error:
        runs(*[results()] * 2, reference="still")
    one_line(error.value, "time_reference 'still': 0 runs", "tool, ref")
    assert len(runs.left) == 2
    runs(results(), results())
    before = runs.file.read_bytes()
    with pytest.raises(BadInput) as error:
        runs(results(), results())
    one_line(error.value, "values.csv: is there already", "regbench baseline update")
    assert runs.file.read_bytes() == before


@pytest.mark.verify
def test_the_command_runs_the_workflow_and_its_values_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    project = make_project(root)
    project.config |= {"methods": ["identity", "shift"], "metrics": ["dice", "folds"]}
    project.write_config()
    monkeypatch.chdir(root)
    file = tmp_path / "golden" / "values.csv"
    words = ["--config", str(project.config_file), "--baseline", str(file)]
    assert main(["baseline", "init", *words, "--runs", "2", "--cores", "1"]) == 0
    # The runs are made in folders of their own.
    assert not (root / "results").exists()
    assert yaml.safe_load((file.parent / "tolerances.yaml").read_text())["metrics"].keys() == {
        *("dice", "folds")
    }
    assert set(from_table(read_values(file))["metric"]) == {"dice", "folds"}
    project.snakemake("results/toy/metrics.parquet")
    assert main(["baseline", "check", *words]) == 0
    project.config["methods"] = ["identity", {"method": "trouble", "settings": {"how": "raise"}}]
    project.write_config()
    other = ["--config", str(project.config_file), "--baseline", str(tmp_path / "b" / "v.csv")]
    capfd.readouterr()
    assert main(["baseline", "init", *other, "--cores", "1"]) == 2
    assert capfd.readouterr().err.splitlines()[-1].endswith("found a case or a metric failed")
    assert not (tmp_path / "b").exists()
