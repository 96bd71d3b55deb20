"""What must not be mixed up: problems of other pairs, labels of one name, fields of old data."""

import json
from pathlib import Path

import numpy as np
from regbench.spatial.field import Field, write_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

from regbench.data.layout import Layout, read_layout, true_field_path
from regbench.plugins.loading import load_entry

LEARN2REG = Path(__file__).resolve().parent.parent / "datasets" / "learn2reg"
SHAPE = (6, 5, 4)


def folder(root: Path, pairs: list[tuple[str, str]], **fields: object) -> Path:
    """A Learn2Reg folder with random images, its pairs in the validation split."""
    for number, stem in enumerate(sorted({stem for pair in pairs for stem in pair})):
        data = np.random.default_rng(number).random(SHAPE).astype(np.float32)
        write_volume(root / "imagesTr" / f"{stem}.nii.gz", Volume(data, np.eye(4)))
    listed = [{"fixed": f"imagesTr/{a}.nii.gz", "moving": f"imagesTr/{b}.nii.gz"} for a, b in pairs]
    file = root / "X_dataset.json"
    file.write_text(json.dumps({"name": "X", "registration_val": listed, **fields}))
    return file


def imported(file: Path, into: Path) -> Layout:
    ready = into / "ready_dataset.json"
    load_entry(LEARN2REG, "dataset:prepare")({"path": str(file)}, ready)
    return read_layout(ready)


def test_a_broken_pair_does_not_break_another(tmp_path: Path) -> None:
    file = folder(tmp_path / "own", [("a", "b"), ("b", "c")])
    (tmp_path / "own" / "imagesTr" / "c.nii.gz").unlink()
    first, second = imported(file, tmp_path / "ready").cases["validation"]
    assert first.problem is None
    assert second.problem is not None and "c.nii.gz" in second.problem


def test_two_values_of_one_name_are_one_group(tmp_path: Path) -> None:
    labels = {"0": "background", "3": "kidney", "1": "liver", "4": "kidney"}
    layout = read_layout(folder(tmp_path, [("a", "b")], labels=labels))
    assert layout.groups() == {"liver": (1,), "kidney": (3, 4)}


def test_a_true_field_of_earlier_data_does_not_stay(tmp_path: Path) -> None:
    first = folder(tmp_path / "one", [("a", "b")])
    field = Field(np.ones((*SHAPE, 3), np.float32), np.eye(4))
    write_field(true_field_path(first.parent, "a", "b"), field)
    (case,) = imported(first, tmp_path / "ready").cases["validation"]
    assert case.true_field is not None
    second = folder(tmp_path / "two", [("a", "b")])
    (case,) = imported(second, tmp_path / "ready").cases["validation"]
    assert case.true_field is None
