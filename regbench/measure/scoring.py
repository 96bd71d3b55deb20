"""Scoring displacement fields that other programs have written: a folder, or those of a challenge.

In a challenge, each team hands in a folder or a zip. A zip is unpacked case by case. Each case's
files are read once for all teams.
"""

import math
import multiprocessing
import shutil
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from regbench.base.errors import BadInput, of_code
from regbench.base.files import check_plain_file, printable
from regbench.base.records import Row
from regbench.data.download import check_members
from regbench.data.field_names import ENDINGS, field_files, field_stems, find_field
from regbench.data.layout import Case, Layout
from regbench.data.pair import check_links
from regbench.measure.case import CaseFiles, failed_rows, measure
from regbench.measure.learn2reg import case_key, case_result, kit_distances
from regbench.plugins.kinds import MetricPlugin
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field
from regbench.spatial.nifti import check_geometry, check_shape, reading
from regbench.spatial.transforms.read import IN_VOXELS, grid_of, read_transforms

#: The name of the identity among the teams.
IDENTITY = "(identity)"
#: Ends the status of a value that is the identity's.
STAND_IN = "; the identity's value"
#: Files in a submission, and bytes of a zip. No honest one comes near these.
MAX_FILES, MAX_BYTES = 20_000, 2**38
_EXPECTED = "a folder or a zip for each team"


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
            new: Any = files
            if not isinstance(files, str):
                new = _attempt(_measured, files, metric, code=metric.file)
            rows += failed_rows(case.id, metric, groups, new) if isinstance(new, str) else new
        if isinstance(files, str):
            return CaseScore(rows, case_result(rows, None, masked=masked))
        distances = _attempt(_distances, files)
        known = None if isinstance(distances, str) else distances
        return CaseScore(
            rows, case_result(rows, known, masked=masked), _remarks(files, layout, case)
        )


def _attempt(work: Callable[..., Any], *given: Any, code: Path | None = None) -> Any:
    """The result of the work, or the status of the rows that replace it."""
    try:
        return work(*given)
    except Exception as error:
        # A metric is a plugin: an error of its code fails its own rows.
        return f"failed: {of_code(error, code)}"


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


@dataclass(frozen=True)
class Team:
    """A submission: a folder or a zip, the folder in it that holds the fields, what is wrong."""

    name: str
    path: Path
    home: str = ""
    problem: str | None = None

    @contextmanager
    def fields_of(self, case: Case, most: int) -> Iterator[Path]:
        """A folder with the case's field. Of a zip nothing else is unpacked, for this block only.

        Raises:
            BadInput: the submission cannot be read, or the field has more than `most` bytes.
        """
        if self.problem:
            raise BadInput(self.problem)
        if self.path.is_dir():
            yield self.path / self.home
            return
        with tempfile.TemporaryDirectory(prefix="regbench-") as folder:
            with reading(self.path, "is not a readable zip"), zipfile.ZipFile(self.path) as archive:
                for name in _names([case]):
                    member = archive.NameToInfo.get(str(PurePosixPath(self.home, name)))
                    if member is not None and member.file_size > most:
                        found = f"{member.file_size} bytes of {name}"
                        raise BadInput("is too large", file=self.path, expected=most, found=found)
                    if member is not None:
                        # zipfile reads no more than the size that was checked.
                        with archive.open(member) as source, Path(folder, name).open("wb") as file:
                            shutil.copyfileobj(source, file)
            yield Path(folder)


def find_teams(folder: Path, cases: Sequence[Case]) -> list[Team]:
    """The teams of a challenge, by name. Hidden files, and files that are no zip, are left out.

    Raises:
        BadInput: there is no team, or two have one name.
    """
    if not folder.is_dir():
        raise BadInput("is not a folder", file=folder, expected=_EXPECTED)
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "__"))]
    wanted = _names(cases)
    teams = [_team(p, wanted) for p in paths if p.is_dir() or p.suffix.lower() == ".zip"]
    twice = [name for name, n in Counter(team.name for team in teams).items() if n > 1]
    if twice or not teams:
        what = f"holds two submissions of team {twice[0]}" if twice else "holds no team"
        raise BadInput(what, file=folder, expected=_EXPECTED)
    return teams


def _names(cases: Sequence[Case]) -> set[str]:
    """The names that the fields of these cases may have."""
    stems = [s for case in cases for s in field_stems(case.fixed.stem, case.moving.stem)]
    return {f"{stem}{ending}" for stem in stems for ending in ENDINGS}


