"""Generating a data set: its layout, and what is made again."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    one_line,
)

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.data.landmarks import read_landmarks
from regbench.data.layout import read_layout
from regbench.execution.prepare import generate
from regbench.plugins.catalog import discover
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_volume

MAKER = '''"""A toy."""
import numpy as np
from regbench.data.pair import Pair, Side
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

def make_pair(seed, size):
    with open(LOG, "a") as log:
        log.write(f"{seed} ")
    data = np.random.default_rng(seed).random((size, size + 1, size + 2)).astype(np.float32)
    sides = [Side(Volume(data + k, np.eye(4)), Volume((data > 0.5).astype(int), np.eye(4)),
                  None, np.array([[1.0, 2, 3 + k]])) for k in (0, 1)]
    fields = [Field(np.full((*data.shape, 3), seed + k, np.float32), np.eye(4)) for k in (0, 1)]
    return Pair(tuple(sides), tuple(fields), {"seed": float(seed)})
'''
SPLITS = {"training": {"count": 2, "seed": 10}, "test": {"count": 1, "seed": 50}}


def _generate(folder: Path, target: Path, splits: dict[str, dict[str, int]], size: int = 4) -> str:
    """Prepare the toy; the seeds that were made."""
    log = folder / "made.txt"
    log.write_text("")
    write_text(folder / "toy" / "dataset.py", f"LOG = {str(log)!r}\n" + MAKER)
    text = "title: T\nversion: 1\ngenerate: dataset:make_pair\ndirection: {fixed: 1, moving: 0}\n"
    write_text(folder / "toy" / "dataset.yaml", text + "labels: {'1': organ}\n")
    plugin = discover(folder, {"datasets": ["toy"]}).datasets["toy"]
    generate(plugin, "Toy", {"size": size}, splits, target)
    return log.read_text().strip()


def test_a_generated_data_set_is_a_layout(tmp_path: Path) -> None:
    file = tmp_path / "out" / "T_dataset.json"
    assert _generate(tmp_path, file, SPLITS) == "10 11 50"
    layout = read_layout(file)
    assert {k: len(v) for k, v in layout.cases.items()} == {
        "training": 2,
        "validation": 0,
        "test": 1,
    }
    assert layout.labels == {1: "organ"}
    (case,) = layout.cases["test"]
    assert (case.fixed.stem, case.moving.stem) == ("Toy_0003_0001", "Toy_0003_0000")
    assert np.allclose(
        read_volume(case.fixed.image).data - read_volume(case.moving.image).data, 1, atol=1e-6
    )
    assert case.true_field is not None
    assert read_field(case.true_field).displacement[0, 0, 0, 0] == 51
    assert case.fixed.landmarks is not None
    assert read_landmarks(case.fixed.landmarks).tolist() == [[1, 2, 4]]
    assert json.loads(file.read_text())["regbench"]["notes"][case.id] == {"seed": 50}


def test_finished_pairs_are_not_made_again(tmp_path: Path) -> None:
    file = tmp_path / "out" / "T_dataset.json"
    _generate(tmp_path, file, SPLITS)
    before = {p: p.read_bytes() for p in file.parent.rglob("*") if p.is_file()}
    assert _generate(tmp_path, file, SPLITS) == ""
    assert {p: p.read_bytes() for p in file.parent.rglob("*") if p.is_file()} == before
    more = {**SPLITS, "test": {"count": 2, "seed": 50}}
    assert _generate(tmp_path, file, more) == "51"
    moved = {**more, "training": {"count": 2, "seed": 20}}
    assert _generate(tmp_path, file, moved) == "20 21"
    assert _generate(tmp_path, file, more) == "10 11"
    assert _generate(tmp_path, file, more, size=5) == "10 11 50 51"
    assert read_volume(read_layout(file).cases["test"][0].fixed.image).shape == (5, 6, 7)


def test_generated_splits_are_disjoint(tmp_path: Path) -> None:
    splits = {"training": {"count": 5, "seed": 10}, "test": {"count": 2, "seed": 14}}
    with pytest.raises(BadInput) as error:
        _generate(tmp_path, tmp_path / "out" / "T_dataset.json", splits)
    one_line(error.value, "training", "test", "seed 14")
