"""Toy pairs as a prepared data set, for trainings."""

from pathlib import Path

from regbench.check.toy import bent
from regbench.data.pair import Pair, Side
from regbench.data.writer import LayoutWriter

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
