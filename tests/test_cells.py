"""Which rows count in a cell: those that are ok, of cases that have all of them."""

import math

import pandas as pd

from regbench.reports.cells import case_means, finished

ROWS = pd.DataFrame(
    [
        ("both", 0, 80.0, "ok"),
        ("both", 1, 90.0, "ok"),
        ("one seed", 0, 70.0, "ok"),
        ("a failure that left a value", 0, 60.0, "ok"),
        ("a failure that left a value", 1, 50.0, "failed: x"),
        ("none", 0, math.nan, "failed: x"),
    ],
    columns=["case", "seed", "value", "status"],
)


def test_a_mean_is_of_cases_whose_every_row_is_ok() -> None:
    assert case_means(ROWS, labels=1, seeds=2).to_dict() == {"both": 85.0}


def test_a_case_is_finished_with_all_seeds() -> None:
    assert finished(ROWS, [0, 1]) == 1
    without_values = ROWS.assign(value=math.nan)
    assert finished(without_values, [0, 1]) == 1
