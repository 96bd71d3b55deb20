"""A page that shows the other reports, every case and the fields."""

from typing import TYPE_CHECKING

from regbench.base.paths import CASES, run_folder
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.page.parts import page_files
from regbench.reports.request import Request

if TYPE_CHECKING:
    from regbench.plan.config import Config

FIELDS = ()
RESULTS = "tasks"
DRAWN = False
#: It is one file, made after the other reports.
PAGE = True


def inputs(config: "Config", report: ReportPlugin) -> dict[str, list[str]]:
    """The page's own parts, and the statuses of all cases.

    The fields are no inputs, as they are no outputs: `cases.json`, which holds the hash of each of
    them, is an input in their place.
    """
    cases = [
        str(run_folder(config.name, task, run.id, seed) / CASES)
        for task in config.tasks
        for run in config.every_run
        if run.task.id == task
        for seed in config.seeds_of(run)
    ]
    return {"parts": [str(path.resolve()) for path in page_files()], "cases": cases}


def build(request: Request) -> str:
    """The whole page as HTML."""
    from regbench.reports.page.page import build_page

    return build_page(request.config, request.report, request.given, request.shown)
