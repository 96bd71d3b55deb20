"""`regbench run` in a project that `init` made: the box's workflow, the project's own folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers import REPOSITORY
from toy_project import IGNORED, PLUGINS, parse_plan

from regbench.cli.main import main
from regbench.cli.workflow import snakemake_command

CONFIG = {
    "name": "toy",
    "datasets": {"toy": {"plugin": "toy"}},
    "tasks": {"toy": {"dataset": "toy", "labels": {"box": [1]}}},
    "methods": ["identity"],
    "metrics": ["dice", "folds"],
    "plugins": {"datasets": ["../extra"]},
}


def regbench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder, as a user of the installed package has it."""
    names = {k: v for k, v in os.environ.items() if not k.startswith("REGBENCH_")}
    command = [sys.executable, "-m", "regbench.cli.main", *words]
    return subprocess.run(command, cwd=folder, env=names, capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first run. Its data set is a plugin beside the config's folder."""
    project = tmp_path_factory.mktemp("mine")
    assert main(["init", str(project)]) == 0
    shutil.copytree(PLUGINS / "datasets" / "toy", project / "extra" / "toy", ignore=IGNORED)
    (project / "config" / "toy.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    words = ("run", "reports/leaderboard.csv", "--config", "toy", "--cores", "2", "--quiet", "all")
    done = regbench(project / "config", *words)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "warning" not in done.stderr
    return project


def test_everything_lies_in_the_project(finished: Path) -> None:
    assert "Moving" in (finished / "reports" / "leaderboard.csv").read_text()
    assert (finished / "results" / "toy" / "metrics.parquet").is_file()
    assert not (finished / "config" / "results").exists()
    done = regbench(finished / "config", "verdict", "--config", "toy")
    assert (done.returncode, done.stdout[:5]) == (0, "3 ok,")


def test_flags_of_snakemake_pass_through(finished: Path) -> None:
    done = regbench(finished, "run", "--config", "toy", "-n", "--forcerun", "evaluate")
    plan = parse_plan(done.stdout)
    assert done.returncode == 0 and plan["evaluate"] == 1 and "register" not in plan
    # A listing takes nothing away.
    assert (finished / "reports" / "leaderboard.csv").is_file()


@pytest.mark.verify
def test_a_run_that_stops_leaves_nothing_that_looks_like_its_result(finished: Path) -> None:
    reports = finished / "reports"
    bad = {**CONFIG, "methods": ["identitty"]}
    (finished / "config" / "bad.yaml").write_text(yaml.safe_dump(bad))
    assert regbench(finished, "run", "--config", "bad", "-n").returncode == 2
    assert (reports / "leaderboard.csv").is_file()
    done = regbench(finished, "run", "--config", "bad")
    assert done.returncode == 2 and "did you mean 'identity'" in done.stderr
    assert not list(reports.glob("*.csv"))
    assert (reports / "earlier" / "leaderboard.csv").is_file()
    # A job of the same config fails: what was to be made again is not there.
    run = finished / "results" / "toy" / "toy" / "identity" / "seed0"
    (run / "shards" / "1-of-1.json").write_text("torn")
    words = ("run", "reports/leaderboard.csv", "--config", "toy", "--cores", "2")
    done = regbench(finished, *words)
    assert done.returncode == 1, done.stderr[-6000:]
    assert not list(reports.glob("*.csv")) and not (run / "cases.json").exists()
    assert not (finished / "results" / "toy" / "metrics.parquet").exists()
    done = regbench(finished, "baseline", "check", "--config", "toy")
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["init", str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config" / "smoke.yaml"
    words = snakemake_command(tmp_path, config, "3", ["-n"], "slurm")
    assert words[:3] == [sys.executable, "-m", "snakemake"] and words[-1] == "-n"
    options = dict(zip(words[3:-1:2], words[4:-1:2], strict=True))
    assert options == {
        "--snakefile": str(REPOSITORY / "Snakefile"),
        "--cores": "3",
        "--configfile": str(config),
        "--workflow-profile": str(REPOSITORY / "profiles" / "default"),
        "--profile": str(REPOSITORY / "profiles" / "slurm"),
    }
    (tmp_path / "profiles" / "default").mkdir(parents=True)
    own = snakemake_command(tmp_path, config, "all", ["--profile", "x"])
    assert str(tmp_path / "profiles" / "default") in own
    mine = snakemake_command(tmp_path, config, "all", ["--workflow-profile=mine"])
    assert "--workflow-profile" not in mine


def test_without_snakemake_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("regbench.plugins.loading.installed", lambda module: module != "snakemake")
    assert main(["run", "--config", "smoke"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "pip install 'regbench-mir[workflow]'" in error
    assert list(tmp_path.iterdir()) == []


def test_other_commands_take_no_unknown_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["metrics", "--forcerun", "x"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --forcerun" in capsys.readouterr().err
