"""The parts of a check that need no process: cost, seeds, gain, files."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from odd_methods import odd_method

from regbench.check.bench import Bench, Registration, bent
from regbench.check.hygiene import contents, inputs_finding, place_of, writes_findings
from regbench.check.method import cost_finding, gain_finding, seed_findings
from regbench.check.watched import written
from regbench.execution.worker import absolute_paths
from regbench.plan.resources import Limits
from regbench.plugins.kinds import MethodPlugin

GOOD = Registration(field=bent().field, sha="a", seconds=1.5, cpu_s=1.5, peak_mb=100.0)


class Fake(Bench):
    """A bench that knows its answers by seed."""

    def __init__(self, plugin: MethodPlugin, folder: Path, **answers: str) -> None:
        super().__init__(plugin, {}, Limits(1, 1), folder, folder / "log.txt")
        self.shas = answers

    def register(self, pair: Any, seed: int = 0) -> Registration:
        return replace(GOOD, sha=self.shas[f"seed{seed}"])


@pytest.fixture
def plugin(tmp_path: Path) -> MethodPlugin:
    return odd_method(tmp_path / "odd")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu_s": 3.1}, "used 2.1 cores"),
        ({"seconds": 5.0}, "5.00 s"),
        ({"peak_mb": 350.0}, "350 MiB"),
        ({}, ""),
    ],
)
def test_cost(plugin: MethodPlugin, changes: dict[str, float], words: str) -> None:
    finding = cost_finding(plugin, replace(GOOD, **cast(Any, changes)))
    assert finding.outcome == ("warning" if words else "ok") and words in finding.text


@pytest.mark.parametrize(
    ("seeded", "again", "other", "outcomes"),
    [
        (False, "a", "a", ["ok", "ok"]),
        (True, "a", "b", ["ok", "ok"]),
        (False, "b", "b", ["FAIL"]),
        (False, "a", "b", ["ok", "warning"]),
        (True, "a", "a", ["ok", "warning"]),
    ],
)
def test_seeds(
    plugin: MethodPlugin, tmp_path: Path, seeded: bool, again: str, other: str, outcomes: list[str]
) -> None:
    bench = Fake(plugin.model_copy(update={"seeded": seeded}), tmp_path, seed4=again, seed5=other)
    found = [finding.outcome for finding in seed_findings(bench, bent(), GOOD, 4)]
    assert found == outcomes


def test_gain(plugin: MethodPlugin) -> None:
    pair = bent()
    away = replace(pair.field, displacement=-pair.field.displacement)
    for field, kind, outcome in (
        (pair.field, "optimisation", "ok"),
        (away, "optimisation", "warning"),
        (away, "control", "note"),
        (away, "learned", "note"),
    ):
        other = plugin.model_copy(update={"kind": kind})
        finding = gain_finding(other, pair, replace(GOOD, field=field))
        assert finding.outcome == outcome
        assert ("grows" in finding.text) == (field is away)


def test_a_changed_input_is_found() -> None:
    assert inputs_finding({"f": "1", "g": "2"}, {"f": "1", "g": "2", "h": "3"}).outcome == "ok"
    changed = inputs_finding({"f": "1", "g": "2"}, {"f": "1", "g": "x"})
    assert changed.outcome == "FAIL" and "1 input files, g first" in changed.text


def test_where_a_file_may_be_written(plugin: MethodPlugin, tmp_path: Path) -> None:
    bench = Fake(plugin, tmp_path)
    temporary = Path(tempfile.gettempdir()) / f"left-by-a-test-{os.getpid()}"
    places = {
        bench.outputs / "1.nii.gz": "own",
        plugin.folder / "__pycache__" / "method.pyc": "own",
        Path("/dev/null"): "own",
        Path.home() / ".cache" / "numba" / "x": "own",
        plugin.folder / "x": "outside",
        bench.inputs / "x": "outside",
        Path.home() / "x": "outside",
        temporary: "temporary",
    }
    assert {path: place_of(path, bench) for path in places} == places
    before = contents(plugin.folder)
    bench.record.write_text(f"{temporary}\n")
    assert [f.outcome for f in writes_findings(bench, before, 0)] == ["ok"]
    temporary.touch()
    try:
        (found,) = writes_findings(bench, before, 0)
    finally:
        temporary.unlink()
    assert found.outcome == "warning" and "left-by-a-test" in found.text
    (bench.here / "x").touch()
    (found,) = writes_findings(bench, before, 0)
    assert found.outcome == "FAIL" and str(bench.here / "x") in found.text


def test_what_python_writes_is_seen(tmp_path: Path) -> None:
    file = str(tmp_path / "f")
    assert written("open", (file, "w", os.O_WRONLY | os.O_CREAT)) == file
    assert written("open", (file, "r", os.O_RDONLY)) is None
    assert written("open", (3, "w", os.O_WRONLY)) is None
    assert written("os.rename", ("a", file, -1, -1)) == file
    assert written("os.remove", (file, -1)) == file
    assert written("os.remove", ("f", 5)) is None
    assert written("import", (file,)) is None


def test_settings_that_name_files_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program").touch()
    settings = {"program": "program", "mode": "fast", "n": 3, "empty": ""}
    assert absolute_paths(settings) == {**settings, "program": str(tmp_path / "program")}
