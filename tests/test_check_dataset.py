"""`regbench check` of data sets: each thing that can be wrong is found, and a good one passes."""

import json
from pathlib import Path

import pytest
from shell import Shell

from regbench.check.dataset import check_dataset, files_finding, pair_findings, split_finding
from regbench.check.scaffold import DATASET, new_plugin
from regbench.data.layout import Layout, read_layout
from regbench.execution.prepare import prepare
from regbench.plan.config import DatasetConfig
from regbench.plugins.catalog import Catalog
from regbench.plugins.kinds import DatasetPlugin, read_dataset

SPLITS = {"training": {"count": 1, "seed": 1}, "test": {"count": 1, "seed": 5}}


def scaffold(root: Path, *changes: tuple[str, str]) -> DatasetPlugin:
    """The scaffold's data set, small, with texts of its files replaced."""
    made = new_plugin(
        DATASET, "balls", root, Catalog({}, {}, {}, {}, {}), place=root, title="Balls"
    )
    for file in made.folder.iterdir():
        text = file.read_text().replace("[24, 28, 20]", "[12, 14, 10]")
        for old, new in changes:
            text = text.replace(old, new)
        file.write_text(text)
    return read_dataset(made.folder)


def prepared(plugin: DatasetPlugin, root: Path) -> Layout:
    file = root / "data" / "Balls_dataset.json"
    prepare(DatasetConfig("balls", plugin, plugin.settings, SPLITS), file)
    return read_layout(file)


@pytest.mark.parametrize(
    ("old", "new", "check", "words"),
    [
        ("(there, invert(there))", "(invert(there), there)", "true field", "takes the pair apart"),
        ("points = (marks,", "points = (0.7 * marks,", "landmarks", "misses its partner by"),
        ('labels: {"1": left, "2"', 'labels: {"1"', "labels", "labels [2] are in the images"),
        ('"2": right}', '"2": right, "3": none}', "labels", "labels [3] are named and in no image"),
        ("np.diag([2.0, 2.0, 3.0,", "np.diag([1.0, 1.0, 1.0,", "images", "is the identity"),
        ("np.diag([2.0, 2.0, 3.0,", "np.diag([2e3, 2e3, 3e3,", "images", "2000, 2000, 3000 mm"),
    ],
)
def test_what_does_not_fit_is_found(
    tmp_path: Path, old: str, new: str, check: str, words: str
) -> None:
    plugin = scaffold(tmp_path, (old, new))
    found = {f.check: f for f in pair_findings(prepared(plugin, tmp_path))}
    assert found[check].outcome in ("FAIL", "warning")
    assert words in found[check].text and found[check].fix
    others = {name: f.outcome for name, f in found.items() if name != check}
    assert set(others.values()) == {"ok"}


def test_pairs_that_ignore_their_seed_are_in_two_splits(tmp_path: Path) -> None:
    plugin = scaffold(tmp_path, ("default_rng(seed)", "default_rng(0)"))
    finding = split_finding(prepared(plugin, tmp_path))
    assert finding.outcome == "FAIL" and "are the same image" in finding.text
    plugin = scaffold(tmp_path / "good")
    assert split_finding(prepared(plugin, tmp_path / "good")).outcome == "ok"


def test_a_changed_plugin_folder_is_found() -> None:
    assert files_finding({"a": "1"}, {"a": "1"}).outcome == "ok"
    for after in ({"a": "2"}, {"a": "1", "b": "1"}, {}):
        assert files_finding({"a": "1"}, after).outcome == "FAIL"


def test_what_does_not_repeat_is_found(tmp_path: Path) -> None:
    seeds = ("validation: {count: 1, seed: 2000}", "validation: {count: 1, seed: 1003}")
    plugin = scaffold(tmp_path, ("default_rng(seed)", "default_rng()"), seeds)
    found = {f.check: f for f in check_dataset(plugin)}
    assert found["repeats"].outcome == "FAIL" and "files differ" in found["repeats"].text
    assert "share seed 1003" in found["seeds"].text
    assert found["true field"].outcome == "ok"


def test_the_command_checks_a_data_set(shell: Shell) -> None:
    scaffold(shell.project / "datasets")
    code, out, err = shell("check", "balls", "--json")
    found = json.loads(out)
    assert (code, err) == (0, []), out
    assert (found["name"], found["kind"], found["ok"]) == ("balls", "dataset", True)
    assert {line["outcome"] for line in found["checks"]} == {"ok"}
    # A data set that cannot be made: a line, and code 1.
    file = shell.project / "datasets" / "balls" / "dataset.py"
    file.write_text("def make_pair(seed, **settings):\n    raise RuntimeError('no\\nluck')\n")
    code, out, _ = shell("check", "balls", "--dataset")
    assert code == 1
    assert "FAIL     prepare          failed: " in out
    assert "cannot make the pair of seed" in out and "found RuntimeError: no luck" in out
