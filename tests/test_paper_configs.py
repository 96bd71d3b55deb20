"""The paper's configs: their rows meet the published ones; a walk through them on tiny pairs."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import REPOSITORY, box, random_image, read_report, write_dataset, write_side
from report_rows import CATALOG, built, request, results
from toy_project import IGNORED, make_project

from regbench.base.files import write_json
from regbench.plan.config import Config, load_config, resolve
from regbench.plan.jobs import Plan
from regbench.reports.comparison import build_comparison
from regbench.reports.model import Cell, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.rows import expand_columns
from regbench.spatial.volume import Volume

#: Config to its tables, and these to the tasks.
TABLES = {
    "paper": {"table2": "ct-mri", "table3": "mri-ct", "table4": "lung"},
    "paper-mrct": {"table2": "ct-mri", "table3": "mri-ct"},
    "paper-lung": {"table4": "lung"},
}
CASES = [(name, *item) for name, tables in TABLES.items() for item in tables.items()]
SPLITS = {"training_paired_images": 8, "registration_val": 2, "registration_test": 2}
SHAPE = (32, 24, 24)
PHANTOM_ONLY = {"Mean field", "Oracle"}


def listing() -> dict[str, list[dict[str, str]]]:
    """Twelve pairs in their splits, as a dataset JSON has them."""
    names = [[f"./imagesTr/Pair_{n:04d}_{k:04d}.nii.gz" for k in (0, 1)] for n in range(1, 13)]
    pairs = iter([{"fixed": fixed, "moving": moving} for fixed, moving in names])
    return {split: [next(pairs) for _ in range(count)] for split, count in SPLITS.items()}


def write_pairs(root: Path, values: int) -> Path:
    """Twelve tiny pairs, intensities from 0 to 1; the moving organs lie one voxel further."""
    entries = []
    for number in range(1, 13):
        for k in (0, 1):
            labels = np.zeros(SHAPE, np.uint8)
            for value in range(1, values + 1):
                labels[box(SHAPE, (4 + 6 * value - 6 + k, 6, 6 + number % 3), (5, 11, 10))] = value
            noise = random_image(10 * number + k, SHAPE).data
            data = np.clip(labels / (values + 1) + 0.03 * noise + 0.1, 0, 1).astype(np.float32)
            image = Volume(data, np.diag([1.5, 1.5, 2.0, 1.0]))
            entries.append(write_side(root, f"Pair_{number:04d}_{k:04d}", image, labels))
    return write_dataset(root, entries, [], **listing())


def shipped(name: str, path: Path) -> dict[str, Any]:
    """The config as it is shipped, for the data of a user."""
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / f"{name}.yaml").read_text())
    for item in content["datasets"].values():
        if item["plugin"] == "learn2reg":
            item["settings"]["path"] = str(path)
    return content


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Config]:
    """The configs for a listing of pairs whose images nobody opens."""
    file = tmp_path_factory.mktemp("data") / "Pairs_dataset.json"
    write_json(file, {"name": "Pairs", **listing()})
    return {name: resolve(shipped(name, file), REPOSITORY) for name in TABLES}


@pytest.mark.parametrize(("name", "table", "task"), CASES)
def test_every_published_row_and_column_is_met(
    configs: dict[str, Config], name: str, table: str, task: str
) -> None:
    config = configs[name]
    titles = [run.title for run in config.runs if run.task.id == task]
    theirs = built(CATALOG.reports[f"{table}-paper"])
    ours = CATALOG.reports[table]
    labels = config.tasks[task].labels
    assert labels is not None
    rows = [(m, x) for m in ("asd", "dice") for x in labels]
    rows += [("folds", ""), ("std_jacobian", "")]
    frame = pd.DataFrame(rows, columns=["metric", "label"]).assign(status="ok", seed=0)
    filled = expand_columns(request(ours), ours.columns, frame, labels)
    cells = tuple(Cell("1") for _ in filled)
    made = Table.of(ours, [f.column for f in filled], [TableRow(t, cells) for t in titles], [])
    both = build_comparison(CATALOG.reports[f"{table}-compare"], made, theirs)
    assert {row.title for row in both.rows} - PHANTOM_ONLY == {row.title for row in theirs.rows}
    assert len(both.columns) == 2 * len(theirs.columns)
    for row in both.rows:
        here, paper = row.cells[::2], row.cells[1::2]
        assert all(cell.text == "1" for cell in here)
        assert row.title in PHANTOM_ONLY or any(cell.text != "-" for cell in paper)


@pytest.mark.parametrize(
    ("name", "trained", "more"), [("paper-mrct", 15, 50), ("paper-lung", 5, 0)]
)
def test_prepared_pairs_are_planned_as_they_are(
    configs: dict[str, Config], name: str, trained: int, more: int
) -> None:
    config = configs[name]
    plan = Plan(config)
    (dataset,) = config.datasets.values()
    # Linked: no alignment, no window, no grid; the methods do not window either.
    assert dataset.plugin.id == "learn2reg" and set(dataset.settings) & {"alignment"} == set()
    assert plan.prepare(dataset.id).inputs["plugin"]
    assert all(task.prealigned for task in config.tasks.values())
    learned = [run for run in config.every_run if run.method.learned]
    assert not any(run.settings["rescale"] for run in learned)
    for run in config.every_run:
        assert plan.register(run.task.id, run.id, "0").key
    waits = [(r, plan.train(r.task.id, r.id, "0").inputs) for r in learned]
    anew = [run.task.sweep for run, inputs in waits if "borrowed" not in inputs]
    assert (anew.count(False), anew.count(True)) == (trained, more)


def test_nothing_is_done_that_the_paper_does_not_state(configs: dict[str, Config]) -> None:
    recipe = CATALOG.reports["table2-paper"].content["recipe"]
    for config in configs.values():
        learned = [run for run in config.every_run if run.method.learned]
        assert learned and config.timing == "alone"
        for run in learned:
            assert {k: run.settings.get(k, v) for k, v in recipe["unstated"].items()} == recipe[
                "unstated"
            ]
            assert run.settings["learning_rate"] == recipe["stated"]["learning_rate"]
            if not run.task.sweep:
                own = recipe["methods"].get(run.method.id, recipe["stated"])
                assert run.settings["lambda"] == own["lambda"]


def test_a_job_reads_the_numbers_that_the_user_wrote(
    configs: dict[str, Config], tmp_path: Path
) -> None:
    """A job's config is JSON, and JSON's 1e-05 is no number to a reader of YAML."""
    for name, config in configs.items():
        write_json(tmp_path / f"{name}.json", config.raw)
        again = load_config(tmp_path / f"{name}.json", REPOSITORY)
        assert [run.settings for run in again.runs] == [run.settings for run in config.runs]
        assert again.runs[-1].settings["learning_rate"] == 1e-5


def test_the_grid_of_figure_3_trains_as_the_tables_do(configs: dict[str, Config]) -> None:
    for name in ("paper", "paper-mrct"):
        config = configs[name]
        tables = {r.method.id: r.settings for r in config.runs if r.task.id == "ct-mri"}
        assert len(config.sweep_runs) == 60
        for run in config.sweep_runs:
            changed = {**run.settings, "lambda": tables[run.method.id]["lambda"]}
            assert changed == tables[run.method.id]


def test_the_notes_say_what_the_titles_do_not() -> None:
    given = results({"vm-1": [80.0], "syn": [70.0]})
    known = replace(given.tasks["t"], prealigned=True)
    tuned = {"steps": 4, "learning_rate": 0.1, "lambda": 1.5, "checkpoint": ""}
    runs = [
        replace(given.runs[0], kind="learned", settings=tuned, changes={"lambda": 1.5, "steps": 4}),
        given.runs[1],
    ]
    shown = {**vars(given), "tasks": {"t": known}}
    text = list(notes(type(given)(**{**shown, "runs": runs}), ["t"], []))
    assert any(line.endswith("pairs taken as affinely aligned") for line in text)
    assert "settings of VM-1 changed: lambda 1.5, steps 4" in text
    assert not any("validation pair" in line for line in text)
    # Weights that were chosen on a training pair are never passed over.
    runs[0] = replace(runs[0], validation_pairs=0)
    text = list(notes(type(given)(**{**shown, "runs": runs}), ["t"], []))
    assert any("the training of VM-1 is validated on" in x for x in text)


@pytest.mark.verify
@pytest.mark.parametrize("name", ["paper-mrct", "paper-lung"])
def test_a_walk_from_the_dataset_json_to_the_comparison(tmp_path: Path, name: str) -> None:
    file = write_pairs(tmp_path / "given", 4 if name == "paper-mrct" else 1)
    root = tmp_path / "project"
    root.mkdir()
    project = make_project(root)
    for folder in ("methods", "reports"):
        shutil.copytree(REPOSITORY / folder, root / folder, dirs_exist_ok=True, ignore=IGNORED)
    project.config = shipped(name, file)
    # As a user who wants to see an end first: fewer steps, and nothing else.
    few = {"steps": 2, "validate_every": 2, "save_every": 2, "precision": "fp32"}
    quick = {"syn": {"iterations": [4, 2]}, "deeds": {"spacings": [6], "radii": [2], "steps": [1]}}
    for i, item in enumerate(project.config["methods"]):
        if isinstance(item, str):
            item = {"method": item, "settings": quick.get(item, {})}
        else:
            item = {**item, "settings": {**item["settings"], **few}}
        project.config["methods"][i] = item
    # A job that times a case alone, for each run, would take minutes.
    project.config["timing"] = "shared"
    targets = [f"reports/{table}-compare.csv" for table in TABLES[name]]
    project.snakemake(*targets)
    for table, target in zip(TABLES[name], targets, strict=True):
        text, rows = read_report(root, Path(target).stem)
        assert [r["Method"] for r in rows] == [
            r.title for r in built(CATALOG.reports[f"{table}-paper"]).rows
        ]
        dice = [
            key for key in rows[0] if key.startswith("Dice") and key.endswith(("here", "paper"))
        ]
        assert len(dice) == 2 * (3 if name == "paper-mrct" else 1)
        assert all(row[key] for row in rows for key in dice)
        (said,) = {line for line in text if "taken as affinely aligned" in line}
        assert "2 test cases, 8 training, 2 validation; pairs taken" in said
        assert any("rescale False" in line for line in text)
    # What the methods were given is the user's files, byte for byte.
    (prepared,) = (root / "data" / name).iterdir()
    for image in sorted((prepared / "imagesTr").iterdir()):
        assert image.is_symlink() and image.resolve() == file.parent / "imagesTr" / image.name
