"""The Learn2Reg layout: reading, turning around."""

from pathlib import Path
from typing import Any

import pytest
from helpers import (
    edit_json,
    one_line,
    shift_field,
    toy_dataset,
    write_dataset,
)

from regbench.base.errors import BadInput
from regbench.data.layout import read_layout, true_field_path
from regbench.spatial.field import read_field, write_field

ONE, TWO = "Toy_0001_0000", "Toy_0001_0001"


def _pair(fixed: str, moving: str) -> dict[str, str]:
    return {"fixed": f"imagesTr/{fixed}", "moving": f"imagesTr/{moving}"}


PAIR = {"fixed": f"imagesTr/{ONE}.nii.gz", "moving": f"./imagesTr/{TWO}.nii.gz"}


def test_a_plain_layout_is_read(tmp_path: Path) -> None:
    layout = read_layout(toy_dataset(tmp_path, numbers=(1, 2)))
    assert (layout.name, layout.direction, layout.labels) == ("Toy", (0, 1), {1: "organ"})
    cases = layout.cases["validation"]
    assert [case.id for case in cases] == [f"{ONE}_{TWO}", "Toy_0002_0000_Toy_0002_0001"]
    assert cases[0].moving.stem == TWO
    assert cases[0].moving.labels == tmp_path / "labelsTr" / f"{TWO}.nii.gz"
    assert len(cases[0].files) == 6
    assert layout.cases["training"] == layout.cases["test"] == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, ["field name"]),
        ({"name": 3}, ["field name"]),
        ({"training": [{"label": "a"}]}, ["training[0].image"]),
        ({"training": 5}, ["training"]),
        ({"training": {"image": "a"}}, ["training"]),
        ({"registration_val": []}, ["no pairs"]),
        ({"registration_val": {}}, ["registration_val", "dict"]),
        ({"registration_val": [{"fixed": "a.nii.gz"}]}, ["registration_val[0].moving"]),
        ({"registration_val": [["a", "b"]]}, ["registration_val[0].fixed"]),
        ({"registration_val": [{**PAIR, "moving": "../up.nii.gz"}]}, ["leaves", "../up.nii.gz"]),
        ({"registration_val": [{**PAIR, "fixed": "/etc/passwd"}]}, ["leaves", "/etc/passwd"]),
        ({"training": [{"image": PAIR["fixed"], "label": "../../x"}]}, ["leaves", "../../x"]),
        ({"registration_test": [PAIR]}, [ONE, "two splits", "validation and test"]),
        (
            {"registration_test": [{"fixed": PAIR["moving"], "moving": PAIR["fixed"]}]},
            [f"{TWO}_{ONE}", "two splits", "validation and test"],
        ),
        ({"registration_val": [PAIR, PAIR]}, [f"{ONE}_{TWO}", "listed twice in validation"]),
        (
            {"registration_val": [_pair("a_b", "c"), _pair("a", "b_c")]},
            ["two pairs of validation have the name a_b_c", "a_b on c and a on b_c"],
        ),
        (
            {"registration_val": [_pair("a", "c_b"), _pair("b_a", "c")]},
            ["two pairs of validation have the name c_b_a"],
        ),
        ({"labels": ["organ"]}, ["labels", "list"]),
        ({"labels": {"organ": "one"}}, ["labels", "whole number"]),
        ({"labels": {"organ": True}}, ["labels", "whole number"]),
        ({"provided_data": ["image"]}, ["provided_data"]),
        ({"registration_direction": {"fixed": 0}}, ["registration_direction"]),
        ({"registration_direction": "ct"}, ["registration_direction"]),
        ({"regbench": 3}, ["regbench"]),
    ],
)
def test_a_malformed_json_is_one_line(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    file = edit_json(toy_dataset(tmp_path), **changes)
    with pytest.raises(BadInput) as error:
        read_layout(file)
    one_line(error.value, file, *words)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_what_is_no_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_layout(tmp_path / "x.json")
    one_line(error.value, tmp_path / "x.json")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, {}),
        (None, {}),
        ({"0": "background", "2": "spleen"}, {2: "spleen"}),
        ({"MR": {"0": "background", "1": "liver"}, "CT": {"1": "liver"}}, {1: "liver"}),
        ({"background": 0, "liver": 1, "spleen": "2"}, {1: "liver", 2: "spleen"}),
        ({"0": {"background": 0, "liver": 1}, "1": {"liver": 1}}, {1: "liver"}),
        ({"0": {}}, {}),
    ],
)
def test_labels_may_be_absent_flat_or_nested(
    tmp_path: Path, labels: Any, expected: dict[int, str]
) -> None:
    assert read_layout(edit_json(toy_dataset(tmp_path), labels=labels)).labels == expected


