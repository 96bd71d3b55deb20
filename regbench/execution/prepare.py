"""Preparing a configured data set: generated from seeds, or imported from disk."""

from functools import partial
from pathlib import Path

from tqdm import tqdm

from regbench.base.errors import BadInput, of_code
from regbench.base.files import locked, read_json, seal, write_json
from regbench.data.layout import PAIR_LISTS, check_seeds, read_layout
from regbench.data.writer import LayoutWriter, pair_records
from regbench.execution.process import made_ahead
from regbench.plan import keys
from regbench.plan.config import DatasetConfig
from regbench.plugins.loading import load_entry

#: Beside the dataset JSON: the key that its finished pairs were made under.
KEY_NAME = "key.json"


def prepare(dataset: DatasetConfig, file: Path, processes: int = 1) -> None:
    """Write the data set as a Learn2Reg layout whose JSON is `file`; finished pairs are kept.

    `processes` share the pairs of a generated data set.

    Raises:
        BadInput: bad settings or source files; or the plugin wrote no valid data set.
    """
    plugin = dataset.plugin
    with locked(file.parent / ".lock"):
        _forget_others(file.parent, keys.prepare(plugin))
        if plugin.generate is not None:
            generate(dataset, file, processes)
        elif plugin.importer is not None:
            load_entry(plugin.folder, plugin.importer)(dataset.settings, file)
        layout = read_layout(file)
        seal(file)
    for case, problem in (layout.extra.get("problems") or {}).items():
        print(f"warning: case {case} cannot be used: {problem}")
    if not any(layout.cases.values()):
        raise BadInput("the data set has no pairs", file=file)


def _forget_others(folder: Path, key: str) -> None:
    """Have pairs made again that were made under another key."""
    file = folder / KEY_NAME
    try:
        known = read_json(file)
    except BadInput:
        known = None
    if known == key:
        return
    for record in pair_records(folder):
        record.unlink()
    write_json(file, key)


def generate(dataset: DatasetConfig, file: Path, processes: int = 1) -> None:
    """Make every pair of every split and write the data set; pair i of a split has seed + i.

    Args:
        dataset: its plugin has `generate`, a function of a seed and the settings. Its id makes the
            JSON's name, which file names begin with.
        file: the dataset JSON to write.
        processes: that share the pairs.
    """
    plugin, settings, splits = dataset.plugin, dataset.settings, dataset.splits
    name = "".join(part.capitalize() for part in dataset.id.split("-"))
    check_seeds(splits, plugin.id, plugin.folder)
    make_pair = load_entry(plugin.folder, str(plugin.generate))
    header = {
        "name": name,
        "release": str(plugin.version),
        "description": plugin.description or plugin.title,
        "licence": "synthetic; free of rights",
        "reference": plugin.citation.text,
        "provided_data": {"0": ["image"], "1": ["image"]},
        "registration_direction": plugin.direction.model_dump(),
        "modality": plugin.modalities,
        "labels": {"0": "background", **plugin.labels},
    }
    writer = LayoutWriter(file, header)
    pairs = [
        (split, splits[split]["seed"] + i)
        for split in PAIR_LISTS
        if split in splits
        for i in range(splits[split]["count"])
    ]

    def add(pair: tuple[int, tuple[str, int]]) -> None:
        number, (split, seed) = pair
        depends_on = [settings, split, seed, number, header["name"]]
        writer.add(number, split, depends_on, partial(make_pair, seed, **settings))

    numbered = list(enumerate(pairs, start=1))
    with made_ahead(numbered, add, min(processes, len(pairs))) as ready:
        for pair in tqdm(ready, f"prepare {name}", len(pairs), unit="pair"):
            try:
                add(pair)
            except (BadInput, OSError, MemoryError):
                raise
            except Exception as error:
                # A setting that the plugin's code does not take.
                what = f"{plugin.id} cannot make the pair of seed {pair[1][1]}"
                raise BadInput(what, file=plugin.folder, found=of_code(error)) from error
    writer.finish(
        {
            "plugin": plugin.id,
            "version": plugin.version,
            "settings": settings,
            "splits": splits,
            "prealigned": plugin.prealigned,
        }
    )
