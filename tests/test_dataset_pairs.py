"""Imported data sets that list their own pairs: asked when a workflow is planned."""

from pathlib import Path

import pytest
from helpers import one_line, write_project

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.plan.config import Config, resolve
from regbench.plan.jobs import Plan
from regbench.plugins.catalog import discover

YAML = "title: O\nversion: 1\nimport: dataset:prepare\npairs: listing:pairs\nsettings: {path: ''}\n"
LISTING = '''"""Pairs of a folder by their names alone."""
from pathlib import Path
from regbench.data.layout import Case, Entry, Layout

def pairs(settings):
    root = Path(settings["path"])
    cases = [Case(Entry(f), Entry(f.with_name(f.name.replace("fixed", "moving"))))
             for f in sorted(root.glob("fixed*"))]
    return Layout(root, "Own", (0, 1), {}, {"training": (), "validation": (), "test": tuple(cases)})
'''
# A plugin whose preparation cannot even be imported here: counting must not need it.
PREPARE = "import a_package_that_is_not_there\n\ndef prepare(settings, file): ...\n"


def _config(tmp_path: Path, text: str = YAML, listing: str = LISTING) -> Config:
    root = tmp_path / "project"
    methods = {
        "still": {
            "method.yaml": "title: S\nkind: control\nentry: method:register\n",
            "method.py": "def register(fixed, moving): ...\n",
        }
    }
    write_project(root, methods)
    for name, content in (
        ("dataset.yaml", text),
        ("dataset.py", PREPARE),
        ("listing.py", listing),
    ):
        write_text(root / "datasets" / "own" / name, content)
    data = {
        "name": "toy",
        "datasets": {"own": {"plugin": "own", "settings": {"path": str(tmp_path / "images")}}},
        "tasks": {"own": {"dataset": "own"}},
        "methods": ["still"],
    }
    return resolve(data, root)


def test_a_plugin_lists_its_pairs_without_being_imported_whole(tmp_path: Path) -> None:
    images = [
        tmp_path / "images" / f"{role}{k}.nii.gz" for role in ("fixed", "moving") for k in "12"
    ]
    for image in images:
        write_text(image, "")
    config = _config(tmp_path)
    assert config.datasets["own"].counts() == {"training": 0, "validation": 0, "test": 2}
    assert config.tasks["own"].evaluated_split() == "test"
    plan = Plan(config)
    before = plan.prepare("own").key
    # A folder is no input of a job: writing anything beside the images would run it again.
    assert all(Path(path).is_file() for path in plan.prepare("own").inputs["plugin"])
    write_text(tmp_path / "images" / "beside.txt", "")
    assert Plan(resolve(config.raw, config.root)).prepare("own").key == before
    write_text(images[0], "changed")
    assert Plan(resolve(config.raw, config.root)).prepare("own").key != before


def test_what_lists_no_pairs_is_told_so(tmp_path: Path) -> None:
    config = _config(tmp_path, listing="def pairs(settings):\n    return [1]\n")
    with pytest.raises(BadInput) as error:
        config.datasets["own"].counts()
    one_line(error.value, "listing:pairs", "Layout", "found list")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("listing:pairs", "absent:pairs"), ["absent.py"]),
        (("listing:pairs", "listing"), ["pairs", "listing"]),
        (("import:", "generate:"), ["pairs", "import"]),
    ],
)
def test_bad_metadata_of_pairs(tmp_path: Path, change: tuple[str, str], words: list[str]) -> None:
    with pytest.raises(BadInput) as error:
        _config(tmp_path, YAML.replace(*change))
    one_line(error.value, "dataset.yaml", *words)


def test_discovery_tells_of_pairs(tmp_path: Path) -> None:
    config = _config(tmp_path)
    assert discover(config.root).datasets["own"].pairs == "listing:pairs"
