"""Results of many cases, fabricated from a few real ones: to measure what a size does to the
harness, where registering as many cases would take days. The numbers in them mean nothing.

A run of a few cases is carried out by the workflow; its files are then repeated under other cases'
and runs' names, in the form in which the workflow writes them, with the values scattered.
"""

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.files import read_json, seal, write_json, write_text
from regbench.base.paths import CASES, METRICS
from regbench.base.records import COLUMNS

#: One case in so many failed.
FAILED = 200
REASON = "not done within 600 s"


def enlarge(dataset: Path, cases: int) -> list[str]:
    """Repeat the pairs of a prepared data set by links, until there are `cases`; their ids."""
    content = read_json(dataset)
    pairs = content["registration_test"]
    known = {item["image"]: item for item in content["training"]}
    name, root = content["name"], dataset.parent
    others = content["training_paired_images"] + content["registration_val"]
    ids, listed = [], []
    entries = [known[pair[role]] for pair in others for role in ("fixed", "moving")]
    # The pairs are numbered, those of the other splits first.
    for number in range(len(others) + 1, len(others) + cases + 1):
        source = pairs[(number - len(others) - 1) % len(pairs)]
        pair = {}
        for role in ("fixed", "moving"):
            old = Path(source[role]).name.removesuffix(".nii.gz")
            new = f"{name}_{number:04d}_{old.rsplit('_', 1)[1]}"
            entry = {k: v.replace(old, new) for k, v in known[source[role]].items()}
            for kind, path in entry.items():
                _link(root / known[source[role]][kind], root / path)
            entries.append(entry)
            pair[role] = entry["image"]
        listed.append(pair)
        ids.append(Path(pair["fixed"]).name.removesuffix(".nii.gz"))
    content |= {"training": entries, "registration_test": listed}
    write_json(dataset, content)
    return ids


class Template:
    """The finished cases of a real run.

    Args:
        folder: of the run and seed.
    """

    def __init__(self, folder: Path) -> None:
        self.statuses: list[dict[str, Any]] = read_json(folder / CASES)
        with (folder / METRICS).open(newline="", encoding="utf-8") as file:
            self.rows = list(csv.reader(file))[1:]
        self.values = np.array([float(row[3]) for row in self.rows])
        own = [np.flatnonzero([row[0] == s["case"] for row in self.rows]) for s in self.statuses]
        self.own = own

    def write(self, folder: Path, ids: list[str], seed: int, shards: list[Path]) -> None:
        """A run's files: metrics, statuses, the shards' statuses."""
        rng = np.random.default_rng(seed)
        statuses = []
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, case in enumerate(ids):
            k = number % len(self.statuses)
            noise = 1 + 0.1 * rng.standard_normal(len(self.own[k]) + 1)
            status = {**self.statuses[k], "case": case}
            status["register_s"] = float(status["register_s"] * abs(noise[-1]))
            lost = (number + seed) % FAILED == 0
            if lost:
                lack = {"register_s": None, "peak_memory_mb": None, "field_sha256": "", "facts": {}}
                status |= {"outcome": "timeout", "reason": REASON, **lack}
            statuses.append(status)
            values = self.values[self.own[k]] * noise[:-1]
            for at, value in zip(self.own[k], values.tolist(), strict=True):
                _, metric, label, _, unit, state = self.rows[at]
                row = ("nan", unit, f"timeout: {REASON}") if lost else (value, unit, state)
                writer.writerow((case, metric, label, *row))
        for i, shard in enumerate(shards):
            write_json(shard, statuses[i :: len(shards)])
        write_json(folder / CASES, statuses)
        write_text(folder / METRICS, text.getvalue())
        for file in (folder / CASES, folder / METRICS, *shards):
            seal(file)


def _link(source: Path, target: Path) -> None:
    if not target.exists():
        os.link(source, target)


def size_of(folder: Path) -> float:
    """Megabytes of the files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
