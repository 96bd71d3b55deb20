"""Reference results and weights in the repository: how they are saved, and whether they hold."""

import json
import math
import os
import re
import shlex
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import REPOSITORY, one_line
from scripts import script
from tiny_training import job_of, tiny_project
from toy_project import ToyProject, make_project

from regbench.base.errors import BadInput
from regbench.base.files import write_json
from regbench.base.paths import layout_file, metrics_file, task_metrics_file
from regbench.base.schemas import read_yaml
from regbench.execution.prepare import prepare
from regbench.learning.checkpoint import load_record
from regbench.learning.train import train, training_of
from regbench.plan.config import Config, load_config, resolve
from regbench.plan.jobs import Job
from regbench.plugins.weights import seed_file
from regbench.reports.results import COLUMNS, Results, read_results, write_results
from regbench.study.protocol import Point
from regbench.study.run import job_of as job_of_point
from regbench.study.run import studied_runs

SAVING, PACKING = script("save_reference"), script("pack_weights")
COMPARING = script("compare_runs")
REFERENCE = REPOSITORY / "reference"
WEIGHTS = sorted((REFERENCE / "weights").glob("*/*.pt"))
RESULTS = sorted((REFERENCE / "results").glob("*/about.json"))
#: How far the mean of a default table's column may lie from the reference, absolute and relative.
#: A field that is not trained here depends on the processor's arithmetic, bf16 or fp32 included; of
#: a network that is trained again, the weights do, and it moves as far as another seed's.
SAME = {"dice": (0.5, 0), "asd": (0.1, 0.02), "epe": (0.05, 0.02), "std_jacobian": (0.005, 0.05)}
TRAINED = {"dice": (1.5, 0), "asd": (0.3, 0.1), "epe": (0.2, 0.1), "std_jacobian": (0.02, 0.2)}
TOLERANCES = {
    False: {
        **SAME,
        "folds": (5, 0.5),
        "displacement_slope": (0.02, 0),
        "epe_interior": (0.1, 0.02),
    },
    True: {**TRAINED, "folds": (50, 1), "displacement_slope": (0.1, 0), "epe_interior": (0.3, 0.1)},
}
#: The same of the validation measures of a network that is trained again.
AGAIN = {"loss": (0.002, 0.05), "dice": (1.0, 0), "epe": (0.2, 0.1), "slope": (0.1, 0)}


def far(found: float, known: float, width: tuple[float, float]) -> bool:
    """Whether a number lies beyond its bounds; a number that is gone does, too."""
    if math.isnan(known) or math.isnan(found):
        return math.isnan(known) != math.isnan(found)
    return abs(found - known) > width[0] + width[1] * abs(known)


def moved(known: pd.DataFrame, found: pd.DataFrame, trained: set[str]) -> list[str]:
    """A line for each mean of a run that is missing, new, or beyond its bounds."""
    lines = [f"run {run}" for run in sorted(set(known.index) ^ set(found.index))]
    for run in known.index.intersection(found.index):
        for column in known.columns:
            bounds = TOLERANCES[run in trained]
            name = column.partition(" ")[0]
            if name not in bounds:
                continue
            old = float(known.at[run, column])
            new = float(found.at[run, column]) if column in found else math.nan
            if far(new, old, bounds[name]):
                lines.append(f"{run} {column}: {new:.4g}, reference {old:.4g}")
    return lines


