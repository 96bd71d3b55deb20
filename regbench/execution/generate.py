"""Preparing a generated data set: one pair per seed, written as it is made."""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.data.pair import SPLITS
from regbench.data.writer import LayoutWriter
from regbench.plan.config import check_seeds
from regbench.plan.keys import code_version
from regbench.plugins.kinds import DatasetPlugin
from regbench.plugins.loading import load_entry


def generate(
    plugin: DatasetPlugin,
    name: str,
    settings: dict[str, Any],
    splits: dict[str, dict[str, int]],
    file: Path,
) -> None:
    """Make every pair of every split and write the data set.

    Args:
        plugin: a data set with `generate`.
        name: the JSON's name; file names begin with it.
        settings: keyword arguments of the plugin's function.
        splits: split to {count, seed}: pair i of a split has seed + i.
        file: the dataset JSON to write.
    """
    check_seeds(splits, plugin.id, plugin.folder)
    if plugin.generate is None:
        raise BadInput(f"data set {plugin.id} cannot be generated", file=plugin.folder)
    make_pair = load_entry(plugin.folder, plugin.generate)
    header = {
        "name": name,
        "release": str(plugin.version),
        "description": plugin.description or plugin.title,
        "licence": "synthetic; free of rights",
        "reference": plugin.citation.get("text", ""),
        "provided_data": {"0": ["image"], "1": ["image"]},
        "registration_direction": plugin.direction,
        "modality": plugin.modalities,
        "labels": {"0": "background", **plugin.labels},
    }
    writer = LayoutWriter(file, header)
    code = code_version("prepare", plugin.files)
    sources = {path.name: sha256(path) for path in plugin.files}
    jobs = [
        (split, splits[split]["seed"] + i)
        for split in SPLITS
        if split in splits
        for i in range(splits[split]["count"])
    ]
    for number, (split, seed) in enumerate(
        tqdm(jobs, desc=f"prepare {name}", unit="pair"), start=1
    ):
        content = [plugin.version, code, sources, settings, split, seed, number, header["name"]]
        stamp = f"{number:04d}"
        if not writer.has(stamp, content):
            writer.add(stamp, content, split, number, make_pair(seed, **settings))
    writer.finish(
        {
            "plugin": plugin.id,
            "version": plugin.version,
            "settings": settings,
            "splits": splits,
            "prealigned": plugin.prealigned,
        }
    )
