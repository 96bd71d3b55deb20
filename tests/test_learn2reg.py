"""Learn2Reg's own definitions against analytic answers, and its result file."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import REPOSITORY, SHAPE, box, make_affine, shift_field, toy_dataset
from shell import Shell

from regbench.base.records import Row, missing
from regbench.measure.inputs import FieldView, LandmarkView
from regbench.measure.learn2reg import (
    KitField,
    KitMasks,
    case_key,
    case_result,
    official,
    warp_labels_as_kit,
)
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field, write_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume, voxel_grid
from regbench.spatial.warp import warp_labels

KIT = {"l2r_dice", "l2r_hd95", "l2r_tre", "l2r_sdlogj"}
LOSS = {"objective_similarity", "objective_smoothness"}


@cache
def _known() -> dict[str, Any]:
    return discover(REPOSITORY).metrics


def _value(metric: str, view: object) -> float:
    return float(load_metric(_known()[metric])(view))


def _masks(fixed: np.ndarray, warped: np.ndarray) -> KitMasks:
    return KitMasks(fixed, fixed, warped)


def test_they_are_measured_only_when_asked_for() -> None:
    assert {name for name, metric in _known().items() if not metric.default} == KIT | LOSS


def test_dice_is_a_fraction() -> None:
    one, other = box(SHAPE, (1, 1, 1), (3, 4, 5)), box(SHAPE, (2, 3, 0), (3, 4, 5))
    assert _value("l2r_dice", _masks(one, other)) == pytest.approx(2 * 2 * 4 / 60)
    assert _value("l2r_dice", _masks(one, one)) == 1
    assert _value("l2r_dice", _masks(one, np.zeros(SHAPE, bool))) == 0


@pytest.mark.parametrize("axis", range(3))
def test_hd95_is_in_voxels(axis: int) -> None:
    one, other = box(SHAPE, (2, 2, 2), (3, 4, 5)), box(SHAPE, (2, 2, 2), (3, 4, 5))
    other = np.roll(other, 2, axis)
    assert _value("l2r_hd95", _masks(one, other)) == pytest.approx(2)


def test_labels_are_lost_outside_the_outermost_centres() -> None:
    """Half a voxel that nearest neighbour with a rim would keep."""
    labels = Volume(np.ones(SHAPE, np.int32), np.eye(4))
    field = shift_field((-0.3, 0, 0.3))
    expected = np.ones(SHAPE, np.int32)
    expected[0] = 0
    expected[:, :, -1] = 0
    assert np.array_equal(warp_labels_as_kit(labels.data, field), expected)
    assert warp_labels(labels, field).data.all()


def test_whole_shifts_move_labels_as_everywhere() -> None:
    labels = Volume(np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.int32), np.eye(4))
    field = shift_field((1, -2, 3))
    assert np.array_equal(warp_labels_as_kit(labels.data, field), warp_labels(labels, field).data)


def test_tre_samples_the_field_by_cubic_splines() -> None:
    """u_x = 0.01 (x - 3)^2: halfway between voxels linear sampling is off by 0.01 / 4."""
    shape = (24, 22, 20)
    displacement = np.zeros((*shape, 3), np.float32)
    displacement[..., 0] = 0.01 * (voxel_grid(shape)[..., 0] - 3) ** 2
    points = np.array([[11.5, 10, 9], [12.5, 11, 10]])
    targets = points + [[1, 0, 0]] * (0.01 * (points[:, :1] - 3) ** 2)
    view = LandmarkView(Field(displacement, np.eye(4)), points, targets, np.diag([2.0, 3, 4, 1]))
    assert _value("l2r_tre", view) == pytest.approx(0, abs=2e-5)
    assert _value("tre", view) == pytest.approx(2 * 0.0025, rel=0.01)


def test_tre_is_scaled_by_the_moving_spacing() -> None:
    points = np.array([[4.0, 5, 6], [3, 6, 7]])
    affine = make_affine((1, 2, 3.5), (20, 30, 40), (-1, 1, 1))
    view = LandmarkView(shift_field((0, 0, 0)), points, points + [1, 2, -1], affine)
    assert _value("l2r_tre", view) == pytest.approx(np.hypot(np.hypot(1, 4), 3.5))


def _folded() -> FieldView:
    """u = -2 (x - 5) from x = 5 on: J is 1 for x < 5, 0 at 5, -1 beyond; size 12, 8, 9."""
    x = voxel_grid((12, 8, 9))[..., 0]
    displacement = np.zeros((12, 8, 9, 3), np.float32)
    displacement[..., 0] = np.where(x < 5, 0, -2 * (x - 5))
    return FieldView(Field(displacement, np.eye(4)))


def test_sdlogj_leaves_out_a_rim_of_two() -> None:
    jacobians = np.array([1] * 3 + [0] + [-1] * 4)
    exact = np.log(jacobians + 3).std()
    assert _value("l2r_sdlogj", KitField(_folded())) == pytest.approx(exact, rel=1e-6)


def test_sdlogj_inside_a_mask() -> None:
    mask = box((12, 8, 9), (0, 0, 0), (5, 8, 9))
    assert _value("l2r_sdlogj", KitField(_folded(), mask)) == pytest.approx(0, abs=1e-7)
    mask = box((12, 8, 9), (4, 0, 0), (2, 8, 9))
    exact = np.log([4, 3]).std()
    assert _value("l2r_sdlogj", KitField(_folded(), mask)) == pytest.approx(exact, rel=1e-6)


def test_sdlogj_is_clipped_below_minus_three() -> None:
    """J = -4 left of the middle, 1 right of it: log(1e-9) and log(4); between, (-4 + 1) / 2."""
    x = voxel_grid((13, 6, 6))[..., 0]
    displacement = np.zeros((13, 6, 6, 3), np.float32)
    displacement[..., 0] = np.where(x < 6, -5 * (x - 6), 0)
    jacobians = [-4] * 4 + [-1.5] + [1] * 4
    exact = np.log(np.clip(np.array(jacobians) + 3, 1e-9, 1e9)).std()
    view = KitField(FieldView(Field(displacement, np.eye(4))))
    assert _value("l2r_sdlogj", view) == pytest.approx(exact, rel=1e-5)


# -- the result file --------------------------------------------------------------------------


def _rows(dice: list[float], hd95: float = 2.0) -> list[Row]:
    return [
        *(Row("a", "l2r_dice", str(n), value, "") for n, value in enumerate(dice)),
        Row("a", "l2r_hd95", "1", hd95, "voxel"),
        Row("a", "l2r_sdlogj", "", 0.5, ""),
        Row("a", "l2r_sdlogj", "mask", 0.25, ""),
        Row("a", "l2r_tre", "", 3.0, "mm"),
        Row("a", "dice", "1", 80.0, "%"),
    ]


def test_a_case_of_the_result_file() -> None:
    found = case_result(_rows([0.5, 0.7]), [2.0, 4.0], masked=False)
    assert found == {
        "LogJacDetStd": {"mean": 0.5, "detailed": 0.5},
        "DSC": {"mean": pytest.approx(0.6), "detailed": [0.5, 0.7]},
        "HD95": {"mean": 2.0, "detailed": [2.0]},
        "TRE": {"mean": 3.0, "detailed": [2.0, 4.0]},
    }
    assert case_result(_rows([0.5]), None, masked=True)["LogJacDetStd"]["mean"] == 0.25


@pytest.mark.parametrize(
    ("status", "mean"),
    [
        ("empty: no voxel in the moving mask", 0.5),
        ("empty: no voxel in the fixed and the moving mask", 0.5),
        ("empty: no voxel in the warped mask", None),
        ("failed: a reason", None),
    ],
)
def test_an_absent_label_is_left_out_and_a_lost_one_is_not(status: str, mean: object) -> None:
    rows = [*_rows([0.5]), missing("a", "l2r_dice", "9", "", status)]
    assert case_result(rows, None, masked=False)["DSC"] == {"mean": mean, "detailed": [0.5, None]}


@pytest.mark.parametrize(
    ("name", "quantile"), [("DSC", 0.32), ("HD95", 0.32), ("TRE", 0.6), ("LogJacDetStd", 0.6)]
)
def test_aggregates_are_over_cases(name: str, quantile: float) -> None:
    """The kit's "30" is the 30 % quantile of Dice and HD95, and the 70 % quantile of the others."""
    means = {"a": 0.2, "b": 0.4, "c": 0.9}
    content = official("T", {k: {name: {"mean": v, "detailed": [v]}} for k, v in means.items()})
    assert content["name"] == "T"
    assert set(content) == {"name", "aggregates", "cases", "eval_version"}
    values = list(means.values())
    assert content["aggregates"][name] == {
        "mean": pytest.approx(0.5),
        "std": pytest.approx(np.std(values)),
        "30": pytest.approx(quantile),
    }


