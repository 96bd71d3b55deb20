"""`regbench new-data`: what a folder is taken for, what is written, and what cannot be told."""

import csv
import locale
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import REPOSITORY, box, make_affine, random_image, toy_dataset
from shell import Shell
from toy_project import IGNORED

from regbench.data.layout import read_layout
from regbench.plan.config import load_config
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

SHAPES = {"a": (9, 12, 15), "b": (10, 11, 14)}


def image(file: Path, grid: str = "a", *, ct: bool = False) -> None:
    """A random image; a CT has air at -1000."""
    volume = random_image(len(file.name), SHAPES[grid], make_affine((2, 2, 2), origin=(-9, -9, 4)))
    data = volume.data * 50
    if ct:
        data[:4] = -1000
    write_volume(file, volume.with_data(data))


def labels(file: Path, grid: str = "a", kind: Any = np.uint8, value: float = 2) -> None:
    data = box(SHAPES[grid], (3, 4, 5), (3, 3, 3)).astype(kind) * kind(value)
    write_volume(file, Volume(data, make_affine((2, 2, 2), origin=(-9, -9, 4))))


def fcsv(file: Path) -> None:
    """Two points of either grid."""
    head = "# CoordinateSystem = RAS\n# columns = id,x,y,z,label\n"
    file.write_text(f"{head}1,-3,-2,9,apex\n2,1,1,12,base\n")


def propose(shell: Shell, folder: Path, *words: object) -> tuple[list[str], dict[str, Any], Path]:
    """The lines, the config's data set, and the folder that was written."""
    output = shell.root / "made"
    before = contents(folder)
    code, out, err = shell("new-data", folder, "--output", output, "--name", "mine", *words)
    assert (code, err) == (0, [])
    assert contents(folder) == before
    lines = out.splitlines()
    assert lines[-1] == f"next: regbench run --config {output / 'mine.yaml'}"
    config = yaml.safe_load((output / "mine.yaml").read_text())
    load_config(output / "mine.yaml", REPOSITORY)
    return lines, config["datasets"]["mine"], output


def contents(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "pairs.csv").open(newline="") as file:
        found = [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]
    for row in found:
        assert all((output / name).is_file() for name in row.values())
    return found


def test_patients_in_folders_with_labels_and_landmarks(shell: Shell) -> None:
    folder = shell.root / "study"
    for number in (1, 2):
        place = folder / f"p{number:02d}"
        for k, time in enumerate(("pre", "post")):
            image(place / f"T1w {time}.nii.gz", "ab"[k])
            labels(place / f"T1w {time}_seg.nii.gz", "ab"[k])
            fcsv(place / f"T1w {time} points.fcsv")
    image(folder / "p03" / "T1w pre.nii.gz")
    (folder / "subjects.csv").write_text("id,age\n1,50\n")
    lines, dataset, output = propose(shell, folder)
    found = rows(output)
    assert [row["fixed"] for row in found] == [
        "files/p01/T1w pre.nii.gz",
        "files/p02/T1w pre.nii.gz",
    ]
    assert found[0] == {
        f"{role}{kind}": f"files/p01/T1w {time}{ending}"
        for role, time in (("fixed", "pre"), ("moving", "post"))
        for kind, ending in (
            ("", ".nii.gz"),
            ("_labels", "_seg.nii.gz"),
            ("_landmarks", " points.fcsv"),
        )
    }
    assert dataset["plugin"] == "paired_folder"
    assert dataset["settings"]["labels"] == {"2": "label 2"}
    text = "\n".join(lines)
    assert "fixed is pre, moving post: --fixed, --moving change it" in text
    assert "left out: p03/T1w pre.nii.gz has no partner" in text
    assert "subjects.csv: is not a list of points" in text
    # The data set that it describes is there.
    layout = load_entry(*_pairs_of("paired_folder"))(dataset["settings"])
    assert len(layout.cases["test"]) == 2


def _pairs_of(name: str) -> tuple[Path, str]:
    plugin = discover(REPOSITORY).datasets[name]
    return plugin.folder, str(plugin.pairs)


