"""Scoring a folder of displacement fields that another program has written."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import printable
from regbench.base.records import Row
from regbench.data.field_names import ENDINGS, field_files, field_stems, find_field
from regbench.data.layout import Case, Layout
from regbench.data.pair import check_links
from regbench.measure.case import CaseFiles, failed_rows, measure
from regbench.measure.learn2reg import case_key, case_result, kit_distances
from regbench.plugins.kinds import MetricPlugin
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field
from regbench.spatial.nifti import check_geometry, check_shape
from regbench.spatial.transforms.read import IN_VOXELS, grid_of, read_transforms


@dataclass(frozen=True)
class Folder:
    """A folder of predictions and how to read it.

    Attributes:
        path: the folder.
        layout: of the numbers in a field; see `read_transforms`.
        follow_links: of the data set's files. Links out of the predictions' folder are refused.
    """

    path: Path
    layout: str = "voxel"
    follow_links: bool = False


@dataclass
class CaseScore:
    """The result for one case: its rows, its part of the official file, and warnings."""

    rows: list[Row]
    official: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def find_fields(folder: Path, cases: Sequence[Case]) -> dict[str, Path | BadInput]:
    """Case id to the file of its field, or to the reason why there is none.

    Raises:
        BadInput: there is no field of any of the cases.
    """
    files: dict[str, Path | BadInput] = {}
    owners: dict[Path, list[str]] = {}
    pairs = [(case.fixed.stem, case.moving.stem) for case in cases]
    if not any(field_files(folder, *pair) for pair in pairs):
        raise BadInput(
            "holds no displacement field of the data set",
            file=folder,
            expected=f"{field_stems(*pairs[0])[0]}{ENDINGS[0]}, ...",
        )
    for case in cases:
        try:
            path = find_field(folder, case.fixed.stem, case.moving.stem)
        except BadInput as error:
            files[case.id] = error
            continue
        files[case.id] = path
        owners.setdefault(path, []).append(case.id)
    for path, ids in owners.items():
        if len(ids) > 1:
            shared = BadInput("is the field of two cases", file=path, found=" and ".join(ids))
            files.update((name, shared) for name in ids)
    return files


def unused_fields(folder: Path, files: dict[str, Path | BadInput]) -> list[str]:
    """Names of displacement fields in the folder that belong to no case."""
    used = {path for path in files.values() if isinstance(path, Path)}
    return sorted(
        printable(path.name)
        for path in folder.glob("disp_*")
        if path.name.endswith(ENDINGS) and path not in used
    )


def open_case(
    case: Case,
    layout: Layout,
    folder: Folder,
    file: Path | BadInput | None,
    known: CaseFiles | None = None,
) -> CaseFiles | str:
    """A case with its field, or the status of its rows where it cannot be read.

    `file` is the field or the reason why there is none; None is the identity. `known` is the same
    case with another field: its files are not read again.
    """

    def opened() -> CaseFiles:
        if isinstance(file, BadInput):
            raise file
        if case.problem is not None:
            raise BadInput(case.problem)
        if not folder.follow_links:
            check_links(case, layout)
        fixed = grid_of(case.fixed.image)
        if not (layout.prepared or case.trusted):
            check_geometry(case.fixed.image)
        if case.moving.image.is_file():
            check_shape(case.moving.image, fixed.shape, "fixed and moving image differ in shape")
        if file is None:
            field = Field.zero(fixed.shape, fixed.affine)
        else:
            moving = fixed if folder.layout in IN_VOXELS else grid_of(case.moving.image)
            field = read_transforms([str(file)], folder.layout, fixed, moving)
        if known is not None:
            return known.with_field(field)
        return CaseFiles(case, field, layout.groups(), "nearest", layout.prepared)

    return _attempt(opened)


def score_case(
    case: Case,
    layout: Layout,
    files: CaseFiles | str,
    metrics: Iterable[MetricPlugin],
    *,
    masked: bool = False,
) -> CaseScore:
    """All metrics of one case. Its rows report what is wrong with it; nothing is raised.

    Args:
        case: the pair.
        layout: the data set.
        files: from `open_case`.
        metrics: what to measure.
        masked: for the official file, see `case_result`.
    """
    groups = layout.groups()
    rows: list[Row] = []
    with warnings.catch_warnings():
        # An absurd field may overflow; its rows report the result.
        warnings.simplefilter("ignore", RuntimeWarning)
        for metric in metrics:
            new = files if isinstance(files, str) else _attempt(_measured, files, metric)
            rows += failed_rows(case.id, metric, groups, new) if isinstance(new, str) else new
        if isinstance(files, str):
            return CaseScore(rows, case_result(rows, None, masked=masked))
        distances = _attempt(_distances, files)
        known = None if isinstance(distances, str) else distances
        return CaseScore(
            rows, case_result(rows, known, masked=masked), _remarks(files, layout, case)
        )


def _attempt(work: Callable[..., Any], *given: Any) -> Any:
    """The result of the work, or the status of the rows that replace it."""
    try:
        return work(*given)
    except Exception as error:
        # A metric is a plugin: an error of its code fails its own rows.
        return f"failed: {' '.join(str(error).split()) or type(error).__name__}"


def _measured(files: CaseFiles, metric: MetricPlugin) -> list[Row]:
    return list(measure(files, metric, load_metric(metric)))


def _distances(files: CaseFiles) -> list[float] | None:
    return None if files.landmarks is None else kit_distances(files.landmarks).tolist()


def _remarks(files: CaseFiles, layout: Layout, case: Case) -> list[str]:
    """A warning about labels of the images that the JSON does not name; they are not measured."""
    values = _attempt(getattr, files, "label_values")
    if isinstance(values, str):
        return []
    unknown = sorted(values - {0} - set(layout.labels))
    if not unknown:
        return []
    listed = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
    return [f"{case.id}: labels without a name in the JSON are not measured: {listed}"]


def official_keys(cases: Sequence[Case]) -> list[str]:
    """The cases' names in the official file: numbers, or stems if numbers are not unique."""
    pairs = [(case.fixed.stem, case.moving.stem) for case in cases]
    keys = [case_key(*pair) for pair in pairs]
    return keys if len(set(keys)) == len(keys) else ["<--".join(pair) for pair in pairs]
