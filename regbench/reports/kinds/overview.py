"""Pictures of one case: the fixed and moving image, and what each method makes of them."""

from typing import TYPE_CHECKING

from regbench.base.paths import CASES, layout_file, run_folder
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.request import Drawing, Request

if TYPE_CHECKING:
    from regbench.plan.config import Config

FIELDS = ("task",)
RESULTS = "task"
DRAWN = True


def inputs(config: "Config", report: ReportPlugin) -> dict[str, list[str]]:
    """The data set, and the statuses of the cases of the runs that are drawn.

    Fields themselves are no outputs of jobs, so that Snakemake does not delete those of a failed
    one: the statuses, which hold the hash of each field, are inputs in their place.
    """
    statuses = [
        str(run_folder(config.name, run.task.id, run.id, seed) / CASES)
        for run in config.runs
        if run.task.id == report.task and (not report.rows or run.method.id in report.rows)
        for seed in config.seeds_of(run)[:1]
    ]
    dataset = config.tasks[str(report.task)].dataset.id
    return {"layout": [str(layout_file(config.name, dataset))], "statuses": statuses}


def build(request: Request) -> Drawing:
    """The case that the report chooses, as pictures and as a table of its numbers."""
    from regbench.reports.case_figure import read_case
    from regbench.reports.case_figure_drawing import draw
    from regbench.reports.case_figure_table import build_table, panel_notes

    report, results = request.report, request.results
    drawn = read_case(request.config, report, results)
    table = build_table(report, drawn, results, request.metrics)
    below = panel_notes(drawn, results.frame)
    return Drawing(table, lambda ending: draw(drawn, below, ending))
