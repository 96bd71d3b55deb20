"""What Slurm adds to a job: its seconds there against those of its command.

    python tools/benchmark_slurm.py smoke

Call it in the project folder after a run, while Slurm still knows the jobs (`MinJobAge`). A job's
command is measured by Snakemake (benchmarks/<config>); what is left is Snakemake's start, which
happens twice a job, and Slurm's own.
"""

import csv
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path


def commands(config: str) -> dict[str, float]:
    """The seconds of each job's command, by the comment that the job has in Slurm."""
    seconds = {}
    root = Path("benchmarks", config)
    for file in root.rglob("*.tsv"):
        *folders, name = file.relative_to(root).with_suffix("").parts
        rule, _, shard = name.partition("-")
        words = [part.removeprefix("seed") for part in folders] + ([shard] if shard else [])
        if folders[:1] == ["prepare"]:
            rule, words = "prepare", [name]
        with file.open(newline="") as handle:
            row = next(csv.DictReader(handle, delimiter="\t"))
        seconds[f"rule_{rule}_wildcards_{'_'.join(words)}"] = float(row["s"])
    return seconds


def jobs() -> dict[str, float]:
    """The seconds of every finished job that Slurm remembers, by its comment."""
    found = {}
    asked = ["squeue", "--states=COMPLETED", "--noheader", "--sort=i", "--format=%S|%e|%k"]
    listed = subprocess.run(asked, check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        start, end, comment = line.split("|", 2)
        seconds = datetime.fromisoformat(end) - datetime.fromisoformat(start)
        found[comment] = seconds.total_seconds()
    return found


def main(config: str) -> None:
    """Print what was found, and the seconds beside the command in the median and in all."""
    known, done = commands(config), jobs()
    both = sorted(done.keys() & known.keys())
    if not both:
        sys.exit(f"Slurm remembers no job of {config}")
    beside = [done[name] - known[name] for name in both]
    print(f"| jobs | {len(both)} |")
    print(f"| seconds in Slurm | {sum(done[name] for name in both):.0f} |")
    print(f"| of which the commands | {sum(known[name] for name in both):.0f} |")
    print(f"| beside the command, a job: median | {statistics.median(beside):.1f} |")
    print(f"| least, most | {min(beside):.1f}, {max(beside):.1f} |")


if __name__ == "__main__":
    main(sys.argv[1])
