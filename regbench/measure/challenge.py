"""Scoring the teams of a challenge: cases outside, teams inside, each case's files read once."""

import math
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from regbench.base.errors import BadInput
from regbench.data.field_names import find_field
from regbench.data.layout import Case, Layout
from regbench.measure.case import CaseFiles
from regbench.measure.folder import CaseScore, Folder, open_case, score_case
from regbench.measure.teams import Team
from regbench.plugins.kinds import MetricPlugin

#: The name of the identity among the teams.
IDENTITY = "(identity)"
#: Ends the status of a value that is the identity's.
STAND_IN = "; the identity's value"


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
