"""Writing a table as csv and as Markdown; every format by its ending."""

import csv
import io
from collections.abc import Callable

from regbench.reports.html import to_html
from regbench.reports.latex import to_latex
from regbench.reports.model import Table, to_json


def to_csv(table: Table) -> str:
    """`#` notes, one header row, a row a method; no markup."""
    buffer = io.StringIO()
    for line in (f"{table.title}. {table.caption}".strip(), *table.notes):
        buffer.write(f"# {' '.join(line.split())}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([table.first, *(column.title for column in table.columns)])
    for row in table.rows:
        # A title that begins with # would read as a note.
        title = row.title.lstrip("# ") or "-"
        writer.writerow([title, *(cell.text for cell in row.cells)])
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """A Markdown page: heading, caption, the table with the best in bold, the notes."""
    lines = [f"# {_escape(table.title)}", "", _escape(table.caption), ""]
    header = [table.first, *(column.title for column in table.columns)]
    lines.append(_line([_escape(text) for text in header]))
    lines.append(_line(["---", *("---:" for _ in table.columns)]))
    for row in table.rows:
        cells = [f"**{_escape(c.text)}**" if c.best else _escape(c.text) for c in row.cells]
        lines.append(_line([_escape(row.title), *cells]))
    lines += ["", *(f"- {_escape(note)}" for note in table.notes), ""]
    return "\n".join(lines)


FORMATS: dict[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "tex": to_latex,
    "html": to_html,
    "json": to_json,
}


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escape(text: str) -> str:
    for character in "\\`*_{}[]<>|#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
