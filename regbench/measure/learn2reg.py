"""Learn2Reg's evaluation kit: the inputs of metrics with its definitions, and its result file.

Source: evaluation of the challenge, https://github.com/MDL-UzL/L2R (folder evaluation), version 2.0
of its result files. The kit works in voxel indices. It differs from this project's definitions in
sampling, in units and in the treatment of empty masks.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.records import Row
from regbench.data.field_names import numbers
from regbench.measure.inputs import FieldView, LandmarkView, MaskPair
from regbench.spatial.field import Field
from regbench.spatial.resample import sample_moved
from regbench.spatial.splines import sample_vectors_cubic
from regbench.spatial.volume import spacing_of

#: Rim of voxels that the kit leaves out of the Jacobian.
RIM = 2


@dataclass(frozen=True)
class KitMasks:
    """One label as the kit sees it.

    Attributes:
        fixed, moving, warped: bool (X, Y, Z). The kit gives no value where fixed or moving is
            empty; a label that is lost in warping has Dice 0.
    """

    fixed: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    warped: NDArray[np.bool_]

    @cached_property
    def pair(self) -> MaskPair:
        """Fixed and warped mask on a grid of 1 mm: the kit's distances are in voxels."""
        return MaskPair(self.fixed, self.warped, np.ones(3))


@dataclass(frozen=True)
class KitField:
    """The field with its Jacobian, and the voxels that count.

    Attributes:
        view: the field.
        mask: bool (X, Y, Z) of the fixed image, or None for all voxels.
    """

    view: FieldView
    mask: NDArray[np.bool_] | None = None

    @property
    def interior_jacobian(self) -> NDArray[np.float32]:
        """(n,) Jacobian determinants inside the rim and the mask."""
        inner = (slice(RIM, -RIM),) * 3
        values = self.view.jacobian[inner]
        return values.ravel() if self.mask is None else values[self.mask[inner]]


def warp_labels_as_kit(labels: NDArray, field: Field) -> NDArray:
    """A moving label map (X, Y, Z), warped as in the kit.

    Nearest neighbour, but 0 as soon as a position lies outside the centres of the outermost voxels;
    `regbench.spatial.warp.warp_labels` takes half a voxel more on every side.
    """
    # In float64, as in the kit: the last digit may decide which neighbour is nearest.
    return sample_moved(labels, field.displacement, rim=0, number=np.float64)


def kit_distances(landmarks: LandmarkView) -> NDArray[np.float64]:
    """(n,) mm between where the field sends the fixed landmarks and the moving ones.

    The field is sampled with cubic splines; differences in voxels are scaled by the moving image's
    spacing along each array axis, without its directions.
    """
    moved = sample_vectors_cubic(landmarks.field.displacement, landmarks.fixed)
    reached = landmarks.fixed + moved
    spacing = spacing_of(landmarks.moving_affine)
    return np.linalg.norm((reached - landmarks.moving) * spacing, axis=1)


#: Ids of the kit's metrics, and their names in its result files.
KIT_NAMES = {
    "l2r_sdlogj": "LogJacDetStd",
    "l2r_dice": "DSC",
    "l2r_hd95": "HD95",
    "l2r_tre": "TRE",
}
VERSION = "2.0"
#: Quantile of the cases that the kit reports under "30": where less is better in its own list (HD95
#: is not on it), the value that the worst 30 % exceed.
QUANTILES = {"TRE": 0.7, "LogJacDetStd": 0.7, "DSC": 0.3, "HD95": 0.3}


def case_key(fixed: str, moving: str) -> str:
    """`0001_0000<--0001_0001` by the numbers of the two stems; stems without numbers are whole."""
    ends = ["_".join(numbers(stem) or (stem,)) for stem in (fixed, moving)]
    return "<--".join(ends)


def case_result(
    rows: Iterable[Row], distances: Sequence[float] | None, *, masked: bool
) -> dict[str, dict[str, Any]]:
    """One case: the kit's name of each metric to its mean and its single values.

    A label that is empty in the fixed or moving image has no value and is left out of the case's
    mean, as in the kit. A metric that failed, or lost a label in warping, has no mean: the kit
    writes infinity, which JSON cannot hold. Skipped metrics are left out.

    Args:
        rows: of the case.
        distances: of its landmarks, mm, if there are any.
        masked: take the spread of log J inside the mask, if the case has one.
    """
    known = [row for row in rows if not row.status.startswith("skipped")]
    result: dict[str, dict[str, Any]] = {}
    for metric, name in KIT_NAMES.items():
        of_metric = [row for row in known if row.metric == metric]
        if metric == "l2r_sdlogj":
            inside = [row for row in of_metric if row.label == "mask"] if masked else []
            of_metric = inside or [row for row in of_metric if not row.label]
        if not of_metric:
            continue
        detailed: Any = [row.value if math.isfinite(row.value) else None for row in of_metric]
        if metric == "l2r_sdlogj":
            detailed = detailed[0]
        elif metric == "l2r_tre":
            detailed = None if distances is None else list(map(float, distances))
        result[name] = {"mean": _mean(of_metric), "detailed": detailed}
    return result


def official(name: str, cases: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The content of a result file.

    Mean, standard deviation (ddof 0) and quantile (`QUANTILES`) are over the cases' means. A metric
    that a case lacks has no aggregate: its mean would be over fewer cases than other means.

    Args:
        name: of the task.
        cases: key of each case to its `case_result`.
    """
    metrics = [m for m in KIT_NAMES.values() if any(m in result for result in cases.values())]
    aggregates = {}
    for metric in metrics:
        known = [result.get(metric, {}).get("mean") for result in cases.values()]
        means = [float(mean) for mean in known if mean is not None]
        whole = len(means) == len(known)
        aggregates[metric] = {
            "mean": float(np.mean(means)) if whole else None,
            "std": float(np.std(means)) if whole else None,
            "30": float(np.quantile(means, QUANTILES[metric])) if whole else None,
        }
    return {
        "name": name,
        "aggregates": aggregates,
        "cases": {key: dict(result) for key, result in cases.items()},
        "eval_version": VERSION,
    }


def _mean(rows: list[Row]) -> float | None:
    # Labels that are empty in an image are left out. A label that warping lost counts as a failure.
    counted = [row for row in rows if not row.status.startswith("empty") or "warped" in row.status]
    if not counted or any(row.status != "ok" for row in counted):
        return None
    return float(np.mean([row.value for row in counted]))