def test_a_case_without_a_value_leaves_no_aggregate() -> None:
    content = official("T", {"a": {"DSC": {"mean": 0.5, "detailed": [0.5]}}, "b": {}})
    assert content["aggregates"]["DSC"] == {"mean": None, "std": None, "30": None}


def test_keys_are_the_numbers() -> None:
    assert case_key("L_0001_0000", "L_0001_0001") == "0001_0000<--0001_0001"
    assert case_key("one", "two") == "one<--two"


def test_the_command_writes_the_result_file(shell: Shell) -> None:
    """The true field on one case, none on the other: labels, landmarks and field are known."""
    file = toy_dataset(shell.root / "data", numbers=(1, 2), affine=np.diag([1.0, 2, 3.5, 1]))
    for n, shift in ((1, (1, 2, -1)), (2, (0, 0, 0))):
        name = shell.root / "pred" / f"disp_000{n}_000{n}.nii.gz"
        write_field(name, shift_field(shift))
    out = shell.root / "out" / "m.csv"
    words = ["evaluate", "--dataset", file, "--predictions", shell.root / "pred", "--output", out]
    code, _, err = shell(*words, "--l2r-json", shell.root / "out" / "m.json")
    assert (code, err) == (0, [])
    content = json.loads((shell.root / "out" / "m.json").read_text())
    cases = content["cases"]
    assert list(cases) == ["0001_0000<--0001_0001", "0002_0000<--0002_0001"]
    first, second = cases.values()
    assert first["DSC"] == {"mean": 1.0, "detailed": [1.0]}
    assert second["DSC"]["mean"] == pytest.approx(16 / 60)
    assert first["TRE"]["detailed"] == pytest.approx([0, 0], abs=1e-5)
    gap = np.hypot(np.hypot(1, 4), 3.5)
    assert second["TRE"]["detailed"] == pytest.approx([gap, gap], rel=1e-5)
    assert first["LogJacDetStd"]["mean"] == pytest.approx(0, abs=1e-6)
    assert content["aggregates"]["DSC"]["mean"] == pytest.approx((1 + 16 / 60) / 2)
    rows = {line.split(",")[1] for line in out.read_text().splitlines()[1:]}
    assert rows >= KIT | {"dice", "hd95", "tre", "folds"}


