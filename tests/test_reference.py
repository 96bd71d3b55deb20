"""What is generated from the models: the key tables of the docs and the schemas for editors."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from helpers import REPOSITORY as REPO

from regbench.base.models import Model, schema_of
from regbench.baseline.compare import TolerancesFile
from regbench.plan.models import ConfigFile
from regbench.plugins.models import DatasetFile, MethodFile, MetricData
from regbench.plugins.report_models import ReportFile

GENERATOR = REPO / "tools" / "generate_reference.py"
SCHEMAS = REPO / "docs" / "schemas"
#: Schema to the files that are of it.
FILES = {
    "config": "config/*.yaml",
    "method": "methods/*/method.yaml",
    "dataset": "datasets/*/dataset.yaml",
    "report": "reports/*.yaml",
    "tolerances": "baselines/*/tolerances.yaml",
}


@pytest.mark.verify
def test_the_reference_is_up_to_date() -> None:
    command = [sys.executable, str(GENERATOR), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.verify
def test_a_page_that_is_out_of_date_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(GENERATOR.parent))
    import generate_reference

    for page in (*generate_reference.TABLES, generate_reference.NETWORKS):
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).write_text((REPO / page).read_text())
    monkeypatch.setattr(generate_reference, "REPOSITORY", tmp_path)
    assert {path.suffix for path in generate_reference.outdated()} == {".json"}
    monkeypatch.setattr(sys, "argv", ["generate_reference.py"])
    assert generate_reference.main() == 0
    assert generate_reference.outdated() == {}
    page = tmp_path / "docs" / "add-a-method.md"
    text = page.read_text()
    page.write_text(text.replace("| `title` |", "| `name` |"))
    monkeypatch.setattr(sys, "argv", ["generate_reference.py", "--check"])
    assert generate_reference.main() == 1
    assert list(generate_reference.outdated()) == [page]
    assert generate_reference.outdated()[page] == text


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name, places in FILES.items() for path in sorted(REPO.glob(places))],
    ids=lambda value: value if isinstance(value, str) else value.parent.name + "-" + value.stem,
)
def test_an_editor_finds_the_schema_of_a_file(name: str, path: Path) -> None:
    text = path.read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    assert (path.parent / named.group(1)).resolve() == SCHEMAS / f"{name}.json"
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    content = yaml.safe_load(text)
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError, match="'colour' was unexpected"):
        jsonschema.validate({**content, "colour": "red"}, schema)
    required = copy.deepcopy(content)
    del required[schema["required"][0]]
    with pytest.raises(jsonschema.ValidationError, match="is a required property"):
        jsonschema.validate(required, schema)


def keys(schema: object) -> set[str]:
    """The names of all properties of a schema, at any depth."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {}))
        for value in schema.values():
            found |= keys(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= keys(value)
    return found


@pytest.mark.parametrize(
    ("model", "page"),
    [
        (ConfigFile, "config/README.md"),
        (MethodFile, "docs/add-a-method.md"),
        (DatasetFile, "docs/add-a-dataset.md"),
        (ReportFile, "docs/add-a-report.md"),
        (MetricData, "docs/add-a-metric.md"),
        (TolerancesFile, "docs/baseline.md"),
    ],
)
def test_every_key_of_a_schema_is_in_its_page(model: type[Model], page: str) -> None:
    content = schema_of(model)
    text = (REPO / page).read_text()
    assert set(content["properties"]) <= keys(content)
    for key in keys(content):
        assert re.search(rf"\b{key}\b", text), f"{page} lacks {key} of {model.__name__}"
