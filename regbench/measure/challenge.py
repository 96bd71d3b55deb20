"""A challenge: what its teams hand in, and their scores, each case's files read once.

A submission is a folder or a zip; a zip is unpacked case by case.
"""

import math
import multiprocessing
import shutil
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath

from regbench.base.errors import BadInput
from regbench.base.files import check_plain_file
from regbench.data.field_names import ENDINGS, field_stems, find_field
from regbench.data.layout import Case, Layout
from regbench.measure.case import CaseFiles
from regbench.measure.folder import CaseScore, Folder, open_case, score_case
from regbench.plugins.kinds import MetricPlugin
from regbench.spatial.nifti import reading

#: The name of the identity among the teams.
IDENTITY = "(identity)"
#: Ends the status of a value that is the identity's.
STAND_IN = "; the identity's value"
#: Files in a submission, and bytes of a zip. No honest one comes near these.
MAX_FILES, MAX_BYTES = 20_000, 2**38
_EXPECTED = "a folder or a zip for each team"


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
    seen: set[str] = set()
    for member in members:
        name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name:
            raise BadInput("holds a path that leads out of it", file=path, found=repr(name))
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or name in seen:
            what = "holds a path twice" if name in seen else "holds a link or a device"
            raise BadInput(what, file=path, found=repr(name))
        seen.add(name)
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
    work, cores = partial(_score_case, scoring), min(cores, len(cases))
    if cores < 2:
        yield from map(work, cases)
        return
    # Not forked: a fork of a process that has used threads may hang.
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, cases)


def _score_case(scoring: Scoring, case: Case) -> dict[str, CaseScore]:
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
