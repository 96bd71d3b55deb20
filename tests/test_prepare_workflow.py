"""Raw pairs through the whole workflow, to a table that says what was done to them."""

import shutil
from pathlib import Path

import pytest
from helpers import REPOSITORY, read_report
from raw_pairs import raw_pairs
from toy_project import IGNORED, make_project


@pytest.mark.verify
def test_raw_pairs_become_a_table_that_tells(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    project = make_project(root, engine=True)
    shutil.copytree(
        REPOSITORY / "datasets" / "paired_folder",
        root / "datasets" / "paired_folder",
        ignore=IGNORED,
    )
    raw = raw_pairs(root / "raw", count=3)
    listing = raw / "pairs.csv"
    listing.write_text(
        listing.read_text().replace("validation", "test").replace("training", "test")
    )
    broken = raw / "patient2" / "mr.nii.gz"
    content = broken.read_bytes()
    broken.write_bytes(content[:100])
    settings = {
        "path": "raw/pairs.csv",
        "labels": {"1": "organ"},
        "alignment": "none",
        "spacing": 2.0,
        "size": [16, 16, 5],
        "around": "labels",
    }
    project.config |= {
        "datasets": {"toy": {"plugin": "paired_folder", "settings": settings}},
        "tasks": {"toy": {"dataset": "toy", "labels": {"organ": [1]}}},
        "methods": ["identity"],
    }
    done = project.snakemake("reports/table.csv", check=False)
    assert done.returncode == 3, done.stderr[-2000:]
    said, (row,) = read_report(root, "table")
    notes = "\n".join(said)
    assert "data of task toy: prepared: alignment of the moving image none" in notes
    # One of six slices of the label, and one landmark a pair, lie outside the box.
    assert "label 1 of the listed fixed image in 2 of 2 pairs (most: 16.7 %" in notes
    assert "2 landmarks lie outside the crop boxes" in notes
    assert (row["Cases"], row["Cases total"]) == ("2", "3")
    assert float(row["Dice organ (%)"]) == pytest.approx(100)
    # A mended file makes its pair.
    broken.write_bytes(content)
    assert project.planned("reports/table.csv")["prepare"] == 1
