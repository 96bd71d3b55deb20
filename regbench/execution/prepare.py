"""Preparing a configured data set: generated from seeds, or imported from disk."""

from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import locked
from regbench.data.layout import read_layout
from regbench.execution.generate import generate
from regbench.plan.config import DatasetConfig
from regbench.plugins.loading import load_entry


def prepare(dataset: DatasetConfig, file: Path) -> None:
    """Write the data set as a Learn2Reg layout whose JSON is `file`; finished pairs are kept.

    Raises:
        BadInput: bad settings or source files; or the plugin wrote no valid data set.
    """
    plugin = dataset.plugin
    with locked(file.parent / ".lock"):
        if plugin.generate is not None:
            name = "".join(part.capitalize() for part in dataset.id.split("-"))
            generate(plugin, name, dataset.settings, dataset.splits, file)
        elif plugin.importer is not None:
            load_entry(plugin.folder, plugin.importer)(dataset.settings, file)
        layout = read_layout(file)
    if layout.extra.get("problems"):
        for case, problem in layout.extra["problems"].items():
            print(f"warning: case {case} cannot be used: {problem}")
    if not any(layout.cases.values()):
        raise BadInput("the data set has no pairs", file=file)
