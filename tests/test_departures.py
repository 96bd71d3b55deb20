"""In what a table's trainings differ from the paper's: said in its notes and on the docs' page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import REPOSITORY, kind_module, one_line
from report_rows import CATALOG, built, make_report, request, results

from regbench.base.errors import BadInput
from regbench.plan.config import load_config
from regbench.plugins.models import LearnedSettings
from regbench.reports.jobs import ReportJobs
from regbench.reports.results import Results, RunFacts

departures = kind_module("table").departures
RECIPE: dict[str, Any] = CATALOG.reports["table2-paper"].content["recipe"]
#: What no setting decides holds for every training.
OPEN = "; ".join(RECIPE["open"])


def collected(config: str, task: str, training: int, **changes: Any) -> Results:
    """Results of a shipped config's runs of a task, with changed settings."""
    runs = [
        RunFacts(
            task=task,
            run=run.id,
            method=run.method.id,
            title=run.title,
            base_title=run.method.title,
            kind=run.method.kind,
            seeds=[0],
            settings={**run.settings, **changes} if run.method.learned else run.settings,
            threads=1,
        )
        for run in load_config(REPOSITORY / "config" / f"{config}.yaml", REPOSITORY).runs
        if run.task.id == task
    ]
    rows = results({run.run: [80.0, 90.0] for run in runs})
    about = replace(rows.tasks["t"], training=training, cases=10, split="test")
    frame = rows.frame.assign(task=task)
    return replace(rows, frame=frame, runs=runs, tasks={task: about})


def note(found: Results, report: str = "table2") -> str:
    (task,) = found.tasks
    (text,) = departures(request(CATALOG.reports[report], found), task)
    return text


def test_the_default_run_names_every_setting_that_differs() -> None:
    text = note(collected("default", "ct-mri", 24))
    stated, _, unstated = text.partition(". Not stated there: ")
    assert stated == (
        "trainings, against the paper: learning_rate 0.001 (paper: 1e-05); lambda 0.3 (paper: 1.5);"
        " 24 training cases (paper: 40)"
    )
    assert unstated.startswith(OPEN)
    for words in ("schedule cosine (plain: constant)", "clip 0.02 (plain: none)"):
        assert words in unstated
    for name in ("precision", "swap_roles", "flip"):
        assert f"; {name} " in unstated
    # The weights of the last step are the default.
    assert "weights" not in unstated


@pytest.mark.parametrize(
    ("config", "task", "cases", "paper"),
    [("paper", "ct-mri", 36, 40), ("paper", "mri-ct", 36, 40), ("paper", "lung", 18, 20)],
)
def test_the_paper_s_config_trains_as_the_paper_states(
    config: str, task: str, cases: int, paper: int
) -> None:
    start = "trainings, against the paper: "
    held_out = f"{start}{cases} training cases (paper: {paper})"
    assert note(collected(config, task, cases)) == f"{held_out}. Not stated there: {OPEN}"
    whole = note(collected(config, task, paper))
    assert whole == f"{start}as stated there. Not stated there: {OPEN}"
    # A departure of one's own is told from silence and from the paper's word.
    text = note(collected(config, task, paper, learning_rate=1e-4, clip=0.5))
    assert text.startswith(f"{start}learning_rate 0.0001 (paper: 1e-05). Not")
    assert text.endswith("; clip 0.5 (plain: none)")


def test_a_departure_of_some_methods_names_them() -> None:
    found = collected("paper", "lung", 20)
    runs = [replace(r, settings={**r.settings, "steps": 7}) for r in found.runs]
    runs = [
        replace(r, settings={**r.settings, "lambda": 0.5}) if r.method == "vm-2" else r
        for r in runs
    ]
    text = note(replace(found, runs=runs))
    assert text.startswith("trainings, against the paper: lambda 0.5 (paper: 1.5) for VM-2. Not")


def test_who_is_not_compared() -> None:
    found = collected("default", "lung", 24)
    asked = request(CATALOG.reports["table4"], found)
    # Nobody knows how the weights of a file were trained, and SyN is not trained at all.
    known = [replace(r, settings={**r.settings, "checkpoint": "a.pt"}) for r in found.runs]
    for runs in (known, [r for r in found.runs if r.kind != "learned"]):
        assert list(departures(request(asked.report, replace(found, runs=runs)), "lung")) == []
    own = [replace(r, base_title="Mine") for r in found.runs]
    assert list(departures(request(asked.report, replace(found, runs=own)), "lung")) == []
    assert list(departures(request(make_report("table", task="lung"), found), "lung")) == []


def test_a_recipe_that_is_not_there_is_one_line() -> None:
    for name in ("nowhere", "table3-paper"):
        report = make_report("table", recipe=name)
        with pytest.raises(BadInput) as error:
            list(departures(request(report, collected("default", "lung", 24)), "lung"))
        one_line(error.value, repr(name), "table2-paper")


def test_the_tables_and_their_comparisons_carry_the_note() -> None:
    config = load_config(REPOSITORY / "config" / "paper.yaml", REPOSITORY)
    jobs = ReportJobs(config)
    recipe = str(CATALOG.reports["table2-paper"].file)
    for table, task in (("table2", "ct-mri"), ("table3", "mri-ct"), ("table4", "lung")):
        found = collected("default", task, 24)
        expected = note(found, table)
        report = replace(CATALOG.reports[table], columns=({"metric": "dice"},))
        assert expected in built(report, found).notes
        # An edit of the recipe renders them again.
        for name in (table, f"{table}-compare"):
            assert recipe in jobs.inputs(name)["report"]


def test_the_page_of_the_docs_names_every_setting_of_the_recipe() -> None:
    page = Path(REPOSITORY, "docs", "reproduce-the-paper.md").read_text(encoding="utf-8")
    differs = page.split("## What differs")[1].split("\n## ")[0]
    settings = {**RECIPE["stated"], **RECIPE["unstated"], "steps": None}
    known = LearnedSettings().model_dump(by_alias=True)
    for name in settings:
        assert f"`{name}`" in differs
        # A setting that is renamed would never differ.
        assert name in known or name == "instance_steps"
