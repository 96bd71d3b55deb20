"""Fixtures that several test files use."""

import os
from pathlib import Path

import hypothesis
import pytest
from shell import Shell

# The same examples each time, so that a red run is red again; REGBENCH_EXPLORE=1 draws new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True)
if not os.environ.get("REGBENCH_EXPLORE"):
    hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _own_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may depend on the project that the caller's environment names."""
    monkeypatch.delenv("REGBENCH_ROOT", raising=False)
    monkeypatch.delenv("REGBENCH_WORK", raising=False)


@pytest.fixture
def real_data() -> Path:
    """Folder of the real data sets; tests that need it are skipped where it is not given."""
    named = os.environ.get("REGBENCH_TEST_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("REGBENCH_TEST_DATA names no folder with LiverMR4D and AbdomenCTMR_raw")
    return Path(named)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The command line in a temporary project."""
    return Shell(tmp_path, capsys)
