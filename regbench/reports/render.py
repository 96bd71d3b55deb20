"""Rendering a report to its files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import write_bytes, write_text
from regbench.measure.analytic_checks import checks
from regbench.plan.config import Config
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import ReportPlugin
from regbench.plugins.loading import load_metric
from regbench.reports.formats import FORMATS
from regbench.reports.gauntlet import build_gauntlet
from regbench.reports.leaderboard import build_leaderboard
from regbench.reports.model import Table
from regbench.reports.published import build_comparison, build_published
from regbench.reports.results import read_table
from regbench.reports.sweep import build_sweep, read_sweep
from regbench.reports.table import build_table
from regbench.reports.variants import build_variants

#: Endings of what a figure is drawn as.
PICTURES = ("png", "pdf")
#: What draws a report, given an ending.
Picture = Callable[[str], bytes]


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
    if plugin.kind == "page":
        from regbench.reports.page.page import build_page

        for output in outputs:
            write_text(output, build_page(config, plugin, _given(plugin, results), shown))
        return
    if plugin.kind in DRAWERS:
        table, picture = DRAWERS[plugin.kind](config, plugin, results)
    else:
        table, picture = build(config, plugin, results), None
    for output in outputs:
        ending = output.suffix.removeprefix(".")
        if ending in FORMATS:
            write_text(output, FORMATS[ending](table))
        elif picture is not None and ending in PICTURES:
            write_bytes(output, picture(ending))
        else:
            raise BadInput("unknown report format", file=output, expected=", ".join(FORMATS))


def build(config: Config, report: ReportPlugin, results: Path | None) -> Table:
    """The table of a report, by its kind."""
    if report.kind in DRAWERS:
        return DRAWERS[report.kind](config, report, results)[0]
    return BUILDERS[report.kind](config, report, results)


def _charts(config: Config, report: ReportPlugin, results: Path | None) -> tuple[Table, Picture]:
    from regbench.reports.charts import build_charts, read_charts
    from regbench.reports.charts_figure import draw

    frame, facts = read_table(_given(report, results))
    charts = read_charts(config, report, frame, facts)
    table = build_charts(report, charts, frame, facts, config.catalog.metrics)
    return table, lambda ending: draw(charts, report.kind, ending)


def _given(report: ReportPlugin, results: Path | None) -> Path:
    if results is None:
        raise BadInput(f"report {report.id} is of results", expected="--results FILE")
    return results


def _sweep(config: Config, report: ReportPlugin, results: Path | None) -> tuple[Table, Picture]:
    # Here matplotlib is needed: tables do without it.
    from regbench.reports.sweep_figure import draw

    frame, facts = read_table(_given(report, results))
    metrics = config.catalog.metrics
    sweep = read_sweep(report, frame, facts, metrics)
    title = f"{facts['tasks'][report.id]['data']}, {sweep.cases}"
    table = build_sweep(report, sweep, frame, facts, metrics)
    return table, lambda ending: draw(sweep, title, ending)


def _overview(config: Config, report: ReportPlugin, results: Path | None) -> tuple[Table, Picture]:
    from regbench.reports.case_figure import read_case
    from regbench.reports.case_figure_drawing import draw
    from regbench.reports.case_figure_table import build_table as build_case_table
    from regbench.reports.case_figure_table import panel_notes

    frame, facts = read_table(_given(report, results))
    drawn = read_case(config, report, frame, facts)
    table = build_case_table(report, drawn, frame, facts, config.catalog.metrics)
    below = panel_notes(drawn, frame)
    across = report.content.get("across")
    return table, lambda ending: draw(drawn, below, across, ending)


def _of_results(config: Config, report: ReportPlugin, results: Path | None) -> Table:
    frame, facts = read_table(_given(report, results))
    builder = build_table if report.kind == "table" else build_leaderboard
    return builder(report, frame, facts, config.catalog.metrics)


def _of_cases(config: Config, report: ReportPlugin, results: Path | None) -> Table:
    # Here the packages of statistics are needed: other tables do without them.
    from regbench.reports.ranking import build_ranking
    from regbench.reports.statistics import build_statistics

    frame, facts = read_table(_given(report, results))
    builder = build_statistics if report.kind == "statistics" else build_ranking
    return builder(report, frame, facts, config.catalog.metrics)


def _published(config: Config, report: ReportPlugin, results: Path | None) -> Table:
    return build_published(report)


def _comparison(config: Config, report: ReportPlugin, results: Path | None) -> Table:
    ours, theirs = (_other(config, report, key) for key in ("ours", "published"))
    return build_comparison(report, build(config, ours, results), build_published(theirs))


def _variants(config: Config, report: ReportPlugin, results: Path | None) -> Table:
    # Here torch is needed, to build the networks: other reports do without it.
    from regbench.learning.method import parameter_count
    from regbench.plugins.loading import load_entry

    methods = config.catalog.methods
    shown = [lookup(methods, name, "method", report.file) for name in report.rows]
    counts = {m.id: parameter_count(load_entry(m.folder, str(m.entry)), m.settings) for m in shown}
    theirs = build_published(_other(config, report, "published"))
    return build_variants(report, methods, counts, theirs)


def _gauntlet(config: Config, report: ReportPlugin, results: Path | None) -> Table:
    metrics = config.catalog.metrics
    # Only those that are asked: a plugin's broken metric is another report's trouble.
    asked = {check.metric for check in checks()} & set(metrics)
    return build_gauntlet(report, metrics, {name: load_metric(metrics[name]) for name in asked})


def _other(config: Config, report: ReportPlugin, key: str) -> ReportPlugin:
    """The report that a report's field names."""
    return lookup(config.catalog.reports, report.content[key], "report", report.file)


BUILDERS: dict[str, Callable[[Config, ReportPlugin, Path | None], Table]] = {
    "table": _of_results,
    "leaderboard": _of_results,
    "published": _published,
    "compare": _comparison,
    "variants": _variants,
    "gauntlet": _gauntlet,
    "statistics": _of_cases,
    "ranking": _of_cases,
}
#: Kinds that are drawn, too: table and picture from one reading of the results.
DRAWERS: dict[str, Callable[[Config, ReportPlugin, Path | None], tuple[Table, Picture]]] = {
    "sweep": _sweep,
    "overview": _overview,
    **dict.fromkeys(("boxes", "tradeoff", "losses"), _charts),
}
