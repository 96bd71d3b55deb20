"""The workflow end to end, on toy data: tables, verdict, retry, bad configs, broken cases."""

import json
import statistics
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished import copy_of
from helpers import read_report
from scripts import script
from toy_project import ToyProject, make_project

from regbench.base.records import Status
from regbench.measure.fields import keep_warped
from regbench.plan.config import Config, load_config
from regbench.plan.jobs import Job
from regbench.spatial.nifti import read_volume


@pytest.fixture
def project(tmp_path: Path) -> ToyProject:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    """A workflow in both directions: good methods, and one that fails on a case."""
    return copy_of(tmp_path_factory, "whole", run_whole)


def run_whole(project: ToyProject) -> None:
    turned = {**project.config["tasks"]["toy"], "direction": {"fixed": 1, "moving": 0}}
    project.config["tasks"]["turned"] = turned
    bad = {"method": "trouble", "settings": {"how": "raise"}, "tasks": ["toy"]}
    here = [{"method": name, "tasks": ["toy"]} for name in ("shift", "shift-two", "mean-field")]
    project.config |= {"methods": [*here, "oracle", "identity", bad], "keep_warped": "all"}
    # The table is of one task, and no report is made that was not asked for.
    plan = project.planned("reports/table.csv")
    assert (plan["register"], plan["collect"], plan["render"]) == (6, 1, 1)
    done = project.snakemake(check=False)
    assert done.returncode == 3, done.stderr[-4000:]
    (project.root / "out.txt").write_text(done.stdout)
    (project.root / "err.txt").write_text(done.stderr)


def test_the_table(whole: ToyProject) -> None:
    notes, rows = read_report(whole.root, "table")
    assert [row["Method"] for row in rows[:5]] == [
        *("Moving", "Mean field", "Oracle", "Shift", "Shift by two")
    ]
    assert list(rows[0])[:5] == [
        "Method",
        "ASD box (mm)",
        "ASD box (mm) std",
        "ASD box (mm) n",
        "ASD both (mm)",
    ]
    dice = [rows[2][f"Dice box (%){part}"] for part in ("", " std", " n")]
    assert dice == ["100", "0", "3"]
    assert (rows[2]["EPE (voxel)"], rows[2]["EPE (voxel) std"]) == ("0", "0")
    assert {(row["Cases"], row["Cases total"]) for row in rows[:5]} == {("3", "3")}
    text = "\n".join(notes)
    assert "synthetic phantom, not the paper's data" in text and "config: toy" in text


def test_moving_is_the_same_in_both_directions(whole: ToyProject) -> None:
    # The end of a workflow: each metric's mean over label groups.
    lines = (whole.root / "out.txt").read_text().splitlines()
    shown = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    assert "100.00" in shown["Oracle", "toy"] and shown["Moving", "turned"][-1] == "3/3"
    _, rows = read_report(whole.root, "leaderboard")
    moving = {row["Task"]: row for row in rows if row["Method"] == "Moving"}
    assert set(moving) == {"toy", "turned"}
    for column in rows[0]:
        if not column.startswith(("Task", "Time CPU (s)", "CPU seconds")):
            assert moving["toy"][column] == moving["turned"][column], column
    oracle = [row for row in rows if row["Method"] == "Oracle"]
    assert len(oracle) == 2 and all(row["EPE (voxel)"] == "0" for row in oracle)


def test_failures_are_rows_and_the_verdict_comes_after_the_reports(whole: ToyProject) -> None:
    assert "ValueError: no such luck" in (whole.root / "err.txt").read_text()
    _, rows = read_report(whole.root, "table")
    failed = next(row for row in rows if row["Method"].startswith("Trouble"))
    assert (failed["Cases"], failed["Cases total"]) == ("2", "3")
    assert failed["Dice box (%) n"] == "2"
    markdown = (whole.root / "reports" / "table.md").read_text()
    line = next(x for x in markdown.splitlines() if x.startswith("| Trouble"))
    assert "**" not in line
    best = [x for x in markdown.splitlines() if "**" in x]
    assert best and all(x.startswith("| Shift") for x in best)
    frame = pd.read_parquet(whole.root / "results" / "toy" / "metrics.parquet")
    lost = frame[(frame["run"] == "trouble@how=raise") & frame["status"].str.startswith("failed")]
    assert len(lost["case"].unique()) == 1 and lost["value"].isna().all()
    # A second run has nothing to do; the verdict is still to be had.
    assert whole.snakemake().returncode == 0
    verdict = whole.regbench("verdict", "--config", str(whole.config_file))
    assert verdict.returncode == 3 and "1 failed" in verdict.stdout


