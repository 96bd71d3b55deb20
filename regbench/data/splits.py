"""The splits of a generated data set."""

from pathlib import Path

from regbench.base.errors import BadInput


def check_seeds(splits: dict[str, dict[str, int]], name: str, where: Path | str) -> None:
    """Refuse splits that would share a case: a case is its seed.

    Args:
        splits: split to {count, seed}: case i of a split has seed + i.
        name: of the data set.
        where: the file that states them.

    Raises:
        BadInput: two splits share a seed.
    """
    taken: dict[int, str] = {}
    for split, numbers in splits.items():
        for seed in range(numbers["seed"], numbers["seed"] + numbers["count"]):
            if seed in taken:
                raise BadInput(
                    f"splits {taken[seed]} and {split} of data set {name} share seed {seed}",
                    file=where,
                    expected="disjoint seeds",
                )
            taken[seed] = split
