"""Reference results: a finished run as small files that are read in a repository.

    python tools/save_reference.py config/default.yaml [--task TASK] [--to FOLDER] [--metrics M ...]
        [--commit C]

Writes to FOLDER (default: reference/results/NAME): `TASK.csv`, a row for each run, seed and case
and a column for each metric and label, five digits a number; `REPORT.md`, the config's tables; and
`about.json` with the commit, date, hardware, and the whole config. The metrics are those that a
report of the task has a column for. A csv has at most 300 kB. With TASK, only that task need be
finished.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pack_weights import commit_of

from regbench.base.errors import BadInput
from regbench.base.files import write_json, write_text
from regbench.base.paths import metrics_file, task_metrics_file
from regbench.base.project import find_root
from regbench.plan.config import Config, load_config
from regbench.reports.formats import to_markdown
from regbench.reports.request import Request
from regbench.reports.results import Results, read_results

#: The columns of a csv before those of the metrics.
KEY = ("run", "seed", "case")
#: The kinds of report that are kept as Markdown.
KINDS = ("table", "leaderboard", "statistics", "ranking")
MOST_BYTES = 300_000


def main() -> None:
    """Write the reference results of a config."""
    about, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--task", help="default: all")
    parser.add_argument("--to", type=Path, help="default: reference/results/NAME")
    parser.add_argument("--metrics", nargs="+", help="default: those of the reports' columns")
    parser.add_argument("--commit", help="of the code that ran; default: the one checked out")
    options = parser.parse_args()
    try:
        root = find_root()
        config = load_config(options.config, root)
        commit = options.commit or commit_of()
        save(config, options.to, options.metrics, commit, options.task)
    except BadInput as problem:
        raise SystemExit(f"save_reference: {problem}") from None


def save(
    config: Config,
    folder: Path | None,
    metrics: list[str] | None,
    commit: str,
    only: str | None = None,
) -> list[Path]:
    """Write all files, or those of the one task that is named; their paths.

    Raises:
        BadInput: the run is not finished, has no such metric, or its table is too large.
    """
    folder = folder or Path("reference/results", config.name)
    file = task_metrics_file(config.name, only) if only else metrics_file(config.name)
    results = read_results(file)
    texts: dict[str, str] = {}
    for task in results.tasks:
        if task not in config.tasks:
            continue
        wanted = metrics or reported(config, task)
        text = wide(results.rows(task), wanted).to_csv(lineterminator="\n")
        if len(text) > MOST_BYTES:
            raise BadInput(
                f"the table of task {task} is too large",
                expected=f"{MOST_BYTES} bytes; --metrics with fewer than {', '.join(wanted)}",
                found=len(text),
            )
        texts[f"{task}.csv"] = text
    for report in config.catalog.reports.values():
        if report.kind in KINDS and report.task in (None, *results.tasks):
            made = Request(config, report, file).build()
            texts[f"{report.id}.md"] = to_markdown(made)
    for name, text in texts.items():
        write_text(folder / name, text)
    write_json(folder / "about.json", about(config, results, commit, file))
    return [folder / name for name in (*texts, "about.json")]


def about(config: Config, results: Results, commit: str, file: Path) -> dict[str, object]:
    """What a reader must know before the numbers."""
    when = datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%d")
    return {
        "title": config.description or config.name,
        "commit": commit,
        "date": when,
        "hardware": results.hardware,
        "config": config.raw,
    }


def reported(config: Config, task: str) -> list[str]:
    """The metrics that a table of the task, or of all tasks, has a column for."""
    named: dict[str, None] = {}
    for report in config.catalog.reports.values():
        if report.kind in KINDS and report.task in (None, task):
            named |= {c["metric"]: None for c in report.columns if "metric" in c}
    return list(named)


def wide(rows: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """The rows of a task as a table: KEY to a column for each metric and label."""
    if not set(metrics) & set(rows["metric"]):
        raise BadInput("no such metric in the results", found=", ".join(metrics))
    rows = rows[rows["metric"].isin(metrics)].astype({"metric": str, "label": str})
    rows = rows.assign(
        column=(rows["metric"] + " " + rows["label"]).str.strip(),
        value=[float(f"{value:.5g}") for value in rows["value"]],
    )
    for name in ("run", "case"):
        rows[name] = rows[name].astype(str)
    table = rows.pivot(index=list(KEY), columns="column", values="value")
    rank = {name: (metrics.index(name.partition(" ")[0]), name) for name in table.columns}
    return table[sorted(table.columns, key=rank.__getitem__)].sort_index()


def means(table: pd.DataFrame) -> pd.DataFrame:
    """What a table of reports shows: the mean over seeds and cases of each run and column.

    Args:
        table: as `wide` makes it.
    """
    return table.groupby("run").mean()


if __name__ == "__main__":
    main()
