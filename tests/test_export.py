"""`regbench export`: the zip of a run, and what is refused."""

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import (
    AFFINES,
    SHAPE,
    centred,
    edit_json,
    linear_field,
    random_image,
    shift_field,
    write_dataset,
    write_side,
)
from toy_project import make_project

from regbench.base.files import sha256, write_json
from regbench.base.records import FIELD_NAME, Status
from regbench.cli.main import main
from regbench.data.dataset_json import PREPARED_VERSION
from regbench.data.field_names import find_field
from regbench.spatial.convert import to_ants
from regbench.spatial.field import read_field, write_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.warp import positions, warp_image

SHIFTS = {1: (1.0, 2.0, -1.0), 2: (0.5, 0.0, 3.0)}


class Finished:
    """A project with one finished run, laid out by hand."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root.mkdir()
        self.root, self.capsys = root, capsys
        project = make_project(root)
        project.config["methods"] = ["identity"]
        project.write_config()
        self.config = project.config_file
        self.folder = project.folder("identity")
        data = root / "data" / "toy" / "toy"
        pairs, entries, statuses = [], [], []
        for number, shift in SHIFTS.items():
            stems = [f"Toy_{number:04d}_{k:04d}" for k in (0, 1)]
            entries += [write_side(data, stem, random_image(number)) for stem in stems]
            pairs.append([f"./imagesTr/{stem}.nii.gz" for stem in stems])
            path = self.folder / "_".join(stems) / FIELD_NAME
            write_field(path, shift_field(shift))
            statuses.append(Status("_".join(stems), "ok", "f", field_sha256=sha256(path)))
        listed = [{"fixed": a, "moving": b} for a, b in pairs]
        file = write_dataset(data, entries, [], registration_val=[], registration_test=listed)
        self.layout = file.rename(data / "toy_dataset.json")
        self.write_statuses([asdict(status) for status in statuses])

    def write_statuses(self, statuses: list[dict[str, Any]]) -> None:
        write_json(self.folder / "cases.json", statuses)

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return list(json.loads((self.folder / "cases.json").read_text()))

    def export(self, *more: str, output: str = "out/a.zip") -> tuple[int, str, list[str]]:
        os.chdir(self.root)
        words = ["export", "--config", str(self.config), "--task", "toy"]
        words += ["--run", "identity", "--output", str(self.root / output), *more]
        code = main(words)
        out, err = self.capsys.readouterr()
        return code, out, err.splitlines()


@pytest.fixture
def finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Finished:
    # The command changes the working folder: pytest puts it back.
    monkeypatch.chdir(tmp_path)
    return Finished(tmp_path / "project", capsys)


def test_the_zip_holds_the_fields_under_the_challenges_names(finished: Finished) -> None:
    code, _, err = finished.export()
    assert (code, err) == (0, [])
    with zipfile.ZipFile(finished.root / "out" / "a.zip") as archive:
        assert archive.namelist() == ["disp_0001_0001.nii.gz", "disp_0002_0002.nii.gz"]
        archive.extractall(finished.root / "unpacked")
    for number, shift in SHIFTS.items():
        stems = [f"Toy_{number:04d}_{k:04d}" for k in (0, 1)]
        field = read_field(find_field(finished.root / "unpacked", *stems))
        assert np.array_equal(field.displacement, shift_field(shift).displacement)


def test_equal_runs_give_equal_bytes(finished: Finished) -> None:
    finished.export(output="a.zip")
    for path in finished.folder.rglob(FIELD_NAME):
        path.touch()
    finished.export(output="b.zip")
    assert (finished.root / "a.zip").read_bytes() == (finished.root / "b.zip").read_bytes()


def test_names_may_be_long(finished: Finished) -> None:
    finished.export("--names", "long")
    with zipfile.ZipFile(finished.root / "out" / "a.zip") as archive:
        assert archive.namelist()[0] == "disp_Toy_0001_0000_Toy_0001_0001.nii.gz"


def test_a_failed_case_is_left_out_only_when_that_is_allowed(finished: Finished) -> None:
    first, second = finished.statuses
    finished.write_statuses([first, {**second, "outcome": "timeout", "reason": "600 s"}])
    code, _, err = finished.export()
    assert code == 2
    assert len(err) == 1
    for word in ("Toy_0002_0000_Toy_0002_0001", "timeout: 600 s", "--allow-failed"):
        assert word in err[0]
    assert not (finished.root / "out").exists()
    code, out, _ = finished.export("--allow-failed")
    assert code == 0
    assert "warning: Toy_0002_0000_Toy_0002_0001 is not in it: timeout: 600 s" in out
    with zipfile.ZipFile(finished.root / "out" / "a.zip") as archive:
        assert archive.namelist() == ["disp_0001_0001.nii.gz"]


def _all_failed(finished: Finished) -> None:
    finished.write_statuses([{**s, "outcome": "failed"} for s in finished.statuses])


def _resampled(finished: Finished) -> None:
    notes = {"Toy_0001_0000_Toy_0001_0001": "moving image resampled"}
    edit_json(finished.layout, regbench={"layout": PREPARED_VERSION, "notes": notes})


def _first_field(finished: Finished) -> Path:
    return finished.folder / "Toy_0001_0000_Toy_0001_0001" / FIELD_NAME


REFUSED: dict[str, tuple[Callable[[Finished], object], list[str], list[str]]] = {
    "unknown run": (lambda f: None, ["--run", "magic"], ["magic", "identity"]),
    "unknown task": (lambda f: None, ["--task", "magic"], ["magic", "expected one of toy"]),
    "unknown seed": (lambda f: None, ["--seed", "7"], ["no seed 7", "0"]),
    "not finished": (lambda f: (f.folder / "cases.json").unlink(), [], ["not finished"]),
    "no zip": (lambda f: None, ["--output", "a.tar"], ["zip"]),
    "no case at all": (_all_failed, ["--allow-failed"], ["no case"]),
    "a field is gone": (lambda f: _first_field(f).unlink(), [], ["not kept"]),
    "another field": (
        lambda f: write_field(_first_field(f), shift_field((9, 9, 9))),
        [],
        ["not the field"],
    ),
    "a resampled pair": (_resampled, [], ["cannot be exported", "resampled"]),
    "a case without a status": (lambda f: f.write_statuses(f.statuses[:1]), [], ["not registered"]),
    "no config": (lambda f: f.config.write_text("- a\n"), [], ["config"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(finished: Finished, name: str) -> None:
    damage, more, words = REFUSED[name]
    damage(finished)
    code, _, err = finished.export(*more)
    assert code == 2
    assert len(err) == 1
    for word in words:
        assert word in err[0]
    assert not (finished.root / "out").exists()


def test_two_cases_of_one_name_are_refused(finished: Finished) -> None:
    """Kits of two sites with equal numbers: the short names would be one."""
    content = json.loads(finished.layout.read_text())
    text = yaml.safe_dump(content).replace("Toy_0002", "Other_0001")
    finished.layout.write_text(json.dumps(yaml.safe_load(text)))
    other = "Other_0001_0000_Other_0001_0001"
    (finished.folder / "Toy_0002_0000_Toy_0002_0001").rename(finished.folder / other)
    first, second = finished.statuses
    finished.write_statuses([first, {**second, "case": other}])
    code, _, err = finished.export()
    assert code == 2
    assert "--names long" in err[0]
    assert finished.export("--names", "long")[0] == 0


def test_itks_format_is_applied_by_ants_as_here(finished: Finished) -> None:
    """A pair whose moving grid is oblique and flipped, and whose fixed grid is not."""
    ants = pytest.importorskip("ants")
    affines = [centred(AFFINES[name], SHAPE) for name in ("anisotropic", "oblique-flipped")]
    fixed, moving = (random_image(k, affine=affine) for k, affine in enumerate(affines))
    # From the fixed grid's world into the moving grid's, and a little further.
    there = np.linalg.inv(moving.affine) @ fixed.affine
    matrix = there[:3, :3] - np.eye(3) + 0.03
    field = linear_field(matrix, there[:3, 3] + 0.4, affine=fixed.affine)
    name = "Toy_0001_000{}.nii.gz"
    for number, volume in enumerate((fixed, moving)):
        write_volume(finished.layout.parent / "imagesTr" / name.format(number), volume)
    write_field(_first_field(finished), field)
    first, second = finished.statuses
    finished.write_statuses([{**first, "field_sha256": sha256(_first_field(finished))}, second])
    assert finished.export("--format", "itk")[0] == 0
    with zipfile.ZipFile(finished.root / "out" / "a.zip") as archive:
        archive.extractall(finished.root / "unpacked")
    file = finished.root / "unpacked" / "disp_0001_0001.nii.gz"
    theirs = ants.apply_transforms(to_ants(fixed), to_ants(moving), [str(file)]).numpy()
    target = positions(field)
    inside = ((target >= 0.1) & (target <= np.array(moving.shape) - 1.1)).all(axis=-1)
    assert inside.sum() > 100
    apart = np.abs(warp_image(moving, field).data - theirs)[inside]
    # On disk, fields are rounded to 2^-10 voxel.
    assert apart.max() < 5e-3 * np.ptp(moving.data)