def test_labels_in_another_folder_and_breathing_states(shell: Shell) -> None:
    folder = shell.root / "study"
    for number in ("007", "008"):
        for state in ("insp", "exp"):
            image(folder / "scans" / f"case_{number}_{state}.nii.gz", ct=True)
            labels(folder / "lungMasks" / f"case_{number}_{state}_mask.nii.gz")
    lines, dataset, output = propose(shell, folder, "--labels", "lungMasks/*")
    found = rows(output)
    assert [row["moving"] for row in found] == [
        f"files/scans/case_{number}_exp.nii.gz" for number in ("007", "008")
    ]
    # One grid: nothing is moved; both are CT: no window for one of them.
    assert "fixed and moving share a grid: alignment none" in lines
    assert dataset["settings"]["alignment"] == "none"
    assert "moving_intensity" not in dataset["settings"]
    # Only the number is common to the names of a mask and its images: two images may own it.
    assert sum("2 images fit" in line or "4 images fit" in line for line in lines) == 4


def test_intensities_and_headers_tell_what_names_do_not(shell: Shell) -> None:
    folder = shell.root / "study"
    image(folder / "first.nii.gz", "a", ct=True)
    image(folder / "second.nii.gz", "b")
    labels(folder / "liver.nii.gz", "b", np.float32, 1)
    lines, dataset, output = propose(shell, folder)
    assert rows(output) == [
        {
            "fixed": "files/second.nii.gz",
            "moving": "files/first.nii.gz",
            "fixed_labels": "files/liver.nii.gz",
        }
    ]
    assert dataset["settings"]["moving_intensity"] == {"window": [-150, 250]}
    assert "labels: liver.nii.gz of second.nii.gz" in lines


def test_options_override(shell: Shell) -> None:
    folder = shell.root / "study"
    for name in ("ct", "ct_old", "mr"):
        image(folder / f"{name}.nii.gz", ct=name != "mr")
    lines, _, output = propose(shell, folder)
    assert rows(output)[0]["moving"] == "files/ct.nii.gz"
    (taken,) = [line for line in lines if "ct_old.nii.gz" in line]
    assert taken == (
        "left out: ct_old.nii.gz has no partner; --fixed or --moving 'ct_old.nii.gz' takes it"
    )
    (output / "files").unlink()
    for file in output.iterdir():
        file.unlink()
    output.rmdir()
    _, _, output = propose(shell, folder, "--fixed", "ct_old*", "--moving", "mr*")
    assert rows(output) == [{"fixed": "files/ct_old.nii.gz", "moving": "files/mr.nii.gz"}]


def test_what_is_broken_is_left_out_with_its_reason(shell: Shell) -> None:
    folder = shell.root / "study"
    for name, grid in (("fixed", "a"), ("moving", "b")):
        image(folder / f"{name}.nii.gz", grid)
        fcsv(folder / f"{name}.fcsv")
    labels(folder / "fixed_label.nii.gz", "a", np.float32, 0.5)
    (folder / "third.nii.gz").write_bytes(b"no image")
    (folder / "moving.fcsv").write_text("# CoordinateSystem = RAS\n1,-3,-2,9\n2,1,1,999\n")
    lines, _, output = propose(shell, folder)
    text = "\n".join(lines)
    assert "left out" in text and "fixed_label.nii.gz: is not a label map" in text
    assert "third.nii.gz: is not a readable NIfTI file" in text
    assert "warning" in text and "moving.fcsv: landmarks outside the moving image" in text
    assert "fixed_labels" not in rows(output)[0]


def test_a_learn2reg_folder(shell: Shell) -> None:
    """With its JSON it needs a config alone; without one, the JSON is written, too."""
    folder = shell.root / "study"
    json_file = toy_dataset(folder, numbers=(1, 2))
    expected = read_layout(json_file).cases["validation"]
    lines, dataset, output = propose(shell, folder)
    assert lines[0] == "Toy_dataset.json: a data set in the Learn2Reg layout"
    assert dataset == {"plugin": "learn2reg", "settings": {"path": str(json_file)}}
    (output / "mine.yaml").unlink()
    output.rmdir()
    json_file.unlink()
    _, dataset, output = propose(shell, folder)
    assert dataset["plugin"] == "learn2reg" and dataset["settings"]["follow_links"] is True
    layout = read_layout(Path(dataset["settings"]["path"]))
    for case, other in zip(layout.cases["test"], expected, strict=True):
        assert [file.resolve() for file in case.files] == [file.resolve() for file in other.files]
    assert layout.labels == {1: "label 1"}


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        (["--name", "My Data"], ("--name", "lower-case", "My Data")),
        (["--output", "{folder}/made"], ("lies in the folder of the data",)),
        (["--output", "{folder}"], ("is there already", "--output")),
        (["--fixed", "nothing*"], ("cannot tell", "--fixed GLOB and --moving GLOB", "one.nii.gz")),
        ([], ("cannot tell", "--fixed GLOB and --moving GLOB", "one.nii.gz, two.nii.gz")),
    ],
)
def test_what_cannot_be_told_is_one_line(
    shell: Shell, words: list[str], naming: tuple[str, ...]
) -> None:
    folder = shell.root / "study"
    for name in ("one", "two"):
        image(folder / f"{name}.nii.gz")
    given = [word.format(folder=folder) for word in words]
    if "--output" not in given:
        given += ["--output", str(shell.root / "made")]
    shell.refuses("new-data", folder, *given, naming=naming)
    assert not (shell.root / "made").exists()


