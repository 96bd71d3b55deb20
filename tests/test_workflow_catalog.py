"""The workflow where Snakemake's catalog, and other workflows, look for it."""

import subprocess
from pathlib import Path

import pytest
import yaml
from helpers import REPOSITORY
from toy_project import ToyProject, make_project, parse_plan

MODULE = """
configfile: "toy.yaml"

module regbench:
    snakefile: "{root}/workflow/Snakefile"
    config: config

use rule * from regbench

rule mine:
    default_target: True
    input: "reports/table.csv"
    output: "mine.txt"
    shell: "cp {{input}} {{output}}"
"""


@pytest.fixture
def project(tmp_path: Path) -> ToyProject:
    root = tmp_path / "project"
    root.mkdir()
    made = make_project(root)
    made.write_config()
    return made


def test_both_files_plan_the_same_jobs(project: ToyProject) -> None:
    plan = project.planned()
    assert plan["register"] == 3
    assert project.planned("--snakefile", "workflow/Snakefile") == plan


def test_another_workflow_uses_it_as_a_module(project: ToyProject, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "Snakefile").write_text(MODULE.format(root=project.root))
    (mine / "toy.yaml").write_text(project.config_file.read_text())
    before = {path for path in project.root.rglob("*") if "__pycache__" not in path.parts}
    words = [*project.snakemake_command("-n")[:5], "-n"]
    done = subprocess.run(
        words, cwd=mine, env=project.environment, capture_output=True, text=True, check=True
    )
    plan = parse_plan(done.stdout)
    assert plan["mine"] == 1 and plan["register"] == 3 and plan["prepare"] == 1
    assert "warning" not in done.stderr
    # What it writes is in the other workflow's folder.
    assert before == {path for path in project.root.rglob("*") if "__pycache__" not in path.parts}


def test_what_the_catalog_asks_for() -> None:
    about = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())
    deployment = about["usage"]["software-stack-deployment"]
    assert set(deployment) == {"conda", "apptainer", "apptainer+conda"}
    assert "conda:" not in "".join(p.read_text() for p in (REPOSITORY / "rules").glob("*.smk"))
    assert about["usage"]["report"] is True
    assert (REPOSITORY / "config" / "README.md").read_text().startswith("# ")
    assert "workflow/Snakefile" in (REPOSITORY / "Makefile").read_text()
