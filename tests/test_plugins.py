"""Discovery: by folder, by config path, by entry point; loading; lightness."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import REPOSITORY, one_line, write_project
from plugin_files import (
    METHOD,
    METRIC,
    REPORT,
    dataset_folder,
    method_folder,
    metric_file,
)

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.plugins.catalog import Catalog, discover, lookup
from regbench.plugins.loading import load_entry, load_metric


def test_the_repository_discovers_itself() -> None:
    found = discover(REPOSITORY)
    assert {"identity", "oracle", "mean-field", "syn"} <= set(found.methods)
    assert {"dice", "asd", "folds"} <= set(found.metrics)
    assert {"learn2reg"} <= set(found.datasets)
    assert {"leaderboard"} <= set(found.reports)
    for method in found.methods.values():
        assert method.folder / "method.yaml" in method.files
        assert not any("__pycache__" in path.parts for path in method.files)


def test_a_new_folder_is_a_new_plugin(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    assert discover(root).methods == {}
    method_folder(root / "methods" / "my_method")
    found = discover(root).methods
    assert list(found) == ["my-method"]
    assert found["my-method"].seeded is False
    assert load_entry(found["my-method"].folder, "method:register")(None, None) == "A"


def test_variants_share_a_folder_and_change_settings(tmp_path: Path) -> None:
    text = METHOD + "settings: {a: 1, b: 2}\nvariants:\n  one: {}\n"
    text += "  two: {title: Second, settings: {b: 5}}\n"
    method_folder(write_project(tmp_path) / "methods" / "folder", text)
    found = discover(tmp_path).methods
    assert {m.id: (m.title, m.settings) for m in found.values()} == {
        "one": ("A", {"a": 1, "b": 2}),
        "two": ("Second", {"a": 1, "b": 5}),
    }


@pytest.mark.parametrize("place", ["elsewhere", "elsewhere/mine"])
def test_a_config_path_names_a_plugin_or_a_folder_of_them(tmp_path: Path, place: str) -> None:
    root = write_project(tmp_path / "project")
    method_folder(tmp_path / "elsewhere" / "mine")
    found = discover(root, {"methods": [f"../{place}"]})
    assert list(found.methods) == ["mine"]


def test_each_kind_can_be_named_in_the_config(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project")
    dataset_folder(tmp_path / "extra" / "data")
    metric_file(tmp_path / "extra" / "mine.py")
    write_text(tmp_path / "extra" / "r.yaml", REPORT)
    extra = {"datasets": ["../extra"], "metrics": ["../extra/mine.py"], "reports": ["../extra"]}
    found = discover(root, extra)
    assert list(found.datasets) == ["data"]
    assert list(found.reports) == ["r"]
    assert load_metric(found.metrics["mine"])(None) == 7.0


@pytest.mark.parametrize("kind", ["methods", "datasets", "metrics", "reports"])
@pytest.mark.parametrize("made", [False, True], ids=["missing", "empty"])
def test_a_config_path_without_a_plugin_is_an_error(tmp_path: Path, kind: str, made: bool) -> None:
    root = write_project(tmp_path / "project")
    if made:
        (tmp_path / "nothing").mkdir()
    with pytest.raises(BadInput) as error:
        discover(root, {kind: ["../nothing"]})
    one_line(error.value, "nothing")


def _install(folder: Path, name: str, group: str, value: str) -> None:
    """What pip leaves of a package: its metadata beside it."""
    info = folder / f"{name}-1.0.dist-info"
    write_text(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    write_text(info / "entry_points.txt", f"[regbench.{group}]\nmine = {value}\n")


def test_an_installed_package_brings_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    for group, package in (("methods", "pkg_methods"), ("metrics", "pkg_metrics")):
        write_text(site / package / "__init__.py", "raise RuntimeError('imported')\n")
        _install(site, package, group, package)
    method_folder(site / "pkg_methods" / "from-pip")
    metric_file(site / "pkg_metrics" / "pip_metric.py")
    found = discover(write_project(tmp_path / "project"))
    assert list(found.methods) == ["from-pip"]
    assert load_metric(found.metrics["pip_metric"])(None) == 7.0
    assert load_entry(found.methods["from-pip"].folder, "method:register")(0, 0) == "A"


@pytest.mark.parametrize("value", ["no_such_package", "no_such_package.methods", "json:dumps"])
def test_an_entry_point_to_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    _install(tmp_path / "site", "broken", "methods", value)
    with pytest.raises(BadInput) as error:
        discover(write_project(tmp_path / "project"))
    one_line(error.value, "mine", value)


def test_two_plugins_may_not_share_an_id(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project")
    first = method_folder(root / "methods" / "my_method")
    second = method_folder(tmp_path / "elsewhere" / "my-method")
    with pytest.raises(BadInput) as error:
        discover(root, {"methods": ["../elsewhere"]})
    one_line(error.value, "my-method", first, second.name)
    third = method_folder(root / "methods" / "other", METHOD + "variants: {my-method: {}}\n")
    with pytest.raises(BadInput) as error:
        discover(root)
    one_line(error.value, "my-method", third)


@pytest.mark.parametrize(
    "path", ["methods", "methods/mine", "methods/../methods", "../project/methods"]
)
def test_a_plugin_found_twice_is_one_plugin(tmp_path: Path, path: str) -> None:
    root = write_project(tmp_path / "project")
    method_folder(root / "methods" / "mine")
    assert list(discover(root, {"methods": [path]}).methods) == ["mine"]


def test_code_without_the_promised_name_is_an_error(tmp_path: Path) -> None:
    folder = method_folder(tmp_path / "mine", code="x = 1\n")
    with pytest.raises(BadInput) as error:
        load_entry(folder, "method:register")
    one_line(error.value, "method.py", "register")
    root = write_project(tmp_path / "project")
    metric_file(tmp_path / "odd.py", METRIC.replace("NAME", "other"))
    with pytest.raises(BadInput) as error:
        load_metric(discover(root, {"metrics": ["../odd.py"]}).metrics["odd"])
    one_line(error.value, "odd.py", "expected odd")


@pytest.mark.parametrize("content", [b"def register(:\n", b"\0", b"x = '\xff'\n"])
def test_code_that_is_no_python_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "method.py").write_bytes(content)
    with pytest.raises(BadInput) as caught:
        load_entry(tmp_path, "method:register")
    one_line(caught.value, tmp_path / "method.py", "is not valid Python in line 1")


def test_plugins_import_their_own_files_relatively(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = method_folder(tmp_path / name, code="from .part import WHO as register\n")
        write_text(folder / "part.py", f"WHO = {name!r}\n")
    assert load_entry(tmp_path / "one", "method:register") == "one"
    assert load_entry(tmp_path / "two", "method:register") == "two"


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.module"])
def test_a_method_knows_what_it_lacks(tmp_path: Path, module: str) -> None:
    method_folder(
        write_project(tmp_path) / "methods" / "mine", METHOD + f"requires: [json, {module}]\n"
    )
    assert discover(tmp_path).methods["mine"].missing() == [module]


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(BadInput) as error:
        lookup({"dice": 1, "asd": 2}, "dise", "metric")
    one_line(error.value, "'dise'", "did you mean 'dice'", "asd, dice")


def test_discovery_imports_nothing_heavy() -> None:
    """Plugin code and its libraries wait until a method runs."""
    code = (
        "import sys; from pathlib import Path; from regbench.plugins.catalog import discover\n"
        f"assert discover(Path({str(REPOSITORY)!r})).methods\n"
        "heavy = {'torch', 'ants', 'pandas', 'matplotlib', 'surface_distance'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert not [m for m in sys.modules if m.startswith('regbench_plugin')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_worker_needs_numpy_and_nibabel_alone() -> None:
    """A method may have an environment of its own, and another Python."""
    code = (
        "import sys\n"
        "others = 'scipy', 'psutil', 'yaml', 'pydantic', 'tqdm', 'torch', 'pandas'\n"
        "sys.modules |= dict.fromkeys(others)\n"
        "import regbench.execution.worker, regbench.spatial.convert\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pydantic_waits_until_metadata_is_read() -> None:
    """Neither the process of a method nor the help of the command line pays for it."""
    code = (
        "import sys, regbench.execution.worker\n"
        "from regbench.cli.main import parser\n"
        "parser(lazy=True)\n"
        "assert not {'pydantic', 'jsonschema'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_project_is_an_empty_catalog(tmp_path: Path) -> None:
    assert discover(tmp_path) == Catalog({}, {}, {}, {}, {})


def test_another_failed_import_is_the_plugin_s_own(tmp_path: Path) -> None:
    code = "def late():\n    from regbench.errors import BadInput\n\nimport no_such_module\n"
    folder = method_folder(tmp_path / "mine", code=code)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load_entry(folder, "method:register")
