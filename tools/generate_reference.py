"""Writes the tables of the docs and the JSON schemas for editors.

The keys come from the engine's models, the layers from the networks as they are built.

python tools/generate_reference.py            write what is out of date
python tools/generate_reference.py --check    name it instead, with exit code 1
"""

import json
import sys
from pathlib import Path
from typing import Any

from layer_tables import layer_tables

from regbench.base.files import write_text
from regbench.base.models import DEFAULT_TEXT, Model, schema_of, words
from regbench.baseline.compare import MetricBound, TolerancesFile
from regbench.data.prepare.recipe import Recipe
from regbench.plan import models as config
from regbench.plugins import models as plugins
from regbench.plugins.report_models import KindData, PublishedRecipe, ReportFile

REPOSITORY = Path(__file__).resolve().parent.parent
#: Page to its markers, and these to tables: the title of the first column and the model.
TABLES: dict[str, dict[str, list[tuple[str, type[Model]]]]] = {
    "config/README.md": {
        "config": [("Key", config.ConfigFile)],
        "config datasets": [("Key", config.DatasetEntry)],
        "config tasks": [("Key", config.TaskEntry)],
        "config methods": [("Key", config.MethodEntry)],
        "config study": [("Key", config.StudyEntry)],
        "config limits": [("Key", config.Limits)],
        "config plugins": [("Key", plugins.PluginPaths)],
    },
    "docs/add-a-dataset.md": {"dataset": [("Key", plugins.DatasetFile)]},
    "docs/add-a-method.md": {
        "method": [("Key", plugins.MethodFile), ("Key of `resources`", plugins.Resources)]
    },
    "docs/add-a-metric.md": {"metric": [("Key", plugins.MetricData)]},
    "docs/add-a-report.md": {
        "report": [("Key", ReportFile), ("Key of `recipe`", PublishedRecipe)],
        "kind": [("Key", KindData)],
    },
    "docs/baseline.md": {"tolerances": [("Key", TolerancesFile), ("Key of a bound", MetricBound)]},
    "docs/learned-methods.md": {"learned": [("Setting", plugins.LearnedSettings)]},
    "docs/preparation.md": {"preparation": [("Setting", Recipe)]},
}
#: Page with the tables of the networks' layers.
NETWORKS = "docs/networks.md"
SCHEMAS: dict[str, type[Model]] = {
    "config": config.ConfigFile,
    "method": plugins.MethodFile,
    "dataset": plugins.DatasetFile,
    "report": ReportFile,
    "tolerances": TolerancesFile,
}


def table(head: str, model: type[Model]) -> str:
    """The keys of a model as Markdown."""
    schema = schema_of(model)
    lines = [f"| {head} | Type | Default | Meaning |", "|---|---|---|---|"]
    for name, node in schema["properties"].items():
        required = name in schema.get("required", ())
        shown = "required" if required else node.get(DEFAULT_TEXT) or value(node.get("default"))
        cells = (f"`{name}`", words(schema, node, quote="`"), shown, node["description"])
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def value(default: Any) -> str:
    """A default as the reference shows it."""
    if default == "":
        return "empty"
    if default is None or default in ([], {}):
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int | float):
        return f"{default:g}"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`".replace('"', "")


def generated() -> dict[Path, str]:
    """Each generated file and page to its content as it must be."""
    files: dict[Path, str] = {}
    bodies = {
        page: {
            marker: "\n\n".join(table(head, model) for head, model in tables)
            for marker, tables in markers.items()
        }
        for page, markers in TABLES.items()
    }
    for page, markers in {**bodies, NETWORKS: {"layers": layer_tables()}}.items():
        text = (REPOSITORY / page).read_text()
        for marker, body in markers.items():
            opening = f"<!-- keys: {marker} -->\n"
            before, found, rest = text.partition(opening)
            _, closed, after = rest.partition("<!-- /keys -->")
            if not found or not closed:
                raise SystemExit(f"{page} has no marker {opening.strip()}, or does not close it")
            text = f"{before}{opening}\n{body}\n\n{closed}{after}"
        files[REPOSITORY / page] = text
    for name, model in SCHEMAS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_of(model)}
        files[REPOSITORY / "docs" / "schemas" / f"{name}.json"] = (
            json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        )
    return files


def outdated() -> dict[Path, str]:
    """The generated files that are not as they must be, with their content."""
    return {
        path: text
        for path, text in generated().items()
        if not path.is_file() or path.read_text() != text
    }


def main() -> int:
    """Write or check; the exit code."""
    stale = outdated()
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(REPOSITORY)} is out of date: run {Path(sys.argv[0])}")
        return int(bool(stale))
    for path, text in stale.items():
        write_text(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
