"""A challenge: teams with known shifts, ranked by construction; submissions that are broken."""

import csv
import stat
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import REPOSITORY, shift_field, toy_dataset
from scipy.stats import gmean, ranksums
from shell import Shell

import regbench
from regbench.api import Evaluation
from regbench.measure import case as case_module
from regbench.measure import scoring as scoring_module
from regbench.measure.learn2reg import KIT_NAMES
from regbench.measure.scoring import IDENTITY, STAND_IN
from regbench.plan.config import resolve
from regbench.plugins.catalog import discover
from regbench.spatial.field import write_field
from regbench.statistics import challenge_ranking

NUMBERS = (1, 2, 3, 4)
CATALOG = discover(REPOSITORY)
#: The moving images are shifted by the first of these. TRE: 0, 1, sqrt 2 and sqrt 6.
SHIFTS = {"perfect": (1, 2, -1), "near": (1, 1, -1), "far": (1, 1, 0), "still": (0, 0, 0)}


def name_of(number: int) -> str:
    return f"disp_{number:04d}_0000_{number:04d}_0001.nii.gz"


def hand_in(folder: Path, shift: tuple[int, int, int], numbers: tuple[int, ...] = NUMBERS) -> Path:
    for number in numbers:
        write_field(folder / name_of(number), shift_field(shift))
    return folder


def pack(source: Path, file: Path, inside: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(source.iterdir()):
            archive.write(path, inside + path.name)
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("challenge")
    toy_dataset(root / "data", numbers=NUMBERS)
    for name, shift in SHIFTS.items():
        hand_in(root / "fields" / name, shift)
    return root


def score(place: Path, teams: Path, **more: int) -> Evaluation:
    file = place / "data" / "Toy_dataset.json"
    return regbench.evaluate(file, teams=teams, catalog=CATALOG, **more)


@pytest.fixture(scope="module")
def clear(place: Path) -> Evaluation:
    """Teams that differ in every case: a folder, a nested folder, a zip, a zip with a folder."""
    fields = place / "fields"
    hand_in(place / "clear" / "near", SHIFTS["near"])
    hand_in(place / "clear" / "far" / "to" / "it", SHIFTS["far"])
    pack(fields / "still", place / "clear" / "still.zip")
    pack(fields / "perfect", place / "clear" / "perfect.ZIP", "submission/")
    # What macOS adds, a file of the organiser, and a hidden one.
    with zipfile.ZipFile(place / "clear" / "perfect.ZIP", "a") as archive:
        archive.writestr(f"__MACOSX/submission/._{name_of(1)}", b"x")
    (place / "clear" / "readme.txt").write_text("the teams")
    (place / "clear" / ".hidden").mkdir()
    return score(place, place / "clear")


def column(found: Evaluation, title: str) -> dict[str, str]:
    index = [c.title for c in found.table.columns].index(title)
    return {row.title: row.cells[index].text for row in found.table.rows}


def test_clearly_separated_teams_have_their_ranks_in_every_resample(clear: Evaluation) -> None:
    assert column(clear, "Rank") == {
        **{"perfect": "1", "near": "2", "far": "3", "still": "4"},
        IDENTITY: "-",
    }
    assert list(column(clear, "Rank")) == ["perfect", "near", "far", "still", IDENTITY]
    assert set(column(clear, "Stability (%)").values()) == {"100.0", "-"}
    assert column(clear, "Ranks (95 %)")["near"] == "2 to 2"
    assert column(clear, "l2r_tre (mm)") == {
        **{"perfect": "0.00±0.00", "near": "1.00±0.00", "far": "1.41±0.00"},
        **dict.fromkeys(["still", IDENTITY], "2.45±0.00"),
    }
    assert clear.failures == [] and clear.warnings == []


def test_a_team_has_the_values_of_its_folder_alone(place: Path, clear: Evaluation) -> None:
    for name in ("near", "perfect"):
        file = place / "data" / "Toy_dataset.json"
        alone = regbench.evaluate(file, place / "fields" / name, catalog=CATALOG)
        assert repr(alone.rows[""]) == repr(clear.rows[name])
        assert alone.kit[""] == clear.kit[name]


def test_the_files_of_a_case_are_read_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = case_module.read_volume

    def counted(path: Path, **more: bool) -> object:
        read.append(path)
        return real(path, **more)

    monkeypatch.setattr(case_module, "read_volume", counted)
    score(place, place / "clear")
    assert len(read) == len(set(read)) == 2 * len(NUMBERS)


def test_two_processes_give_the_same(place: Path, clear: Evaluation) -> None:
    found = score(place, place / "clear", cores=2)
    assert repr(found) == repr(clear)


# -- what is broken ---------------------------------------------------------------------------


def link_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for number in NUMBERS:
            member = zipfile.ZipInfo(name_of(number))
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(member, "/etc/passwd")


def path_zip(file: Path, name: str) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"x")
        archive.writestr(name_of(1), b"x")


