"""Rendering a report to its files."""

from collections.abc import Sequence
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import write_bytes, write_text
from regbench.plan.config import Config
from regbench.plugins.catalog import lookup
from regbench.reports.formats import FORMATS
from regbench.reports.request import Drawing, Request

#: Endings of what a figure is drawn as.
PICTURES = ("png", "pdf")


def render(
    config: Config,
    report: str,
    results: Path | None,
    outputs: list[Path],
    shown: Sequence[Path] = (),
) -> None:
    """Render a report in the formats that the outputs' endings ask for.

    Args:
        config: whose plugins describe the report and the metrics.
        report: id.
        results: the collected table; None for a report of no results.
        outputs: files to write.
        shown: files of other reports that a page shows.

    Raises:
        BadInput: a format that reports do not have, or a report that does not fit the results.
    """
    plugin = lookup(config.catalog.reports, report, "report")
    made = Request(config, plugin, results, shown).build()
    for output in outputs:
        ending = output.suffix.removeprefix(".")
        if isinstance(made, str):
            write_text(output, made)
        elif ending in FORMATS:
            write_text(output, FORMATS[ending](made.table if isinstance(made, Drawing) else made))
        elif isinstance(made, Drawing) and ending in PICTURES:
            write_bytes(output, made.picture(ending))
        else:
            raise BadInput("unknown report format", file=output, expected=", ".join(FORMATS))