def test_a_mask_gives_a_row_of_its_own(shell: Shell) -> None:
    file = toy_dataset(shell.root / "data")
    content = json.loads(file.read_text())
    mask = box(SHAPE, (2, 2, 2), (4, 5, 6))
    write_volume(file.parent / "masksTr" / "m.nii.gz", Volume(mask, np.eye(4)))
    content["training"][0]["mask"] = "./masksTr/m.nii.gz"
    file.write_text(json.dumps(content))
    write_field(shell.root / "pred" / "disp_0001_0001.nii.gz", shift_field((0, 0, 0)))
    out = shell.root / "out" / "m.csv"
    words = ["evaluate", "--dataset", file, "--predictions", shell.root / "pred", "--output", out]
    assert shell(*words)[0] == 0
    rows = [line for line in out.read_text().splitlines() if ",l2r_sdlogj," in line]
    assert [row.split(",")[2] for row in rows] == ["", "mask"]


def test_a_label_that_warping_lost_is_dice_0_and_no_distance(shell: Shell) -> None:
    file = toy_dataset(shell.root / "data")
    write_field(shell.root / "pred" / "disp_0001_0001.nii.gz", shift_field((100, 0, 0)))
    out = shell.root / "out" / "m.csv"
    words = ["evaluate", "--dataset", file, "--predictions", shell.root / "pred", "--output", out]
    code, _, _ = shell(*words, "--l2r-json", shell.root / "out" / "m.json")
    assert code == 0
    rows = {tuple(r.split(",")[1:3]): r.split(",") for r in out.read_text().splitlines()}
    assert float(rows["l2r_dice", "organ"][3]) == 0
    assert rows["l2r_hd95", "organ"][3:] == ["nan", "voxel", "empty: no voxel in the warped mask"]
    case = json.loads((shell.root / "out" / "m.json").read_text())["cases"]
    assert case["0001_0000<--0001_0001"]["HD95"] == {"mean": None, "detailed": [None]}


def test_labels_without_a_name_are_remarked(shell: Shell) -> None:
    file = toy_dataset(shell.root / "data")
    path = file.parent / "labelsTr" / "Toy_0001_0000.nii.gz"
    data = read_volume(path, labels=True).data.copy()
    data[0, 0, 0], data[0, 0, 1] = 7, -2
    write_volume(path, Volume(data, np.eye(4)))
    write_field(shell.root / "pred" / "disp_0001_0001.nii.gz", shift_field((0, 0, 0)))
    write_field(shell.root / "pred" / "disp_0009_0009.nii.gz", shift_field((0, 0, 0)))
    out = shell.root / "out" / "m.csv"
    words = ["evaluate", "--dataset", file, "--predictions", shell.root / "pred", "--output", out]
    code, text, err = shell(*words)
    assert (code, err) == (0, [])
    assert (
        "Toy_0001_0000_Toy_0001_0001: labels without a name in the JSON are not measured: -2, 7"
        in text
    )
    assert "disp_0009_0009.nii.gz belongs to no validation pair" in text


def test_an_empty_moving_label_has_no_dice(tmp_path: Path, shell: Shell) -> None:
    file = toy_dataset(shell.root / "data")
    path = file.parent / "labelsTr" / "Toy_0001_0001.nii.gz"
    write_volume(path, Volume(np.zeros(SHAPE, np.uint8), np.eye(4)))
    write_field(shell.root / "pred" / "disp_0001_0001.nii.gz", shift_field((0, 0, 0)))
    out = shell.root / "out" / "m.csv"
    words = ["evaluate", "--dataset", file, "--predictions", shell.root / "pred", "--output", out]
    assert shell(*words)[0] == 0
    rows = [r for r in out.read_text().splitlines() if ",l2r_dice," in r]
    assert rows == [
        "Toy_0001_0000_Toy_0001_0001,l2r_dice,organ,nan,,empty: no voxel in the moving mask",
    ]