def dicom(folder: Path, modality: str, shift: float) -> None:
    """A series of slices as a scanner leaves it."""
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    before = locale.setlocale(locale.LC_ALL)
    for k in range(5):
        data = rng.integers(0, 500, (8, 9), np.int16) + np.int16(shift)
        piece = sitk.GetImageFromArray(data[None])
        piece.SetSpacing((2.0, 2.0, 3.0))
        tags = {
            "0008|0060": modality,
            "0020|000e": f"1.2.826.0.1.{len(modality)}.{ord(modality[0])}",
            "0020|0013": str(k),
            "0020|0032": f"-10\\-20\\{3 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0008|0008": "DERIVED\\SECONDARY",
        }
        for tag, value in tags.items():
            piece.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"slice{k}.dcm"))
        writer.Execute(piece)
    # ITK sets that of the whole process to C.
    locale.setlocale(locale.LC_ALL, before)


def test_dicom_series_are_converted_beside_the_config(shell: Shell) -> None:
    folder = shell.root / "study"
    dicom(folder / "A" / "1", "CT", -1000)
    dicom(folder / "A" / "2", "MR", 0)
    before = locale.setlocale(locale.LC_ALL)
    lines, _, output = propose(shell, folder)
    assert locale.setlocale(locale.LC_ALL) == before
    assert rows(output) == [{"fixed": "files/A/2/mr.nii.gz", "moving": "files/A/1/ct.nii.gz"}]
    assert any(line == "DICOM: A/1/ct.nii.gz of 5 files" for line in lines)
    assert not (output / "files").is_symlink()


def test_dicom_series_need_simpleitk(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (shell.root / "study").mkdir()
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    shell.refuses("new-data", shell.root / "study", naming=("no NIfTI", "pip install SimpleITK"))


def test_a_folder_without_images(shell: Shell) -> None:
    pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    (shell.root / "study").mkdir()
    shell.refuses("new-data", shell.root / "study", naming=("cannot tell", "no image"))


def test_the_real_folder(shell: Shell, real_data: Path) -> None:
    """CT and MR with labels; `ct_full` is the same CT uncropped."""
    lines, dataset, output = propose(shell, real_data / "AbdomenCTMR_raw")
    assert rows(output) == [
        {
            "fixed": "files/mr.nii.gz",
            "moving": "files/ct.nii.gz",
            "fixed_labels": "files/mr_label.nii.gz",
            "moving_labels": "files/ct_label.nii.gz",
        }
    ]
    assert list(dataset["settings"]["labels"]) == ["1", "2", "3", "4"]
    assert dataset["settings"]["moving_intensity"] == {"window": [-150, 250]}
    assert any("'ct_full.nii.gz' takes it" in line for line in lines)


@pytest.mark.verify
def test_the_real_folder_is_prepared_and_measured(shell: Shell, real_data: Path) -> None:
    raw = real_data / "AbdomenCTMR_raw"
    _, _, output = propose(shell, raw)
    config = output / "mine.yaml"
    config.write_text(config.read_text().replace("- syn\n", ""))
    project = shell.root / "work"
    project.mkdir()
    shutil.copy(REPOSITORY / "Snakefile", project)
    for name in ("rules", "methods", "datasets", "metrics", "reports", "profiles"):
        shutil.copytree(REPOSITORY / name, project / name, ignore=IGNORED)
    words = ["--cores", "1", "results/mine/metrics.parquet", "--configfile", str(config)]
    names = {**os.environ, "REGBENCH_PYTHON": sys.executable}
    subprocess.run([sys.executable, "-m", "snakemake", *words], cwd=project, env=names, check=True)
    table = pd.read_parquet(project / "results/mine/metrics.parquet")
    dice = table[(table.metric == "dice") & (table.status == "ok")]
    assert sorted(dice.label) == ["label 1", "label 2", "label 3", "label 4"]
    assert dice.value.between(1, 100).all()
