"""What ten thousand cases need: rows joined by codes, failed rows alone, one listing of pairs."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import one_line, toy_dataset
from scipy.stats import bootstrap
from toy_project import make_project

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.paths import METRICS
from regbench.base.records import Row, missing, write_rows
from regbench.measure.failures import RunResult
from regbench.plan import config as config_module
from regbench.plan.config import resolve
from regbench.plan.jobs import Plan
from regbench.reports.cells import begins
from regbench.reports.results import COLUMNS, Results, merge
from regbench.statistics import MOST_RESAMPLED, compare


def test_failed_rows_are_those_of_finished_cases(tmp_path: Path) -> None:
    statuses = [{"case": "0001", "outcome": "ok"}, {"case": "0002", "outcome": "failed"}]
    assert RunResult("", tmp_path, statuses).failed_metrics() == []
    good = [Row("0001", "dice", "liver", 80.5, "%"), missing("0001", "tre", "", "mm", "empty: no")]
    write_rows(tmp_path / METRICS, good)
    assert RunResult("", tmp_path, statuses).failed_metrics() == []
    # A reason with a comma is quoted in the file.
    bad = missing("0001", "hd95", "liver", "mm", 'failed: a, "b"')
    lost = [missing("0002", "dice", "liver", "%", "failed: the process crashed")]
    write_rows(tmp_path / METRICS, [*good, bad, *lost])
    (found,) = RunResult("", tmp_path, statuses).failed_metrics()
    assert math.isnan(found.value)
    assert (found.case, found.metric, found.label, found.status) == (
        *("0001", "hd95", "liver"),
        bad.status,
    )


def test_failed_rows_of_another_file_are_refused(tmp_path: Path) -> None:
    write_text(tmp_path / METRICS, "case,state\n0001,failed\n")
    with pytest.raises(BadInput) as caught:
        RunResult("", tmp_path, []).failed_metrics()
    one_line(caught.value, "wrong columns", METRICS, "case,metric")


@pytest.mark.parametrize("kind", ["object", "category"])
def test_texts_that_begin_so(kind: str) -> None:
    texts = pd.Series(["ok", "failed: x", "empty: y", "ok", "skipped: failed"], dtype=kind)
    assert begins(texts, "failed", "empty").tolist() == [False, True, True, False, False]
    assert begins(texts, "skipped").tolist() == [False] * 4 + [True]


def test_merged_tables_are_their_rows_in_order() -> None:
    def part(task: str, cases: list[str]) -> pd.DataFrame:
        texts = {name: name for name in COLUMNS if name not in ("value", "seed")}
        frame = pd.DataFrame({**texts, "task": task, "case": cases, "seed": 3, "value": 0.5})
        return frame[list(COLUMNS)].astype(dict.fromkeys(texts, "category"))

    parts = [part("lung", ["b", "a"]), part("abdomen", ["c", "a"])]
    facts = {"config": "toy", "tasks": {}, "runs": [], "seeds": [0]}
    facts |= {"timing": "shared", "hardware": "an abacus"}
    merged = merge([Results.of(frame, facts) for frame in parts]).frame
    plain = pd.concat([frame.astype({"case": str, "task": str}) for frame in parts])
    assert merged["case"].tolist() == plain["case"].tolist()
    assert merged["task"].tolist() == plain["task"].tolist()
    # Rows are grouped in the order of the codes: it is that of the texts.
    assert list(merged["case"].cat.categories) == ["a", "b", "c"]
    assert merged["seed"].dtype == np.int64 and merged["value"].tolist() == [0.5] * 4


def test_the_interval_of_many_cases_is_the_bootstraps_without_resampling() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=MOST_RESAMPLED + 500)
    found = compare(values)
    exact = bootstrap((values,), np.mean, n_resamples=2000, rng=np.random.default_rng(1))
    low, high = exact.confidence_interval
    width = high - low
    assert abs(found.low - low) < 0.08 * width and abs(found.high - high) < 0.08 * width
    # Up to there the interval is resampled: that of skewed values is not even.
    few = compare(values[:MOST_RESAMPLED])
    assert abs((few.high - few.mean) - (few.mean - few.low)) > 1e-4


def test_a_plan_lists_the_pairs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    listing = toy_dataset(tmp_path / "own", numbers=(1, 2))
    calls: list[str] = []
    load = config_module.load_entry

    def counted(folder: Path, entry: str) -> object:
        calls.append(entry)
        return load(folder, entry)

    monkeypatch.setattr(config_module, "load_entry", counted)
    project.config["datasets"]["toy"] = {"plugin": "learn2reg", "settings": {"path": str(listing)}}
    project.config["tasks"] = {"toy": {"dataset": "toy"}}
    plan = Plan(resolve(project.config, tmp_path))
    for run in plan.config.runs:
        assert plan.evaluate("toy", run.id, "0").inputs["statuses"][0].endswith("1-of-1.json")
        assert plan.register("toy", run.id, "0").key
    assert plan.prepare("toy").inputs["plugin"] and plan.prepare("toy").key
    assert calls == ["listing:pairs"]
