"""The lock, the conda environment and pyproject.toml say the same, and install without CUDA."""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parent.parent
LOCK = [
    line
    for line in (REPO / "requirements.lock").read_text().splitlines()
    if line and not line.startswith("#")
]


def name_of(requirement: str) -> str:
    """The normalised name of a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def test_every_line_of_the_lock_is_one_exact_public_version() -> None:
    for line in LOCK:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line
    assert "torch==2.13.0" in LOCK
    assert not [line for line in LOCK if name_of(line).startswith(("nvidia", "cuda", "triton"))]


def test_conda_users_get_the_same_versions() -> None:
    environment = yaml.safe_load((REPO / "environment.yml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert pip == [*LOCK, "-e ."]
    assert "python=3.11" in environment["dependencies"]


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    full = [item for name in ("workflow", "ants", "deeds", "learned") for item in extras[name]]
    wanted = [*project["dependencies"], *full, *extras["dev"]]
    locked = {name_of(line) for line in LOCK}
    assert {name_of(item) for item in wanted} <= locked


@pytest.mark.skipif(
    not (Path(sys.prefix) / "ready").is_file(),
    reason="not the environment that `make env` made from the lock",
)
def test_the_environment_is_the_lock_s() -> None:
    for line in LOCK:
        name, version = line.split("==")
        assert metadata.version(name).split("+")[0] == version, name
