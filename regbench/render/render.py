"""Rendering a report to its files."""

from pathlib import Path

from regbench.config import Config
from regbench.errors import BadInput
from regbench.files import write_text
from regbench.render.formats import FORMATS
from regbench.render.leaderboard import build_leaderboard
from regbench.render.table import build_table
from regbench.results.collect import read_table

BUILDERS = {"table": build_table, "leaderboard": build_leaderboard}


def render(config: Config, report: str, results: Path, outputs: list[Path]) -> None:
    """Render a report in the formats that the outputs' endings ask for.

    Args:
        config: whose plugins describe the report and the metrics.
        report: id.
        results: the collected table.
        outputs: files to write.

    Raises:
        BadInput: a format that reports do not have, or a report that does not fit the results.
    """
    plugin = config.catalog.reports[report]
    frame, facts = read_table(results)
    table = BUILDERS[plugin.kind](plugin, frame, facts, config.catalog.metrics)
    for output in outputs:
        ending = output.suffix.removeprefix(".")
        if ending not in FORMATS:
            raise BadInput("unknown report format", file=output, expected=", ".join(FORMATS))
        write_text(output, FORMATS[ending](table))
