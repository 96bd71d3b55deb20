"""The wheel: what it holds, what it takes to install, and that it works on its own."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from helpers import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
HEAVY = {"torch", "ants", "pyarrow", "snakemake", "matplotlib", "statsmodels", "numba"}


def test_scoring_a_folder_wants_nothing_heavy() -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))\n"
        "import regbench.api, regbench.cli.standalone\n"
        "import regbench.measure.evaluate, regbench.cli.results"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_help_of_a_command_imports_no_numpy() -> None:
    code = (
        "import sys\n"
        "from regbench.cli.main import main\n"
        "try: main([sys.argv[1], '--help'])\n"
        "except SystemExit: print('numpy' in sys.modules)"
    )
    for command in ("evaluate", "run", "init"):
        words = [sys.executable, "-c", code, command]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stdout.endswith("False\n"), command


def test_the_extra_full_has_all_that_the_lock_has_for_the_workflow() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert extras["full"] == ["regbench-mir[workflow,ants,deeds,learned]"]
    base = {re.split("[>=<]", item)[0] for item in PROJECT["project"]["dependencies"]}
    assert not base & {"torch", "antspyx", "pyarrow", "snakemake", "matplotlib", "numba"}


def test_the_box_has_every_folder_that_the_workflow_reads() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    moved = {*wheel["sources"], *wheel["force-include"]}
    assert {f"/{name}" for name in wheel["sources"]} | {"/regbench"} == set(wheel["include"])
    assert moved >= {"Snakefile", "workflow", "rules", "profiles", "config", "reference/weights"}
    assert moved >= {"methods", "datasets", "metrics", "reports"}


@pytest.mark.verify
def test_two_wheels_are_the_same_and_one_works_on_its_own(tmp_path: Path) -> None:
    wheels = []
    for name in ("one", "two"):
        words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(REPOSITORY)]
        done = subprocess.run([*words, "--wheel-dir", str(tmp_path / name)], capture_output=True)
        if done.returncode:
            pytest.skip("the build back end cannot be fetched")
        (wheel,) = (tmp_path / name).glob("*.whl")
        wheels.append(wheel)
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert not [n for n in names if re.search(r"__pycache__|/reports/.*\.(csv|png)$|\.git", n)]
    kinds = {n.removeprefix("regbench/box/reports/kinds/") for n in names}
    assert kinds >= {"table.py", "page/kind.py", "page/page.css", "page/page.html", "page/start.js"}
    (tmp_path / "mine").mkdir()
    names = {k: v for k, v in os.environ.items() if not k.startswith("REGBENCH_")}
    environment = {**names, "PYTHONPATH": str(tmp_path / "site")}
    for words in (["init"], ["run", "reports/table2.csv", "--config", "smoke", "-n"], ["methods"]):
        command = [sys.executable, "-m", "regbench.cli.main", *words]
        done = subprocess.run(
            command, cwd=tmp_path / "mine", env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert "syn" in done.stdout
