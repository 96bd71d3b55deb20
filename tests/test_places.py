"""Paths in a config: from its folder, else from the project's with a warning."""

from pathlib import Path

import pytest

from regbench.plan.places import Places


@pytest.fixture
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`config/` of a project that is the current folder; `data/one.json` is in the project."""
    for name in ("config/own.csv", "data/one.json", "plug/method.yaml", "weights/ct-mri/vm-1.pt"):
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project" / "config"


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        ("path", "../data/one.json", "data/one.json"),
        ("path", "own.csv", "config/own.csv"),
        ("test_path", "own.csv", "config/own.csv"),
        ("checkpoint", "../weights/{task}/{method}.pt", "weights/{task}/{method}.pt"),
        # Text that is no path, and paths that lead nowhere, stay as they are.
        ("mode", "own.csv", "own.csv"),
        ("checkpoint", "reference", "reference"),
        ("checkpoint", "reference:ct-mri", "reference:ct-mri"),
        ("folder", "run:syn", "run:syn"),
        ("path", "../data/none.json", "../data/none.json"),
        ("path", "a" * 300 + "/b", "a" * 300 + "/b"),
        ("path", "", ""),
        ("bins", 32, 32),
    ],
)
def test_paths_are_relative_to_the_config(
    config_folder: Path, key: str, text: object, found: object
) -> None:
    (config_folder / "reference").mkdir()
    places = Places(config_folder, config_folder.parent)
    assert places.settings({key: text}) == {key: found}
    assert places.warning == ""


def test_a_path_outside_the_current_folder_is_absolute(config_folder: Path) -> None:
    (config_folder.parents[1] / "far.json").write_text("x")
    places = Places(config_folder, config_folder.parent)
    far = str(config_folder.parents[1] / "far.json")
    assert places.settings({"path": "../../far.json"}) == {"path": far}
    assert places.settings({"path": far}) == {"path": far}


def test_a_path_of_the_project_works_with_one_warning(config_folder: Path) -> None:
    places = Places(config_folder, config_folder.parent)
    given = {"path": "data/one.json", "checkpoint": "weights/{task}.pt"}
    assert places.settings(given) == given
    assert places.settings(given) == given
    assert places.warning.count("data/one.json") == 1 and "\n" not in places.warning
    assert "weights/{task}.pt" in places.warning and str(config_folder) in places.warning


def test_the_project_is_searched_from_another_folder(
    config_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = Places(config_folder, config_folder.parent)
    file = str(config_folder.parent / "data" / "one.json")
    assert places.settings({"path": "data/one.json"}) == {"path": file}
    assert places.warning


def test_plugins_are_found_alike(config_folder: Path) -> None:
    root = config_folder.parent
    places = Places(config_folder, root)
    assert places.plugins({"methods": ["../plug"]}) == {"methods": [str(root / "plug")]}
    assert places.warning == ""
    assert places.plugins({"methods": ["plug"]}) == {"methods": [str(root / "plug")]}
    assert places.warning
    nowhere = places.plugins({"methods": ["none"]})
    assert nowhere == {"methods": [str(config_folder / "none")]}


def test_a_config_of_no_file_has_the_project_s_paths(config_folder: Path) -> None:
    places = Places(None, config_folder.parent)
    assert places.settings({"path": "data/one.json"}) == {"path": "data/one.json"}
    assert places.warning == ""
