"""Metrics that a config names show up in every report that has metrics, listed there or not."""

from pathlib import Path

import pytest
from report_rows import METRICS, built, make_report, results, statistics_table

from regbench.plugins.kinds import ReportPlugin
from regbench.reports.cells import case_values
from regbench.reports.model import Table

VALUES = {"syn": [80.0, 81.0, 82.0], "deeds": [70.0, 71.0, 72.0]}
KIT = {"syn": [0.8, 0.81, 0.82], "deeds": [0.7, 0.71, 0.72]}


def titles(table: Table) -> list[str]:
    return [column.title for column in table.columns]


def report(kind: str, *columns: dict[str, str]) -> ReportPlugin:
    task = "t" if kind == "table" else None
    return ReportPlugin("r", "R", kind, task, "Of toys.", (), columns, Path("r.yaml"))


def test_a_table_shows_a_listed_metric_of_the_kit_for_each_label() -> None:
    given = results(VALUES, l2r_dice=KIT)
    table = built(report("table", {"metric": "l2r_dice"}), given)
    assert titles(table) == ["Dice (Learn2Reg) liver"]
    assert [row.cells[0].text[:5] for row in table.rows] == ["0.810", "0.710"]


def test_the_leaderboard_shows_what_was_measured_behind_what_it_lists() -> None:
    given = results(VALUES, l2r_dice=KIT, asd_voxel=KIT)
    board = report("leaderboard", {"metric": "dice"}, {"fact": "cases"})
    shown = titles(built(board, given, "dice", "asd_voxel", "l2r_dice"))
    assert shown.index("Cases") == len(shown) - 1
    assert "Dice (Learn2Reg) liver" in shown and any(t.startswith("ASD (edge v") for t in shown)


def test_ranking_and_statistics_show_what_only_the_config_names() -> None:
    given = results(VALUES, l2r_dice=KIT, asd_voxel=KIT)
    ranking = built(make_report("ranking", "dice"), given)
    assert "Dice (Learn2Reg)" in " ".join(titles(ranking))
    assert "ASD" not in " ".join(titles(ranking))
    statistics = statistics_table(VALUES, more={"l2r_dice": KIT, "asd_voxel": KIT})
    cells = " ".join(cell.text for row in statistics.rows for cell in row.cells)
    assert "Dice (Learn2Reg)" in cells and "ASD" not in cells


@pytest.mark.parametrize("name", ["l2r_dice", "l2r_hd95"])
def test_a_case_value_is_the_mean_over_the_labels(name: str) -> None:
    given = results(VALUES, **{name: KIT})
    values = case_values(given.frame, given.runs, METRICS[name], ["liver"])
    assert values["syn"].tolist() == KIT["syn"]
