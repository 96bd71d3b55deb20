"""Files that people write: what YAML and the models refuse, each in one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import REPOSITORY, one_line
from plugin_files import DATASET, METHOD, METRIC, dataset_folder, method_folder, metric_file

from regbench.base import schemas
from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.models import check
from regbench.base.schemas import parse_yaml, read_yaml
from regbench.plan.models import ConfigFile
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import read_dataset, read_methods, read_metric


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: 1\nb: [\n", ["is not valid YAML in line 3", "found while parsing"]),
        (b"a: 1\nb: {c: 1, d: 2\n", ["is not valid YAML in line 3"]),
        (b"a: 1\n\tb: 2\n", ["is not valid YAML in line 2", "'\\t'"]),
        (b"a: 1\nb: \xff\n", ["is not valid YAML in line 2", "invalid start byte"]),
        (b"a: 1\n\nb: \x00\n", ["is not valid YAML in line 3", "special characters"]),
        (b"a: 2020-13-45\n", ["is not valid YAML", "month"]),
        (b"[" * 5000, ["is not valid YAML", "recursion"]),
        # So deep that the parser in C would end the process.
        (b"- " * 10**6, ["is not valid YAML", "recursion"]),
        (b"a: {b?c: 1}\n", ["is not valid YAML in line 1"]),
        (b"a: |#x\n  b\n", ["is not valid YAML in line 1"]),
        (b"a: 1\nb: 2\na: 3\n", ["key 'a' is given twice, in lines 1 and 3"]),
        (b"a:\n  b: 1\n  c: 2\n  b: 1\n", ["key 'b' is given twice, in lines 2 and 4"]),
        (b"x: [{a: 1, a: 2}]\n", ["key 'a' is given twice, in lines 1 and 1"]),
    ],
)
def test_yaml_that_is_refused_has_its_line(
    tmp_path: Path, content: bytes, words: list[str]
) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_yaml(tmp_path / "a.yaml")
    one_line(error.value, tmp_path / "a.yaml", *words)


def test_a_merged_key_is_not_given_twice(tmp_path: Path) -> None:
    write_text(
        tmp_path / "a.yaml", "a: &a {k: 1, l: 2}\nb: {<<: *a, k: 3}\nc: {<<: *a}\n1: x\n'1': y\n"
    )
    found = read_yaml(tmp_path / "a.yaml")
    assert found["b"] == {"k": 3, "l": 2}
    assert (found["c"], found[1], found["1"]) == ({"k": 1, "l": 2}, "x", "y")


def test_the_parser_in_c_reads_what_the_other_reads() -> None:
    folders = ("config", "methods", "datasets", "reports", "baselines")
    files = [file for name in folders for file in (REPOSITORY / name).rglob("*.yaml")]
    assert len(files) > 50 and issubclass(schemas._Fast, yaml.CSafeLoader)
    for text in ["", *(file.read_text() for file in files)]:
        plain = yaml.load(text, Loader=schemas._Loader)  # noqa: S506
        assert yaml.load(text, Loader=schemas._Fast) == plain == parse_yaml(text)  # noqa: S506


CONFIG: dict[str, Any] = {
    "name": "toy",
    "datasets": {"toy": {"plugin": "toy"}},
    "tasks": {"there": {"dataset": "toy"}},
    "methods": ["plain"],
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"colour": 1}, "unknown key 'colour' in (top level); expected one of datasets, "),
        (
            {"seedz": [0]},
            "unknown key 'seedz' in (top level) (did you mean 'seeds'?); expected one",
        ),
        (
            {"datasets": {"toy": {}}},
            "field datasets.toy.plugin is missing; expected text",
        ),
        (
            {"tasks": {"A B": {"dataset": "toy"}}},
            "bad key in field tasks; expected id; found 'A B'",
        ),
        ({"job_minutes": 0}, "field job_minutes; expected number > 0; found 0"),
        ({"job_minutes": True}, "field job_minutes; expected number > 0; found True"),
        ({"job_minutes": float("nan")}, "field job_minutes; expected a finite number; found nan"),
        ({"job_minutes": None}, "field job_minutes; expected number > 0; found nothing"),
        (
            {"seeds": [1, 1]},
            "field seeds; expected list of different whole numbers from 0 to 2147483648 "
            "(at least one); found",
        ),
        (
            {"seeds": [0, 1.5]},
            "field seeds.1; expected whole number from 0 to 2147483648; found 1.5",
        ),
        (
            {"seeds": "01"},
            "field seeds; expected list of different whole numbers from 0 to 2147483648 "
            "(at least one); found '01'",
        ),
        (
            {"metrics": "dice"},
            "field metrics; expected all, or list of different metric ids (at least one);",
        ),
        ({"metrics": ["dice", 3]}, "field metrics.1; expected metric id; found 3"),
        ({"timing": "both"}, "field timing; expected shared, alone; found 'both'"),
        ({"methods": [{"title": "x"}]}, "field methods.0.method is missing; expected id"),
        (
            {"methods": [{"method": "a", "seting": {}}]},
            "unknown key 'seting' in methods.0 (did you mean 'settings'?); expected one of method,",
        ),
        ({"methods": ["Big One"]}, "field methods.0; expected id, or mapping"),
        ({"methods": [3]}, "field methods.0; expected id, or mapping"),
        (
            {"methods": [{"method": "plain", "settings": {"a": [1, {"b": float("inf")}]}}]},
            "field methods.0.settings.a.1.b; expected a finite number; found inf",
        ),
        (
            {"tasks": {"there": {"dataset": "toy", "labels": {"liver": [1, 1]}}}},
            "field tasks.there.labels.liver; expected list of different whole numbers >= 1 "
            "(at least one); found",
        ),
        (
            {"datasets": {"toy": {"plugin": "toy", "splits": {"tst": {"count": 1, "seed": 0}}}}},
            "unknown key 'tst' in datasets.toy.splits (did you mean 'test'?); expected one of "
            "test, training, validation",
        ),
        ({"plugins": {"methods": "here"}}, "field plugins.methods; expected list of paths; found"),
    ],
)
def test_a_wrong_key_of_a_config(change: dict[str, Any], line: str) -> None:
    with pytest.raises(BadInput) as error:
        check(ConfigFile, {**CONFIG, **change}, "my.yaml")
    assert one_line(error.value).startswith(f"my.yaml: {line}")


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_a_file_that_is_no_mapping(content: Any) -> None:
    with pytest.raises(BadInput) as error:
        check(ConfigFile, content, "my.yaml")
    one_line(error.value, "my.yaml: field (top level); expected mapping; found")


def test_a_config_that_refers_to_itself() -> None:
    settings: dict[str, Any] = {}
    settings["own"] = settings
    with pytest.raises(BadInput) as error:
        check(ConfigFile, {**CONFIG, "methods": [{"method": "a", "settings": settings}]}, "my.yaml")
    one_line(error.value, "my.yaml: refers to itself")


def test_a_long_value_is_cut() -> None:
    with pytest.raises(BadInput) as error:
        check(ConfigFile, {**CONFIG, "device": "x" * 5000}, "my.yaml")
    assert len(one_line(error.value, "expected auto, cpu, cuda", "xxx...")) < 300


def test_numbers_as_names_are_text(tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "d", DATASET + "labels: {1: liver, '2': spleen}\n")
    assert read_dataset(folder).labels == {"1": "liver", "2": "spleen"}


def test_a_number_of_a_metric_is_finite(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        read_metric(metric_file(tmp_path / "m.py", METRIC.replace("[0, None]", "(0, 1e999)")))
    one_line(error.value, "m.py", "field range.1; expected a finite number; found inf")
    assert read_metric(metric_file(tmp_path / "m.py", METRIC)).range == (0, None)


LEARNED = METHOD.replace("control", "learned")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("learning_rate: 1e-3", "mine: setting learning_rate; expected number; found '1e-3'"),
        ("precision: fp64", "mine: setting precision; expected auto, bf16, fp32; found 'fp64'"),
        ("steps: many", "mine: setting steps; expected whole number; found 'many'"),
        ("clip: .inf", "field settings.clip; expected a finite number; found inf"),
    ],
)
def test_settings_of_learned_methods_have_their_type(
    tmp_path: Path, settings: str, words: str
) -> None:
    folder = method_folder(tmp_path / "mine", f"{LEARNED}settings: {{{settings}}}\n")
    with pytest.raises(BadInput) as error:
        read_methods(folder)
    one_line(error.value, folder / "method.yaml", words)
    # A method that is not learned may use the names for something else.
    method_folder(tmp_path / "mine", f"{METHOD}settings: {{{settings.replace('.inf', '1')}}}\n")
    assert len(read_methods(folder)) == 1


def test_defaults_of_learned_methods(tmp_path: Path) -> None:
    folder = method_folder(tmp_path / "mine", f"{LEARNED}settings: {{steps: 5, own: x}}\n")
    (method,) = read_methods(folder)
    assert method.seeded
    assert method.settings["steps"] == 5
    assert method.settings["own"] == "x"
    assert (method.settings["lambda"], method.settings["network"]) == (0.3, {})


def test_every_metric_s_range_is_as_written() -> None:
    metrics = discover(REPOSITORY).metrics
    assert metrics["dice"].range == (0, 100)
    assert all(type(end) in (int, type(None)) for end in metrics["dice"].range)