def twice_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name_of(1), b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(name_of(1), b"y")


def two_folders(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"a/{name_of(1)}", b"x")
        archive.writestr(f"b/{name_of(2)}", b"x")


BROKEN = {
    "broken": (lambda file: file.write_bytes(b"PK\x03\x04 and no more"), "not a readable zip"),
    "links": (link_zip, "a link or a device"),
    "up": (lambda file: path_zip(file, "a/../../x"), "leads out of it"),
    "root": (lambda file: path_zip(file, "/etc/x"), "leads out of it"),
    "windows": (lambda file: path_zip(file, "..\\x"), "leads out of it"),
    "drive": (lambda file: path_zip(file, "C:x"), "leads out of it"),
    "twice": (twice_zip, "holds a path twice"),
    "two": (two_folders, "no single folder"),
    "empty": (lambda file: zipfile.ZipFile(file, "w").close(), "found none"),
}


@pytest.fixture(scope="module")
def troubled(place: Path) -> Evaluation:
    """Two teams in order, one with a case missing, one with a torn field, and broken zips."""
    folder = place / "troubled"
    for name in ("perfect", "near"):
        hand_in(folder / name, SHIFTS[name])
    hand_in(folder / "missing", SHIFTS["perfect"], NUMBERS[:-1])
    torn = hand_in(folder / "torn", SHIFTS["near"]) / name_of(1)
    torn.write_bytes(torn.read_bytes()[:60])
    pack(folder / "torn", folder / "tornzip.zip")
    for name, (make, _) in BROKEN.items():
        make(folder / f"{name}.zip")
    return score(place, folder)


def test_a_missing_case_has_the_identitys_values_and_is_marked(troubled: Evaluation) -> None:
    frame = troubled.frame
    last = frame[frame["case"].str.startswith("Toy_0004")]
    mine, identity = (
        last[last["team"] == team].drop(columns="team") for team in ("missing", IDENTITY)
    )
    numbers = [part["value"].to_numpy() for part in (mine, identity)]
    np.testing.assert_array_equal(*numbers)
    marked = mine["status"].str.endswith(STAND_IN).to_numpy()
    assert (marked == (identity["status"] == "ok").to_numpy()).all()
    assert mine["status"].str.contains("no displacement field").to_numpy()[marked].all()
    kit = troubled.kit["missing"]["aggregates"]
    assert kit["TRE"]["mean"] == pytest.approx(6**0.5 / 4)
    assert kit["DSC"]["mean"] == pytest.approx((3 + 80 / 300) / 4)
    assert column(troubled, "Cases")["missing"] == "3/4"


def test_a_failed_case_has_the_last_rank(troubled: Evaluation) -> None:
    ranks = {team: int(rank) for team, rank in column(troubled, "Rank").items() if rank != "-"}
    assert ranks["perfect"] == 1 and ranks["near"] == 2
    # The kit's comparisons do not tell them from one another; their ranks within cases do.
    assert 2 < ranks["missing"] < ranks["torn"] == ranks["tornzip"]
    assert {ranks[name] for name in BROKEN} == {6}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_zip_is_its_teams_failure(troubled: Evaluation, name: str) -> None:
    reasons = [reason for team, _, reason in troubled.failures if team == name]
    assert len(reasons) == len(NUMBERS)
    for reason in reasons:
        assert BROKEN[name][1] in reason and f"{name}.zip" in reason
    (note,) = [note for note in troubled.table.notes if note.startswith(f"warning: {name}: 4")]
    assert BROKEN[name][1] in note


def test_a_torn_field_names_the_submission(troubled: Evaluation) -> None:
    reasons = {team: reason for team, _, reason in troubled.failures}
    assert f"tornzip.zip/{name_of(1)}" in reasons["tornzip"]
    assert "regbench-" not in reasons["tornzip"]


def test_nothing_but_the_fields_is_unpacked(place: Path, tmp_path: Path) -> None:
    file = pack(place / "fields" / "near", tmp_path / "teams" / "near.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("disp_0009_0000_0009_0001.nii.gz", b"x")
        archive.writestr("other.py", b"x")
    layout = regbench.api.read_layout(place / "data" / "Toy_dataset.json")
    cases = layout.cases["validation"]
    (team,) = scoring_module.find_teams(tmp_path / "teams", cases)
    with team.fields_of(cases[1], 10**6) as folder:
        assert [path.name for path in folder.iterdir()] == [name_of(2)]
    assert not folder.exists()
    with pytest.raises(regbench.api.BadInput, match=r"near\.zip: is too large"):
        team.fields_of(cases[1], 100).__enter__()


def test_too_many_files_are_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring_module, "MAX_FILES", 3)
    hand_in(tmp_path / "teams" / "unpacked", SHIFTS["near"])
    pack(place / "fields" / "near", tmp_path / "teams" / "near.zip")
    found = score(place, tmp_path / "teams")
    assert {team for team, *_ in found.failures} == {"near", "unpacked"}
    assert all("too many files" in reason for *_, reason in found.failures)


