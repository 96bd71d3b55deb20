"""Landmarks in any frame: voxels of their image, matched by name, caught where they are wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    AFFINES,
    REPOSITORY,
    SHAPE,
    edit_json,
    one_line,
    random_image,
    shift_field,
    toy_dataset,
)
from raw_pairs import MARKS, raw_pairs
from shell import Shell

from regbench.base.errors import BadInput
from regbench.data.landmarks import landmarks_of_pair, read_landmarks
from regbench.data.layout import Case, Entry, Layout, read_layout
from regbench.measure.case import CaseFiles
from regbench.measure.inputs import LandmarkView
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry, load_metric
from regbench.spatial.field import Field
from regbench.spatial.nifti import read_affine, read_shape, write_volume
from regbench.spatial.volume import voxel_to_world

VOXELS = np.array([[4.0, 5.0, 7.0], [3.5, 6.25, 8.0], [1.0, 2.0, 9.5]])
SIGNS = {"ras": (1, 1, 1), "lps": (-1, -1, 1)}
NAMES = ("apex", "hilum", "base")
ONE, TWO = "Toy_0001_0000", "Toy_0001_0001"


def numbers(voxels: Any, frame: str, affine: Any) -> np.ndarray:
    """Points as a file of a frame has them."""
    return voxels if frame == "voxel" else voxel_to_world(voxels, affine) * SIGNS[frame]


def table(points: Any, head: str = "", names: Any = None) -> str:
    """A csv to the last digit."""
    rows = [",".join(map(repr, map(float, point))) for point in points]
    if names is not None:
        rows = [f"{row},{name}" for row, name in zip(rows, names, strict=True)]
    return "\n".join([*filter(None, [head]), *rows]) + "\n"


def fcsv(points: Any, frame: str, names: Any) -> str:
    head = f"# CoordinateSystem = {frame.upper()}\n# columns = id,x,y,z,label"
    return table(np.column_stack([range(len(points)), points]), head, names)


def mrk_json(points: Any, frame: str, names: Any) -> str:
    placed = [{"label": n, "position": p.tolist()} for n, p in zip(names, points, strict=True)]
    return json.dumps({"markups": [{"coordinateSystem": frame.upper(), "controlPoints": placed}]})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image whose axes and origin tell every frame from the others."""
    file = tmp_path / "image.nii.gz"
    write_volume(file, random_image(1, affine=AFFINES["oblique-flipped"]))
    return file


@pytest.mark.parametrize("frame", ["voxel", "ras", "lps"])
@pytest.mark.parametrize("head", ["i,j,k", "r,a,s", "l,p,s", "x,y,z", ""])
def test_a_file_states_its_frame_or_the_setting_does(image: Path, frame: str, head: str) -> None:
    stated = {"i,j,k": "voxel", "r,a,s": "ras", "l,p,s": "lps"}.get(head)
    if stated not in (None, frame):
        return
    points = numbers(VOXELS, frame, read_affine(image))
    file = image.with_name("points.csv")
    file.write_text(table(points, head))
    # A statement counts more than the setting, which is for files without one.
    setting = "ras" if stated else frame
    assert np.allclose(read_landmarks(file, image, setting), VOXELS, atol=1e-6)
    # In the right frame alone do all points lie inside.
    if head:
        assert np.allclose(read_landmarks(file, image), VOXELS, atol=1e-6)
    else:
        assert read_landmarks(file, image).tolist() == points.tolist()


def test_a_frame_that_is_not_plain_is_asked_for(tmp_path: Path) -> None:
    file, image = tmp_path / "p.csv", tmp_path / "image.nii.gz"
    write_volume(image, random_image(1, (40, 40, 40), np.diag([2.0, 2, 2, 1])))
    file.write_text("x,y,z\n4,5,7\n8,9,12\n")
    with pytest.raises(BadInput) as error:
        read_landmarks(file, image)
    one_line(error.value, file, "landmarks_frame: voxel, ras or lps", "voxels and as RAS")
    assert read_landmarks(file, image, "ras").tolist() == [[2, 2.5, 3.5], [4, 4.5, 6]]
    # Where both readings are one, nothing need be asked.
    write_volume(image, random_image(1, (40, 40, 40)))
    assert read_landmarks(file, image).tolist() == [[4, 5, 7], [8, 9, 12]]
    file.write_text("x,y,z\n4,5,7\n8,9,99\n")
    with pytest.raises(BadInput) as error:
        read_landmarks(file, image)
    one_line(error.value, file, "outside the image image.nii.gz", "1 as voxels", "2 as LPS")


