"""The page's parts as HTML: tables, figures, what is missing."""

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.formats import numbers
from regbench.reports.model import Table
from regbench.reports.results import Results


def report_section(report: ReportPlugin, table: Table, picture: Path | None = None) -> str:
    """A report under the page's headings. The picture of a figure comes first; its numbers unfold.

    Raises:
        BadInput: the picture cannot be read.
    """
    body = numbers(table)
    if picture is not None:
        body = (
            f"{_figure(report, picture)}\n"
            f'<details class="numbers"><summary>Numbers and notes</summary>\n{body}\n</details>'
        )
    return (
        f'<section class="report" id="report-{escape(report.id)}">\n'
        f"<h3>{escape(table.title)}</h3>\n<p>{escape(table.caption)}</p>\n{body}\n</section>"
    )


def _figure(report: ReportPlugin, file: Path) -> str:
    try:
        picture = base64.b64encode(file.read_bytes()).decode("ascii")
    except OSError as error:
        raise BadInput("cannot be read", file=file, found=error.strerror) from error
    title, caption = escape(report.title), escape(report.caption)
    return (
        f'<figure id="figure-{escape(report.id)}">\n'
        f'<img src="data:image/png;base64,{picture}" alt="{title}: {caption}">\n</figure>'
    )


def contents(links: Sequence[tuple[str, str]]) -> str:
    """The page's table of contents: anchor and title."""
    items = "\n".join(
        f'<li><a href="#{escape(anchor)}">{escape(title)}</a></li>' for anchor, title in links
    )
    return f'<nav aria-label="Contents"><ul>\n{items}\n</ul></nav>'


def facts_list(results: Results) -> str:
    """What the results are of: data, configuration, machine."""
    lines = []
    for name, task in results.tasks.items():
        kind = "synthetic phantom, not the paper's data: " if task.synthetic else ""
        lines.append(
            (
                f"Task {name}",
                f"{task.title}; {kind}{task.data}; fixed {task.fixed}, "
                f"moving {task.moving}; {task.cases} {task.split} cases",
            )
        )
    about = results.description
    lines.append(("Config", f"{results.config}{': ' + about if about else ''}"))
    lines.append(("Seeds", ", ".join(map(str, results.seeds))))
    lines.append(("Hardware", results.hardware))
    items = "\n".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in lines)
    return f'<dl class="facts">\n{items}\n</dl>'


def missing_list(lines: Iterable[str]) -> str:
    """What the page cannot show, and why; nothing at all where it shows everything."""
    items = "\n".join(f"<li>{escape(line)}</li>" for line in lines)
    if not items:
        return ""
    return f'<section id="missing">\n<h2>What is missing</h2>\n<ul>\n{items}\n</ul>\n</section>'


def data_element(name: str, content: Any) -> str:
    """JSON for the page's scripts. No text in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'


def blob_element(name: str, content: str) -> str:
    """Bytes in base64 for the page's scripts."""
    return f'<script type="application/octet-stream" id="blob-{escape(name)}">{content}</script>'
