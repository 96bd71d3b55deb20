"""All metrics of one registered case."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.records import Row, missing
from regbench.data.landmarks import landmarks_of_pair
from regbench.data.layout import Case, Entry
from regbench.measure.inputs import (
    FieldView,
    ImageView,
    LandmarkView,
    MaskPair,
    NotMeasured,
    TruthView,
)
from regbench.measure.learn2reg import KitField, KitMasks, warp_labels_as_kit
from regbench.plugins.kinds import MetricPlugin
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import check_geometry, check_shape, read_affine, read_volume
from regbench.spatial.volume import Volume, spacing_of
from regbench.spatial.warp import warp_labels

Groups = Mapping[str, tuple[int, ...]]
#: What a `CaseFiles` holds that does not depend on the field.
_OF_CASE = (
    *("spacing", "labels", "label_values", "fixed_masks", "moving_masks"),
    *("mask", "images", "true_field"),
)


@dataclass(frozen=True)
class CaseFiles:
    """A case with its field and its other files, each read once, on first use.

    `prepared`: the data set was checked and brought onto one grid by its preparation. Moving
    landmarks may then lie outside the grid; otherwise that is an error.
    """

    case: Case
    field: Field
    groups: Groups
    interpolation: str
    prepared: bool = True

    def with_field(self, field: Field) -> "CaseFiles":
        """The case with another field of the same shape; what was read of it is not read again."""
        other = replace(self, field=field)
        other.__dict__.update({k: v for k, v in vars(self).items() if k in _OF_CASE})
        if (known := vars(self).get("landmarks")) is not None:
            other.__dict__["landmarks"] = replace(known, field=field)
        return other

    @cached_property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) mm of the fixed image: a field or label file may have no geometry."""
        return spacing_of(read_affine(self.case.fixed.image))

    @cached_property
    def labels(self) -> tuple[Volume, Volume] | None:
        """Fixed and moving label map, or None if there are none."""
        fixed, moving = self.case.fixed.labels, self.case.moving.labels
        if fixed is None or moving is None:
            return None
        for side in (self.case.fixed, self.case.moving):
            self._check_header(side, "labels")
        return read_volume(fixed, labels=True), read_volume(moving, labels=True)

    def _check_header(self, side: Entry, kind: str) -> None:
        """The header is enough: a file that does not fit is not unpacked."""
        path = side.by_kind[kind]
        verb = "do" if kind == "labels" else "does"
        check_shape(path, self.field.shape, f"the {kind} {verb} not fit the field")
        if not (self.prepared or self.case.trusted):
            check_geometry(path, side.image, kind)

    @cached_property
    def label_values(self) -> set[int]:
        """The values of both label maps."""
        return {int(v) for volume in self.labels or () for v in np.unique(volume.data)}

    @cached_property
    def fixed_masks(self) -> dict[str, NDArray[np.bool_]]:
        """The mask of each label group in the fixed image: the union of its labels."""
        return {} if self.labels is None else self._masks(self.labels[0].data)

    @cached_property
    def moving_masks(self) -> dict[str, NDArray[np.bool_]]:
        """The same in the moving image."""
        return {} if self.labels is None else self._masks(self.labels[1].data)

    def _masks(self, labels: NDArray) -> dict[str, NDArray[np.bool_]]:
        labels = np.ascontiguousarray(labels)
        return {
            name: np.logical_or.reduce([labels == value for value in values])
            for name, values in self.groups.items()
        }

    @cached_property
    def masks(self) -> dict[str, MaskPair]:
        """A pair of masks for each label group: the union of its labels."""
        if self.labels is None:
            return {}
        warped = self._masks(warp_labels(self.labels[1], self.field, self.interpolation).data)
        return {
            name: MaskPair(fixed, warped[name], self.spacing)
            for name, fixed in self.fixed_masks.items()
        }

    @cached_property
    def kit_masks(self) -> dict[str, KitMasks]:
        """The same groups as Learn2Reg's evaluation kit sees them."""
        if self.labels is None:
            return {}
        warped = self._masks(warp_labels_as_kit(self.labels[1].data, self.field))
        return {
            name: KitMasks(fixed, self.moving_masks[name], warped[name])
            for name, fixed in self.fixed_masks.items()
        }

    @cached_property
    def mask(self) -> NDArray[np.bool_] | None:
        """The fixed image's region of interest, or None if there is none."""
        path = self.case.fixed.mask
        if path is None:
            return None
        self._check_header(self.case.fixed, "mask")
        return np.asarray(read_volume(path, labels=True).data != 0)

    @cached_property
    def field_view(self) -> FieldView:
        """The field with its Jacobian, computed once for all metrics."""
        return FieldView(self.field)

    @cached_property
    def images(self) -> tuple[Volume, Volume]:
        """Fixed and moving image."""
        return read_volume(self.case.fixed.image), read_volume(self.case.moving.image)

    @cached_property
    def landmarks(self) -> LandmarkView | None:
        """Landmarks of both images, or None if there are none."""
        fixed, moving = landmarks_of_pair(self.case, prepared=self.prepared)
        if fixed is None or moving is None:
            return None
        return LandmarkView(self.field, fixed, moving, read_affine(self.case.moving.image))

    @cached_property
    def true_field(self) -> Field | None:
        """The true field, or None if it is not known."""
        if self.case.true_field is None:
            return None
        return read_field(self.case.true_field, self.field.shape)

    @cached_property
    def truths(self) -> dict[str, TruthView]:
        """The field beside the true one inside each label group, and (`""`) inside their union.

        The union is the whole grid where there are no labels; empty without a true field.
        """
        if self.true_field is None:
            return {}
        # The truth counts in the region of interest: it has no one value on a sliding surface.
        region = np.ones(self.field.shape, bool) if self.mask is None else self.mask
        inside = dict(self.fixed_masks)
        inside[""] = np.logical_or.reduce(list(inside.values())) if inside else region
        return {
            name: TruthView(self.field, self.true_field, mask & region, self.spacing)
            for name, mask in inside.items()
        }