def results(config: Config, **dice: float) -> Results:
    """Two cases and two seeds of each run, with Dice `dice[run]` plus case plus seed."""
    rows: list[list[Any]] = []
    for run, value in dice.items():
        for case in (0, 1):
            for seed in (0, 1):
                row = ["toy", run, run, seed, f"c{case}"]
                rows += [[*row, "dice", g, value + case + seed, "%", "ok"] for g in ("box", "both")]
                rows.append([*row, "epe", "", 1 / 3, "voxel", "ok"])
                rows.append([*row, "register_s", "", 9.0, "s", "ok"])
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    task = {
        **dict.fromkeys(("title", "data", "dataset", "fixed", "moving", "split"), "x"),
        **{"synthetic": False, "version": 1, "settings": {}, "interpolation": "nearest"},
        **{"cases": 2, "training": 0, "validation": 0, "labels": {"box": [1], "both": [1, 2]}},
    }
    about = {"task": "toy", "kind": "external", "seeds": [0, 1], "settings": {}, "threads": 1}
    runs = [{**about, "run": run, "method": run, "title": run} for run in dice]
    facts = {"config": "toy", "tasks": {"toy": task}, "runs": runs, "seeds": [0, 1]}
    return Results.of(frame, {**facts, "timing": "shared", "hardware": "an abacus"})


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    project = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = resolve(project.config, project.root)
    write_results(metrics_file("toy"), results(config, good=80.123456, fair=70))
    return config


def test_a_run_as_small_files(config: Config, tmp_path: Path) -> None:
    files = SAVING.save(config, None, None, "abc")
    names = {file.name for file in files}
    assert names == {"toy.csv", "table.md", "leaderboard.md", "about.json"}
    folder = tmp_path / "reference/results/toy"
    assert {file.name for file in folder.iterdir()} == names
    table = pd.read_csv(folder / "toy.csv", index_col=[0, 1, 2])
    assert list(table.columns) == ["dice both", "dice box", "epe"]
    assert table.loc[("good", 1, "c1"), "dice box"] == 82.123
    assert table.loc[("fair", 0, "c0"), "epe"] == 0.33333
    assert "| good | **81.12±0.71** |" in (folder / "table.md").read_text()
    about = json.loads((folder / "about.json").read_text())
    assert (about["commit"], about["hardware"]) == ("abc", "an abacus")
    assert about["config"] == config.raw and set(about) == {
        "title", "commit", "date", "hardware", "config",
    }  # fmt: skip
    before = {file: file.read_bytes() for file in files}
    SAVING.save(config, None, None, "abc")
    assert before == {file: file.read_bytes() for file in files}


def test_a_table_that_is_too_large_says_so_and_writes_nothing(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SAVING, "MOST_BYTES", 100)
    for metrics, words in ((None, ("task toy is too large", 100)), (["nope"], ("nope",))):
        with pytest.raises(BadInput) as error:
            SAVING.save(config, None, metrics, "abc")
        one_line(error.value, *words)
    assert not (tmp_path / "reference").exists()


