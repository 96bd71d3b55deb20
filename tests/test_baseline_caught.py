"""The committed tolerances catch what must not slip through: a metric, a sign, a spacing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import REPOSITORY, make_affine, shift_field, toy_dataset

from regbench.baseline.compare import compare, from_table, read_tolerances
from regbench.data.layout import read_layout, true_field_path
from regbench.measure.case import CaseFiles, measure
from regbench.plugins.kinds import read_metric
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field, write_field

TOLERANCES = read_tolerances(REPOSITORY / "baselines" / "smoke" / "tolerances.yaml")
METRICS = sorted((REPOSITORY / "metrics").glob("[!_]*.py"))
TRUTH = (1.0, 2.0, -1.0)
SPACING = (1.5, 2.0, 3.0)


def not_quite() -> Field:
    """A field that is near the truth, with a Jacobian of its own."""
    field = shift_field((1.0, 1.0, -1.0))
    field.displacement[..., 0] += np.linspace(0, 1.5, field.shape[0])[:, None, None] ** 2 / 4
    return field


def measured(
    root: Path,
    field: Field,
    *,
    spacing: tuple[float, float, float] = SPACING,
    files: list[Path] = METRICS,
) -> pd.DataFrame:
    """Every metric of one pair whose true field is a known shift, as golden values."""
    file = toy_dataset(root, affine=make_affine(spacing))
    case = read_layout(file).cases["validation"][0]
    write_field(true_field_path(root, case.fixed.stem, case.moving.stem), shift_field(TRUTH))
    layout = read_layout(file)
    case_files = CaseFiles(layout.cases["validation"][0], field, layout.groups(), "nearest")
    rows = [
        {"task": "t", "run": "shift", "method": "shift", "seed": 0, **vars(row)}
        for metric in map(read_metric, files)
        if metric.id in TOLERANCES.metrics
        for row in measure(case_files, metric, load_metric(metric))
    ]
    return from_table(pd.DataFrame(rows))


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return measured(tmp_path_factory.mktemp("golden"), not_quite())


def moved(changes: pd.DataFrame) -> set[str]:
    assert set(changes["kind"]) <= {"moved"}
    return set(changes["metric"])


def test_the_same_again_is_no_change(golden: pd.DataFrame, tmp_path: Path) -> None:
    # No voxel of the small boxes is deep enough for a mean.
    told = golden[golden["metric"] != "epe_interior"]
    assert set(told["status"]) == {"ok"}
    shallow = golden[golden["metric"] == "epe_interior"]
    assert set(shallow["status"]) <= {"ok", "skipped: no voxel is deeper than 12 mm in the label"}
    assert set(golden["metric"]) == set(TOLERANCES.metrics)
    assert compare(golden, measured(tmp_path, not_quite()), TOLERANCES).empty


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("dice", "200.0 *", "199.0 *"),
        ("dice", "masks.fixed & masks.warped", "masks.fixed | masks.warped"),
        ("folds_percent", "100.0 *", "101.0 *"),
    ],
)
def test_a_broken_metric_is_caught(
    golden: pd.DataFrame, tmp_path: Path, name: str, old: str, new: str
) -> None:
    broken = tmp_path / "metrics" / f"{name}.py"
    broken.parent.mkdir()
    text = (REPOSITORY / "metrics" / f"{name}.py").read_text()
    assert text.count(old) == 1
    broken.write_text(text.replace(old, new))
    files = [broken if file.stem == name else file for file in METRICS]
    field = not_quite()
    if name == "folds_percent":
        # Of a field without folds every share is 0.
        field.displacement[3] += np.float32(4)
        golden = measured(tmp_path / "folded", field)
    assert moved(compare(golden, measured(tmp_path, field, files=files), TOLERANCES)) == {name}


FIELDS: dict[str, Callable[[Field], Field]] = {
    "sign": lambda field: replace(field, displacement=-field.displacement),
    "order": lambda field: replace(field, displacement=field.displacement[..., ::-1].copy()),
    "millimetres": lambda field: replace(
        field, displacement=field.displacement * np.float32(SPACING)
    ),
}


@pytest.mark.parametrize("damage", FIELDS)
def test_a_field_of_another_convention_is_caught(
    golden: pd.DataFrame, tmp_path: Path, damage: str
) -> None:
    found = moved(compare(golden, measured(tmp_path, FIELDS[damage](not_quite())), TOLERANCES))
    assert {"epe", "epe_mm", "tre", "dice", "asd"} <= found


def test_a_wrong_spacing_is_caught(golden: pd.DataFrame, tmp_path: Path) -> None:
    wrong = measured(tmp_path, not_quite(), spacing=(1.515, 2.02, 3.03))
    found = moved(compare(golden, wrong, TOLERANCES))
    # What is counted in voxels does not know of it; what is in mm does.
    assert {"epe_mm", "tre", "asd", "asd_voxel", "hd95"} <= found
    assert found.isdisjoint({"dice", "epe", "folds", "folds_percent", "std_jacobian"})
