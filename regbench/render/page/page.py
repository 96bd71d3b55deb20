"""Putting the page together."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from regbench.config import Config
from regbench.plugins import ReportPlugin
from regbench.render.page import sections
from regbench.render.page.bundle import Bundle, bundle_file, read_bundle
from regbench.render.page.manifest import make_manifest
from regbench.render.page.parts import CASES, SCRIPTS, STYLE, VIEWER
from regbench.render.page.records import case_records, failed_cases
from regbench.results.collect import read_table

#: Megabytes of a page, where its yaml does not say.
LIMIT_MB = 58.0


def build_page(config: Config, report: ReportPlugin, results: Path, shown: Sequence[Path]) -> str:
    """The whole page as HTML. Equal results give equal text.

    Args:
        config: whose results are shown.
        report: title, caption, `rows` (ids of reports, which come first, in this order), `cases`
            (how many of each task the viewer shows) and `limit_mb` (of the whole file).
        results: the merged table.
        shown: the reports' `.html` and `.png`.

    Raises:
        BadInput: a file of the results that cannot be read.
    """
    frame, facts = read_table(results)
    records = case_records(config, frame)
    missing = list(failed_cases(records))
    links, parts = _reports(config, report, shown)
    bundle = read_bundle(bundle_file())
    viewer, blobs = "", []
    size = sum(map(len, parts)) + sum(len(str(r)) for r in records)
    if isinstance(bundle, str):
        missing.append(bundle)
    else:
        limit = int(1e6 * report.content.get("limit_mb", LIMIT_MB))
        # Room for what is not counted: style, scripts, headings.
        budget = limit - size - len(bundle.code) - 500_000
        manifest, volumes, absent = make_manifest(config, report, frame, facts, budget)
        missing += absent
        blobs = [sections.blob_element(name, text) for name, text in volumes.items()]
        blobs += [sections.blob_element("niivue", bundle.code)]
        blobs += [sections.data_element("manifest", manifest)]
        viewer = _read(VIEWER)
        links = [("viewer", "Viewer"), *links]
    links = [*links, ("cases", "Every case")]
    title = f"{report.title}: {facts['config']}"
    head = (
        f"<h1>{escape(title)}</h1>\n<p>{escape(report.caption)}</p>\n{sections.facts_list(facts)}"
    )
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            # An icon of its own, or a browser would ask for one.
            '<link rel="icon" href="data:,">',
            f"<style>\n{_read(STYLE)}</style>",
            f"<script>\n{_read(SCRIPTS[0])}</script>",
            f"</head>\n<body>\n<header>\n{head}\n{sections.contents(links)}\n</header>\n<main>",
            sections.missing_list(missing),
            viewer,
            *parts,
            _read(CASES),
            "</main>",
            sections.data_element("records", records),
            *blobs,
            *(f"<script>\n{_read(s)}</script>" for s in SCRIPTS[1:]),
            _footer(bundle),
            "</body>\n</html>\n",
        ]
    )


def _reports(
    config: Config, page: ReportPlugin, shown: Sequence[Path]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Links and sections of the reports, those that the page names first."""
    rank = {name: i for i, name in enumerate(page.rows)}
    links, parts = [], []
    for file in sorted(shown, key=lambda f: (rank.get(f.stem, len(rank)), f.suffix != ".html")):
        report = config.catalog.reports[file.stem]
        if file.suffix == ".html":
            links.append((f"report-{report.id}", report.title))
            parts.append(sections.table_section(report, file))
        else:
            parts.append(sections.figure_section(report, file))
    return links, parts


def _footer(bundle: Bundle | str) -> str:
    if isinstance(bundle, str) or not bundle.licence:
        return ""
    return (
        "<footer><details><summary>The viewer is NiiVue; its licence</summary>"
        f"<pre>{escape(bundle.licence)}</pre></details></footer>"
    )


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")
