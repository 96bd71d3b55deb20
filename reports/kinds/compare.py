"""A table of ours beside a published one: each column that both have, twice."""

from regbench.reports.comparison import build_comparison
from regbench.reports.model import Table
from regbench.reports.request import Request

KIND = {"fields": ["task", "ours", "published"]}


def build(request: Request) -> Table:
    """The table of the report that `ours` names beside that of `published`."""
    return build_comparison(request.report, request.table("ours"), request.table("published"))
