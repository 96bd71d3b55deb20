"""Metadata of plugins: every mistake is one line with the file and the field."""

from pathlib import Path

import pytest
from helpers import one_line, write_project
from plugin_files import DATASET, METHOD, METRIC, REPORT, dataset_folder, method_folder, metric_file

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.plugins.catalog import discover, lookup


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["mapping"]),
        ("- a\n", ["mapping"]),
        ("a: [\n", ["YAML"]),
        ("kind: control\nentry: method:register\n", ["title"]),
        (METHOD + "colour: red\n", ["'colour'"]),
        (METHOD + "setings: {}\n", ["'setings'", "did you mean 'settings'"]),
        (METHOD + "1: 2\nfoo: 3\n", ["'foo'"]),
        (METHOD.replace("control", "magic"), ["kind", "magic"]),
        (METHOD.replace("method:register", "register"), ["entry", "register"]),
        (METHOD.replace("method:", "absent:"), ["absent.py"]),
        (METHOD + "command: [run]\n", ["entry", "command"]),
        ("title: A\nkind: control\n", ["entry", "command"]),
        (METHOD + "resources: {threads: 0}\n", ["resources.threads", "0"]),
        (METHOD + "resources: {treads: 1}\n", ["resources", "did you mean 'threads'"]),
        (METHOD + "variants: {Big One: {}}\n", ["variants", "Big One"]),
        (METHOD + "variants: {1: {}}\n", ["variants", "1"]),
        (METHOD + "files: [weights.pt]\n", ["files", "weights.pt"]),
        (METHOD + "files: [../../Snakefile]\n", ["files", "Snakefile"]),
        (METHOD + "needs: [luck]\n", ["needs", "luck"]),
    ],
)
def test_bad_method_metadata_is_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    folder = method_folder(write_project(tmp_path) / "methods" / "mine", text)
    with pytest.raises(BadInput) as error:
        discover(tmp_path)
    one_line(error.value, folder / "method.yaml", *words)


@pytest.mark.parametrize("name", ["Upper", "with space", "-dash", "dot.ted"])
def test_a_folder_name_is_an_id(tmp_path: Path, name: str) -> None:
    method_folder(write_project(tmp_path) / "methods" / name)
    with pytest.raises(BadInput) as error:
        discover(tmp_path)
    one_line(error.value, "bad id", name)


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "a..b"])
def test_a_variant_s_name_is_no_path(tmp_path: Path, name: str) -> None:
    text = METHOD + f"variants: {{{name!r}: {{}}}}\n"
    folder = method_folder(write_project(tmp_path) / "methods" / "mine", text)
    with pytest.raises(BadInput) as error:
        discover(tmp_path)
    one_line(error.value, folder / "method.yaml", "variants", name)


def test_a_broken_plugin_matters_to_those_who_name_it(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    method_folder(root / "methods" / "good")
    method_folder(root / "methods" / "bad_one", METHOD + "colour: red\n")
    found = discover(root, tolerant=True)
    assert list(found.methods) == ["good"]
    assert [plugin.place.name for plugin in found.broken] == ["bad_one"]
    with pytest.raises(BadInput) as error:
        lookup(found.methods, "bad-one", "method", broken=found.broken)
    one_line(error.value, "bad_one", "'colour'")
    metric_file(tmp_path / "metrics-of-mine" / "odd.py", "x = 1\n")
    with pytest.raises(BadInput):
        # Whatever is in a folder of metrics is measured: none may go missing.
        discover(root, {"metrics": ["metrics-of-mine"]}, tolerant=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: D\nversion: 1\n", ["generate", "import"]),
        (DATASET.replace("version: 1", "version: one"), ["version", "one"]),
        (DATASET + "splits: {train: {count: 1, seed: 1}}\n", ["'train'", "splits"]),
        (DATASET + "splits: {test: {count: 1}}\n", ["splits.test", "seed"]),
        (DATASET + "direction: {fixed: 2, moving: 0}\n", ["direction.fixed", "2"]),
    ],
)
def test_bad_dataset_metadata_is_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    folder = dataset_folder(write_project(tmp_path) / "datasets" / "mine", text)
    with pytest.raises(BadInput) as error:
        discover(tmp_path)
    one_line(error.value, folder / "dataset.yaml", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", ["METADATA"]),
        ("METADATA = {'title': str(1)}\n", ["literal"]),
        ("METADATA = {[1]: 2}\n", ["literal"]),
        ("def broken(:\n", ["Python"]),
        (METRIC.replace('"mm"', "3"), ["unit", "3"]),
        (METRIC.replace('"lower"', '"smaller"'), ["direction", "smaller"]),
        (METRIC.replace("[0, None]", "[0]"), ["range"]),
        (METRIC.replace('"version": 1, ', ""), ["version"]),
    ],
)
def test_bad_metric_metadata_is_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    write_project(tmp_path / "project")
    file = metric_file(tmp_path / "mine.py", text)
    with pytest.raises(BadInput) as error:
        discover(tmp_path / "project", {"metrics": ["../mine.py"]})
    one_line(error.value, file.name, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (REPORT.replace("leaderboard", "table"), ["task"]),
        (REPORT.replace("fact: cases", "fact: luck"), ["luck"]),
        (REPORT.replace("fact: cases", "title: x"), ["columns.0"]),
        (REPORT.replace("{fact: cases}", "{fact: cases, metric: dice}"), ["columns.0"]),
    ],
)
def test_bad_report_metadata_is_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    write_text(write_project(tmp_path) / "reports" / "mine.yaml", text)
    with pytest.raises(BadInput) as error:
        discover(tmp_path)
    one_line(error.value, tmp_path / "reports" / "mine.yaml", *words)
