"""The configuration: what a typing error, an unknown name or a contradiction is answered with."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import REPOSITORY, one_line, toy_dataset, write_project

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.plan.config import load_config, resolve
from regbench.plan.runs import run_id

CONFIGS = REPOSITORY / "config"
PLAIN = {
    "title: Plain\nkind: control\nentry: method:register\n"
    "settings: {weight: 1.0, steps: [4, 2]}\nseeded: true\n"
}
METHODS = {
    "plain": {"method.yaml": next(iter(PLAIN)), "method.py": "def register(fixed, moving): ...\n"},
    "still": {
        "method.yaml": "title: Still\nkind: control\nentry: method:register\n",
        "method.py": "def register(fixed, moving): ...\n",
    },
}
DATASET = """title: Toy
version: 1
generate: dataset:make
settings: {size: 4}
splits:
  training: {count: 2, seed: 0}
  test: {count: 3, seed: 100}
"""
GOOD: dict[str, Any] = {
    "name": "toy",
    "datasets": {"toy": {"plugin": "toy"}},
    "tasks": {"there": {"dataset": "toy", "direction": {"fixed": 0, "moving": 1}}},
    "methods": ["plain"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path / "project", METHODS)
    write_text(tmp_path / "project" / "datasets" / "toy" / "dataset.yaml", DATASET)
    write_text(tmp_path / "project" / "datasets" / "toy" / "dataset.py", "def make(): ...\n")
    columns = "title: R\nkind: leaderboard\ncolumns: [{fact: cases}]\n"
    write_text(tmp_path / "project" / "reports" / "board.yaml", columns)
    return tmp_path / "project"


def _changed(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one field set; `a.b` names nested keys, None as value removes."""
    content = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = content
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    if value is None:
        del place[last]
    return content


def test_a_good_config_is_resolved(root: Path) -> None:
    write_text(root / "config.yaml", yaml.safe_dump(GOOD))
    config = load_config(root / "config.yaml", root)
    assert [run.id for run in config.runs] == ["plain"]
    assert config.seeds == (0,)
    known = config.catalog.metrics
    own = ("l2r_", "objective_")
    assert set(config.metrics) == {name for name in known if not name.startswith(own)}
    assert set(config.metrics) != set(known)
    task = config.tasks["there"]
    assert (task.direction, task.labels, task.label_interpolation) == ((0, 1), None, "nearest")
    assert task.evaluated_split() == "test"
    assert task.dataset.counts() == {"training": 2, "test": 3}
    assert task.dataset.settings == {"size": 4}
    assert config.run("there", "plain").settings == {"weight": 1.0, "steps": [4, 2]}


def test_overrides_make_a_run_of_their_own(root: Path) -> None:
    methods = ["plain", "still", {"method": "plain", "settings": {"weight": 0.5}}]
    config = resolve({**GOOD, "methods": methods, "seeds": [0, 7]}, root)
    assert [run.id for run in config.runs] == ["plain", "still", "plain@weight=0.5"]
    assert config.runs[2].settings == {"weight": 0.5, "steps": [4, 2]}
    assert config.runs[2].title == "Plain (weight=0.5)"
    assert [config.seeds_of(run) for run in config.runs] == [(0, 7), (0,), (0, 7)]


def test_a_method_may_have_seeds_of_its_own(root: Path) -> None:
    methods = ["plain", {"method": "plain", "settings": {"weight": 0.5}, "seeds": [3, 1]}]
    config = resolve({**GOOD, "methods": methods, "seeds": [0, 7]}, root)
    assert [config.seeds_of(run) for run in config.runs] == [(0, 7), (3, 1)]