def pair(root: Path, fixed: str, moving: str, ending: str = ".csv") -> Case:
    """A pair whose files of landmarks have these contents."""
    entries = []
    for name, text in (("fixed", fixed), ("moving", moving)):
        write_volume(root / f"{name}.nii.gz", random_image(1, affine=AFFINES["anisotropic"]))
        (root / f"{name}{ending}").write_text(text)
        entries.append(Entry(root / f"{name}.nii.gz", landmarks=root / f"{name}{ending}"))
    return Case(*entries)


def test_points_are_matched_by_name(tmp_path: Path) -> None:
    points = numbers(VOXELS, "ras", AFFINES["anisotropic"])
    order = [2, 0, 1]
    other = [NAMES[k] for k in order]
    case = pair(tmp_path, fcsv(points, "ras", NAMES), fcsv(points[order], "ras", other), ".fcsv")
    fixed, moving = landmarks_of_pair(case, prepared=False)
    assert fixed is not None and moving is not None
    assert np.allclose(fixed, moving)
    assert np.allclose(fixed, VOXELS[[0, 2, 1]])
    # Slicer names points after their list.
    lists = [[f"{name}-{k}" for k in (1, 2, 3)] for name in ("before", "after")]
    case = pair(tmp_path, fcsv(points, "ras", lists[0]), fcsv(points, "ras", lists[1]), ".fcsv")
    assert np.allclose(*landmarks_of_pair(case, prepared=False))
    # Names that repeat tell nothing: the rows count.
    case = pair(tmp_path, *[fcsv(points, "ras", ["a", "a", "b"])] * 2, ".fcsv")
    assert np.allclose(landmarks_of_pair(case, prepared=False)[1], VOXELS)


@pytest.mark.parametrize(
    ("names", "count", "words"),
    [
        (("apex", "hilum", "top"), 3, ["their names", "expected 'base'", "found 'top'"]),
        (NAMES, 2, ["differ in number", "expected 3", "found 2"]),
    ],
)
def test_other_names_or_counts_are_one_line(
    tmp_path: Path, names: Any, count: int, words: list[str]
) -> None:
    points = numbers(VOXELS, "lps", AFFINES["anisotropic"])
    texts = [fcsv(points, "lps", NAMES), fcsv(points[:count], "lps", names[:count])]
    with pytest.raises(BadInput) as error:
        landmarks_of_pair(pair(tmp_path, *texts, ".fcsv"), prepared=False)
    one_line(error.value, tmp_path / "moving.fcsv", *words)


@pytest.mark.parametrize(
    ("stated", "true", "hint"),
    [
        ("", "lps", "all inside as LPS millimetres"),
        ("r,a,s", "lps", "all inside as LPS millimetres"),
        ("l,p,s", "ras", "all inside as RAS millimetres"),
        ("r,a,s", "mirrored", "with left and right exchanged"),
    ],
)
@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_an_error_says_which_frame_fits(
    tmp_path: Path, role: str, stated: str, true: str, hint: str
) -> None:
    affine = AFFINES["anisotropic"]
    world = numbers(VOXELS, "ras", affine)
    wrong = world * {**SIGNS, "mirrored": (-1, 1, 1)}[true]
    texts = {"fixed": table(VOXELS), "moving": table(VOXELS), role: table(wrong, stated)}
    case = pair(tmp_path, texts["fixed"], texts["moving"])
    with pytest.raises(BadInput) as error:
        landmarks_of_pair(case, prepared=False)
    one_line(error.value, tmp_path / f"{role}.csv", f"outside the {role} image", "of 3", hint)


# -- data sets -----------------------------------------------------------------------------------


