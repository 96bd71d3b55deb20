"""Measures of one case whose images differ, and at the edge of rounding."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import REPOSITORY, SHAPE, box, random_image, shift_field, write_dataset, write_side

from regbench.data.layout import Case, read_layout
from regbench.measure.case import CaseFiles, measure
from regbench.measure.learn2reg import warp_labels_as_kit
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field, write_field

METRICS = discover(REPOSITORY).metrics
FIXED_SPACING, MOVING_SPACING = (1.0, 2.0, 3.5), (3.0, 0.5, 2.0)
TRUTH = (1.0, 2.0, -1.0)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A box and two landmarks that move by TRUTH, between images of different voxel sizes."""
    entries = []
    for k, spacing in enumerate((FIXED_SPACING, MOVING_SPACING)):
        affine = np.diag([*spacing, 1.0])
        start = np.array([3, 4, 6]) + k * np.array(TRUTH, int)
        labels = box(SHAPE, start, (3, 4, 5)).astype(np.uint8)
        points = np.array([[4.0, 5, 7], [3, 6, 8]]) + k * np.array(TRUTH)
        image = random_image(k, affine=affine)
        entries.append(write_side(tmp_path, f"Toy_0001_000{k}", image, labels, points))
    layout = read_layout(write_dataset(tmp_path, entries, [("Toy_0001_0000", "Toy_0001_0001")]))
    truth = tmp_path / "truth.nii.gz"
    write_field(truth, shift_field(TRUTH))
    return replace(layout.cases["validation"][0], true_field=truth)


def measured(case: Case, field: Field, *metrics: str) -> dict[tuple[str, str], float]:
    files = CaseFiles(case, field, {"organ": (1,)}, "nearest")
    rows = [r for m in metrics for r in measure(files, METRICS[m], load_metric(METRICS[m]))]
    return {(row.metric, row.label): row.value for row in rows}


def test_landmarks_are_measured_in_the_millimetres_of_the_moving_image(case: Case) -> None:
    found = measured(case, shift_field((0, 0, 0)), "tre", "l2r_tre")
    expected = math.hypot(1 * 3.0, 2 * 0.5, 1 * 2.0)
    assert found["tre", ""] == pytest.approx(expected, rel=1e-6)
    assert found["l2r_tre", ""] == pytest.approx(expected, rel=1e-6)


def test_errors_and_surfaces_are_measured_in_the_millimetres_of_the_fixed_image(
    case: Case,
) -> None:
    found = measured(case, shift_field((0, 0, 0)), "epe_mm")
    assert found["epe_mm", "organ"] == pytest.approx(math.hypot(1, 2 * 2.0, 3.5), rel=1e-6)
    # The warped box lies one voxel further along the last axis: so does more than a twentieth of
    # its surface, and no part lies farther.
    beside = shift_field((1, 2, 0))
    assert measured(case, beside, "hd95")["hd95", "organ"] == pytest.approx(3.5)


def test_the_error_of_a_label_is_that_inside_it(case: Case) -> None:
    displacement = np.broadcast_to(np.float32(TRUTH), (*SHAPE, 3)).copy()
    labels = box(SHAPE, (3, 4, 6), (3, 4, 5))
    displacement[~labels] += 7
    found = measured(case, Field(displacement, np.eye(4)), "epe", "epe_mm")
    assert set(found) == {(m, label) for m in ("epe", "epe_mm") for label in ("", "organ")}
    assert all(value == pytest.approx(0, abs=1e-5) for value in found.values())
    # Without labels every voxel counts.
    bare = replace(case, fixed=replace(case.fixed, labels=None))
    share = 1 - labels.mean()
    found = measured(bare, Field(displacement, np.eye(4)), "epe")
    assert found == {("epe", ""): pytest.approx(7 * math.sqrt(3) * share, rel=1e-5)}


def test_labels_are_warped_as_the_task_asks(case: Case) -> None:
    """Rounded, the field is the truth; linearly, a corner voxel is more background than organ."""
    field = shift_field(np.add(TRUTH, (0.4, 0.4, -0.4)))
    for interpolation, perfect in (("nearest", True), ("linear", False)):
        files = CaseFiles(case, field, {"organ": (1,)}, interpolation)
        (row,) = measure(files, METRICS["dice"], load_metric(METRICS["dice"]))
        assert (row.value == 100) == perfect and row.value > 50


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_value_that_is_not_finite_is_a_failure(case: Case, value: float) -> None:
    files = CaseFiles(case, shift_field(TRUTH), {"organ": (1,)}, "nearest")
    (row,) = measure(files, METRICS["dice"], lambda _: value)
    assert math.isnan(row.value) and row.status == "failed: the metric is not finite"


def test_the_kit_s_positions_are_rounded_in_double_precision() -> None:
    """8 + 0.49999997 is below 8.5, and 8.5 itself in single precision."""
    labels = np.zeros(SHAPE, np.int32)
    labels[..., 9] = 1
    field = shift_field((0, 0, 0))
    field.displacement[..., 8, 2] = np.nextafter(np.float32(0.5), np.float32(0))
    assert not warp_labels_as_kit(labels, field)[..., 8].any()
    field.displacement[..., 8, 2] = 0.5 + 1e-6
    assert warp_labels_as_kit(labels, field)[..., 8].all()