@pytest.mark.verify
def test_retry_repeats_the_failed_cases_only(project: ToyProject) -> None:
    # The method fails until its own source is mended; that file is beside the tracked ones.
    switch = project.root / "fails"
    switch.touch()
    method = project.root / "methods" / "shift" / "method.py"
    method.write_text(
        method.read_text().replace(
            "    time.sleep(sleep_s)",
            "    from pathlib import Path\n\n"
            f"    if fixed.data[0, 0, 0] < 0.05 and Path({str(switch)!r}).exists():\n"
            "        raise OSError('the disk is away')\n    time.sleep(sleep_s)",
        )
    )
    project.config["datasets"]["toy"]["splits"] = {"test": {"count": 6, "seed": 300}}
    assert project.snakemake(check=False).returncode == 3
    cases = json.loads((project.folder("shift") / "cases.json").read_text())
    failed = [c["case"] for c in cases if c["outcome"] == "failed"]
    assert 0 < len(failed) < 6
    switch.unlink()
    times = {
        c: (project.folder("shift") / c / "status.json").stat().st_mtime_ns
        for c in (c["case"] for c in cases)
    }
    done = project.regbench("retry", "--config", str(project.config_file))
    assert done.returncode == 0, done.stderr
    again = json.loads((project.folder("shift") / "cases.json").read_text())
    assert {c["outcome"] for c in again} == {"ok"}
    for case, before in times.items():
        changed = (project.folder("shift") / case / "status.json").stat().st_mtime_ns != before
        assert changed == (case in failed)
    assert project.regbench("verdict", "--config", str(project.config_file)).returncode == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods": ["identitty"]}, "unknown method 'identitty' (did you mean 'identity'?)"),
        ({"tasks": {"t": {"dataset": "toi"}}}, "unknown data set 'toi' (did you mean 'toy'?)"),
        ({"metod": ["identity"]}, "unknown key 'metod'"),
        ({"metrics": ["dise"]}, "unknown metric 'dise' (did you mean 'dice'?)"),
        ({"seeds": "one"}, "field seeds"),
        (
            {"methods": [{"method": "shift", "settings": {"bye": 2}}]},
            "unknown setting 'bye'",
        ),
    ],
)
def test_a_bad_config_is_one_line_and_code_2(
    project: ToyProject, change: dict[str, object], words: str
) -> None:
    project.config.update(change)
    done = project.snakemake(check=False)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("regbench:")]
    assert len(ours) == 1 and words in ours[0]
    assert "Traceback" not in done.stderr
    assert not (project.root / "results").exists()


def test_a_mistyped_report_gets_the_nearest_one(project: ToyProject) -> None:
    done = project.snakemake("-n", "reports/tabel.csv", check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("regbench:")]
    assert "no report makes reports/tabel.csv (did you mean 'reports/table.csv'?)" in line
    assert "expected one of leaderboard, table" in line


def test_a_report_of_an_unknown_metric_is_refused_when_it_is_planned(project: ToyProject) -> None:
    report = project.root / "reports" / "page.yaml"
    report.write_text("{title: Page, kind: page, columns: [{metric: dyce}]}")
    done = project.snakemake("-n", "reports/page.html", check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("regbench:")]
    assert f"{report}: unknown metric 'dyce' (did you mean 'dice'?)" in line
    # Whoever asks for another report need not mend this one.
    assert project.planned("reports/table.csv")["render"] == 1


