"""Learn2Reg's folders as published: every structure loads and prepares; two run as a whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import REPOSITORY, one_line
from official_folders import (
    abdomen_ct,
    image,
    lumir,
    lung_ct,
    nlst,
    subset,
    thorax_cbct,
    write_folder,
)
from report_rows import results
from toy_project import make_project

from regbench.base.errors import BadInput
from regbench.data.landmarks import read_landmarks
from regbench.data.layout import Case, Layout, read_layout
from regbench.plan.jobs import start
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry
from regbench.reports.notes import notes

PLUGIN = discover(REPOSITORY).datasets["learn2reg"]


def listed(file: Path, **settings: Any) -> Layout:
    """What the importer lists of a folder."""
    given = {**PLUGIN.settings, "path": str(file), **settings}
    found: Layout = load_entry(PLUGIN.folder, str(PLUGIN.pairs))(given)
    return found


def prepared(file: Path, **settings: Any) -> Layout:
    """The imported folder. What was listed is what is prepared, and nothing is broken."""
    given = {**PLUGIN.settings, "path": str(file), **settings}
    target = file.parent.parent / "ready" / "X_dataset.json"
    load_entry(PLUGIN.folder, str(PLUGIN.importer))(given, target)
    layout, source = read_layout(target), listed(file, **settings)
    assert not layout.extra["problems"]
    assert layout.extra.get("remarks") == source.extra.get("remarks")
    assert layout.direction == source.direction
    for split, cases in source.cases.items():
        assert [case.id for case in layout.cases[split]] == [case.id for case in cases]
        for one, two in zip(cases, layout.cases[split], strict=True):
            for before, after in ((one.fixed, two.fixed), (one.moving, two.moving)):
                assert before.modality == after.modality
                known = {k: path.resolve() for k, path in before.by_kind.items()}
                assert {k: path.resolve() for k, path in after.by_kind.items()} == known
    return layout


def ids(cases: tuple[Case, ...]) -> list[str]:
    return [case.id for case in cases]


def remarks(layout: Layout) -> str:
    return "\n".join(layout.extra.get("remarks", []))


def mrct(root: Path, real_data: Path) -> Path:
    """AbdomenMRCT 1.1: training pairs 6 to 8 are validation pairs, test labels are kept back."""
    keep = {
        "training_paired_images": [0, 1, 2, 5, 6],
        "registration_val": [0, 1],
        "registration_test": [0, 1],
    }
    file = real_data / "learn2reg_json" / "AbdomenMRCT_dataset.json"
    content = subset(file, keep, ("_1089_0000", "_1050_0001"))
    return write_folder(root, content, "labelsTs", "masksTs")


def oasis(root: Path, real_data: Path) -> Path:
    """OASIS 1.1: unpaired, no names of labels, entries of test that end in csv."""
    keep = {"registration_val": [0, 1], "registration_test": [0, 1]}
    file = real_data / "learn2reg_json" / "OASIS_dataset.json"
    content = subset(file, keep, ("_0001_", "_0002_", "_0003_", "_0004_"))
    return write_folder(root, content, "labelsTs", "masksTs")


def test_abdomen_mr_ct(tmp_path: Path, real_data: Path) -> None:
    layout = prepared(mrct(tmp_path / "own", real_data))
    assert layout.labels == {1: "liver", 2: "spleen", 3: "right kidney", 4: "left kidney"}
    name = "AbdomenMRCT_000{0}_0000_AbdomenMRCT_000{0}_0001"
    assert ids(layout.cases["training"]) == [name.format(n) for n in (1, 2, 3)]
    assert ids(layout.cases["validation"]) == [name.format(n) for n in (6, 7)]
    assert "2 of 5 listed training pairs are left out" in remarks(layout)
    assert "test pairs without labels" in remarks(layout)
    test = layout.cases["test"]
    assert len(test) == 2 and not any(case.fixed.labels for case in test)
    assert layout.evaluation_split() == "validation"
    turned = layout.directed("training", (1, 0))
    assert turned[0].id == "AbdomenMRCT_0001_0001_AbdomenMRCT_0001_0000"


def test_published_test_labels_are_measured(tmp_path: Path, real_data: Path) -> None:
    file = mrct(tmp_path / "own", real_data)
    (file.parent / "labelsTs").symlink_to("labelsTr")
    for path in (file.parent / "labelsTr").iterdir():
        number = int(path.name.split("_")[1])
        if number in (1, 2):
            name = path.name.replace(f"{number:04d}", f"{number + 8:04d}", 1)
            path.with_name(name).write_bytes(path.read_bytes())
    assert read_layout(file).evaluation_split() == "test"


def test_oasis(tmp_path: Path, real_data: Path) -> None:
    layout = prepared(oasis(tmp_path / "own", real_data))
    assert layout.direction == (0, 0)
    assert layout.labels == {1: "1", 2: "2", 3: "3"}
    evaluated = {side.stem for c in layout.cases["validation"] for side in (c.fixed, c.moving)}
    assert evaluated == {f"OASIS_0{n}_0000" for n in (395, 396, 397)}
    drawn = layout.cases["training"]
    assert len(set(ids(drawn))) == len(drawn) == 4 * 3
    assert all(c.fixed.stem != c.moving.stem for c in drawn)
    assert evaluated.isdisjoint(side.stem for c in drawn for side in (c.fixed, c.moving))
    assert "12 of 12 possible training pairs are drawn, seed 0" in remarks(layout)
    assert "3 of 7 training images are not trained on: 3 are in validation" in remarks(layout)
    assert layout.cases["test"][0].fixed.image.name == "OASIS_0415_0000.nii.gz"
    assert layout.evaluation_split() == "validation"


def test_training_pairs_are_drawn_by_number_and_seed(tmp_path: Path) -> None:
    file = write_folder(tmp_path, abdomen_ct())
    draws = [
        ids(listed(file, training_pairs=5, training_pairs_seed=seed).cases["training"])
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert [len(set(draw)) for draw in draws] == [5, 5, 5]
    assert not listed(file, training_pairs=0).cases["training"]
    for name, value in (("training_pairs", -1), ("training_pairs_seed", "x"), ("landmarks", 3)):
        with pytest.raises(BadInput) as error:
            listed(file, **{name: value})
        one_line(error.value, f"setting {name} is malformed")


def test_all_pairs_of_one_modality(tmp_path: Path) -> None:
    """AbdomenCTCT: a scan is the fixed image of several pairs."""
    layout = prepared(write_folder(tmp_path / "own", abdomen_ct()))
    stems = [f"AbdomenCTCT_000{n}_0000" for n in (5, 6, 7)]
    assert ids(layout.cases["validation"]) == [
        f"{stems[0]}_{stems[1]}",
        f"{stems[0]}_{stems[2]}",
        f"{stems[1]}_{stems[2]}",
    ]
    assert len(layout.cases["training"]) == 4 * 3
    assert layout.evaluation_split() == "test"


def test_keypoints_and_masks(tmp_path: Path) -> None:
    """LungCT: `.nii.gz` names of csv files; keypoints measure the validation pairs."""
    layout = prepared(write_folder(tmp_path / "own", lung_ct()))
    assert [len(layout.cases[split]) for split in ("training", "validation", "test")] == [2, 2, 0]
    case = layout.cases["validation"][0]
    assert case.fixed.landmarks is not None and case.moving.landmarks is not None
    assert (case.fixed.landmarks.suffix, case.fixed.landmark_set) == (".csv", "keypoints")
    assert (read_landmarks(case.fixed.landmarks) != read_landmarks(case.moving.landmarks)).all()


def test_a_list_of_images_for_each_modality(tmp_path: Path) -> None:
    layout = prepared(write_folder(tmp_path / "own", nlst()), masks_as_labels=True)
    assert layout.labels == {1: "lung"}
    assert ids(layout.cases["training"])[0] == "NLST_0001_0000_NLST_0001_0001"
    case = layout.cases["validation"][0]
    assert case.fixed.labels is not None and case.fixed.landmarks is not None


def test_three_images_of_a_subject(tmp_path: Path) -> None:
    """ThoraxCBCT: the pair decides which keypoints are used, and a direction which pairs."""
    layout = prepared(write_folder(tmp_path / "own", thorax_cbct()))
    assert [case.fixed.landmark_set for case in layout.cases["training"]] == [
        *("keypoints01", "keypoints02"),
        *("keypoints01", "keypoints02"),
    ]
    for direction, names in (((1, 0), "0001_0000"), ((2, 0), "0002_0000"), ((0, 2), "0000_0002")):
        one, two = names.split("_")
        expected = [f"ThoraxCBCT_0011_{one}_ThoraxCBCT_0011_{two}"]
        assert ids(layout.directed("validation", direction)) == expected
    with pytest.raises(BadInput) as error:
        layout.directed("validation", (1, 2))
    one_line(error.value, "fixed modality 1 and moving 2", "expected 1 and 0 or 2 and 0")
    assert not any(case.measurable for case in layout.cases["validation"])


def test_a_setting_chooses_the_keypoints(tmp_path: Path) -> None:
    file = write_folder(tmp_path / "own", thorax_cbct())
    layout = prepared(file, landmarks="keypoints02")
    sets = [case.fixed.landmark_set for case in layout.cases["training"]]
    assert sets == [None, "keypoints02"] * 2
    with pytest.raises(BadInput) as error:
        listed(file, landmarks="keypoints03")
    one_line(error.value, "keypoints03", "one of keypoints01, keypoints02")


def test_a_pair_of_three_numbers_is_two_pairs(tmp_path: Path) -> None:
    name, content = "ThoraxCBCT", thorax_cbct()
    content["registration_direction"] = {"fixed": "0", "moving": "1"}
    content["training_paired_images"] = [{str(m): image(name, 0, m) for m in (0, 1, 2)}]
    cases = read_layout(write_folder(tmp_path, content)).cases["training"]
    stem = f"{name}_0000_000"
    assert ids(cases) == [f"{stem}0_{stem}1", f"{stem}0_{stem}2"]


def test_an_image_in_validation_and_test_is_remarked(tmp_path: Path) -> None:
    """An atlas: allowed, and said."""
    content = abdomen_ct()
    content["registration_test"] = [
        {"fixed": image("AbdomenCTCT", n), "moving": image("AbdomenCTCT", 1)} for n in (5, 6)
    ]
    layout = prepared(write_folder(tmp_path / "own", content))
    assert "warning: 2 images are in validation and in test pairs" in remarks(layout)
    assert "AbdomenCTCT_0001_0000" not in str(ids(layout.cases["training"]))


def _project(root: Path, file: Path, **task: Any) -> Any:
    project = make_project(root)
    project.config["datasets"] = {"toy": {"plugin": "learn2reg", "settings": {"path": str(file)}}}
    project.config["tasks"] = {"toy": {"dataset": "toy", **task}}
    project.config["methods"] = ["identity"]
    return project


@pytest.mark.parametrize(("make", "warned"), [(lumir, True), (thorax_cbct, True), (nlst, False)])
def test_what_measures_no_accuracy_is_said_on_start(
    tmp_path: Path,
    make: Callable[[], dict[str, Any]],
    warned: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "project").mkdir()
    file = write_folder(tmp_path / "own", make())
    project = _project(tmp_path / "project", file)
    monkeypatch.chdir(project.root)
    monkeypatch.setattr("os.environ", {})
    start(project.config, project.root)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == warned
    assert all(
        "warning: task toy: nothing measures accuracy: no validation pair" in x for x in lines
    )


def test_what_measures_no_accuracy_is_the_first_note(tmp_path: Path) -> None:
    layout = prepared(write_folder(tmp_path / "own", lumir()))
    found = results({"syn": [1.0]})
    assert "nothing measures accuracy" not in next(iter(notes(found, ["t"], [])))
    facts = found.facts()
    facts["tasks"]["t"]["unmeasured"] = layout.unmeasured("validation")
    first = next(iter(notes(type(found).of(found.frame, facts), ["t"], [])))
    assert first.startswith("warning: task t: nothing measures accuracy")


def test_a_direction_that_no_pair_has_stops_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    file = write_folder(tmp_path / "own", thorax_cbct())
    project = _project(tmp_path / "project", file, direction={"fixed": 1, "moving": 2})
    monkeypatch.setattr("os.environ", {})
    with pytest.raises(BadInput, match="no validation pair has fixed modality 1 and moving 2"):
        start(project.config, project.root)


@pytest.mark.verify
@pytest.mark.parametrize("make", [abdomen_ct, thorax_cbct, lumir, nlst, lung_ct])
def test_a_folder_trains_and_evaluates(tmp_path: Path, make: Callable[[], dict[str, Any]]) -> None:
    (tmp_path / "project").mkdir()
    _whole(tmp_path, write_folder(tmp_path / "own", make(), "labelsTs", "masksTs"))


@pytest.mark.verify
@pytest.mark.parametrize("make", [mrct, oasis])
def test_an_official_folder_trains_and_evaluates(
    tmp_path: Path, real_data: Path, make: Callable[[Path, Path], Path]
) -> None:
    (tmp_path / "project").mkdir()
    _whole(tmp_path, make(tmp_path / "own", real_data))


def _whole(root: Path, file: Path) -> None:
    """The workflow from the folder to the table: a control and a trained method."""
    project = _project(root / "project", file)
    project.config["methods"] = ["identity", {"method": "tiny", "settings": {"steps": 2}}]
    project.snakemake("reports/leaderboard.csv")
    layout = listed(file)
    rows = pd.read_parquet(project.root / "results" / "toy" / "metrics.parquet")
    cases = layout.cases[layout.evaluation_split()]
    assert set(rows["case"]) == set(ids(cases))
    done = rows[rows["metric"] == "register_s"]
    assert len(done) == 2 * len(cases) and set(done["status"]) == {"ok"}
    accuracy = rows[rows["metric"].isin(["dice", "tre"]) & (rows["status"] == "ok")]
    assert bool(len(accuracy)) == any(case.measurable for case in cases)
    first = (project.root / "reports" / "leaderboard.md").read_text()
    assert ("nothing measures accuracy" in first) == (not len(accuracy))
