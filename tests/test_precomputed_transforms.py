"""Other tools' transforms as a method: patterns of files, layouts, reruns, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import shift_field
from test_precomputed import SHAPE, cases, project, register  # noqa: F401
from toy_project import ToyProject

from regbench.data.field_names import list_fields
from regbench.spatial.convert import RAS_LPS
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_affine
from regbench.spatial.transforms.itk import write_itk

SHIFT = (
    "#Insight Transform File V1.0\n#Transform 0\nTransform: TranslationTransform_double_3_3\n"
    "Parameters: {} {} {}\nFixedParameters:\n"
)
ELASTIX = (
    '(Transform "TranslationTransform")\n(TransformParameters {})\n'
    '(InitialTransformParameterFileName "{}")\n'
)


def settings(folder: Path, files: Any, layout: str = "auto") -> dict[str, Any]:
    return {"folder": str(folder), "files": files, "layout": layout}


def run(project: ToyProject, folder: Path, given: dict[str, Any]) -> Any:  # noqa: F811
    return register(project, folder, given.pop("folder"), settings=given)


def displacement(folder: Path, case: str) -> Any:
    return read_field(folder / case / "displacement.nii.gz").displacement


def millimetres(project: ToyProject, voxels: Any) -> Any:  # noqa: F811
    """A shift in voxels as ITK's."""
    return (read_affine(cases(project)[0].fixed.image)[:3, :3] @ voxels) * RAS_LPS


def test_lists_of_ants_with_an_inverse(project: ToyProject, tmp_path: Path) -> None:  # noqa: F811
    """A warp by (2, 0, 0), then the inverse of an affine by (0, 1, 0)."""
    for case in cases(project):
        stems = f"{case.fixed.stem}_{case.moving.stem}"
        affine = read_affine(case.moving.image)
        made = shift_field((2, 0, 0), SHAPE, affine=affine)
        write_itk(tmp_path / f"{stems}_1Warp.nii.gz", made, affine)
        text = SHIFT.format(*millimetres(project, (0, 1, 0)))
        (tmp_path / f"{stems}_0GenericAffine.txt").write_text(text)
    files = ["{fixed}_{moving}_1Warp.nii.gz", "[{fixed}_{moving}_0GenericAffine.txt, 1]"]
    given = settings(tmp_path, files)
    assert len(list_fields(given)) == 6
    statuses = run(project, tmp_path / "run", given)
    assert [(s.outcome, s.reason) for s in statuses] == [("ok", "")] * 3
    for status in statuses:
        found = displacement(tmp_path / "run", status.case)
        np.testing.assert_allclose(found[1:-3], np.broadcast_to((2, -1, 0), found[1:-3].shape))


def test_every_file_of_a_chain_counts(project: ToyProject, tmp_path: Path) -> None:  # noqa: F811
    """The file that a file of elastix starts from, replaced, makes its own case again."""
    for case in cases(project):
        folder = tmp_path / "fields" / case.fixed.stem
        folder.mkdir(parents=True)
        shift = " ".join(map(str, millimetres(project, (1, 0, 0))))
        (folder / "T.0.txt").write_text(ELASTIX.format(shift, "NoInitialTransform"))
        (folder / "T.1.txt").write_text(ELASTIX.format(shift, r"C:\elsewhere\T.0.txt"))
    given = settings(tmp_path / "fields", ["{fixed}/T.1.txt"])
    assert len(list_fields(given)) == 6
    first = run(project, tmp_path / "run", dict(given))
    assert {s.outcome for s in first} == {"ok"}
    case = cases(project)[1].id
    assert (displacement(tmp_path / "run", case) == [2, 0, 0]).all()
    shift = " ".join(map(str, millimetres(project, (0, 3, 0))))
    replaced = tmp_path / "fields" / cases(project)[1].fixed.stem / "T.0.txt"
    replaced.write_text(ELASTIX.format(shift, "NoInitialTransform"))
    second = run(project, tmp_path / "run", dict(given))
    changed = [a.field_sha256 != b.field_sha256 for a, b in zip(first, second, strict=True)]
    assert changed == [False, True, False]
    assert (displacement(tmp_path / "run", case) == [1, 3, 0]).all()


@pytest.mark.parametrize(
    ("files", "layout", "words"),
    [
        (["{fixed}_a.h5", "{moving}_b.mat"], "auto", "lacks files of a pair; expected {}_a.h5, "),
        (["../{fixed}.h5"], "auto", "leaves the folder"),
        (["/{fixed}.h5"], "auto", "leaves the folder"),
        ("{fixed}.h5", "auto", "is not a list"),
        (["known.txt"], "spm", "unknown layout"),
        (["known.txt"], "voxel", "not a readable NIfTI"),
    ],
)
def test_what_is_wrong_fails_each_case_with_the_reason(
    project: ToyProject,  # noqa: F811
    tmp_path: Path,
    files: Any,
    layout: str,
    words: str,
) -> None:
    (tmp_path / "known.txt").write_text(SHIFT.format(0, 0, 0))
    statuses = run(project, tmp_path / "run", settings(tmp_path, files, layout))
    assert {s.outcome for s in statuses} == {"failed"}
    assert words.format(cases(project)[0].fixed.stem) in statuses[0].reason