def test_what_moved_beyond_its_bounds_is_named() -> None:
    known = pd.DataFrame({"dice box": [80.0, 70.0], "epe": [1.0, math.nan]}, index=["a", "b"])
    assert moved(known, known, set()) == []
    near = known + 0.49
    assert moved(known[["dice box"]], near, set()) == []
    further = known.assign(**{"dice box": [81.4, 71.4]})
    assert moved(known, further, {"b"}) == ["a dice box: 81.4, reference 80"]
    gone = moved(known, known.drop(index="b").assign(epe=math.nan), set())
    assert gone == ["run b", "a epe: nan, reference 1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[ToyProject, Job]:
    """A finished training of the toy project, where its workflow would have it."""
    project = tiny_project(tmp_path_factory.mktemp("packed"))
    folder = project.root / "results/toy/toy/tiny@steps=12/seed0"
    job = job_of(project, folder)
    write_json(folder / "training.json", train(training_of(job)))
    project.config["methods"] = [{"method": "tiny", "settings": {"steps": 12}}]
    project.write_config()
    return project, job


def test_the_record_of_a_packed_network(
    trained: tuple[ToyProject, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = trained
    monkeypatch.chdir(project.root)
    (job,) = PACKING.jobs(project.config_file, None, None, None)
    record = PACKING.record_of(job)
    PACKING.pack(job.folder / "checkpoint.pt", Path("w.pt"), record)
    assert load_record(Path("w.pt")) == record
    assert (record["run"], record["steps"], record["lambda"]) == ("tiny@steps=12", 12, 0.3)
    assert record["seed"] == 0
    curve = pd.read_csv(job.folder / "loss.csv").set_index("step")
    best = curve.loc[json.loads((job.folder / "training.json").read_text())["best_step"]]
    assert record["validation_loss"] == pytest.approx(best["validation_loss"], rel=1e-3)
    assert record["validation_dice"] == pytest.approx(best["validation_dice"], rel=1e-3)
    last = PACKING.validation(job.folder, {"best_step": -1}, {"weights": "last"})
    assert last["validation_loss"] == pytest.approx(curve["validation_loss"].iloc[-1], rel=1e-3)


@pytest.mark.parametrize(
    ("task", "methods", "words"),
    [
        ("lung", [], "trains no such network"),
        (None, [{"method": "tiny", "settings": {"checkpoint": "reference"}}], "trains no such"),
        (None, ["tiny", {"method": "tiny", "settings": {"steps": 3}}], "several runs of tiny"),
    ],
)
def test_what_cannot_be_packed_is_named(
    trained: tuple[ToyProject, Job],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str | None,
    methods: Any,
    words: str,
) -> None:
    project, _ = trained
    other = ToyProject(tmp_path, {**project.config, **({"methods": methods} if methods else {})})
    (tmp_path / "Snakefile").touch()
    for name in ("methods", "datasets", "metrics", "reports"):
        (tmp_path / name).symlink_to(project.root / name)
    other.write_config()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as error:
        PACKING.jobs(other.config_file, task, None, None)
    one_line(error.value, words)


@pytest.mark.parametrize("file", WEIGHTS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_reference_weights_are_small_and_say_what_made_them(file: Path) -> None:
    assert file.stat().st_size < 1_000_000
    record = load_record(file)
    assert record["task"] == file.parent.name
    assert seed_file(record["method"], record["seed"]) == file.name
    assert {"config", "run", "steps", "lambda", "seed", "commit", "hardware", "date"} <= set(record)
    assert not str(record["commit"]).endswith("-dirty")
    assert (REPOSITORY / "config" / f"{record['config']}.yaml").is_file()


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.parent.name)
def test_reference_results_are_small_and_say_what_made_them(file: Path) -> None:
    about = json.loads(file.read_text())
    assert about["commit"] and not about["commit"].endswith("-dirty")
    assert about["hardware"] and about["config"]["name"]
    assert all(part.stat().st_size <= SAVING.MOST_BYTES for part in file.parent.iterdir())


def workflow(work: Path, config: str, *targets: str) -> None:
    """Run a config of the repository, with data and results in a folder of its own."""
    words = [sys.executable, "-m", "snakemake", *targets, "--cores", "all"]
    words += ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(work)]
    words += ["--configfile", str(REPOSITORY / "config" / f"{config}.yaml")]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def quoted_tables() -> list[tuple[str, str]]:
    """Tables of docs/results.md with the words that have `compare_runs` print them."""
    text = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- compare_runs (.*?) -->\n\n(\|.*?\n)\n", text, flags=re.DOTALL)
    return [(str(words), str(table)) for words, table in found]


def test_the_page_quotes_the_reference_results(capsys: pytest.CaptureFixture[str]) -> None:
    quoted = quoted_tables()
    page = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")
    assert len(quoted) == page.count("<!-- compare_runs") >= 8
    for words, table in quoted:
        COMPARING.main(shlex.split(words))
        assert capsys.readouterr().out == table, words


def test_the_default_tables_name_the_pairs_that_the_study_leaves_open(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And those that stand the other way there."""
    found, turned = {}, {}
    for words, table in quoted_tables():
        rows = [
            [COMPARING.plain(cell.strip()) for cell in line.split("|")[1:3]]
            for line in table.splitlines()[2:]
        ]
        pairs = "; ".join(f"{one} and {others.replace(';', ',')}" for one, others in rows)
        task = shlex.split(words)[shlex.split(words).index("--task") + 1]
        if "--open" in words:
            found[task] = f"the study leaves Dice undecided between {pairs} (docs/results.md)"
            COMPARING.main(shlex.split(words.replace("--open", "--reversed default")))
            turned[task] = {better(line) for line in capsys.readouterr().out.splitlines()[2:]}
    tasks = read_yaml(REPOSITORY / "config" / "default.yaml")["tasks"]
    assert {name: task["notes"][0] for name, task in tasks.items()} == found
    some = {name: pairs for name, pairs in turned.items() if pairs}
    assert {name for name, task in tasks.items() if len(task["notes"]) > 1} == set(some)
    for name, expected in some.items():
        said = tasks[name]["notes"][1].partition("In the study, ")[2].split("; ")
        pairs = [re.split(r" (?:has|have) (more Dice|less EPE) than ", one) for one in said]
        assert expected == {
            (one, measure, other)
            for ones, measure, others in pairs
            for one, other in product(ones.split(", "), others.split(", "))
        }


def better(line: str) -> tuple[str, str, str]:
    """The method that is better by the study, in what, and the other: of a row of `--reversed`."""
    pair, measure, study = (cell.strip() for cell in line.split("|")[1:4])
    one, other = pair.split(" - ")
    higher = measure.startswith("Dice")
    if (study[0] == "+") != higher:
        one, other = other, one
    return one, "more Dice" if higher else "less EPE", other


@pytest.mark.verify
def test_the_default_tables_have_the_reference_values(tmp_path: Path) -> None:
    """REGBENCH_DEFAULT_RUN names a folder with a run of the default config, to go on from."""
    folder = REFERENCE / "results" / "default"
    if not (folder / "about.json").is_file():
        pytest.skip("reference/results/default is not there")
    work = Path(os.environ.get("REGBENCH_DEFAULT_RUN", tmp_path))
    tasks = sorted(file.stem for file in folder.glob("*.csv"))
    assert "ct-mri" in tasks
    workflow(work, "default", *(str(task_metrics_file("default", task)) for task in tasks))
    config = load_config(REPOSITORY / "config" / "default.yaml", REPOSITORY)
    trained = {run.id for run in config.runs if run.method.learned and not run.checkpoint}
    lines = []
    for task in tasks:
        found = read_results(work / task_metrics_file("default", task))
        known = pd.read_csv(folder / f"{task}.csv", index_col=list(SAVING.KEY))
        metrics = list(dict.fromkeys(str(name).partition(" ")[0] for name in known.columns))
        table = SAVING.wide(found.rows(task), metrics)
        lines += [f"{task} {x}" for x in moved(SAVING.means(known), SAVING.means(table), trained)]
    assert not lines, "\n".join(lines)


@pytest.mark.verify
def test_a_reference_network_trained_again_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VM-2, whose steps are short, on the study's own pairs."""
    file = REFERENCE / "weights" / "ct-mri" / "vm-2.pt"
    if not file.is_file():
        pytest.skip("reference/weights is not there")
    record = load_record(file)
    content = read_yaml(REPOSITORY / "config" / f"{record['config']}.yaml")
    content["datasets"]["abdomen-phantom"]["splits"]["test"]["count"] = 0
    config = resolve(content, REPOSITORY)
    monkeypatch.chdir(tmp_path)
    prepare(config.datasets["abdomen-phantom"], layout_file(config.name, "abdomen-phantom"))
    run = next(run for run in studied_runs(config) if run.method.id == record["method"])
    job = job_of_point(config, run, Point(record["lambda"], record["steps"], record["seed"]))
    training = train(training_of(job))
    assert training["outcome"] == "ok", training["reason"]
    found = PACKING.validation(job.folder, training, job.run.settings)
    for name, width in AGAIN.items():
        key = f"validation_{name}"
        assert not far(found[key], record[key], width), (name, found, record)
