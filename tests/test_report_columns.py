"""Which columns a table has: those of what some run could have, whatever failed."""

import math
from typing import Any

import pandas as pd
from report_rows import CATALOG, request

from regbench.reports.rows import expand_columns

DAMAGED = "failed: damaged"


def case(run: str, case: str, **statuses: str) -> list[tuple[Any, ...]]:
    """The rows of a case: the status of its registration, and of each metric of the field."""
    return [
        ("t", run, 0, case, metric, "", math.nan if status != "ok" else 1.0, status)
        for metric, status in statuses.items()
    ]


def sources(*cases: list[tuple[Any, ...]]) -> list[str]:
    names = ["task", "run", "seed", "case", "metric", "label", "value", "status"]
    frame = pd.DataFrame([row for rows in cases for row in rows], columns=names)
    wanted = [{"metric": "epe"}, {"metric": "folds"}]
    asked = request(CATALOG.reports["leaderboard"])
    return [x.source for x in expand_columns(asked, wanted, frame, [""])]


LOST = case("a", "c0", register_s=DAMAGED, epe=DAMAGED, folds=DAMAGED)
RAN = case("a", "c1", register_s="ok", epe="skipped: no true field", folds="ok")


def test_a_broken_case_makes_no_column_of_what_the_data_lack() -> None:
    assert sources(LOST, RAN) == ["folds"]


def test_a_metric_that_failed_by_itself_keeps_its_column() -> None:
    assert sources(case("a", "c1", register_s="ok", epe=DAMAGED, folds="ok")) == ["epe", "folds"]


def test_columns_stand_where_every_case_is_broken() -> None:
    assert sources(LOST) == ["epe", "folds"]


def test_what_one_run_has_of_a_case_that_another_lost_is_a_column() -> None:
    assert sources(LOST, RAN, case("b", "c0", register_s="ok", epe="ok")) == ["epe", "folds"]
