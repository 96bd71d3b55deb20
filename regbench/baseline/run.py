"""A baseline: its first golden values, checking a finished run, and updating with a reason.

The first bounds come from how far repeated runs of the workflow differ.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.paths import METRICS, metrics_file
from regbench.base.project import plugin_roots
from regbench.baseline.compare import (
    KEY,
    KINDS,
    MACHINE,
    TIME_RATIO,
    check_reference,
    compare,
    name_of,
    no_values,
    numbers,
    read_tolerances,
    read_values,
    updated,
    write_values,
)
from regbench.plan.config import Config
from regbench.reports.results import read_results

#: The files in the folder of a baseline.
VALUES = "values.csv"
TOLERANCES = "tolerances.yaml"
CHANGELOG = "CHANGELOG.md"
#: Rows that the summary lists. The size of a comment on a pull request is limited.
SHOWN = 60
#: A bound is so many times the largest difference between the runs: a few runs do not show all.
FACTOR = 3
#: The start of `tolerances.yaml`.
_HEAD = """\
# How far a number may lie from its golden value, on either side, and why (docs/baseline.md).
# Made by `regbench baseline init`. Change the bounds, and their reasons, that you know better.
# Times, load and memory depend on the machine: without a bound they are compared with nothing.
"""
_LEAST = {"relative": 0.01, "reason": "the last digit of the tables, and 1 % of the value"}
#: A faster tool never exceeds it.
_TIME = {"absolute": 0, "relative": 1.0, "reason": "twice the time of the golden value"}


def values_file(config: Config) -> Path:
    """The file of a config's golden values, in the current folder."""
    return Path.cwd() / "baselines" / config.name / VALUES


def check(config: Config, file: Path, summary: Path | None = None) -> bool:
    """Print every row that changed.

    Args:
        config: its collected table is compared.
        file: golden values, with the tolerances beside them.
        summary: Markdown to write.

    Returns:
        whether all values are within their bounds.

    Raises:
        BadInput: golden values, tolerances or results are missing or bad.
    """
    golden, changes = _compared(config, file)
    if summary is not None:
        write_text(summary, markdown(config.name, changes, len(golden)))
    _print(changes, len(golden))
    return changes.empty


def update(config: Config, file: Path, reason: str) -> None:
    """Write changed rows as golden values, and add them to the changelog with the reason.

    If there are no golden values, all rows become the first ones.

    Raises:
        BadInput: an empty reason; or as `check` does.
    """
    reason = checked_reason(reason)
    golden, changes = _compared(config, file, first=not file.exists())
    if len(golden):
        _print(changes, len(golden))
    write(config.name, file, reason, golden, changes)


def write(
    config: str, file: Path, reason: str, golden: pd.DataFrame, changes: pd.DataFrame
) -> None:
    """Write golden values after changes, and their reason into the changelog."""
    if len(changes):
        # The changelog first: golden values must not change without their reason.
        append(file.parent / CHANGELOG, config, reason, changes, len(golden))
        write_values(file, updated(golden, changes))
    print(f"{file}: {len(changes)} rows written")


def checked_reason(reason: str) -> str:
    """The reason in one line.

    Raises:
        BadInput: it is empty.
    """
    text = " ".join(reason.split())
    if not text:
        raise BadInput("the reason is empty", expected='--reason "why the numbers changed"')
    return text


def append(file: Path, config: str, reason: str, changes: pd.DataFrame, rows: int) -> None:
    """Add an entry at the end of the changelog, or start the changelog.

    Args:
        file: Markdown.
        config: name of the config.
        reason: why the values changed.
        changes: from `compare`. The rows of a first baseline (`rows` 0) are only counted.
        rows: number of golden values before the update.
    """
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("cannot be read", file=file, found=str(error)) from error
    text = text or f"# Changes of the golden values of `{config}`\n"
    day = time.strftime("%Y-%m-%d", time.gmtime())
    entry = ["", f"## {day}", "", checked_reason(reason), ""]
    if rows:
        entry += [f"{count_line(changes, rows)}.", "", *_table(changes)]
    else:
        without = int(changes["value_new"].isna().sum())
        entry += [f"The first {len(changes)} golden values, {without} of them without a number."]
    write_text(file, text.rstrip("\n") + "\n" + "\n".join(entry) + "\n")


