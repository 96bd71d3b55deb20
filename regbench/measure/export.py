"""A run's displacement fields as a Learn2Reg submission: one zip of `disp_<fixed>_<moving>`."""

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import writing
from regbench.base.paths import CASES, layout_file, read_own, run_folder
from regbench.base.records import FIELD_NAME
from regbench.data.field_names import field_stems, pair_id
from regbench.data.layout import Case, Layout, read_layout
from regbench.measure.retention import registered_field
from regbench.plan.config import Config, RunConfig
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_affine
from regbench.spatial.transforms.itk import write_itk

#: The earliest time that zip can store. A fixed time gives equal bytes for equal fields.
_TIME = (1980, 1, 1, 0, 0, 0)
NAMES = ("kit", "long")
FORMATS = ("learn2reg", "itk")


@dataclass(frozen=True)
class Export:
    """An archive's fields and moving images by their name in it, and why other cases have none."""

    fields: dict[str, Path]
    moving: dict[str, Path]
    missing: dict[str, str]


def plan_export(config: Config, run: RunConfig, seed: int, names: str = "kit") -> Export:
    """The fields of a finished run.

    Args:
        config, run, seed: which run; paths are relative to the project root.
        names: `kit`, the names that the challenge's evaluation looks for; or `long`, with the whole
            stems of both images.

    Raises:
        BadInput: the run is not finished, a finished field is missing or was replaced, a pair was
            resampled (its field does not fit the listed images), or two cases have one name.
    """
    folder = run_folder(config.name, run.task.id, run.id, seed)
    if not (folder / CASES).is_file():
        raise BadInput("the run is not finished", file=folder, expected=CASES)
    layout = read_layout(layout_file(config.name, run.task.dataset.id))
    statuses = {item["case"]: item for item in read_own(folder / CASES)}
    fields: dict[str, Path] = {}
    images: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for case in layout.directed(run.task.evaluated_split(), run.task.direction):
        status = statuses.get(case.id)
        if status is None:
            missing[case.id] = "not registered"
        elif status["outcome"] != "ok":
            missing[case.id] = f"{status['outcome']}: {status['reason']}"
        else:
            _check_grid(case, layout)
            stems = field_stems(case.fixed.stem, case.moving.stem)
            name = f"{stems[-1 if names == 'kit' else 0]}.nii.gz"
            if name in fields:
                raise BadInput(f"two cases have the name {name}", expected="--names long")
            fields[name] = registered_field(folder / case.id, status["field_sha256"])
            images[name] = case.moving.image
    return Export(fields, images, missing)


def write_zip(output: Path, export: Export, layout: str = FORMATS[0]) -> None:
    """Write an archive, atomically; equal fields give equal bytes.

    Members are stored as they are, because they are compressed already. `layout` is one of FORMATS:
    `learn2reg`, in voxels; or `itk`, which is refused where ITK cannot state a grid.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        writing(output) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, source in sorted(export.fields.items()):
            if layout == "itk":
                field, source = read_field(source), Path(scratch, FIELD_NAME)
                write_itk(source, field, read_affine(export.moving[name]))
            member = zipfile.ZipInfo(name, _TIME)
            member.create_system = 3
            member.external_attr = 0o644 << 16
            member.file_size = source.stat().st_size
            with source.open("rb") as data, archive.open(member, "w") as target:
                shutil.copyfileobj(data, target)


def _check_grid(case: Case, layout: Layout) -> None:
    notes = layout.extra.get("notes", {})
    # The pair is noted as it is listed; a task may turn it.
    for name in (case.id, pair_id(case.moving.stem, case.fixed.stem)):
        if isinstance(notes.get(name), str):
            raise BadInput(
                f"case {case.id} cannot be exported: its field is not of the listed images",
                found=notes[name],
            )