def test_a_project_in_which_nothing_can_be_written_is_one_line(project: ToyProject) -> None:
    project.snakemake("-n")
    folders = [project.root, *(path for path in project.root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    ended = [
        subprocess.run(
            project.snakemake_command(*more),
            cwd=project.root,
            env=project.environment,
            capture_output=True,
            text=True,
            # Nothing is closed to root.
            preexec_fn=script("bad_inputs")._respect_permissions,
        )
        for more in (["-n"], [])
    ]
    for folder in folders:
        folder.chmod(0o755)
    for done in ended:
        assert done.returncode == 2 and "Traceback" not in done.stderr
        (line,) = [x for x in done.stderr.splitlines() if x.startswith("regbench:")]
        assert ".snakemake/iocache: cannot be written; expected a folder of your own" in line


@pytest.mark.verify
def test_a_report_of_another_task_says_so(project: ToyProject) -> None:
    report = project.root / "reports" / "table.yaml"
    report.write_text(report.read_text().replace("task: toy", "task: lung"))
    done = project.snakemake("reports/table.csv", check=False)
    assert done.returncode != 0
    assert "needs the task 'lung'" in done.stderr and "expected one of toy" in done.stderr
    # `rule all` leaves it out.
    project.snakemake()
    assert (project.root / "reports" / "leaderboard.csv").exists()


@pytest.mark.verify
def test_one_broken_case_of_a_folder_is_a_failed_row(project: ToyProject) -> None:
    project.snakemake("data/toy/toy/toy_dataset.json")
    source = project.root / "data" / "toy" / "toy"
    broken = source / "imagesTr" / "Toy_0005_0001.nii.gz"
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    path = str(source / "toy_dataset.json")
    project.config = {
        **project.config,
        "name": "own",
        "datasets": {"toy": {"plugin": "learn2reg", "settings": {"path": path}}},
        "methods": ["identity", "shift"],
    }
    done = project.snakemake("reports/leaderboard.csv", check=False)
    assert done.returncode == 3
    _, rows = read_report(project.root, "leaderboard")
    assert {(row["Cases"], row["Cases total"]) for row in rows} == {("2", "3")}
    verdict = project.regbench("verdict", "--config", str(project.config_file))
    assert "Toy_0005_0001.nii.gz: is truncated or damaged" in verdict.stdout


@pytest.mark.verify
def test_time_alone(project: ToyProject) -> None:
    nap = {"method": "shift", "settings": {"sleep_s": 0.3}}
    project.config |= {"timing": "alone", "methods": ["identity", nap]}
    project.snakemake("reports/table.csv")
    timing = json.loads((project.folder("shift@sleep_s=0.3") / "timing.json").read_text())
    assert len(timing["register_s"]) == 3
    notes, rows = read_report(project.root, "table")
    assert any("one case alone on the machine" in note for note in notes)
    median = statistics.median(timing["register_s"])
    assert float(rows[1]["Time CPU (s)"]) == pytest.approx(median)
    # It slept: the wall waited, the processor did not work.
    assert float(rows[1]["CPU seconds"]) < 0.2 < median
    assert any(note.startswith("load of task toy") and "Shift" in note for note in notes)


@pytest.mark.parametrize(
    ("fields", "kept", "warped", "written"),
    [("none", 0, "all", 3), ("reported", 1, "reported", 1)],
)
@pytest.mark.verify
def test_what_is_kept(
    project: ToyProject, fields: str, kept: int, warped: str, written: int
) -> None:
    project.config |= {"keep_fields": fields, "keep_warped": warped, "methods": ["oracle"]}
    project.snakemake("reports/table.csv")
    folder = project.folder("oracle")
    assert len(list(folder.glob("*/displacement.nii.gz"))) == kept
    _, rows = read_report(project.root, "table")
    assert rows[0]["Cases"] == "3" and rows[0]["Dice box (%)"]
    assert len(list(folder.glob("*/warped.nii.gz"))) == written
    for file in folder.glob("*/warped_labels.nii.gz"):
        # The true field brings every label where the fixed image has it.
        # A case is called by fixed and moving image: `Toy_0004_0000_Toy_0004_0001`.
        stem = "_".join(file.parent.name.split("_")[:3])
        fixed = project.root / f"data/toy/toy/labelsTr/{stem}.nii.gz"
        assert np.array_equal(read_volume(file).data, read_volume(fixed).data)
        assert (file.parent / "warped.nii.gz").is_file()


def test_warped_volumes_follow_the_field_and_the_config(whole: ToyProject) -> None:
    folder = whole.folder("identity")
    statuses = [Status(**item) for item in json.loads((folder / "cases.json").read_text())]
    layout_file = whole.root / "data/toy/toy/toy_dataset.json"
    config = load_config(whole.config_file, whole.root)
    files = sorted(folder.glob("*/warped*.nii.gz"))
    assert len(files) == 6

    def keep(config: Config, statuses: list[Status]) -> list[float]:
        keep_warped(Job(config, config.run("toy", "identity"), 0, folder, layout_file), statuses)
        return [file.stat().st_mtime_ns for file in files if file.is_file()]

    before = [file.stat().st_mtime_ns for file in files]
    assert keep(config, statuses) == before, "the same again writes nothing"
    first = replace(statuses[0], field_sha256="another")
    again = keep(config, [first, *statuses[1:]])
    assert [a != b for a, b in zip(again, before, strict=True)] == [True] * 2 + [False] * 4
    failed = replace(statuses[1], outcome="failed")
    assert len(keep(config, [first, failed, statuses[2]])) == 4
    assert keep(replace(config, keep_warped="none"), statuses) == []


@pytest.mark.verify
def test_shards_of_an_earlier_cut_are_not_read(project: ToyProject) -> None:
    method = project.root / "methods" / "shift" / "method.yaml"
    text = method.read_text()
    method.write_text(text + "resources: {cases_per_job: 1}\n")
    project.config["methods"] = ["shift"]
    project.snakemake("reports/table.csv")
    assert len(list((project.folder("shift") / "shards").glob("[!.]*"))) == 3
    method.write_text(text.replace("by: 1.0", "by: 3.0"))
    project.snakemake("reports/table.csv")
    cases = json.loads((project.folder("shift") / "cases.json").read_text())
    assert {case["facts"]["settings"]["by"] for case in cases} == {3.0}


@pytest.mark.verify
def test_a_field_that_was_not_kept_is_a_failure_that_retry_mends(project: ToyProject) -> None:
    project.config |= {"keep_fields": "none", "methods": ["shift"]}
    project.snakemake()
    metric = project.root / "metrics" / "dice.py"
    metric.write_text(metric.read_text().replace("200.0 *", "100.0 *"))
    assert project.snakemake(check=False).returncode == 3
    notes, rows = read_report(project.root, "table")
    assert any("dice of 3 cases has no value" in note for note in notes)
    assert not rows[0]["Dice box (%)"] and rows[0]["ASD box (mm)"]
    project.config["keep_fields"] = "all"
    done = project.regbench("retry", "--config", str(project.config_file))
    assert done.returncode == 0, done.stdout + done.stderr
    _, rows = read_report(project.root, "table")
    assert rows[0]["Dice box (%)"]


@pytest.mark.verify
def test_images_may_be_called_by_numbers(project: ToyProject) -> None:
    project.snakemake("data/toy/toy/toy_dataset.json")
    source = project.root / "data" / "toy" / "toy" / "imagesTr"
    own = project.root / "own" / "imagesTr"
    own.mkdir(parents=True)
    for number, name in (("0001", "Toy_0004_0000"), ("0002", "Toy_0004_0001")):
        (own / f"{number}.nii.gz").write_bytes((source / f"{name}.nii.gz").read_bytes())
    pair = {"fixed": "imagesTr/0001.nii.gz", "moving": "imagesTr/0002.nii.gz"}
    layout = {"name": "Own", "registration_val": [pair]}
    (own.parent / "own_dataset.json").write_text(json.dumps(layout))
    project.config["datasets"]["toy"] = {
        "plugin": "learn2reg",
        "settings": {"path": "own/own_dataset.json"},
    }
    project.config["tasks"] = {"toy": {"dataset": "toy"}}
    project.config["methods"] = ["identity", "shift"]
    project.snakemake("reports/leaderboard.csv")
    _, rows = read_report(project.root, "leaderboard")
    assert {row["Cases total"] for row in rows} == {"1"}


@pytest.mark.verify
def test_a_changed_checkpoint_is_another_training(project: ToyProject) -> None:
    given = project.root / "weights.pt"
    given.write_bytes(b"one")
    settings = {"checkpoint": str(given)}
    project.config["methods"] = [{"method": "tiny", "settings": settings}]
    done = project.snakemake("reports/table.csv", check=False)
    assert done.returncode == 3 and "training: " in done.stderr and "weights.pt" in done.stderr
    assert project.planned("reports/table.csv") == {}
    given.write_bytes(b"two")
    assert project.planned("reports/table.csv")["train"] == 1
