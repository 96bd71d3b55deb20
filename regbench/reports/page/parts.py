"""The files that a page is made of beside the results: its style and scripts, and the viewer."""

from pathlib import Path

from regbench.reports.page.bundle import bundle_file

_HERE = Path(__file__).parent
STYLE, VIEWER, CASES = (_HERE / name for name in ("page.css", "viewer.html", "cases.html"))
#: In the order in which they run; the first before anything else.
SCRIPTS = tuple(
    _HERE / f"{name}.js" for name in ("start", "sort", "volumes", "contours", "viewer", "cases")
)


def page_files() -> list[Path]:
    """Every file that goes into a page as it is: its parts, and the viewer if it is there."""
    bundle = bundle_file()
    return [STYLE, VIEWER, CASES, *SCRIPTS, *([] if bundle is None else [bundle])]
