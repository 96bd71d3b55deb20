"""Putting the page together."""

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from regbench.plan.config import Config
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.model import read_json_table
from regbench.reports.page import sections
from regbench.reports.page.bundle import Bundle, bundle_file, read_bundle
from regbench.reports.page.manifest import make_manifest
from regbench.reports.page.parts import CASES, SCRIPTS, STYLE, VIEWER
from regbench.reports.page.records import case_records
from regbench.reports.results import Results, read_results

#: Megabytes of a page, where its yaml does not say.
LIMIT_MB = 58.0
#: Characters kept for the viewer's list of volumes and the lines on what it lacks.
RESERVE = 300_000


def build_page(config: Config, report: ReportPlugin, results: Path, shown: Sequence[Path]) -> str:
    """The whole page as HTML. Equal results give equal text.

    Args:
        config: whose results are shown.
        report: title, caption, `rows` (ids of reports, which come first, in this order), `cases`
            (how many of each task the viewer shows) and `limit_mb` (of the whole file).
        results: the merged table.
        shown: the reports' tables (`.json`) and pictures (`.png`).

    Raises:
        BadInput: a file of the results that cannot be read.
    """
    known = read_results(results)
    found = case_records(config, known.frame)
    records, missing = found.records, [*found.failures, *found.left_out()]
    links, parts = _reports(config, report, shown)
    bundle = read_bundle(bundle_file())
    if isinstance(bundle, str):
        compose = partial(_compose, report, known, links, parts, records, None)
        return compose([*missing, bundle], {}, {})
    compose = partial(_compose, report, known, links, parts, records, bundle)
    limit = int(1e6 * report.content.get("limit_mb", LIMIT_MB))
    budget = limit - len(compose(missing, {}, {}).encode()) - RESERVE
    manifest, volumes, absent = make_manifest(config, report, known, budget)
    return compose([*missing, *absent], manifest, volumes)


def _compose(
    report: ReportPlugin,
    results: Results,
    links: list[tuple[str, str]],
    parts: list[str],
    records: list[dict[str, Any]],
    bundle: Bundle | None,
    missing: list[str],
    manifest: dict[str, Any],
    volumes: dict[str, str],
) -> str:
    title = f"{report.title}: {results.config}"
    about = f"<p>{escape(report.caption)}</p>\n{sections.facts_list(results)}"
    blobs = [sections.blob_element(name, text) for name, text in volumes.items()]
    if bundle is not None:
        links = [("viewer", "Viewer"), *links]
        blobs.append(sections.blob_element("niivue", bundle.code))
        blobs.append(sections.data_element("manifest", manifest))
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            # An icon of its own, or a browser would ask for one.
            '<link rel="icon" href="data:,">',
            f"<style>\n{_read(STYLE)}</style>",
            f"<script>\n{_read(SCRIPTS[0])}</script>",
            f"</head>\n<body>\n<header>\n<h1>{escape(title)}</h1>\n{about}",
            f"{sections.contents([*links, ('cases', 'Every case')])}\n</header>\n<main>",
            sections.missing_list(missing),
            _read(VIEWER) if bundle is not None else "",
            *parts,
            _read(CASES),
            "</main>",
            sections.data_element("records", records),
            *blobs,
            *(f"<script>\n{_read(script)}</script>" for script in SCRIPTS[1:]),
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
    pictures = {file.stem: file for file in shown if file.suffix == ".png"}
    tables = [file for file in shown if file.suffix == ".json"]
    for file in sorted(tables, key=lambda f: (rank.get(f.stem, len(rank)), f.stem)):
        report = config.catalog.reports[file.stem]
        links.append((f"report-{report.id}", report.title))
        parts.append(
            sections.report_section(report, read_json_table(file), pictures.get(file.stem))
        )
    return links, parts


def _footer(bundle: Bundle | None) -> str:
    if bundle is None or not bundle.licence:
        return ""
    return (
        "<footer><details><summary>The viewer is NiiVue; its licence</summary>"
        f"<pre>{escape(bundle.licence)}</pre></details></footer>"
    )


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")
