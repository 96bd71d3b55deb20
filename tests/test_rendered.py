"""Reports and collected results of a run that stops: none of an earlier run looks like them."""

from pathlib import Path

import pytest
from toy_project import make_project

from regbench.reports.jobs import withdraw


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("table.csv", "table.html", "board.png", "own-notes.md", "table.yaml"):
        (tmp_path / "reports" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "reports" / name).write_text(name)
    return tmp_path / "reports"


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if file.is_file()}


def test_another_config_s_reports_are_set_aside(reports: Path) -> None:
    withdraw(["table", "board"], "one", [])
    assert names(reports) == {"own-notes.md", "table.yaml", ".config"}
    assert names(reports / "earlier") == {"table.csv", "table.html", "board.png"}
    (reports / "table.csv").write_text("new")
    withdraw(["table", "board"], "one", [])
    assert (reports / "table.csv").read_text() == "new"
    withdraw(["table", "board"], "two", [])
    assert (reports / "earlier" / "table.csv").read_text() == "new"
    assert "table.csv" not in names(reports)


def test_what_is_planned_is_gone_until_it_is_made(reports: Path, tmp_path: Path) -> None:
    withdraw([], "one", [])
    run = tmp_path / "results" / "one" / "task" / "run" / "seed0"
    run.mkdir(parents=True)
    collected = [run / "cases.json", run / "metrics.csv", run.parents[2] / "metrics.parquet"]
    kept = [run / "training.json", run / "status.json"]
    for file in (*collected, *kept):
        file.write_text("x")
    planned = [file.relative_to(tmp_path) for file in (*collected, kept[0])]
    withdraw(["table"], "one", [*map(str, planned), "reports/table.csv"])
    assert names(run) == {file.name for file in kept}
    assert not collected[2].exists()
    assert names(reports / "earlier") == {"table.csv"}
    assert "table.html" in names(reports)


def test_a_run_that_cannot_take_reports_away_ends_with_one_line(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    project = make_project(tmp_path_factory.mktemp("blocked"))
    (project.root / "reports" / ".config").mkdir()
    done = project.snakemake(check=False)
    assert done.returncode == 2
    assert "regbench: reports/.config: " in done.stderr
    assert "Traceback" not in done.stderr and 'File "' not in done.stderr
    assert not list((project.root / "results").rglob("cases.json"))