def test_a_method_can_be_kept_to_some_tasks(root: Path) -> None:
    data = _changed("tasks.back", {"dataset": "toy", "direction": {"fixed": 1, "moving": 0}})
    data["methods"] = ["plain", {"method": "still", "tasks": ["back"]}]
    runs = [(run.task.id, run.id) for run in resolve(data, root).runs]
    assert runs == [("there", "plain"), ("back", "plain"), ("back", "still")]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, "m"),
        ({"b": 0.5, "a": True}, "m@a=true@b=0.5"),
        ({"steps": [40, 20]}, "m@steps=40-20"),
        ({"path": "../x y/z"}, "m@path=.._x_y_z"),
    ],
)
def test_run_ids_are_safe_folder_names(overrides: dict[str, Any], expected: str) -> None:
    assert run_id("m", overrides) == expected
    assert "/" not in run_id("m", overrides)
    # Snakemake tells a cluster's job its wildcards with commas between.
    assert "," not in run_id("m", overrides)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("metods", [], ["'metods'", "did you mean 'methods'"]),
        ("tasks.there.lables", {}, ["tasks.there", "did you mean 'labels'"]),
        ("datasets.toy.setings", {}, ["datasets.toy", "did you mean 'settings'"]),
        ("datasets.toy.settings", {"sise": 3}, ["'sise'", "size"]),
        ("datasets.toy.plugin", "toi", ["data set 'toi'", "did you mean 'toy'"]),
        ("datasets.toy.splits", {"tset": {"count": 1, "seed": 1}}, ["did you mean 'test'"]),
        ("datasets.toy.splits", {"test": {"count": -1, "seed": 1}}, ["test.count", "-1"]),
        ("tasks.there.dataset", "toi", ["'toi'", "toy"]),
        ("tasks.there.direction", {"fixed": 1, "moving": 1}, ["there", "two modalities"]),
        ("tasks.there.direction", {"fixed": 0, "moving": 2}, ["there", "0 and 1, or 1 and 0"]),
        ("tasks.there.direction", {"fixed": 0, "moving": -1}, ["direction.moving", "-1"]),
        ("tasks.there.labels", {"liver": 1}, ["labels.liver", "1"]),
        ("tasks.there.labels", {"liver": [0]}, ["labels.liver", "0"]),
        ("tasks.there.split", "exam", ["split", "exam"]),
        ("tasks.there.label_interpolation", "cubic", ["label_interpolation", "cubic"]),
        ("tasks.there.trained_on", "their", ["task 'their'", "'there'"]),
        ("methods", ["plane"], ["method 'plane'", "did you mean 'plain'"]),
        ("methods", [], ["methods"]),
        ("methods", ["plain", "plain"], ["'plain'", "twice"]),
        ("methods", [{"method": "plain", "settings": {"wait": 1}}], ["'wait'", "steps, weight"]),
        ("methods", [{"method": "plain", "seting": {}}], ["'seting'", "methods.0"]),
        ("methods", [{"method": "plain", "tasks": ["their"]}], ["task 'their'", "'there'"]),
        ("metrics", ["dize"], ["metric 'dize'", "did you mean 'dice'"]),
        ("reports", ["bored"], ["report 'bored'", "board"]),
        ("seeds", [1, 1], ["seeds"]),
        ("seeds", [-1], ["seeds.0", "-1"]),
        ("keep_fields", "some", ["keep_fields", "some"]),
        ("limits", {"time": 5}, ["'time'", "did you mean 'time_s'"]),
        ("limits", {"time_s": 0}, ["limits.time_s", "0"]),
        ("plugins", {"methods": ["nowhere"]}, ["nowhere"]),
        ("name", "Has Space", ["name", "Has Space"]),
        ("name", None, ["name"]),
        ("tasks", {"Upper": {"dataset": "toy"}}, ["tasks", "Upper"]),
        ("tasks", {1: {"dataset": "toy"}}, ["tasks", "1"]),
    ],
)
def test_a_wrong_field_is_one_line_with_its_place(
    root: Path, path: str, value: Any, words: list[str]
) -> None:
    with pytest.raises(BadInput) as error:
        resolve(_changed(path, value), root, root / "my.yaml")
    one_line(error.value, *words)


def test_a_run_is_called_as_the_config_says(root: Path) -> None:
    entry = {"method": "plain", "settings": {"weight": 2.0, "steps": [1]}}

    def titles(*methods: Any) -> list[str]:
        return [run.title for run in resolve(_changed("methods", list(methods)), root).runs]

    # A method that is listed once needs no settings in its title: the notes have them.
    assert titles(entry, "still") == ["Plain", "Still"]
    assert titles({**entry, "title": "Mine"}) == ["Mine"]
    # Of a method that is listed twice, a title has what tells the two apart.
    assert titles(entry, "plain") == ["Plain (steps=[1], weight=2.0)", "Plain"]
    other = {"method": "plain", "settings": {"weight": 3.0, "steps": [1]}}
    assert titles(entry, other) == ["Plain (weight=2.0)", "Plain (weight=3.0)"]


def test_a_title_never_shows_where_a_file_lies(root: Path) -> None:
    def titles(*files: str) -> list[str]:
        settings = [{"method": "plain", "settings": {"steps": file}} for file in files]
        methods = ["plain", *settings]
        return [run.title for run in resolve(_changed("methods", methods), root).runs[1:]]

    assert titles("/home/me/deedsBCV") == ["Plain (steps=deedsBCV)"]
    # Runs stay apart.
    two = titles("/home/me/old/deeds", "/home/me/new/deeds/")
    assert two == ["Plain (steps=deeds #1)", "Plain (steps=deeds #2)"]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_configs_resolve(path: Path) -> None:
    config = load_config(path, REPOSITORY)
    assert config.name == path.stem
    # The grid behind Figure 3 is one of this task.
    assert bool(config.sweep_runs) == ("ct-mri" in config.tasks)


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "a: [\n", "\x00"])
def test_a_file_that_is_no_config(root: Path, text: str) -> None:
    write_text(root / "my.yaml", text)
    with pytest.raises(BadInput) as error:
        load_config(root / "my.yaml", root)
    one_line(error.value, root / "my.yaml")


def test_a_missing_config_is_named(root: Path) -> None:
    with pytest.raises(BadInput) as error:
        load_config(root / "none.yaml", root)
    one_line(error.value, root / "none.yaml")


def test_splits_may_not_share_a_seed(root: Path) -> None:
    """Training has seeds 0 and 1; a test split from 1 on would hold a training case."""
    data = _changed("datasets.toy.splits", {"test": {"count": 2, "seed": 1}})
    with pytest.raises(BadInput) as error:
        resolve(data, root, root / "my.yaml")
    one_line(error.value, "share", "training", "test", "seed 1")


def test_an_imported_data_set_counts_its_cases(root: Path, tmp_path: Path) -> None:
    text = "title: I\nversion: 1\nimport: dataset:prepare\nsettings: {path: ''}\n"
    write_text(root / "datasets" / "own" / "dataset.yaml", text)
    write_text(root / "datasets" / "own" / "dataset.py", "def prepare(): ...\n")
    file = toy_dataset(tmp_path / "own", numbers=(1, 2))
    data = _changed("datasets.toy", {"plugin": "own", "settings": {"path": str(file)}})
    task = resolve(data, root).tasks["there"]
    assert task.dataset.counts() == {"training": 0, "validation": 2, "test": 0}
    assert task.evaluated_split() == "validation"
    data["datasets"]["toy"] = {"plugin": "own"}
    with pytest.raises(BadInput) as error:
        resolve(data, root).tasks["there"].dataset.counts()
    one_line(error.value, "settings.path")
