"""`regbench evaluate`: scores, failed rows, and what it refuses."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    edit_json,
    shift_field,
    toy_dataset,
)
from shell import Shell

from regbench.spatial.field import write_field
from regbench.spatial.nifti import read_affine, write_volume
from regbench.spatial.transforms.itk import write_itk
from regbench.spatial.volume import Volume


def _predictions(shell: Shell, names: dict[str, tuple[float, float, float]]) -> Path:
    folder = shell.root / "pred"
    folder.mkdir()
    for name, shift in names.items():
        write_field(folder / name, shift_field(shift))
    return folder


def _evaluate(shell: Shell, file: Path, folder: Path) -> list[object]:
    words = ["evaluate", "--dataset", file, "--predictions", folder]
    return [*words, "--output", shell.root / "out" / "m.csv"]


def _table(shell: Shell) -> dict[tuple[str, str, str], dict[str, str]]:
    with (shell.root / "out" / "m.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == ["case", "metric", "label", "value", "unit", "status"]
    return {(row["case"], row["metric"], row["label"]): row for row in rows}


def test_evaluate_scores_both_ways_of_naming_fields(shell: Shell) -> None:
    file = toy_dataset(shell.root / "data", numbers=(1, 2))
    names = {
        "disp_Toy_0001_0000_Toy_0001_0001.nii.gz": (1.0, 2.0, -1.0),
        "disp_0002_0000_0002_0001.nii.gz": (0.0, 0.0, 0.0),
    }
    code, _, err = shell(*_evaluate(shell, file, _predictions(shell, names)))
    assert (code, err) == (0, [])
    rows = _table(shell)
    assert float(rows["Toy_0001_0000_Toy_0001_0001", "dice", "organ"]["value"]) == 100
    assert float(rows["Toy_0001_0000_Toy_0001_0001", "tre", ""]["value"]) == 0
    assert float(rows["Toy_0002_0000_Toy_0002_0001", "dice", "organ"]["value"]) == pytest.approx(
        80 / 3
    )
    assert float(rows["Toy_0002_0000_Toy_0002_0001", "tre", ""]["value"]) == pytest.approx(6**0.5)
    assert rows["Toy_0002_0000_Toy_0002_0001", "epe", ""]["status"].startswith("skipped")
    assert rows["Toy_0002_0000_Toy_0002_0001", "folds", ""]["status"] == "ok"


def test_evaluate_reads_the_layouts_of_other_tools(shell: Shell) -> None:
    file = toy_dataset(shell.root / "data")
    folder = _predictions(shell, {})
    stems = [f"Toy_0001_000{k}" for k in (0, 1)]
    affine = read_affine(file.parent / "imagesTr" / f"{stems[1]}.nii.gz")
    field = shift_field((1.0, 2.0, -1.0), affine=affine)
    write_itk(folder / "disp_0001_0001.nii.gz", field, affine)
    code, _, err = shell(*_evaluate(shell, file, folder), "--layout", "auto")
    assert (code, err) == (0, [])
    rows = _table(shell)
    assert float(rows["_".join(stems), "dice", "organ"]["value"]) == 100
    assert float(rows["_".join(stems), "tre", ""]["value"]) == pytest.approx(0, abs=1e-5)


def _file(folder: str, name: str) -> Callable[[Shell], Path]:
    return lambda shell: shell.root / folder / name


LANDMARKS = _file("data/landmarksTr", "Toy_0001_0000.csv")
LABELS = _file("data/labelsTr", "Toy_0001_0000.nii.gz")
FIELD = _file("pred", "disp_0001_0000_0001_0001.nii.gz")
DAMAGES: dict[str, tuple[Callable[[Shell], Any], str]] = {
    "too few landmarks": (lambda s: LANDMARKS(s).write_text("1,2,3\n"), "tre"),
    "too many landmarks": (lambda s: LANDMARKS(s).write_text("1,2,3\n" * 5), "tre"),
    "no landmarks": (lambda s: LANDMARKS(s).unlink(), "tre"),
    "no labels": (lambda s: LABELS(s).unlink(), "dice"),
    "other labels": (
        lambda s: write_volume(LABELS(s), Volume(np.ones((4, 5, 6), int), np.eye(4))),
        "dice",
    ),
    "torn field": (lambda s: FIELD(s).write_bytes(FIELD(s).read_bytes()[:40]), "folds"),
    "no field": (lambda s: FIELD(s).unlink(), "folds"),
    "other field": (lambda s: write_field(FIELD(s), shift_field((0, 0, 0), (4, 5, 6))), "dice"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_case_is_failed_rows_and_code_3(shell: Shell, name: str) -> None:
    file = toy_dataset(shell.root / "data", numbers=(1, 2))
    names = {f"disp_000{n}_0000_000{n}_0001.nii.gz": (0.0, 0.0, 0.0) for n in (1, 2)}
    folder = _predictions(shell, names)
    damage, metric = DAMAGES[name]
    damage(shell)
    code, _, err = shell(*_evaluate(shell, file, folder))
    assert (code, err) == (3, [])
    found = {k: row for k, row in _table(shell).items() if k[1] == metric}
    bad = [row for k, row in found.items() if k[0] == "Toy_0001_0000_Toy_0001_0001"]
    assert bad
    assert all(row["status"].startswith("failed") and row["value"] == "nan" for row in bad)
    assert all(
        row["status"] == "ok" for k, row in found.items() if k[0] == "Toy_0002_0000_Toy_0002_0001"
    )


@pytest.mark.parametrize(
    ("changes", "folder", "more", "naming"),
    [
        ({"name": None}, "pred", [], ("Toy_dataset.json", "name")),
        ({"training": 5}, "pred", [], ("Toy_dataset.json", "training")),
        ({}, "nowhere", [], ("nowhere", "folder")),
        ({}, "pred", ["--split", "test"], ("no test pairs",)),
    ],
)
def test_evaluate_refuses(
    shell: Shell, changes: dict[str, Any], folder: str, more: list[str], naming: tuple[str, ...]
) -> None:
    file = edit_json(toy_dataset(shell.root / "data"), **changes)
    _predictions(shell, {})
    shell.refuses(*_evaluate(shell, file, shell.root / folder), *more, naming=naming)
