"""All metrics of one registered case."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.data.landmarks import read_landmarks
from regbench.data.layout import Case
from regbench.errors import BadInput
from regbench.fields import Field, read_field, warp_labels
from regbench.measure.rows import Row, missing
from regbench.measure.views import FieldView, LandmarkView, MaskPair, TruthView
from regbench.plugins import MetricPlugin
from regbench.volumes import Volume, read_volume
from regbench.volumes.nifti import read_affine
from regbench.volumes.volume import spacing_of

Groups = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class CaseFiles:
    """What is known about a case beside the field, read once, on first use."""

    case: Case
    field: Field
    groups: Groups
    interpolation: str

    @cached_property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) mm of the fixed image: a field or label file may carry no geometry of its own."""
        return spacing_of(read_affine(self.case.fixed.image))

    @cached_property
    def labels(self) -> tuple[Volume, Volume] | None:
        """Fixed and warped label map, or None where there are none."""
        if self.case.fixed.labels is None or self.case.moving.labels is None:
            return None
        fixed = read_volume(self.case.fixed.labels, labels=True)
        moving = read_volume(self.case.moving.labels, labels=True)
        for path, volume in ((self.case.fixed.labels, fixed), (self.case.moving.labels, moving)):
            if volume.shape != self.field.shape:
                raise BadInput(
                    "the labels do not fit the field",
                    file=path,
                    expected=self.field.shape,
                    found=volume.shape,
                )
        return fixed, warp_labels(moving, self.field, self.interpolation)

    @cached_property
    def masks(self) -> dict[str, MaskPair]:
        """A pair of masks for each label group; a group is united before it is measured."""
        if self.labels is None:
            return {}
        fixed, warped = self.labels
        return {
            name: MaskPair(np.isin(fixed.data, values), np.isin(warped.data, values), self.spacing)
            for name, values in self.groups.items()
        }

    @cached_property
    def field_view(self) -> FieldView:
        """The field with its Jacobian, computed once for all metrics."""
        return FieldView(self.field)

    @cached_property
    def landmarks(self) -> LandmarkView | None:
        """Landmarks of both images, or None where there are none."""
        fixed, moving = self.case.fixed.landmarks, self.case.moving.landmarks
        if fixed is None or moving is None:
            return None
        points, targets = read_landmarks(fixed), read_landmarks(moving)
        if len(points) != len(targets):
            raise BadInput(
                "fixed and moving landmarks differ in number",
                file=moving,
                expected=len(points),
                found=len(targets),
            )
        affine = read_affine(self.case.moving.image)
        return LandmarkView(self.field, points, targets, affine)

    @cached_property
    def true_field(self) -> Field | None:
        """The true field, or None where it is not known."""
        if self.case.true_field is None:
            return None
        return read_field(self.case.true_field, self.field.shape)

    def truth(self, mask: NDArray[np.bool_]) -> TruthView | None:
        """Field and true field inside a mask."""
        if self.true_field is None:
            return None
        return TruthView(self.field, self.true_field, mask, self.spacing)


def measure(
    files: CaseFiles, metric: MetricPlugin, function: Callable[[Any], float]
) -> Iterator[Row]:
    """The rows of one metric on one case: one a label, or one of the whole field."""
    for label, view, why in _views(files, metric.needs):
        if why:
            yield missing(files.case.id, metric.id, label, metric.unit, why)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            value = float(function(view))
        if math.isfinite(value):
            yield Row(files.case.id, metric.id, label, value, metric.unit)
        else:
            why = "failed: the metric is not finite"
            yield missing(files.case.id, metric.id, label, metric.unit, why)


def failed_rows(case: str, metric: MetricPlugin, groups: Groups, why: str) -> list[Row]:
    """The rows of a metric that gave no value: one for each that it would have given."""
    labels = list(groups) if metric.needs == "labels" and groups else [""]
    return [missing(case, metric.id, label, metric.unit, why) for label in labels]


def _views(files: CaseFiles, needs: str) -> Iterator[tuple[str, Any, str]]:
    """Label, what the metric is given, and why it is given nothing (empty: it is)."""
    if needs == "field":
        yield "", files.field_view, ""
    elif needs == "landmarks":
        known = files.landmarks
        yield "", known, "" if known is not None else "skipped: no landmarks"
    elif needs == "labels":
        if not files.masks:
            yield "", None, "skipped: no labels"
        for name, masks in files.masks.items():
            yield name, masks, _empty(fixed=masks.fixed, warped=masks.warped)
    else:
        if files.true_field is None:
            yield "", None, "skipped: the true field is not known"
            return
        inside = {name: masks.fixed for name, masks in files.masks.items()}
        whole = np.ones(files.field.shape, bool)
        inside[""] = np.logical_or.reduce(list(inside.values())) if inside else whole
        for name, mask in inside.items():
            yield name, files.truth(mask), _empty(fixed=mask)


def _empty(**masks: NDArray[np.bool_]) -> str:
    names = [name for name, mask in masks.items() if not mask.any()]
    return f"empty: no voxel in the {' and the '.join(names)} mask" if names else ""
