"""What is shown of scored fields: the means of a folder, and the leaderboard of a challenge.

A leaderboard has the kit's values, ranks and their stability, and what failed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from regbench.base.records import Row
from regbench.measure.learn2reg import KIT_NAMES
from regbench.measure.scoring import IDENTITY, STAND_IN
from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.model import Cell, Column, Table, TableRow, mark_best, spread
from regbench.statistics import challenge_ranking

#: With more label groups than this, a summary shows only their mean.
MOST_LABELS = 8
#: Learn2Reg ranks by these once more, on the 30 % of the samples that the identity has worst.
_ROBUST = ("l2r_dice", "l2r_tre")
_NOTES = (
    "values: mean±std over cases (ddof 0), as in the result file of Learn2Reg's evaluation kit; no"
    " value if a case has none, such as HD95 of a label that was lost in warping",
    "a case that is missing or failed has the identity's values in the means, and the last rank",
    "score: geometric mean over metrics of 0.1 (last) to 1 (first), by the number of teams that a"
    " team beats (rank-sum test of the values of all cases and labels, p < 0.05); Dice and TRE"
    " count once more on the 30 % of the values that the identity has worst; time does not count",
    "teams of one score are ordered by their mean rank over cases",
    "stability: share of 1,000 resamples of the cases (seed 0) in which the team has its rank;"
    " 95 % of its resampled ranks lie in the interval",
)


def summary(rows: Sequence[Row], metrics: Sequence[MetricPlugin]) -> Table:
    """Mean, standard deviation (ddof 1) and number of cases of each metric and label group."""
    made, total = [], len({row.case for row in rows})
    for metric in metrics:
        mine = [r for r in rows if r.metric == metric.id and not r.status.startswith("skipped")]
        labels = list(dict.fromkeys(row.label for row in mine))
        groups = {label: {label} for label in labels}
        if len(labels) > MOST_LABELS:
            groups = {f"mean of {len(labels)} labels": set(labels)}
        for name, members in groups.items():
            fine = [row for row in mine if row.label in members and row.status == "ok"]
            values = pd.Series([row.value for row in fine], [row.case for row in fine], float)
            about = cells.summary_of(values.groupby(level=0).mean(), total)
            numbers = (cells.decimals(x, metric.precision) for x in (about.mean, about.std))
            title = cells.with_unit(f"{metric.id} {name}".strip(), metric.unit)
            texts = (*numbers, cells.share(about.n, total))
            made.append(TableRow(title, tuple(map(Cell, texts))))
    return Table("", "", tuple(map(Column, ("mean", "std", "n"))), tuple(made), first="metric")


def leaderboard(
    title: str,
    rows: Mapping[str, Sequence[Row]],
    kit: Mapping[str, Mapping[str, Any]],
    metrics: Sequence[MetricPlugin],
    *,
    masked: bool = False,
) -> Table:
    """The table of a challenge, best team first, the identity last and not ranked.

    Args:
        title: of the data set.
        rows: of each team, and of the identity.
        kit: the result file of each (`regbench.measure.learn2reg.official`).
        metrics: those that were measured.
        masked: the spread of log J is that inside the mask.
    """
    shown = [m for m in metrics if KIT_NAMES.get(m.id) in kit[IDENTITY]["aggregates"]]
    ranking = challenge_ranking(list(_samples(rows, shown, masked)))
    total = len({row.case for row in rows[IDENTITY]})
    columns = [
        *(Column("Rank"), Column("Score", direction="higher"), Column("Mean rank")),
        *(
            Column(name, "", "", m.direction, m.precision, spread(name))
            for m in shown
            for name in [cells.with_unit(m.id, m.unit)]
        ),
        *(Column("Stability (%)"), Column("Ranks (95 %)", more=("Ranks (95 %) highest",))),
        cells.CASES,
    ]
    made = []
    for team, at in ranking.sort_values("rank", kind="stable").iterrows():
        score = Cell(cells.decimals(at["score"], 3), at["score"], n=total)
        rank = (Cell(f"{at['rank']:.0f}"), score, Cell(cells.decimals(at["mean_rank"])))
        interval = Cell(f"{at['low']:.0f} to {at['high']:.0f}", at["low"], more=(at["high"],))
        stable = (Cell(cells.decimals(100 * at["stability"], 1)), interval)
        done = cells.share_cell(total - len(failures(rows[str(team)])), total)
        values = (_value(kit[str(team)], metric, total) for metric in shown)
        made.append(TableRow(str(team), (*rank, *values, *stable, done), True))
    none = Cell("-")
    values = (_value(kit[IDENTITY], metric, total) for metric in shown)
    made.append(TableRow(IDENTITY, (none, none, none, *values, none, none, none)))
    trouble = (note for team in ranking.index for note in _trouble(team, failures(rows[team])))
    notes = (*_NOTES, *(f"{m.id}: {m.definition}" for m in shown), *trouble)
    ranked = tuple(mark_best(made, columns))
    return Table(title, "Leaderboard of the challenge.", tuple(columns), ranked, notes, "Team")


def failures(rows: Sequence[Row]) -> dict[str, str]:
    """Case to the reason of its first failed row."""
    failed: dict[str, str] = {}
    for row in rows:
        if row.status.startswith("failed"):
            failed.setdefault(row.case, row.status.removesuffix(STAND_IN))
    return failed


def _samples(
    rows: Mapping[str, Sequence[Row]], metrics: Sequence[MetricPlugin], masked: bool
) -> Iterator[pd.DataFrame]:
    """What the ranking is made of: see `challenge_ranking`."""
    for metric in metrics:
        of_metric = {t: [r for r in part if r.metric == metric.id] for t, part in rows.items()}
        labels = {row.label for row in of_metric[IDENTITY]}
        if not metric.labelled:
            labels = (labels & {"mask"} if masked else set()) or {""}
        sign = 1 if metric.direction == "higher" else -1
        frame = pd.DataFrame(
            {
                team: {
                    (r.case, r.label): sign * r.value if r.status == "ok" else -math.inf
                    for r in part
                    if r.label in labels
                }
                for team, part in of_metric.items()
            }
        )
        # A label that is empty in the images has no value for anybody.
        frame = frame[frame[IDENTITY] > -math.inf]
        before = frame.pop(IDENTITY)
        yield frame
        if metric.id in _ROBUST:
            yield frame.loc[before.nsmallest(max(1, round(0.3 * len(before)))).index]


def _value(kit: Mapping[str, Any], metric: MetricPlugin, total: int) -> Cell:
    about = kit["aggregates"].get(KIT_NAMES[metric.id], {})
    if about.get("mean") is None:
        return Cell("-")
    mean, std = (cells.decimals(about[key], metric.precision) for key in ("mean", "std"))
    return Cell(f"{mean}±{std}", about["mean"], n=total, more=(about["std"], total))


def _trouble(team: str, failed: Mapping[str, str]) -> Iterator[str]:
    """A note for each reason of failure of a team."""
    for reason in dict.fromkeys(failed.values()):
        names = sorted(case for case in failed if failed[case] == reason)
        yield f"warning: {team}: {len(names)} cases {reason}: {', '.join(names)}"
