"""A page that shows the other reports, every case and the fields, as one HTML file.

It has the reports, a viewer of volumes, and a list of every case.
"""

import base64
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from regbench.base.files import readable
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.formats import FORMATS, numbers
from regbench.reports.model import Table, read_json_table
from regbench.reports.request import Request

from .parts import HERE, SCRIPTS, STYLE, Bundle, bundle_file, read_bundle
from .records import case_records
from .volumes import make_manifest

# One file, made after the other reports, of their files and of all cases' statuses.
KIND = {"page": True, "inputs": ["cases"], "packages": ["ipyniivue"]}

#: Megabytes of a page, where its yaml does not say.
LIMIT_MB = 58.0
#: Characters kept for the viewer's list of volumes and the lines on what it lacks.
RESERVE = 300_000
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.policies["json.dumps_kwargs"] = {
    "ensure_ascii": False,
    "allow_nan": False,
    "separators": (",", ":"),
}


def build(request: Request) -> str:
    """The whole page as HTML. Equal results give equal text.

    Its yaml has `rows` (ids of reports, which come first, in this order), `cases` (how many of each
    task the viewer shows) and `limit_mb` (of the whole file).

    Raises:
        BadInput: a file of the results that cannot be read.
    """
    report, shown = request.report, request.shown
    records, missing = case_records(request.config, request.results.frame)
    bundle = read_bundle(bundle_file())
    # Those that the page names come first.
    rank = {name: i for i, name in enumerate(report.rows)}
    tables = [file for file in shown if file.suffix == ".json"]
    tables.sort(key=lambda file: (rank.get(file.stem, len(rank)), file.stem))
    known = request.config.catalog.reports
    reports = [(known[file.stem], read_json_table(file)) for file in tables]
    pictures = {file.stem: file for file in shown if file.suffix == ".png"}
    render = partial(
        TEMPLATES.get_template("page.html").render,
        page=report,
        results=request.results,
        reports=[plugin for plugin, _ in reports],
        sections=[
            report_section(plugin, table, pictures.get(plugin.id)) for plugin, table in reports
        ],
        records=records,
        bundle=bundle if isinstance(bundle, Bundle) else None,
        style=STYLE.read_text(encoding="utf-8"),
        scripts=[script.read_text(encoding="utf-8") for script in SCRIPTS],
    )
    if isinstance(bundle, str):
        return render(missing=[*missing, bundle], manifest={}, volumes={})
    limit = int(1e6 * report.content.get("limit_mb", LIMIT_MB))
    budget = limit - len(render(missing=missing, manifest={}, volumes={}).encode()) - RESERVE
    manifest, volumes, absent = make_manifest(request, budget)
    return render(missing=[*missing, *absent], manifest=manifest, volumes=volumes)


def report_section(report: ReportPlugin, table: Table, picture: Path | None = None) -> str:
    """A report under the page's headings. The picture of a figure comes first; its numbers unfold.

    Raises:
        BadInput: the picture cannot be read.
    """
    pixels = None
    if picture is not None:
        with readable(picture):
            pixels = base64.b64encode(picture.read_bytes()).decode("ascii")
    csv = base64.b64encode(FORMATS["csv"](table).encode()).decode("ascii")
    return part("report_section", report, table, numbers(table), pixels, csv)


def part(macro: str, *values: Any) -> str:
    """What a macro of `sections.html` makes of some values."""
    return str(getattr(TEMPLATES.get_template("sections.html").module, macro)(*values))
