"""`regbench baseline check` and `update` on a small project."""

import os
import shutil
import time
from pathlib import Path

import pytest
from finished import pair_of_methods
from helpers import REPOSITORY
from toy_project import ToyProject

from regbench.baseline.compare import name_of, read_values, write_values
from regbench.cli.main import main

TOLERANCES = REPOSITORY / "baselines" / "smoke" / "tolerances.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return pair_of_methods(tmp_path_factory)


class Baseline:
    """The command on a finished project, with a baseline in a folder of its own."""

    def __init__(self, project: ToyProject, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = project
        self.file = root / "golden" / "values.csv"
        self.file.parent.mkdir()
        self.capsys = capsys
        shutil.copy(TOLERANCES, self.file.parent)

    def __call__(self, action: str, *more: object) -> tuple[int, list[str]]:
        """Exit code, and all lines that were printed."""
        config = ["--config", self.project.config_file, "--baseline", self.file]
        words = ["--root", self.project.root, "baseline", action, *config, *more]
        code = main([str(word) for word in words])
        out, err = self.capsys.readouterr()
        return code, [*out.splitlines(), *err.splitlines()]

    def refuses(self, action: str, *more: object, naming: str) -> None:
        """Code 2, one line, and the folder as it was."""
        before = {p: p.read_bytes() for p in self.file.parent.iterdir()}
        code, lines = self(action, *more)
        assert code == 2 and len(lines) == 1 and naming in lines[0], lines
        assert {p: p.read_bytes() for p in self.file.parent.iterdir()} == before


@pytest.fixture
def baseline(
    finished: ToyProject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Baseline:
    # The command goes to the results' folder; the test comes back from it.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGBENCH_WORK", str(finished.root))
    return Baseline(finished, tmp_path, capsys)


def test_the_first_values_are_kept_and_hold(baseline: Baseline) -> None:
    here = Path.cwd()
    code, lines = baseline("update", "--reason", "the first")
    assert code == 0 and "204 rows written" in lines[-1]
    values = read_values(baseline.file)
    # Two runs, three cases; nothing that only the machine decides.
    counts = values["metric"].value_counts().to_dict()
    once = ("folds", "folds_interior", "folds_percent", "std_jacobian")
    points = ("tre", "tre_max", "tre_p95", "tre_within_2mm")
    labels = ("asd", "asd_voxel", "dice", "hd95")
    regions = ("displacement_r2", "displacement_slope", "epe", "epe_interior", "epe_mm")
    assert counts == {
        **dict.fromkeys((*once, *points), 6),
        **dict.fromkeys(labels, 12),
        **dict.fromkeys((*regions, "interior_voxels"), 18),
    }
    # A path is the caller's, not the project's.
    os.chdir(here)
    code, lines = baseline("check", "--summary", "summary.md")
    assert (code, lines) == (0, ["204 golden values, all within their bounds"])
    assert "as they were" in (here / "summary.md").read_text()


def test_a_moved_number_is_told_and_taken_with_its_reason(baseline: Baseline) -> None:
    baseline("update", "--reason", "the first")
    values = read_values(baseline.file)
    name = values.index[(values["run"] == "shift") & (values["metric"] == "dice")][0]
    values.loc[name, "value"] = 12.5
    write_values(baseline.file, values)
    summary = baseline.file.parents[1] / "summary.md"
    code, lines = baseline("check", "--summary", summary)
    assert code == 1 and len(lines) == 2
    assert (
        lines[0].startswith(f"{name_of(values.loc[name])}: moved by +") and "12.5 % ->" in lines[0]
    )
    assert lines[1] == "204 golden values: 1 moved beyond their bound"
    assert "not as they were" in summary.read_text()
    baseline.refuses("update", "--reason", " ", naming="the reason is empty")
    assert baseline("update", "--reason", "a test\nof two lines")[0] == 0
    text = (baseline.file.parent / "CHANGELOG.md").read_text()
    assert "\na test of two lines\n" in text and "| moved | 12.5 % |" in text
    assert baseline("check")[0] == 0
    # Nothing to do is no entry.
    assert baseline("update", "--reason", "again")[0] == 0
    assert (baseline.file.parent / "CHANGELOG.md").read_text() == text


def test_what_is_not_there_is_one_line(baseline: Baseline) -> None:
    baseline.refuses("check", naming="values.csv: cannot be read")
    baseline("update", "--reason", "the first")
    (baseline.file.parent / "tolerances.yaml").write_text("metrics: [")
    baseline.refuses("check", naming="tolerances.yaml: is not valid YAML")
    (baseline.file.parent / "tolerances.yaml").write_text(
        "metrics: {dice: {absolute: 1, reason: a test}}"
    )
    baseline.refuses("check", naming="no tolerance for metric")
    (baseline.file.parent / "tolerances.yaml").unlink()
    baseline.refuses("check", naming="tolerances.yaml: cannot be read")
    baseline.refuses("update", "--reason", "a test", naming="tolerances.yaml: cannot be read")


@pytest.mark.parametrize(
    ("content", "naming"),
    [(None, "no results"), (b"PAR1 torn", "was cut or changed after it was written")],
)
def test_results_that_are_missing_or_damaged_are_one_line(
    baseline: Baseline, content: bytes | None, naming: str
) -> None:
    baseline("update", "--reason", "the first")
    table = baseline.project.root / "results" / "toy" / "metrics.parquet"
    whole = table.read_bytes()
    table.unlink()
    if content is not None:
        table.write_bytes(content)
    try:
        baseline.refuses("check", naming=naming)
        baseline.refuses("update", "--reason", "a test", naming=naming)
    finally:
        table.write_bytes(whole)


def test_runs_that_are_not_finished_or_not_collected_are_one_line(baseline: Baseline) -> None:
    baseline("update", "--reason", "the first")
    folder = baseline.project.folder("shift")
    rows, cases = folder / "metrics.csv", folder / "cases.json"
    age, content = rows.stat().st_mtime, cases.read_bytes()
    os.utime(rows, (age, time.time() + 60))
    baseline.refuses("check", naming="metrics.csv: is newer than metrics.parquet")
    os.utime(rows, (age, age))
    cases.unlink()
    baseline.refuses("check", naming="shift/seed0: is not finished")
    cases.write_bytes(content)
    assert baseline("check")[0] == 0