def line(change: Any) -> str:
    """One change (a named tuple of `compare`'s columns) in words, with its size and its bound."""
    name = name_of(change)
    if change.kind in ("new", "missing"):
        return f"{name}: {change.kind} ({change.new or change.old})"
    if change.kind == "moved":
        by = f"moved by {change.moved_by:+.6g}, bound {change.bound:.6g}"
        return f"{name}: {by}: {change.old} -> {change.new} ({change.reason})"
    return f"{name}: {change.kind}: {change.old} -> {change.new}"


def count_line(changes: pd.DataFrame, rows: int) -> str:
    """The number of changes of each kind, and of golden values."""
    if changes.empty:
        return f"{rows} golden values, all within their bounds"
    count = changes["kind"].value_counts()
    return f"{rows} golden values: " + ", ".join(
        f"{count[kind]} {text}" for kind, text in KINDS.items() if kind in count
    )


def markdown(config: str, changes: pd.DataFrame, rows: int) -> str:
    """A summary for a comment on a pull request."""
    verdict = "as they were" if changes.empty else "not as they were"
    lines = [f"## Metrics of `{config}`: {verdict}", "", f"{count_line(changes, rows)}.", ""]
    if len(changes):
        lines += [*_by_metric(changes), *_list(changes)]
        lines += ["If this is intended, `regbench baseline update` takes it, with the reason."]
    return "\n".join(lines).rstrip() + "\n"


def _table(changes: pd.DataFrame) -> Iterator[str]:
    """A Markdown table, a change a row."""
    yield "| Task | Run | Seed | Case | Metric | Change | Golden | Found | Moved by | Bound |"
    yield "| --- | --- | ---: | --- | --- | --- | ---: | ---: | ---: | ---: |"
    for row in changes.itertuples():
        cells = [row.task, row.run, row.seed, row.case, f"{row.metric} {row.label}".strip()]
        cells += [row.kind, row.old, row.new]
        moved = row.kind == "moved"
        cells += [f"{row.moved_by:+.6g}", f"{row.bound:.6g}"] if moved else ["", ""]
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _by_metric(changes: pd.DataFrame) -> Iterator[str]:
    """The number of changed rows of each metric, of their runs, and the largest move."""
    yield "| Metric | Rows | Runs | Largest move |"
    yield "| --- | ---: | ---: | ---: |"
    for metric, rows in changes.groupby("metric"):
        moves = rows.loc[rows["kind"] == "moved", "moved_by"].tolist()
        largest = f"{max(moves, key=abs):+.6g}" if moves else ""
        yield f"| {metric} | {len(rows)} | {rows.groupby(['task', 'run']).ngroups} | {largest} |"
    yield ""


def _list(changes: pd.DataFrame) -> Iterator[str]:
    ranks = changes["kind"].map(list(KINDS).index)
    shown = changes.loc[ranks.sort_values(kind="stable").index[:SHOWN]]
    yield from ("<details><summary>Row by row</summary>", "")
    yield from _table(shown)
    if len(changes) > SHOWN:
        yield from ("", f"And {len(changes) - SHOWN} more.")
    yield from ("", "</details>", "")


