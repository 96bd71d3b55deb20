"""The harness' own share of a finished run: all that is not preparing, training or registering.

    python tools/benchmark_share.py default WALL_SECONDS [CORES]

Reads the seconds that Snakemake recorded for each job in benchmarks/<config>. What is neither
preparing, training nor registering counts as the harness' own: its jobs, Snakemake itself, and
cores that stood idle.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

METHODS = ("prepare", "train", "register", "time")


def main(config: str, wall: float, cores: int) -> None:
    """Print seconds a rule and the share."""
    seconds: dict[str, float] = defaultdict(float)
    for file in Path("benchmarks", config).rglob("*.tsv"):
        rule = file.parent.name if file.parent.name in ("prepare", "render") else file.stem
        with file.open(newline="") as handle:
            seconds[rule.split("-")[0]] += sum(
                float(row["s"]) for row in csv.DictReader(handle, delimiter="\t")
            )
    for rule, total in sorted(seconds.items()):
        print(f"| {rule} | {total:.1f} |")
    methods = sum(seconds[rule] for rule in METHODS)
    own = sum(seconds.values()) - methods
    print(f"| share of the harness' jobs | {100 * own / (wall * cores):.1f} % |")
    print(f"| share with Snakemake and idle cores | {100 * (1 - methods / (wall * cores)):.1f} % |")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 2)
