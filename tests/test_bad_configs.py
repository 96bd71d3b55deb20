"""Limits of configs: sizes, counts, names and numbers; one line, before anything is made."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import REPOSITORY, one_line, toy_dataset
from toy_project import make_project

from regbench.base.errors import BadInput
from regbench.base.schemas import parse_yaml, read_yaml
from regbench.cli.main import parser
from regbench.data.layout import read_layout
from regbench.execution.prepare import prepare
from regbench.plan.config import resolve
from regbench.plan.jobs import start
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("configs")).root


def config(**changes: Any) -> dict[str, Any]:
    return {
        "name": "toy",
        "datasets": {"toy": {"plugin": "toy", **changes.pop("dataset", {})}},
        "tasks": {"toy": {"dataset": "toy"}},
        "methods": ["identity"],
        **changes,
    }


def shaped(shape: Any) -> dict[str, Any]:
    return {"dataset": {"settings": {"shape": shape}}}


LONG = {"method": "trouble", "settings": {"place": "x" * 300}}
BAD = [
    ({"name": "a" * 300}, ("field name", "expected id")),
    ({"dataset": {"splits": {"test": {"count": 10**9, "seed": 1}}}}, ("count", "100000")),
    ({"dataset": {"splits": {"test": {"count": -1, "seed": 1}}}}, ("count", "found -1")),
    ({"seeds": [10**30]}, ("seeds",)),
    (shaped([0, 0, 0]), ("settings.shape", "three whole numbers", "[0, 0, 0]")),
    (shaped([24, 24]), ("settings.shape", "[24, 24]")),
    (shaped("big"), ("settings.shape", "big")),
    (shaped([100000] * 3), ("settings.shape", "voxels")),
    (shaped([8.0, 8, 8]), ("settings.shape",)),
    ({"metrics": ["dice", "dice"]}, ("field metrics", "different metric ids")),
    (
        {"methods": [{"method": "shift", "settings": {1: 1}}]},
        ("bad key in field methods.0.settings", "expected text", "found 1"),
    ),
    ({"limits": {"time_s": math.nan}}, ("limits.time_s", "a finite number", "nan")),
    ({"limits": {"memory_gb": math.inf}}, ("limits.memory_gb", "a finite number")),
    ({"methods": [{"method": "shift", "settings": {"by": math.nan}}]}, ("by", "a finite number")),
    ({"methods": [LONG]}, ("the name of a run", "at most 240 bytes")),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_a_config_beyond_a_limit_is_one_line(
    root: Path, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput) as caught:
        resolve(config(**dict(changes)), root)
    one_line(caught.value, *words)
    assert len(str(caught.value)) < 400


def refused(*given: Any) -> str:
    """The one line with which a workflow that cannot start ends (see `or_exit` of the rules)."""
    with pytest.raises((BadInput, OSError)) as caught:
        start(*given)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_task_without_a_case_is_refused(root: Path, here: Path) -> None:
    none = {"count": 0, "seed": 1}
    empty = config(dataset={"splits": {"test": none, "validation": {"count": 0, "seed": 9}}})
    assert "task toy has no validation case" in refused(empty, root)
    assert not (here / "results").exists()


def test_a_grid_without_a_case_is_refused_where_its_report_is_wanted(here: Path) -> None:
    raw = parse_yaml((REPOSITORY / "config/default.yaml").read_text())
    for dataset in raw["datasets"].values():
        dataset["splits"] = {"test": {"count": 1, "seed": 1}, "validation": {"count": 0, "seed": 9}}
    raw["methods"] = ["identity"]
    line = refused(raw, REPOSITORY)
    assert "report figure3: data set abdomen-phantom has no validation case" in line
    plan = start(raw | {"reports": ["table2"]}, REPOSITORY)
    with pytest.raises(BadInput, match="report figure3"):
        plan.register("figure3", plan.config.sweep_runs[0].id, "0")


def test_a_key_twice_in_the_workflows_config_is_refused(root: Path, here: Path) -> None:
    file = here / "toy.yaml"
    file.write_text("name: toy\nmethods: [identity]\nmethods: [shift]\n")
    line = refused(config(), root, [str(file)])
    assert f"{file}: key 'methods' is given twice, in lines 2 and 3" in line


@pytest.mark.parametrize("text", ["", "toy", "- name: toy", "5"])
def test_a_config_without_keys_is_no_config(root: Path, here: Path, text: str) -> None:
    """Snakemake would end with code 1 and words of its own."""
    (here / "toy.yaml").write_text(text)
    options = parser().parse_args(["--root", str(root), "run", "--config", "toy.yaml"])
    options.rest = ["--not-an-option-of-snakemake"]
    with pytest.raises(BadInput) as caught:
        options.run(options)
    one_line(caught.value, here / "toy.yaml", "is no config")


def repeated(line: str, levels: int = 9, wide: int = 10) -> str:
    """YAML of a few lines that stand for wide^levels values."""
    return "".join(
        line.format(n, n, ", ".join([f"*a{n - 1}" if n else "1"] * wide)) for n in range(levels)
    )


def test_anchors_that_repeat_each_other_are_not_unfolded(tmp_path: Path) -> None:
    line = "a{}: &a{} [{}]\n"
    (tmp_path / "bomb.yaml").write_text(repeated(line))
    with pytest.raises(BadInput) as caught:
        read_yaml(tmp_path / "bomb.yaml")
    one_line(caught.value, "bomb.yaml", "1e+09 values")
    # More values than a float holds.
    with pytest.raises(yaml.YAMLError, match=r"1e\+300 values"):
        parse_yaml(repeated(line, levels=200, wide=50))
    assert len(parse_yaml(repeated(line, levels=5))["a4"]) == 10


def test_results_that_cannot_be_written_are_one_line(root: Path, here: Path) -> None:
    (here / "results").write_text("a file where the folder belongs")
    assert "results" in refused(config(), root)


def test_a_setting_that_the_generator_cannot_take_is_one_line(root: Path, here: Path) -> None:
    known = resolve(config(**shaped([1, 1, 1])), root).datasets["toy"]
    file = root / "datasets" / "toy" / "dataset.py"
    text = file.read_text()
    file.write_text(text.replace("rng = ", "raise IndexError('no such voxel')\n    rng = "))
    try:
        with pytest.raises(BadInput) as caught:
            prepare(known, here / "toy_dataset.json")
    finally:
        file.write_text(text)
    one_line(caught.value, "toy cannot make the pair of seed 100", "IndexError: no such voxel")


def test_a_value_of_an_option_has_no_key_twice() -> None:
    assert parse_yaml("{a: 1}") == {"a": 1}
    with pytest.raises(yaml.MarkedYAMLError, match="twice"):
        parse_yaml("{a: 1, a: 2}")


def test_trusted_headers_are_not_compared_and_the_notes_say_so(root: Path, tmp_path: Path) -> None:
    from bad_annotations import moved

    source = toy_dataset(tmp_path / "data")
    image, labels = (tmp_path / "data" / f"{k}Tr" for k in ("images", "labels"))
    moved(image / "Toy_0001_0000.nii.gz", labels / "Toy_0001_0000.nii.gz", shift=(100, 0, 0))
    plugin = discover(root).datasets["learn2reg"]
    import_data = load_entry(plugin.folder, str(plugin.importer))
    found = {}
    for geometry in ("check", "trust"):
        ready = tmp_path / geometry / "X_dataset.json"
        import_data({**plugin.settings, "path": str(source), "geometry": geometry}, ready)
        found[geometry] = read_layout(ready)
    assert "lie elsewhere" in str(found["check"].cases["validation"][0].problem)
    assert found["trust"].cases["validation"][0].problem is None
    assert not found["check"].extra.get("remarks")
    assert "geometry: trust" in found["trust"].extra["remarks"][0]
    with pytest.raises(BadInput, match="check or trust"):
        import_data({**plugin.settings, "path": str(source), "geometry": "no"}, ready)
