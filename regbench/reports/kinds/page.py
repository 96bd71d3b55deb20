"""A page that shows the other reports, every case and the fields."""

from regbench.reports.page.page import build_page
from regbench.reports.request import Request

# One file, made after the other reports, of their files and of all cases' statuses.
KIND = {"page": True, "inputs": ("parts", "cases")}


def build(request: Request) -> str:
    """The whole page as HTML."""
    return build_page(request)