@pytest.mark.parametrize(
    ("kinds", "own", "expected"),
    [
        ([], {}, None),
        (["keypoints"], {}, f"keypointsTr/{ONE}.csv"),
        (["landmarks"], {}, f"landmarksTr/{ONE}.csv"),
        (["keypoints", "landmarks"], {}, f"landmarksTr/{ONE}.csv"),
        (["landmarks"], {"landmarks": "elsewhere/a.csv"}, "elsewhere/a.csv"),
        (["landmarks"], {"keypoints": "elsewhere/a.csv"}, f"landmarksTr/{ONE}.csv"),
    ],
)
def test_landmarks_come_before_keypoints_and_an_entry_before_the_rule(
    tmp_path: Path, kinds: list[str], own: dict[str, str], expected: str | None
) -> None:
    entries = [{"image": f"./imagesTr/{stem}.nii.gz", **own} for stem in (ONE, TWO)]
    provided = {"0": kinds, "1": kinds}
    names = [f"{kind}Tr/{stem}.csv" for kind in kinds for stem in (ONE, TWO)]
    _touch(tmp_path, *names, "elsewhere/a.csv")
    file = write_dataset(tmp_path, entries, [(ONE, TWO)], provided_data=provided)
    case = read_layout(file).cases["validation"][0]
    assert case.fixed.landmarks == (None if expected is None else tmp_path / expected)


def test_landmarks_are_of_one_set_that_both_images_have(tmp_path: Path) -> None:
    """Points of two sets are not one another's partners."""
    _touch(tmp_path, f"landmarksTr/{ONE}.csv", *(f"keypointsTr/{s}.csv" for s in (ONE, TWO)))
    kinds = {"0": ["landmarks", "keypoints"], "1": ["keypoints"]}
    file = write_dataset(tmp_path, [], [(ONE, TWO)], provided_data=kinds)
    case = read_layout(file).cases["validation"][0]
    assert case.fixed.landmarks == tmp_path / "keypointsTr" / f"{ONE}.csv"
    assert case.moving.landmarks == tmp_path / "keypointsTr" / f"{TWO}.csv"
    file = edit_json(file, provided_data={"0": ["landmarks"], "1": ["keypoints"]})
    case = read_layout(file).cases["validation"][0]
    assert (case.fixed.landmarks, case.moving.landmarks) == (None, None)


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_provided_data_finds_labels_and_masks_by_modality(tmp_path: Path) -> None:
    provided = {"0": ["image", "labels"], "1": ["image", "mask"]}
    entries = [f"imagesTr/{ONE}.nii.gz", f"imagesTr/{TWO}.nii.gz"]
    _touch(tmp_path, f"labelsTr/{ONE}.nii.gz", f"masksTr/{TWO}.nii.gz")
    file = write_dataset(tmp_path, entries, [(ONE, TWO)], provided_data=provided)
    case = read_layout(file).cases["validation"][0]
    assert case.fixed.labels == tmp_path / "labelsTr" / f"{ONE}.nii.gz"
    assert case.moving.mask == tmp_path / "masksTr" / f"{TWO}.nii.gz"
    assert (case.fixed.mask, case.moving.labels) == (None, None)


def test_turning_around_takes_everything_along(tmp_path: Path) -> None:
    file = toy_dataset(tmp_path)
    for one, other, value in ((ONE, TWO, 1), (TWO, ONE, -1)):
        write_field(true_field_path(tmp_path, one, other), shift_field([value] * 3))
    layout = read_layout(file)
    (own,), (turned,) = layout.directed("validation", (0, 1)), layout.directed("validation", (1, 0))
    assert (own.id, turned.id) == (f"{ONE}_{TWO}", f"{TWO}_{ONE}")
    assert (turned.fixed, turned.moving) == (own.moving, own.fixed)
    assert turned.fixed.landmarks == tmp_path / "landmarksTr" / f"{TWO}.csv"
    assert own.true_field is not None
    assert turned.true_field is not None
    assert read_field(own.true_field).displacement[0, 0, 0, 0] == 1
    assert read_field(turned.true_field).displacement[0, 0, 0, 0] == -1
    assert layout.directed("validation", None) == (own,)


def test_a_fixed_image_may_stand_in_many_pairs(tmp_path: Path) -> None:
    """An atlas; and all pairs of some images, in both orders."""
    stems = [f"Toy_000{n}_0000" for n in (1, 2, 3)]
    pairs = [(a, b) for a in stems for b in stems if a != b]
    file = write_dataset(tmp_path, [], pairs, registration_direction={"fixed": 0, "moving": 0})
    layout = read_layout(file)
    assert [case.id for case in layout.cases["validation"]] == [f"{a}_{b}" for a, b in pairs]
    assert layout.directed("validation", (0, 0)) == layout.cases["validation"]


def test_a_file_is_found_by_the_ending_of_its_kind(tmp_path: Path) -> None:
    """Published files name csv files `.nii.gz`, and images `.csv`."""
    named = {
        "landmarks": "landmarksTr/{0}.nii.gz",
        "label": "labelsTr/{0}.csv",
        "image": "imagesTr/{0}.csv",
    }
    entries = [{kind: name.format(stem) for kind, name in named.items()} for stem in (ONE, TWO)]
    for stem in (ONE, TWO):
        _touch(tmp_path, *(name.format(stem) for name in named.values()))
        _touch(tmp_path, f"landmarksTr/{stem}.csv", f"labelsTr/{stem}.nii", f"imagesTr/{stem}.nii")
    side = read_layout(write_dataset(tmp_path, entries, [(ONE, TWO)])).cases["validation"][0].fixed
    assert side.image == tmp_path / "imagesTr" / f"{ONE}.nii"
    assert side.labels == tmp_path / "labelsTr" / f"{ONE}.nii"
    assert side.landmarks == tmp_path / "landmarksTr" / f"{ONE}.csv"
