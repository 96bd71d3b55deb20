"""Bad methods beside a good one, through the whole workflow: the good one's row is what it was."""

import json
from pathlib import Path

import pytest
from bad_methods import LIMITS, MISDEEDS
from helpers import read_report
from plugin_files import method_folder
from toy_project import MARK, make_project, still_running

from regbench.execution.method_log import MAX_BYTES, TAIL_BYTES
from regbench.execution.sandbox import landlock_version


@pytest.mark.verify
def test_bad_methods_beside_a_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, str(tmp_path))
    deeds = [deed for deed in MISDEEDS if landlock_version() or not deed.landlock]
    project = make_project(tmp_path)
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("theirs")
    head = "title: A\nkind: external\nentry: method:register\n"
    methods = project.root / "methods"
    method_folder(methods / "needy", head, "import no_such_package_at_all.part\n")
    # Two that have no name that could be one of a folder or a table's row.
    method_folder(methods / "a..b", head)
    method_folder(methods / "split", head + "variants: {../up: {}}\n")
    count = len(deeds)
    project.config["datasets"]["toy"]["splits"] = {"test": {"count": count, "seed": 300}}
    each = {"each": [deed.how for deed in deeds], "place": str(theirs)}
    variants = {"trouble": {}, "villain": {"title": "Bad", "settings": each}}
    with (methods / "trouble" / "method.yaml").open("a") as file:
        file.write(json.dumps({"variants": variants})[1:-1] + "\n")
    project.config |= {
        "limits": LIMITS,
        "metrics": ["dice", "folds"],
        "methods": [
            {"method": "shift", "title": "Good"},
            "villain",
            "needy",
        ],
    }
    done = project.snakemake("reports/table.csv", check=False)
    assert done.returncode == 3, done.stderr[-3000:]
    left_out = [x for x in done.stderr.splitlines() if "warning: left out" in x]
    assert len(left_out) == 2 and "'a..b'" in left_out[0] and "../up" in left_out[1]

    notes, table = read_report(project.root, "table")
    rows = {row["Method"]: row for row in table}
    assert {name: row["Cases"] for name, row in rows.items()} == {
        "Good": str(count),
        "Bad": "1",
        "A": "0",
    }
    assert {row["Cases total"] for row in table} == {str(count)}
    assert f"task toy: fewer cases than {count}: Bad (n=1)" in notes
    assert "task toy: no case of A" in notes
    # The field is one voxel along x; the truth is one or two.
    found = [float(rows["Good"][f"Dice box (%){part}"]) for part in ("", " std")]
    assert found == pytest.approx(expected_dice(project.root))
    assert (rows["Good"]["Folds"], rows["Good"]["Folds std"]) == ("0", "0")

    cases = json.loads((project.folder("villain") / "cases.json").read_text())
    for deed, case in zip(deeds, cases, strict=True):
        assert case["outcome"] == deed.outcome, deed
        assert deed.words in case["reason"], deed
        told = any(f"{deed.outcome}: {case['reason']}" in note for note in notes)
        assert told == (deed.outcome != "ok"), deed
    assert any("no_such_package_at_all is not installed: pip install" in note for note in notes)
    if landlock_version():
        assert theirs.read_text() == "theirs"
    log = project.root / "logs/toy/toy/villain/seed0/method-1-of-1.txt"
    # A worker that ends leaves its own last lines.
    assert MAX_BYTES < log.stat().st_size < MAX_BYTES + 9 * TAIL_BYTES
    assert f"are left out here: a log has {MAX_BYTES}" in log.read_text()
    assert still_running(str(tmp_path)) == []


def expected_dice(root: Path) -> tuple[float, float]:
    """Mean and deviation of the Dice of two boxes of four voxels, 0 or 1 voxel apart along x."""
    import numpy as np

    from regbench.data.layout import read_layout
    from regbench.spatial.field import read_field

    cases = read_layout(root / "data" / "toy" / "toy" / "toy_dataset.json").cases["test"]
    shifts = [read_field(case.true_field).displacement[0, 0, 0, 0] for case in cases]
    dice = [100.0 if shift == 1 else 75.0 for shift in shifts]
    return float(np.mean(dice)), float(np.std(dice, ddof=1))
