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
from regbench.spatial.field import read_field, write_field

from regbench.data.layout import read_layout, true_field_path

ONE, TWO = "Toy_0001_0000", "Toy_0001_0001"
PAIR = {"fixed": f"imagesTr/{ONE}.nii.gz", "moving": f"./imagesTr/{TWO}.nii.gz"}


def test_a_plain_layout_is_read(tmp_path: Path) -> None:
    layout = read_layout(toy_dataset(tmp_path, numbers=(1, 2)))
    assert (layout.name, layout.direction, layout.labels) == ("Toy", (0, 1), {1: "organ"})
    cases = layout.cases["validation"]
    assert [case.id for case in cases] == [ONE, "Toy_0002_0000"]
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
            {"registration_test": [{"fixed": "imagesTr/b.nii.gz", "moving": PAIR["fixed"]}]},
            [ONE, "two splits"],
        ),
        ({"registration_val": [PAIR, {**PAIR, "moving": "imagesTr/c.nii.gz"}]}, ["two pairs", ONE]),
        ({"labels": ["organ"]}, ["labels", "list"]),
        ({"labels": {"organ": "1"}}, ["labels", "whole number"]),
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
    entry = {"image": f"./imagesTr/{ONE}.nii.gz", **own}
    file = write_dataset(tmp_path, [entry], [(ONE, TWO)], provided_data={"0": kinds, "1": []})
    case = read_layout(file).cases["validation"][0]
    assert case.fixed.landmarks == (None if expected is None else tmp_path / expected)
    assert case.moving.landmarks is None


def test_provided_data_finds_labels_and_masks_by_modality(tmp_path: Path) -> None:
    provided = {"0": ["image", "labels"], "1": ["image", "mask"]}
    entries = [f"imagesTr/{ONE}.nii.gz", f"imagesTr/{TWO}.nii.gz"]
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
    assert (own.id, turned.id) == (ONE, TWO)
    assert (turned.fixed, turned.moving) == (own.moving, own.fixed)
    assert turned.fixed.landmarks == tmp_path / "landmarksTr" / f"{TWO}.csv"
    assert own.true_field is not None
    assert turned.true_field is not None
    assert read_field(own.true_field).displacement[0, 0, 0, 0] == 1
    assert read_field(turned.true_field).displacement[0, 0, 0, 0] == -1
    assert layout.directed("validation", None) == (own,)


def test_turning_around_may_not_give_two_cases_one_id(tmp_path: Path) -> None:
    """Two fixed images with one moving image: turned, both cases would be its."""
    file = toy_dataset(tmp_path, numbers=(1, 2))
    pairs = [{**PAIR, "fixed": f"imagesTr/Toy_000{n}_0000.nii.gz"} for n in (1, 2)]
    layout = read_layout(edit_json(file, registration_val=pairs))
    assert len(layout.directed("validation", None)) == 2
    with pytest.raises(BadInput) as error:
        layout.directed("validation", (1, 0))
    one_line(error.value, TWO)
