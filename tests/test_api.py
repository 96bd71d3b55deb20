"""regbench from Python, and the numbers that the commands print."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import AFFINES, REPOSITORY, SHAPE, box, shift_field, toy_dataset
from report_rows import results
from shell import Shell

import regbench
from regbench.base.errors import BadInput
from regbench.base.records import Row, missing
from regbench.data.landmarks import write_landmarks
from regbench.plugins.catalog import discover
from regbench.reports.brief import brief
from regbench.reports.formats import to_text
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.results import write_results
from regbench.reports.scores import MOST_LABELS, summary
from regbench.spatial.field import write_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

CATALOG = discover(REPOSITORY)


def test_importing_regbench_imports_nothing_else() -> None:
    code = "import regbench, sys; print(*(set(sys.modules) & {'numpy', 'pandas', 'torch', 'yaml'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    assert {"evaluate", "register", "load_results"} == set(regbench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        regbench.evaluat  # noqa: B018


def test_the_pages_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toy_dataset(tmp_path)
    shutil.move(file, tmp_path / "X_dataset.json")
    for folder in ("fields", "teams/one"):
        write_field(tmp_path / folder / "disp_0001_0001.nii.gz", shift_field((1, 2, -1)))
    for k, side in enumerate(("fixed", "moving")):
        name = f"Toy_0001_000{k}.nii.gz"
        shutil.copy(tmp_path / "imagesTr" / name, tmp_path / f"{side}.nii.gz")
        shutil.copy(tmp_path / "labelsTr" / name, tmp_path / f"{side}_labels.nii.gz")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "own-data.yaml").write_text("name: own-data\n")
    collected = results({"syn": [80.0, 90.0]})
    write_results(tmp_path / "results" / "own-data" / "metrics.parquet", collected)
    (tmp_path / "Snakefile").touch()
    for kind in ("methods", "metrics"):
        (tmp_path / kind).symlink_to(REPOSITORY / kind)
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "docs" / "python.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec("\n".join(blocks), {})  # noqa: S102 - the project's own page
    out = printed.getvalue()
    assert re.search(r"^tre \(mm\) +0\.00 +- +1/1$", out, re.MULTILINE)
    assert re.search(r"^one +1 +", out, re.MULTILINE)
    assert str((*SHAPE, 3)) in out
    assert re.search(r"^dice 1 26\.6\d+ \d", out, re.MULTILINE)
    assert re.search(r"^syn +dice +85\.0$", out, re.MULTILINE)


def rows(values: list[float], metric: str, label: str = "") -> list[Row]:
    return [Row(f"case-{k}", metric, label, value, "") for k, value in enumerate(values)]


def test_the_summary_has_mean_std_and_number_of_cases() -> None:
    of_dice = rows([80, 90], "dice", "liver") + rows([50, 70], "dice", "spleen")
    lost = [missing("case-2", "dice", label, "%", "failed: x") for label in ("liver", "spleen")]
    skipped = [missing(f"case-{k}", "tre", "", "mm", "skipped: none") for k in range(3)]
    metrics = [CATALOG.metrics[name] for name in ("dice", "tre")]
    lines = to_text(summary([*of_dice, *lost, *skipped], metrics)).splitlines()
    assert [line.split() for line in lines] == [
        ["metric", "mean", "std", "n"],
        ["dice", "liver", "(%)", "85.00", "7.07", "2/3"],
        ["dice", "spleen", "(%)", "60.00", "14.14", "2/3"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_many_labels_are_one_line() -> None:
    many = [row for k in range(MOST_LABELS + 1) for row in rows([k, k + 2.0], "dice", f"l{k}")]
    (row,) = summary(many, [CATALOG.metrics["dice"]]).rows
    assert (row.title, [cell.text for cell in row.cells]) == (
        *("dice mean of 9 labels (%)", ["5.00", "1.41", "2/2"]),
    )


def test_a_short_leaderboard_has_one_column_for_each_metric() -> None:
    columns = (
        *(Column("Task"), Column("Data"), Column("TRE (mm)", direction="lower")),
        *(Column(f"Dice {x} (%)", "Dice (%)", x, "higher") for x in ("liver", "spleen")),
        *(Column("Folds", direction="none"), Column("Cases")),
    )
    none = Cell("-")
    cells = (Cell("t"), Cell("x"), none, Cell("80.00±1", 80.0), Cell("90.00±1", 90.0), none)
    table = Table("Leaderboard", "", columns, (TableRow("SyN", (*cells, Cell("2/2"))),))
    assert [line.split() for line in to_text(brief(table)).splitlines()] == [
        ["Method", "Task", "TRE", "(mm)", "Dice", "(%)", "Cases"],
        ["SyN", "t", "-", "85.00", "2/2"],
    ]


# -- the commands -----------------------------------------------------------------------------


def annotated(shell: Shell) -> list[object]:
    """Options: a box and two points, both moved by (2, -1, 0) voxels."""
    folder = shell.root / "in"
    points = np.array([[4.0, 5.0, 7.0], [3.5, 6.25, 8.0]])
    options: list[object] = []
    affines = {"fixed": AFFINES["oblique"], "moving": np.eye(4)}
    for side, move in (("fixed", (0, 0, 0)), ("moving", (2, -1, 0))):
        labels = box(SHAPE, np.add((3, 4, 6), move), (3, 4, 5)).astype(np.uint8)
        write_volume(folder / f"{side}_labels.nii.gz", Volume(labels, affines[side]))
        write_landmarks(folder / f"{side}.csv", points + move)
        options += [f"--{side}-labels", folder / f"{side}_labels.nii.gz"]
        options += [f"--{side}-landmarks", folder / f"{side}.csv"]
    return options


def test_register_prints_accuracy_before_and_after(shell: Shell) -> None:
    more = ["--set", "shift=[2, -1, 0]", *annotated(shell)]
    code, out, err = shell(*shell.pair("register", "shift"), *more)
    assert (code, err) == (0, [])
    assert out.splitlines()[1:] == [
        "dice 1: 25.00 before, 100.00 after (%)",
        f"tre: {5**0.5:.2f} before, 0.00 after (mm)",
    ]
    assert shell.output.is_file()


def test_register_wants_annotations_of_both_images(shell: Shell) -> None:
    words = [*shell.pair("register", "shift"), *annotated(shell)[:2]]
    shell.refuses(*words, naming=("--fixed-labels and --moving-labels",))


def test_evaluate_prints_the_numbers(shell: Shell) -> None:
    file = toy_dataset(shell.root / "data", numbers=(1, 2))
    for number, shift in ((1, (1, 2, -1)), (2, (0, 0, 0))):
        write_field(
            shell.root / "pred" / f"disp_000{number}_000{number}.nii.gz", shift_field(shift)
        )
    words = ["evaluate", "--dataset", file, "--predictions", shell.root / "pred"]
    code, out, _ = shell(*words, "--output", shell.root / "m.csv")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert ["tre", "(mm)", "1.22", "1.73", "2/2"] in lines
    assert ["dice", "organ", "(%)", "63.33", "51.85", "2/2"] in lines


def test_load_results_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no\.parquet"):
        regbench.load_results(tmp_path / "no.parquet")
    with pytest.raises(BadInput, match=r"no\.yaml"):
        regbench.load_results(tmp_path / "no.yaml")
    (tmp_path / "own.yaml").write_text("description: without a name\n")
    with pytest.raises(BadInput, match=r"own\.yaml.*name"):
        regbench.load_results(tmp_path / "own.yaml")
