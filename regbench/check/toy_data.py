"""Toy pairs as a prepared data set, for trainings; and a config of one run on it."""

from pathlib import Path
from typing import Any

from regbench.check.toy import bent
from regbench.data.pair import Pair, Side
from regbench.data.writer import LayoutWriter
from regbench.plan.config import Config, DatasetConfig, RunConfig, TaskConfig
from regbench.plugins.catalog import Catalog
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin

_COUNTS = {"training": 4, "validation": 1}
#: Small, for trainings take many steps; multiples of what most networks are padded to.
_SHAPE = (16, 16, 32)


def write_toy_data(file: Path) -> None:
    """A data set of bent pairs whose JSON is `file`."""
    header = {
        "name": "Toy",
        "registration_direction": {"fixed": 0, "moving": 1},
        "modality": {"0": "blobs", "1": "blobs"},
        "labels": {"0": "background"},
    }
    writer = LayoutWriter(file, header)
    number = 0
    for split, count in _COUNTS.items():
        for _ in range(count):
            number += 1
            toy = bent(seed=100 + number, shape=_SHAPE)
            pair = Pair((Side(toy.fixed), Side(toy.moving)))
            writer.add(f"{number:04d}", number, split, number, pair)
    writer.finish({"plugin": "toy"})


def layout_config(
    plugin: MethodPlugin, settings: dict[str, Any], file: Path
) -> tuple[Config, RunConfig]:
    """A config with one task, on the data set of `file`, and one run of the method on it."""
    source = DatasetPlugin(
        id="toy",
        title="Toy",
        folder=file.parent,
        version=1,
        generate=None,
        importer="none:none",
        pairs=None,
        download=(),
        settings={},
        splits={},
        modalities={},
        labels={},
        direction={"fixed": 0, "moving": 1},
        prealigned=False,
        description="",
        citation={},
        files=(),
    )
    dataset = DatasetConfig("toy", source, {"path": str(file)}, {})
    task = TaskConfig(
        id="toy",
        title="Toy",
        dataset=dataset,
        split="validation",
        direction=None,
        labels={},
        extra_labels={},
        label_interpolation="nearest",
        prealigned=False,
        trained_on="toy",
    )
    run = RunConfig(plugin.id, task, plugin, settings, {})
    config = Config(
        name="check",
        description="",
        file=None,
        root=file.parent,
        catalog=Catalog({plugin.id: plugin}, {"toy": source}, {}, {}),
        datasets={"toy": dataset},
        tasks={"toy": task},
        runs=(run,),
        seeds=(0,),
        metrics=(),
        keep_fields="all",
        keep_warped="none",
        timing="shared",
        job_minutes=None,
        limits={},
        device="cpu",
        selection="validation",
        sweeps={},
        sweep_runs=(),
    )
    return config, run