def _team(path: Path, wanted: set[str]) -> Team:
    name = path.name if path.is_dir() else path.stem
    try:
        # Linked folders are not entered.
        inside = [
            PurePosixPath(p.relative_to(path)) for p in islice(path.rglob("*"), MAX_FILES + 1)
        ]
        files = inside if path.is_dir() else _zipped(path)
        if len(files) > MAX_FILES:
            raise BadInput("holds too many files", file=path, expected=f"at most {MAX_FILES}")
        homes = sorted({file.parent for file in files if file.name in wanted})
        if len(homes) != 1:
            found = " and ".join(map(str, homes[:2])) or "none"
            what = "has no single folder with fields of the data set"
            # The plainest of all names: `disp_0001_0001.nii.gz` rather than another ending.
            name_of_one = min(name for name in wanted if name.endswith(ENDINGS[0]))
            raise BadInput(what, file=path, expected=f"{name_of_one}, ...", found=found)
    except BadInput as problem:
        return Team(name, path, problem=str(problem))
    return Team(name, path, str(homes[0]))


def _zipped(path: Path) -> list[PurePosixPath]:
    """The files of a zip, from its directory; one that could write elsewhere is refused whole."""
    check_plain_file(path, MAX_BYTES)
    with reading(path, "is not a readable zip"), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    check_members(members, path)
    for name, times in Counter(member.filename for member in members).items():
        # On Windows these lead out, too.
        if "\\" in name or ":" in name:
            raise BadInput("holds a path that leads out of it", file=path, found=repr(name))
        if times > 1:
            raise BadInput("holds a path twice", file=path, found=repr(name))
    return [PurePosixPath(member.filename) for member in members if not member.is_dir()]


@dataclass(frozen=True)
class Scoring:
    """What is scored, and how; `folder` says how fields are read."""

    layout: Layout
    teams: Sequence[Team]
    metrics: Sequence[MetricPlugin]
    folder: Folder
    masked: bool = False


def score_teams(
    scoring: Scoring, cases: Sequence[Case], cores: int = 1
) -> Iterator[dict[str, CaseScore]]:
    """For each case, in order, the scores of the identity and of every team; nothing is raised.

    A case that failed for a team has the identity's values; the status says so. `cores` processes
    share the cases.
    """
    work, cores = partial(_score_all, scoring), min(cores, len(cases))
    if cores < 2:
        yield from map(work, cases)
        return
    # Not forked: a fork of a process that has used threads may hang.
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, cases)


def _score_all(scoring: Scoring, case: Case) -> dict[str, CaseScore]:
    known = open_case(case, scoring.layout, scoring.folder, None)
    score = partial(score_case, case, scoring.layout, masked=scoring.masked)
    identity = score(known, scoring.metrics)
    # Where the data are broken, nobody has a value.
    scores = {IDENTITY: identity} | {t.name: replace(identity, warnings=[]) for t in scoring.teams}
    fine = {row.metric for row in identity.rows if not row.status.startswith("failed")}
    for team in scoring.teams:
        if isinstance(known, str):
            break
        files = _opened(scoring, team, case, known)
        made = CaseScore([]) if isinstance(files, str) else score(files, scoring.metrics)
        failed = [r.status for r in made.rows if r.metric in fine and r.status.startswith("failed")]
        if isinstance(files, str) or failed:
            why = (files if isinstance(files, str) else failed[0]) + STAND_IN
            rows = [replace(r, status=why) if r.status == "ok" else r for r in identity.rows]
            made = CaseScore(rows, identity.official)
        scores[team.name] = replace(made, warnings=[])
    return scores


def _opened(scoring: Scoring, team: Team, case: Case, known: CaseFiles) -> CaseFiles | str:
    """The case with the team's field, or the status of its rows without one."""
    # The largest type of numbers, and room for a header.
    most, place = 24 * math.prod(known.field.shape) + 2**20, team.path
    files: CaseFiles | str
    try:
        with team.fields_of(case, most) as place:
            file = find_field(place, case.fixed.stem, case.moving.stem)
            folder = replace(scoring.folder, path=place)
            files = open_case(case, scoring.layout, folder, file, known)
    except BadInput as problem:
        files = f"failed: {problem}"
    # A temporary folder tells nobody anything.
    return files.replace(str(place), str(team.path)) if isinstance(files, str) else files
