"""Checking a finished run against its golden values, and updating them."""

from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.paths import metrics_file
from regbench.baseline.changelog import append, checked_reason
from regbench.baseline.compare import Change, compare, updated
from regbench.baseline.summary import count_line, line, markdown
from regbench.baseline.tolerances import Tolerances, read_tolerances
from regbench.baseline.values import Values, from_table, read_values, write_values
from regbench.plan.config import Config
from regbench.reports.results import read_results

#: The files of a baseline, all in one folder.
VALUES = "values.csv"
TOLERANCES = "tolerances.yaml"
CHANGELOG = "CHANGELOG.md"


def values_file(config: Config) -> Path:
    """Where the golden values of a config are committed."""
    return config.root / "baselines" / config.name / VALUES


def check(config: Config, file: Path, summary: Path | None = None) -> list[Change]:
    """Tell every row that is not as it was.

    Args:
        config: whose collected table is compared.
        file: golden values, with the tolerances beside.
        summary: Markdown to write.

    Raises:
        BadInput: no golden values, no tolerances, no results, or a bad one of them.
    """
    tolerances = read_tolerances(file.parent / TOLERANCES)
    golden = read_values(file)
    changes = compare(golden, _found(config, tolerances), tolerances)
    if summary is not None:
        write_text(summary, markdown(config.name, changes, len(golden)))
    _tell(changes, len(golden))
    return changes


def update(config: Config, file: Path, reason: str) -> None:
    """Write changed rows as golden values; old and new with the reason go to the changelog.

    Where there are no golden values yet, these are the first.

    Raises:
        BadInput: an empty reason; or as `check` does.
    """
    why = checked_reason(reason)
    tolerances = read_tolerances(file.parent / TOLERANCES)
    golden = read_values(file) if file.exists() else {}
    changes = compare(golden, _found(config, tolerances), tolerances)
    if golden:
        _tell(changes, len(golden))
    if changes:
        # The changelog first: golden values must not change without their reason.
        append(file.parent / CHANGELOG, config.name, why, changes, len(golden))
        write_values(file, updated(golden, changes))
    print(f"{file}: {len(changes)} rows written")


def _found(config: Config, tolerances: Tolerances) -> Values:
    table = metrics_file(config.name)
    if not table.is_file():
        raise BadInput(
            "no results", file=table, expected=f"a finished run of config {config.name!r}"
        )
    frame = read_results(table).frame
    return from_table(frame[~frame["metric"].isin(list(tolerances.ignored))])


def _tell(changes: list[Change], rows: int) -> None:
    for change in changes:
        print(line(change))
    print(count_line(changes, rows))
