"""Pictures of one case: the fixed and moving image, and what each method makes of them."""

from regbench.reports.case_figure import read_case
from regbench.reports.case_figure_drawing import draw
from regbench.reports.case_figure_table import build_table, panel_notes
from regbench.reports.request import Drawing, Request

KIND = {"fields": ("task",), "results": "task", "drawn": True, "inputs": ("layout", "cases")}


def build(request: Request) -> Drawing:
    """The case that the report chooses, as pictures and as a table of its numbers."""
    drawn = read_case(request)
    below = panel_notes(drawn, request.results.frame)
    return Drawing(build_table(request, drawn), lambda ending: draw(drawn, below, ending))