def imported(settings: dict[str, Any], target: Path, plugin: str = "learn2reg") -> Layout:
    found = discover(REPOSITORY).datasets[plugin]
    load_entry(found.folder, str(found.importer))({**found.settings, **settings}, target)
    return read_layout(target)


def test_a_learn2reg_folder_may_have_slicers_files(tmp_path: Path) -> None:
    """One is listed, the other found by its name; both become csv, a plain csv stays a link."""
    affine = AFFINES["oblique"]
    json_file = toy_dataset(tmp_path / "own", numbers=(1, 2), affine=affine)
    folder = tmp_path / "own" / "landmarksTr"
    truth = {}
    for stem, ending, write in ((ONE, ".fcsv", fcsv), (TWO, ".mrk.json", mrk_json)):
        truth[stem] = read_landmarks(folder / f"{stem}.csv")
        points = numbers(truth[stem], "lps", affine)
        order = [1, 0] if stem == TWO else [0, 1]
        text = write(points[order], "lps", np.array(NAMES)[order])
        (folder / f"{stem}{ending}").write_text(text)
        (folder / f"{stem}.csv").unlink()
    content = json.loads(json_file.read_text())
    content["training"][0]["landmarks"] = f"landmarksTr/{ONE}.fcsv"
    del content["training"][1]["landmarks"]
    edit_json(json_file, training=content["training"], provided_data={"1": ["landmarks"]})
    layout = imported({"path": str(json_file)}, tmp_path / "ready" / "X_dataset.json")
    first, second = layout.cases["validation"]
    assert first.problem is None
    for entry in (first.fixed, first.moving):
        assert entry.landmarks is not None and entry.landmarks.name == f"{entry.stem}.csv"
        assert np.allclose(read_landmarks(entry.landmarks), truth[entry.stem], atol=1e-4)
        assert not entry.landmarks.is_symlink()
    assert second.fixed.landmarks is not None and second.fixed.landmarks.is_symlink()


def test_a_stated_frame_is_not_lost(tmp_path: Path) -> None:
    """Here voxels and RAS millimetres have the same numbers, but the file states neither."""
    json_file = toy_dataset(tmp_path / "own")
    file = tmp_path / "own" / "landmarksTr" / f"{ONE}.csv"
    file.write_text("x,y,z\n" + file.read_text())
    settings = {"path": str(json_file), "landmarks_frame": "voxel"}
    (case,) = imported(settings, tmp_path / "ready" / "X_dataset.json").cases["validation"]
    assert case.fixed.landmarks is not None and not case.fixed.landmarks.is_symlink()
    assert case.moving.landmarks is not None and case.moving.landmarks.is_symlink()


def test_a_listing_may_name_them_and_state_their_frame(tmp_path: Path) -> None:
    root = raw_pairs(tmp_path / "raw", count=1)
    own = {"path": str(root / "pairs.csv"), "alignment": "none", "around": "labels"}
    own |= {"size": [16, 16, 16], "labels": {"1": "organ"}}
    target = tmp_path / "ready" / "X_dataset.json"
    (case,) = imported(own, target, "paired_folder").cases["training"]
    assert case.fixed.landmarks is not None
    before = read_landmarks(case.fixed.landmarks)
    for kind in ("ct", "mr"):
        file = root / "patient1" / f"{kind}.csv"
        affine = read_affine(root / "patient1" / f"{kind}.nii.gz")
        file.write_text(table(numbers(read_landmarks(file), "ras", affine), "x,y,z"))
    layout = imported({**own, "landmarks_frame": "ras"}, target, "paired_folder")
    (case,) = layout.cases["training"]
    assert case.fixed.landmarks is not None and not layout.extra["problems"]
    assert np.allclose(read_landmarks(case.fixed.landmarks), before, atol=1e-4)
    assert len(before) == len(MARKS)
    # Another frame is another data set: the pair is made again, and refused.
    problems = imported({**own, "landmarks_frame": "lps"}, target, "paired_folder").extra[
        "problems"
    ]
    assert "all inside as RAS millimetres" in str(problems)
    with pytest.raises(BadInput) as error:
        imported({**own, "landmarks_frame": "mni"}, target, "paired_folder")
    one_line(error.value, "landmarks_frame", "voxel, ras, lps", "mni")


