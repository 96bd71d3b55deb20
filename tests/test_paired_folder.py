"""A folder of raw pairs: its listing, its preparation, what is made again, what is broken."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import REPOSITORY, make_affine, one_line
from raw_pairs import MARKS, SHAPE, raw_pairs

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.data.landmarks import read_landmarks, write_landmarks
from regbench.data.layout import Layout, read_layout
from regbench.data.prepare import dataset as engine
from regbench.plan.config import resolve
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume

PLUGIN = discover(REPOSITORY).datasets["paired_folder"]
SETTINGS = {
    **PLUGIN.settings,
    "alignment": "none",
    "spacing": 2.0,
    "size": [16, 16, 16],
    "around": "labels",
    "labels": {"1": "organ", 0: "background"},
}


def settings(root: Path, **changes: Any) -> dict[str, Any]:
    return {**SETTINGS, "path": str(root / "pairs.csv"), **changes}


def listed(own: dict[str, Any]) -> Layout:
    layout = load_entry(PLUGIN.folder, str(PLUGIN.pairs))(own)
    assert isinstance(layout, Layout)
    return layout


def prepared(own: dict[str, Any], target: Path) -> Layout:
    file = target / "my-pairs_dataset.json"
    load_entry(PLUGIN.folder, str(PLUGIN.importer))(own, file)
    return read_layout(file)


def test_the_listing_is_of_names_alone(tmp_path: Path) -> None:
    raw_pairs(tmp_path)
    for image in tmp_path.rglob("*.nii.gz"):
        image.unlink()
    layout = listed(settings(tmp_path))
    assert {split: len(cases) for split, cases in layout.cases.items()} == {
        "training": 1,
        "validation": 1,
        "test": 1,
    }
    (case,) = layout.cases["test"]
    assert case.fixed.image == tmp_path / "patient3/ct.nii.gz"
    assert case.moving.landmarks == tmp_path / "patient3/mr.csv"
    assert case.moving.mask is None
    assert layout.labels == {1: "organ"}


def test_a_yaml_says_the_same(tmp_path: Path) -> None:
    text = (
        "- {fixed: a/ct.nii.gz, moving: a/mr.nii.gz}\n- {fixed: b/ct.nii.gz, moving: b/mr.nii.gz}\n"
    )
    write_text(tmp_path / "pairs.yaml", text)
    cases = listed({**SETTINGS, "path": str(tmp_path / "pairs.yaml")}).cases["test"]
    assert [case.moving.image.parent.name for case in cases] == ["a", "b"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", ["lists no pairs"]),
        ("fixed,moving\n", ["lists no pairs"]),
        ("fixed,moving\na.nii.gz,\n", ["line 2", "moving is missing"]),
        ("fixed,moving\na.nii.gz,a.nii.gz\n", ["line 2", "one image"]),
        ("fixed,moving\na,b\nc,d\na,b\n", ["line 4", "listed twice", "line 2"]),
        ("fixed,moving,split\na,b,train\n", ["line 2", "split", "training", "train"]),
        ("fixed,moving,split\na,b,training\na,c,test\n", ["a is in two splits", "line 2"]),
        ("fixed,moving\n/etc/a,b\n", ["leaves", "/etc/a"]),
        ("fixed,moving,fixed_labels\na,b,../c\n", ["leaves", "fixed_labels", "../c"]),
        ("fixed,moving,fixed_label\na,b,c\n", ["'fixed_label'", "did you mean 'fixed_labels'"]),
        ("fixed,moving\na,b,c\n", ["line 2", "a cell too many"]),
        ("\x00\xff", ["lists no pairs"]),
    ],
)
def test_a_bad_listing_is_one_line(tmp_path: Path, lines: str, words: list[str]) -> None:
    write_text(tmp_path / "pairs.csv", lines)
    with pytest.raises(BadInput) as error:
        listed(settings(tmp_path))
    one_line(error.value, tmp_path / "pairs.csv", *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"fixed,moving\n\xff\xfe,b\n", ["not a csv"]),
        (b'fixed,moving\n"a,b\n', ["not a csv"]),
        (None, ["no such file"]),
    ],
)
def test_what_is_no_listing(tmp_path: Path, content: bytes | None, words: list[str]) -> None:
    if content is not None:
        (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(BadInput) as error:
        listed(settings(tmp_path))
    one_line(error.value, tmp_path / "pairs.csv", *words)


@pytest.mark.parametrize("text", ["fixed: a\n", "- a\n", "- {fixed: 1, moving: 2}\n", "[[\n"])
def test_what_is_no_yaml_listing(tmp_path: Path, text: str) -> None:
    write_text(tmp_path / "pairs.yaml", text)
    with pytest.raises(BadInput) as error:
        listed({**SETTINGS, "path": str(tmp_path / "pairs.yaml")})
    one_line(error.value, tmp_path / "pairs.yaml")


@pytest.mark.parametrize("path", ["", None, 3])
def test_no_path(path: Any) -> None:
    with pytest.raises(BadInput) as error:
        listed({**SETTINGS, "path": path})
    one_line(error.value, "settings.path", "csv or yaml")


def test_prepared_pairs_share_a_grid_and_their_annotations_agree(tmp_path: Path) -> None:
    layout = prepared(settings(raw_pairs(tmp_path / "raw")), tmp_path / "ready")
    assert not layout.extra["problems"]
    assert layout.extra["prealigned"] is False
    assert layout.labels == {1: "organ"}
    (case,) = layout.cases["test"]
    assert case.id == "MyPairs_0003_0000_MyPairs_0003_0001"
    sides = []
    for entry in (case.fixed, case.moving):
        assert entry.labels is not None and entry.landmarks is not None
        image, labels = read_volume(entry.image), read_volume(entry.labels, labels=True)
        assert image.shape == labels.shape == (16, 16, 16)
        assert 0 <= image.data.min() < image.data.max() <= 1
        sides.append((image, labels, read_landmarks(entry.landmarks)))
    (one, organ, marks), (two, other, partners) = sides
    assert np.allclose(one.affine, two.affine)
    # The flipped moving annotations are those of the fixed image again.
    assert organ.data.sum() == 4 * 5 * 6
    assert np.array_equal(organ.data, other.data)
    assert np.allclose(marks, partners, atol=1e-3)
    start = np.argwhere(organ.data).min(axis=0)
    assert np.allclose(marks, MARKS - (7, 8, 9) + start, atol=1e-3)
    note = layout.extra["notes"][case.id]
    assert note["files"]["moving"].endswith("patient3/mr.nii.gz")
    assert note["cut_percent"] == {"fixed": {"1": 0.0}, "moving": {"1": 0.0}}
    assert note["landmarks_cut"] == 0
    assert layout.extra["remarks"] == [
        "prepared: alignment of the moving image none, grid 16 x 16 x 16 at 2 x 2 x 2 mm"
    ]


def test_pairs_that_came_aligned_are_used_as_they_are(tmp_path: Path) -> None:
    """No voxel is touched; a shifted origin of a prepared image moves nothing."""
    root = raw_pairs(tmp_path / "raw", count=2)
    own = {"alignment": "given", "spacing": None, "size": None}
    own |= {f"{role}_intensity": {"window": [0, 1]} for role in ("fixed", "moving")}
    images, affine = {}, make_affine((2, 2, 2), flips=(-1, 1, 1), origin=(30, 5, 0))
    for name in ("ct", "mr"):
        file = root / "patient1" / f"{name}.nii.gz"
        raw = read_volume(file).data
        data = images[name] = (raw - raw.min()) / (raw.max() - raw.min()) * np.float32(0.7)
        write_volume(file, Volume(data, affine))
        labels = root / "patient1" / f"{name}_label.nii.gz"
        write_volume(labels, Volume(read_volume(labels, labels=True).data, affine))
        affine = make_affine((2, 2, 2), flips=(-1, 1, 1), origin=(-9, 70, 11))
    layout = prepared(settings(root, **own), tmp_path / "ready")
    assert not layout.extra["problems"] and layout.extra["prealigned"] is True
    (case,) = layout.cases["training"]
    for entry, name in ((case.fixed, "ct"), (case.moving, "mr")):
        # Canonical orientation reverses the axis; the values stay.
        assert np.array_equal(read_volume(entry.image).data, images[name][::-1])
    # The second pair's moving image is stored the other way round: the headers put it right.
    (case,) = layout.cases["validation"]
    maps = [e.labels for e in (case.fixed, case.moving)]
    one, two = (read_volume(file, labels=True).data for file in maps if file is not None)
    assert one.any() and np.array_equal(one, two)


def test_only_what_changed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    original = engine.make_pair

    def noted(case: Any, *rest: Any) -> Any:
        made.append(case.fixed.image.parent.name)
        return original(case, *rest)

    monkeypatch.setattr(engine, "make_pair", noted)
    root = raw_pairs(tmp_path / "raw")
    prepared(settings(root), tmp_path / "ready")
    assert made == ["patient1", "patient2", "patient3"]
    first = (tmp_path / "ready" / "my-pairs_dataset.json").read_bytes()
    prepared(settings(root), tmp_path / "ready")
    assert len(made) == 3
    assert (tmp_path / "ready" / "my-pairs_dataset.json").read_bytes() == first
    write_landmarks(root / "patient2" / "mr.csv", MARKS + 1)
    prepared(settings(root), tmp_path / "ready")
    assert made[3:] == ["patient2"]
    prepared(settings(root, size=[14, 16, 16]), tmp_path / "ready")
    assert len(made) == 7


def test_a_broken_file_breaks_its_own_pair(tmp_path: Path) -> None:
    root = raw_pairs(tmp_path / "raw")
    image = root / "patient2" / "mr.nii.gz"
    image.write_bytes(image.read_bytes()[:200])
    (root / "patient3" / "ct_label.nii.gz").unlink()
    layout = prepared(settings(root), tmp_path / "ready")
    problems = layout.extra["problems"]
    assert set(problems) == {f"MyPairs_000{n}_0000_MyPairs_000{n}_0001" for n in (2, 3)}
    (case,) = layout.cases["validation"]
    assert case.problem is not None and "patient2/mr.nii.gz" in case.problem
    assert layout.cases["training"][0].problem is None
    # Mended, the pair is made.
    raw_pairs(tmp_path / "raw")
    assert not prepared(settings(root), tmp_path / "ready").extra["problems"]


def _elsewhere(folder: Path) -> None:
    labels = read_volume(folder / "mr_label.nii.gz", labels=True)
    write_volume(folder / "mr_label.nii.gz", Volume(labels.data, np.eye(4)))


BROKEN: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "labels elsewhere": (_elsewhere, {}, ["mr_label.nii.gz", "elsewhere", "mm apart"]),
    "landmarks in mm": (
        lambda folder: (folder / "ct.csv").write_text("8,9,10\n-80,120,3\n"),
        {},
        ["ct.csv", "millimetres"],
    ),
    "fewer landmarks": (
        lambda folder: (folder / "mr.csv").write_text("8,9,10\n"),
        {},
        ["mr.csv", "number"],
    ),
    "no labels to crop around": (lambda folder: None, {"around": "mask"}, ["around: mask"]),
    "constant": (
        lambda folder: write_volume(folder / "ct.nii.gz", Volume(np.ones(SHAPE), np.eye(4))),
        {},
        ["ct.nii.gz", "constant"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_prepared_says_why(tmp_path: Path, name: str) -> None:
    damage, changes, words = BROKEN[name]
    root = raw_pairs(tmp_path / "raw", count=1)
    damage(root / "patient1")
    layout = prepared(settings(root, **changes), tmp_path / "ready")
    problem = layout.cases["training"][0].problem
    assert problem is not None and "\n" not in problem
    for word in words:
        assert word in problem


@pytest.mark.parametrize(
    ("alignment", "expected"), [("affine", True), ("given", True), ("rigid", False)]
)
def test_what_is_not_aligned_affinely_is_not_called_so(alignment: str, expected: bool) -> None:
    own = {"plugin": "paired_folder", "settings": {"alignment": alignment}}
    data: dict[str, Any] = {
        "name": "own",
        "datasets": {"own": own},
        "tasks": {"own": {"dataset": "own"}},
        "methods": ["identity"],
    }
    assert resolve(data, REPOSITORY).tasks["own"].prealigned is expected
    data["tasks"]["own"]["prealigned"] = not expected
    assert resolve(data, REPOSITORY).tasks["own"].prealigned is not expected


def test_a_bad_setting_stops_the_preparation(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        prepared(settings(raw_pairs(tmp_path, 1), size="large"), tmp_path / "ready")
    one_line(error.value, "setting size")


def test_counting_imports_nothing_heavy(tmp_path: Path) -> None:
    """Every command that reads a config counts: it must not pay for numpy's friends or ANTs."""
    raw_pairs(tmp_path)
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from regbench.plan.config import resolve\n"
        "data = json.loads(sys.argv[1])\n"
        "counts = resolve(data, Path(sys.argv[2])).datasets['own'].counts()\n"
        "heavy = {'ants', 'torch', 'scipy', 'nibabel', 'pandas', 'pooch'} & set(sys.modules)\n"
        "print(json.dumps([counts, sorted(heavy)]))\n"
    )
    data = {
        "name": "own",
        "datasets": {
            "own": {
                "plugin": "paired_folder",
                "settings": {"path": str(tmp_path / "pairs.csv")},
            }
        },
        "tasks": {"own": {"dataset": "own"}},
        "methods": ["identity"],
    }
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(data), str(REPOSITORY)],
        capture_output=True,
        text=True,
        check=True,
    )
    counts, heavy = json.loads(done.stdout)
    assert counts == {"training": 1, "validation": 1, "test": 1}
    assert heavy == []
