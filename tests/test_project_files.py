"""The project as others find it: licence, citation, workflows, images, the site's navigation."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from helpers import REPOSITORY
from scripts import script
from toy_project import make_project

from regbench import __version__

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def test_licence_and_version_are_the_same_everywhere() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert PROJECT["license"] == citation["license"] == "Apache-2.0"
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text()[:200]
    assert PROJECT["version"] == citation["version"] == __version__
    assert f"({__version__})" in (REPOSITORY / "CHANGELOG.md").read_text()
    assert citation["references"][0]["doi"] == "10.1007/s11548-021-02359-4"


def test_what_the_project_asks_of_itself_has_its_name_in_the_index() -> None:
    items = [item for extra in PROJECT["optional-dependencies"].values() for item in extra]
    own = [item for item in items if item.startswith("regbench")]
    assert own and all(re.match(r"[\w-]+", item)[0] == PROJECT["name"] for item in own)
    assert PROJECT["scripts"].keys() == {"regbench"}


def test_the_workflows_call_what_is_there_and_run_no_expression() -> None:
    steps = [
        step
        for file in WORKFLOWS
        for job in yaml.safe_load(file.read_text())["jobs"].values()
        for step in job["steps"]
    ]
    lines = [step["run"] for step in steps if "run" in step]
    assert ".ci/run" in lines and "make docs" in lines
    assert not [line for line in lines if "${{" in line]
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
    # The rights of a job are its own; none has them all.
    assert all(yaml.safe_load(file.read_text())["permissions"] for file in WORKFLOWS)
    for form in (REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(form.read_text()), form


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    site = script("site_pages")
    nav = site.navigation((REPOSITORY / "docs" / "README.md").read_text())
    groups = {title: pages for entry in nav for title, pages in entry.items()}
    listed = [page for page in groups.values() if isinstance(page, str)]
    for pages in groups.values():
        listed += [page for x in pages for page in x.values()] if isinstance(pages, list) else []
    assert len(listed) == len(set(listed))
    there = [f"docs/{file.name}" for file in (REPOSITORY / "docs").glob("*.md")]
    assert {*there, "config/README.md"} <= set(listed)
    assert groups["Results"] == "docs/results.md" and {"Extend", "Scale"} <= set(groups)


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def"])
def test_an_image_installs_by_the_script_and_copies_what_is_there(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    cases = (REPOSITORY / "tools" / "install_image.sh").read_text()
    for layer in ("packages", "project"):
        assert f"install_image.sh {layer}" in text and f"\n{layer})\n" in cases
    for source in re.findall(r"^    (\S+) /opt/regbench/(\S+)$", text, re.MULTILINE):
        assert (REPOSITORY / source[0]).exists() and source[0] == source[1]


def test_jobs_run_in_an_image_by_the_program_that_is_named(tmp_path: Path) -> None:
    """With a stand-in for Apptainer, which notes its words and runs the rest."""
    root = tmp_path / "project"
    root.mkdir()
    project = make_project(root)
    fake = tmp_path / "bin" / "apptainer"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/bash\necho "$@" >> {tmp_path}/words\nshift 6\nexec {sys.executable} "$@"\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    environment = {
        **project.environment,
        "PATH": os.pathsep.join([str(fake.parent), os.environ["PATH"]]),
        "REGBENCH_IMAGE": "/shared/regbench.sif",
        "REGBENCH_PYTHON": str(REPOSITORY / "profiles" / "slurm" / "in-image"),
    }
    project.write_config()
    words = project.snakemake_command("data/toy/toy/toy_dataset.json")
    subprocess.run(words, cwd=root, env=environment, check=True, capture_output=True)
    (line,) = (tmp_path / "words").read_text().splitlines()
    expected = f"exec --nv --bind {root},{root} /shared/regbench.sif python -m regbench.cli.main"
    assert line.startswith(f"{expected} stage prepare")
    assert (root / "data/toy/toy/toy_dataset.json").is_file()


def test_a_profile_gives_each_method_its_own_gres(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    value = "register:gres='gpu:1' if wildcards.run.startswith('sh') else ''"
    plan = project.snakemake("-n", "--set-resources", value, "register:gpu=0").stdout
    jobs = [job for job in plan.split("\nrule ") if job.startswith("register")]
    asking = [job for job in jobs if "gres=gpu:1" in job]
    assert len(jobs) == 3 and len(asking) == 1 and "run=shift" in asking[0]