def test_evaluate_takes_a_frame(shell: Shell) -> None:
    """On a grid of 2 mm, small points fit in two frames."""
    file = toy_dataset(shell.root / "data", affine=np.diag([2.0, 2, 2, 1]))
    for points in (shell.root / "data" / "landmarksTr").glob("*.csv"):
        points.write_text(table(read_landmarks(points) * 2 - 3.0, "x,y,z"))
    from regbench.spatial.field import write_field

    write_field(shell.root / "pred" / "disp_0001_0001.nii.gz", shift_field((1, 2, -1)))
    output = shell.root / "m.csv"
    words = ["evaluate", "--dataset", file, "--predictions", shell.root / "pred"]
    code, _, err = shell(*words, "--output", output, "--landmarks-frame", "ras")
    assert (code, err) == (0, [])
    rows = [line.split(",") for line in output.read_text().splitlines()]
    assert [float(row[3]) for row in rows if row[1] in ("tre", "tre_max")] == [0, 0]


# -- metrics -------------------------------------------------------------------------------------


def tre_metrics(view: LandmarkView) -> dict[str, float]:
    known = {name: m for name, m in discover(REPOSITORY).metrics.items() if name[:3] == "tre"}
    return {name: load_metric(metric)(view) for name, metric in known.items()}


def test_target_registration_errors_of_known_distances() -> None:
    """Distances 0, 1, ..., 20 mm along one axis of 2 mm voxels, under a field of one voxel."""
    affine = np.diag([2.0, 1, 1, 1])
    fixed = np.tile([3.0, 4, 5], (21, 1))
    moving = fixed + [1, 0, 0]
    moving[:, 0] += np.arange(21) / 2
    view = LandmarkView(shift_field((1, 0, 0), SHAPE, affine), fixed, moving, affine)
    found = tre_metrics(view)
    assert found["tre"] == pytest.approx(10)
    assert found["tre_max"] == pytest.approx(20)
    assert found["tre_p95"] == pytest.approx(19)
    # 0 and 1 mm; 2 mm is no longer under 2 mm.
    assert found["tre_within_2mm"] == pytest.approx(100 * 2 / 21)


@pytest.mark.verify
def test_real_landmarks_give_one_error_in_every_frame(tmp_path: Path, real_data: Path) -> None:
    """Breathing livers: the voxel csv as published, and the same points as other tools write them.

    The Slicer files list the moving points in another order, under their names.
    """
    layout = read_layout(real_data / "LiverMR4D" / "LiverMR4D_dataset.json")
    kinds = {
        "ras.fcsv": lambda points, names: fcsv(points, "ras", names),
        "lps.fcsv": lambda points, names: fcsv(points, "lps", names),
        "lps.mrk.json": lambda points, names: mrk_json(points, "lps", names),
        "ras.csv": lambda points, names: table(points, "r,a,s,label", names),
    }
    for case in layout.cases["validation"]:
        fixed = case.fixed.image
        field = Field.zero(read_shape(fixed), read_affine(fixed))
        expected = tre_metrics(_view(case, field))
        assert expected["tre"] > 2
        for ending, write in kinds.items():
            entries = []
            for role, entry in (("fixed", case.fixed), ("moving", case.moving)):
                assert entry.landmarks is not None
                voxels = read_landmarks(entry.landmarks)
                names = np.array([f"point {k}" for k in range(len(voxels))])
                order = np.arange(len(voxels))[:: 1 if role == "fixed" else -1]
                points = numbers(voxels, ending[:3], read_affine(entry.image))
                file = tmp_path / f"{entry.stem}-{ending}"
                file.write_text(write(points[order], names[order]))
                entries.append(Entry(entry.image, landmarks=file))
            found = tre_metrics(_view(Case(*entries), field))
            assert found == pytest.approx(expected, abs=1e-6)


def _view(case: Case, field: Field) -> LandmarkView:
    view = CaseFiles(case, field, {}, "nearest", prepared=False).landmarks
    assert view is not None
    return view