# -- the ranking ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_the_scores_are_those_of_the_kits_ranking(seed: int) -> None:
    """Against its published steps: rank-sum tests, counted wins, 0.1 to 1 with mean ties."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([[f"case-{k}" for k in range(6)], ["a", "b"]])
    teams = [f"team-{k}" for k in range(5)]
    tables = []
    for slope in (0.6, -0.3):
        values = rng.normal(np.arange(5) * slope, 1, (12, 5)).round(1)
        tables.append(pd.DataFrame(values, index=index, columns=teams))
    expected = []
    for table in tables:
        won = np.zeros(5, int)
        for i in range(5):
            for j in range(5):
                z, p = ranksums(table.iloc[:, i], table.iloc[:, j])
                won[i] += z > 0 and p < 0.05
        order = np.argsort(won, kind="stable")
        scale = np.empty(5)
        scale[order] = np.linspace(0.1, 1, 5)
        expected.append([scale[won == one].mean() for one in won])
    found = challenge_ranking(tables, resamples=50)
    np.testing.assert_allclose(found["score"], gmean(expected, axis=0), atol=1e-9)
    assert found["stability"].between(0, 1).all() and found["stability"].min() < 1
    # A share of the resamples alone.
    np.testing.assert_allclose(found["stability"] * 50, (found["stability"] * 50).round())
    assert (found["low"] <= found["rank"]).all() and (found["rank"] <= found["high"]).all()
    pd.testing.assert_frame_equal(found, challenge_ranking(tables, resamples=50))


def test_equal_teams_share_a_rank_and_a_failure_is_last() -> None:
    index = pd.MultiIndex.from_product([["a", "b", "c"], [""]])
    table = pd.DataFrame({"x": 1.0, "y": 1.0, "z": -np.inf}, index=index)
    found = challenge_ranking([table])
    assert found["rank"].to_dict() == {"x": 1, "y": 1, "z": 3}
    assert (found["stability"] == 1).all()


# -- the command ------------------------------------------------------------------------------


def test_the_command_writes_one_leaderboard(shell: Shell, place: Path) -> None:
    words = ["evaluate", "--dataset", place / "data" / "Toy_dataset.json", "--cores", "1"]
    teams = shell.root / "teams"
    hand_in(teams / "one", SHIFTS["perfect"])
    hand_in(teams / "two", SHIFTS["near"], NUMBERS[1:])
    out, kit = shell.root / "out", shell.root / "kit"
    code, text, err = shell(*words, "--teams", teams, "--output", out, "--l2r-json", kit)
    assert (code, err) == (3, [])
    assert "two Toy_0001_0000" in text and "no displacement field" in text
    names = {
        f"leaderboard.{ending}" for ending in ("csv", "notes.json", "md", "tex", "html", "json")
    }
    assert {path.name for path in out.iterdir()} == {"metrics.csv", *names}
    assert {path.name for path in kit.iterdir()} == {f"{t}.json" for t in (IDENTITY, "one", "two")}
    with (out / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["team", "case", "metric", "label", "value", "unit", "status"]
    page = (out / "leaderboard.html").read_text()
    assert "Stability" in page and "warning: two: 1 cases failed" in page


def test_the_template_makes_each_team_a_run(place: Path) -> None:
    raw = yaml.safe_load((REPOSITORY / "config" / "challenge.yaml").read_text())
    raw["datasets"]["challenge"]["settings"]["path"] = str(place / "data" / "Toy_dataset.json")
    config = resolve(raw, REPOSITORY)
    assert [run.title for run in config.runs] == ["Moving", "Team A", "Team B", "Team C"]
    assert set(KIT_NAMES) < set(config.metrics)


def test_the_command_refuses(shell: Shell, place: Path) -> None:
    file = place / "data" / "Toy_dataset.json"
    words = ["evaluate", "--dataset", file, "--output", shell.root / "out"]
    shell.refuses(*words, naming=("either predictions or teams",))
    shell.refuses(*words, "--teams", shell.root / "in", naming=("holds no team",))
    shell.refuses(*words, "--teams", shell.fixed, naming=("is not a folder",))
    hand_in(shell.root / "teams" / "one", SHIFTS["near"])
    pack(place / "fields" / "near", shell.root / "teams" / "one.zip")
    teams = ["--teams", shell.root / "teams"]
    shell.refuses(*words, *teams, naming=("two submissions of team one",))
    words[-1] = file
    shell.refuses(*words, *teams, naming=("is an input", "another file to write"))
    words[-1] = place / "taken.csv"
    words[-1].write_text("")
    shell.refuses(*words, *teams, naming=("is a file", "a folder to write"))