def measure(
    files: CaseFiles, metric: MetricPlugin, function: Callable[[Any], float]
) -> Iterator[Row]:
    """The rows of one metric on one case: one for each label, or one for the whole field."""
    for label, given, why in _inputs(files, metric.needs):
        value = math.nan
        if not why:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                try:
                    value = float(function(given))
                except NotMeasured as reason:
                    why = f"skipped: {reason}"
        if math.isfinite(value):
            yield Row(files.case.id, metric.id, label, value, metric.unit)
        else:
            lost = _empty(warped=given.warped) if isinstance(given, KitMasks) else ""
            why = why or lost or "failed: the metric is not finite"
            yield missing(files.case.id, metric.id, label, metric.unit, why)


def failed_rows(case: str, metric: MetricPlugin, groups: Groups, why: str) -> list[Row]:
    """The rows of a metric that failed: one for each row that it would have given."""
    labels = list(groups) if metric.labelled and groups else [""]
    return [missing(case, metric.id, label, metric.unit, why) for label in labels]


def _inputs(files: CaseFiles, needs: str) -> Iterator[tuple[str, Any, str]]:
    """Label, the metric's input, and the reason why it is not measured (empty: it is measured)."""
    if needs == "field":
        yield "", files.field_view, ""
    elif needs == "images":
        yield "", ImageView(files.field, *files.images), ""
    elif needs == "landmarks":
        yield "", files.landmarks, "" if files.landmarks else "skipped: no landmarks"
    elif needs == "learn2reg_field":
        yield "", KitField(files.field_view), ""
        if files.mask is not None:
            yield "mask", KitField(files.field_view, files.mask), _empty(fixed=files.mask)
    elif needs == "learn2reg_labels":
        if not files.kit_masks:
            yield "", None, "skipped: no labels"
        for name, kit in files.kit_masks.items():
            yield name, kit, _empty(fixed=kit.fixed, moving=kit.moving)
    elif needs == "labels":
        if not files.masks:
            yield "", None, "skipped: no labels"
        for name, masks in files.masks.items():
            yield name, masks, _empty(fixed=masks.fixed, warped=masks.warped)
    else:
        if files.true_field is None:
            yield "", None, "skipped: the true field is not known"
            return
        for name, truth in files.truths.items():
            yield name, truth, _empty(fixed=truth.mask)


def _empty(**masks: NDArray[np.bool_]) -> str:
    names = [name for name, mask in masks.items() if not mask.any()]
    return f"empty: no voxel in the {' and the '.join(names)} mask" if names else ""