def _compared(
    config: Config, file: Path, *, first: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The golden values (none for a first baseline), and what changed."""
    tolerances = read_tolerances(file.parent / TOLERANCES)
    golden = no_values() if first else read_values(file)
    table = metrics_file(config.name)
    if not table.is_file():
        expected = f"a finished run of config {config.name!r}"
        raise BadInput("no results", file=table, expected=expected)
    collected = table.stat().st_mtime
    for rows in (
        rows for task in config.tasks for rows in table.parent.glob(f"{task}/*/*/{METRICS}")
    ):
        if rows.stat().st_mtime > collected:
            expected = "a run of the workflow without a target"
            raise BadInput(f"is newer than {table.name}", file=rows, expected=expected)
    current = numbers(read_results(table), tolerances.ignored, tolerances.time_reference)
    return golden, compare(golden, current, tolerances)


def _print(changes: pd.DataFrame, rows: int) -> None:
    for change in changes.itertuples():
        print(line(change))
    print(count_line(changes, rows))


def init(config: Config, file: Path, runs: int, reference: str, cores: str) -> None:
    """Run the workflow `runs` times; write golden values to `file`, tolerances and a changelog.

    Args:
        config: of the workflow, read from a file.
        reference: method for `time_reference`; empty for none.

    Raises:
        BadInput: there is a baseline; fewer than two runs; a run that does not finish, or in which
            a case fails; a method without a number; rows that not all runs have.
    """
    target = file.parent / TOLERANCES
    for there in (file, target):
        if there.exists():
            raise BadInput("is there already", file=there, expected="regbench baseline update")
    if runs < 2:
        raise BadInput("--runs", expected="at least 2, to see how far they differ", found=runs)
    for task in config.tasks if reference else ():
        own = (run.method for run in config.runs if run.task.id == task)
        check_reference(reference, task, [method.id for method in own if method.kind != "control"])
    frames = []
    for number in range(1, runs + 1):
        print(f"run {number} of {runs}", flush=True)
        with tempfile.TemporaryDirectory(prefix="regbench-baseline-") as folder:
            results = read_results(_run(config, Path(folder), cores))
        frames.append(numbers(results, MACHINE, reference))
    content = {"time_reference": reference} if reference else {}
    text = yaml.safe_dump(content | _bounds(config, frames), sort_keys=False, width=100)
    write_text(target, _HEAD + text)
    changes = compare(no_values(), frames[0], read_tolerances(target))
    write(config.name, file, f"`regbench baseline init` with {runs} runs", no_values(), changes)


def _run(config: Config, folder: Path, cores: str) -> Path:
    """The table of a run in a new folder."""
    table = metrics_file(config.name)
    command = [sys.executable, "-m", "snakemake", "--quiet", "--cores", cores, str(table)]
    snakefile = plugin_roots(config.root)[0] / "Snakefile"
    command += ["--snakefile", str(snakefile), "--configfile", str(config.file)]
    command += ["--directory", str(folder)]
    environment = {**os.environ, "REGBENCH_ROOT": str(config.root), "REGBENCH_WORK": str(folder)}
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0:
        found = "a case or a metric failed" if code == 3 else f"exit code {code}"
        raise BadInput("the run is no baseline", file=config.file, found=found)
    return folder / table


def _bounds(config: Config, frames: list[pd.DataFrame]) -> dict[str, Any]:
    """`metrics` and `looser` of `tolerances.yaml`: a method that differs more has own bounds."""
    rows = pd.concat(frames, ignore_index=True)
    for (task, run), part in rows.groupby(["task", "run"]):
        if not (part["status"] == "ok").any():
            found = part["status"].iloc[0]
            raise BadInput(f"{run} registers no case of {task}", found=found)
    alike = rows.groupby(KEY)
    for row in rows[alike["status"].transform("nunique") > 1].itertuples():
        raise BadInput(f"{name_of(row)}: not the same status in each of {len(frames)} runs")
    for row in rows[alike["status"].transform("size") != len(frames)].itertuples():
        raise BadInput(f"{name_of(row)}: is not in each of {len(frames)} runs")
    rows["apart"] = FACTOR * (alike["value"].transform("max") - alike["value"].transform("min"))
    metrics: dict[str, Any] = {}
    wider: dict[str, dict[str, Any]] = {}
    for (name, method), part in rows.groupby(["metric", "method"]):
        metric = str(name)
        plugin = config.catalog.metrics.get(metric)
        least: dict[str, Any] = {"absolute": 10.0 ** -(plugin.precision if plugin else 0), **_LEAST}
        least = metrics[metric] = dict(_TIME) if metric == TIME_RATIO else least
        if (part["apart"] > least["absolute"] + least["relative"] * part["value"].abs()).any():
            bound = {"absolute": float(f"{1.05 * part['apart'].max():.2g}")}
            wider.setdefault(str(method), {})[metric] = bound
    reason = f"{FACTOR} times the largest difference between {len(frames)} runs"
    looser = [{"methods": [m], "reason": reason, "metrics": item} for m, item in wider.items()]
    return {"metrics": metrics, **({"looser": looser} if looser else {})}
