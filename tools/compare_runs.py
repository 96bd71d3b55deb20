"""Tables of docs/results.md, from the reference results in the repository: rows and differences.

    python tools/compare_runs.py study-state study-state-3200 study-state-1600 --task ct-mri
        --rows F3RNet-MRB F3RNet-Dec --against "VM-2, 3200 steps" SyN

Reads `reference/results/NAME`; of a title that several folders have, the first one's row counts.
A row's values are means over seeds, a value a case: Dice averaged over the task's label groups,
error and slope of the displacement in the labels taken together. `--against` prints every row minus
each of these on the same cases, with a BCa bootstrap interval of the mean (95 %). `=` marks an
interval that contains 0, `~` a difference below the spread between the seeds of a row: the protocol
calls both undecided. `--open` lists the pairs whose Dice is undecided. `--seed` leaves out the
other seeds of rows that have it. `--reversed NAME` lists the pairs that are decided and stand the
other way in the folder NAME, where titles are without `, N steps`.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd

from regbench.base.files import read_json
from regbench.base.project import find_root
from regbench.plan.config import resolve
from regbench.statistics import compare

#: Measure to its heading and decimals.
METRICS = {
    "dice": ("Dice (%)", 2),
    "epe": ("EPE (voxel)", 2),
    "epe_interior": ("Interior EPE", 2),
    "displacement_slope": ("Slope", 2),
    "folds": ("Folds", 1),
}
COMPARED = {"dice": ("Dice (points)", 2), "epe": ("EPE (voxel)", 3)}
COMPARED |= {"displacement_slope": ("Slope", 3)}


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    about, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+")
    parser.add_argument("--task", required=True)
    parser.add_argument("--rows", nargs="+", help="titles; default: all")
    parser.add_argument("--against", nargs="+", help="titles; default: no differences")
    parser.add_argument("--open", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--reversed", metavar="NAME")
    options = parser.parse_args(words)
    rows = read(options.names, options.task)
    if options.seed is not None:
        rows = {title: of_seed(table, options.seed) for title, table in rows.items()}
    titles = options.rows or list(rows)
    if options.open:
        print(f"| `{options.task}` | Dice is not decided against |\n|---|---|")
        for place, one in enumerate(titles, start=1):
            later = [
                x for x in titles[place:] if difference(rows[one], rows[x], "dice")[-1] in "=~"
            ]
            if later:
                print(f"| {one} | {'; '.join(later)} |")
        return
    if options.reversed:
        print(f"| `{options.task}`, minus | | In the study | In `{options.reversed}` |")
        print("|---|---|---:|---:|")
        there = read([options.reversed], options.task)
        for one, two in combinations(titles, 2):
            for line in turned(rows[one], rows[two], there[plain(one)], there[plain(two)]):
                print(f"| {plain(one)} - {plain(two)} | {line} |")
        return
    heads = COMPARED if options.against else METRICS
    first = "minus, paired over cases" if options.against else f"`{options.task}`"
    print(f"| {first} | {' | '.join(head for head, _ in heads.values())} |")
    print(f"|---|{'---:|' * len(heads)}")
    if options.against:
        for one, two in product(titles, options.against):
            cells = [difference(rows[one], rows[two], metric) for metric in COMPARED]
            print(f"| {one} - {two} | {' | '.join(cells)} |")
        return
    for title in titles:
        seeds = rows[title].index.unique("seed").size
        cells = [summary(rows[title], metric) for metric in METRICS]
        print(f"| {title}{f', {seeds} seeds' if seeds > 1 else ''} | {' | '.join(cells)} |")


def read(names: list[str], task: str) -> dict[str, pd.DataFrame]:
    """Title to a table: seed and case to METRICS."""
    root = find_root()
    found: dict[str, pd.DataFrame] = {}
    for name in names:
        folder = root / "reference" / "results" / name
        if not (folder / f"{task}.csv").is_file():
            continue
        config = resolve(read_json(folder / "about.json")["config"], root)
        table = pd.read_csv(folder / f"{task}.csv", index_col=["run", "seed", "case"])
        groups = [f"dice {group}" for group in config.tasks[task].labels or ()]
        table["dice"] = table[groups].mean(axis=1)
        for run in config.runs:
            if run.task.id == task and run.id in table.index.unique("run"):
                values = pd.DataFrame(table.loc[run.id], columns=list(METRICS))
                found.setdefault(run.title, values.sort_index())
    return found


def of_seed(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The rows of a seed; all rows of a method that has another one only."""
    return rows.loc[[seed]] if seed in rows.index.unique("seed") else rows


def summary(rows: pd.DataFrame, metric: str) -> str:
    """Mean over cases; of Dice and error with the standard deviation."""
    values, digits = rows[metric].groupby("case").mean(), METRICS[metric][1]
    spread = f"±{values.std():.{digits}f}" if metric in ("dice", "epe") else ""
    return f"{values.mean():.{digits}f}{spread}"


def difference(one: pd.DataFrame, two: pd.DataFrame, metric: str) -> str:
    """The mean difference, its interval, and whether it is undecided."""
    values = (one[metric].groupby("case").mean() - two[metric].groupby("case").mean()).dropna()
    found, digits = compare(values.to_numpy()), COMPARED[metric][1]
    mark = " =" if found.low <= 0 <= found.high else ""
    if not mark and abs(found.mean) < max(between_seeds(one, metric), between_seeds(two, metric)):
        mark = " ~"
    return f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]{mark}"


def plain(title: str) -> str:
    """A title without its number of steps."""
    return re.sub(r", \d+ steps", "", title)


def turned(*rows: pd.DataFrame) -> Iterator[str]:
    """Cells for each measure whose difference of the first two is decided, and has another sign in
    the last two."""
    for metric in ("dice", "epe"):
        study, here = (difference(one, two, metric) for one, two in (rows[:2], rows[2:]))
        if study[-1] not in "=~" and study[0] != here[0]:
            yield f"{COMPARED[metric][0]} | {study} | {here}"


def between_seeds(rows: pd.DataFrame, metric: str) -> float:
    """Standard deviation of the means of the seeds; 0 for one seed."""
    means = rows[metric].groupby("seed").mean()
    return float(np.std(means, ddof=1)) if len(means) > 1 else 0.0


if __name__ == "__main__":
    main()
