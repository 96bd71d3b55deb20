"""The formats that a table is written in, by their endings."""

import csv
import html
import io
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regbench.reports.model import Table, to_json

if TYPE_CHECKING:
    from jinja2 import Template

#: What the HTML and the LaTeX of a table are filled into.
TEMPLATES = tuple(
    Path(__file__).parent / "templates" / name
    for name in ("table.html", "numbers.html", "table.tex")
)
#: Rows on a page of LaTeX, and letters in a row at its size. What is beyond goes into a further
#: float.
ROWS, LETTERS = 30, 160
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
#: LaTeX's own braces and percent signs leave Jinja's usual delimiters no room.
_DELIMITERS = {
    **{"block_start_string": "<%", "block_end_string": "%>"},
    **{"variable_start_string": "<<", "variable_end_string": ">>"},
    **{"comment_start_string": "<#", "comment_end_string": "#>"},
}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # After a line break or an item they would open an option.
    **{character: f"{{{character}}}" for character in "[]*"},
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
#: The characters that pdfLaTeX's T1 fonts have beside letters with accents.
_IN_FONTS = set("\u2013\u2014\u2018\u2019\u201c\u201d\u2026ßæœøåłđðþÆŒØÅŁĐÞ")


def to_csv(table: Table) -> str:
    """Data: one header row, one row for each method, each number in a column of its own."""
    lines: list[list[str | float | None]] = [[table.first]]
    lines += [[row.title] for row in table.rows]
    for k, column in enumerate(table.columns):
        lines[0] += [column.title, *column.more]
        for line, row in zip(lines[1:], table.rows, strict=True):
            cell = row.cells[k]
            more = (*cell.more, *[None] * len(column.more))[: len(column.more)]
            line += [cell.text if cell.value is None else cell.value, *more]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([map(_datum, line) for line in lines])
    return buffer.getvalue()


def _datum(value: str | float | None) -> str:
    """A number with ten digits, a text that no spreadsheet takes for a formula, or nothing."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return "" if math.isnan(value) else format(value, ".10g")
    text = _one_line(value)
    if _NUMBER.fullmatch(text):
        return text.removeprefix("+")
    if text in ("-", "nan"):
        return ""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def to_notes(table: Table) -> str:
    """What the csv leaves out, as JSON: title, caption and notes."""
    content = {"title": table.title, "caption": table.caption, "notes": table.notes}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def to_text(table: Table) -> str:
    """The rows in aligned columns, for a terminal; no heading and no notes."""
    lines = [(table.first, *(column.title for column in table.columns))]
    lines += [(row.title, *(cell.text for cell in row.cells)) for row in table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    )


def to_markdown(table: Table) -> str:
    """A Markdown page: heading, caption, the table with the best in bold, the notes."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    header = [table.first, *(column.title for column in table.columns)]
    lines = [f"# {_markdown(table.title)}", "", _markdown(table.caption), ""]
    lines += [line([_markdown(text) for text in header])]
    lines += [line(["---", *("---:" for _ in table.columns)])]
    for row in table.rows:
        texts = (f"**{_markdown(c.text)}**" if c.best else _markdown(c.text) for c in row.cells)
        lines += [line([_markdown(row.title), *texts])]
    return "\n".join([*lines, "", *(f"- {_markdown(note)}" for note in table.notes), ""])


def to_html(table: Table) -> str:
    """A page of its own: heading, caption, two header rows, the best in bold, the notes."""
    return _template("table.html", html.escape).render(table=table) + "\n"


def numbers(table: Table) -> str:
    """The HTML of the table itself and its notes, for a page that has a heading of its own."""
    return _template("numbers.html", html.escape).render(table=table)


def to_latex(table: Table) -> str:
    """A document (booktabs) that compiles by itself: two header rows, the best in bold, the notes.

    A table that is too long or too wide for a page continues in further floats.
    """
    text = _template("table.tex", _latex, **_DELIMITERS).render(
        table=table,
        parts=list(_parts(table)),
        # The JSON holds every text of the table.
        lacking=[f"{ord(c):04X}" for c in sorted(set(to_json(table))) if not _in_fonts(c)],
    )
    return text + "\n"


def _parts(table: Table) -> Iterator[Table]:
    """Tables that fit a page; columns under one title stay together."""
    # Where several rows have one title, the columns that tell them apart stand in each part.
    named = ([(row.title, *row.cells[:k]) for row in table.rows] for k in range(4))
    keys = range(next((k for k, names in enumerate(named) if len({*names}) == len(names)), 0))
    # Two letters of white between columns; -1 is the column of the rows' titles.
    widths = {-1: 2.0 + max([len(table.first), *(len(row.title) for row in table.rows)])}
    for span in table.spans:
        for k in range(span.first, span.first + span.width):
            texts = [len(table.columns[k].label), *(len(row.cells[k].text) for row in table.rows)]
            widths[k] = 2 + max(*texts, len(span.title) / span.width)
    parts = [[*keys]]
    for span in table.spans:
        more = [k for k in range(span.first, span.first + span.width) if k not in keys]
        wide = sum(widths[k] for k in (-1, *parts[-1], *more)) > LETTERS
        if wide and len(parts[-1]) > len(keys):
            parts.append([*keys])
        parts[-1] += more
    for at in range(0, len(table.rows) or 1, ROWS):
        for part in parts:
            rows = [
                replace(row, cells=tuple(row.cells[k] for k in part))
                for row in table.rows[at : at + ROWS]
            ]
            columns_here = tuple(table.columns[k] for k in part)
            yield replace(table, columns=columns_here, rows=tuple(rows))


#: By the endings of their files. A longer ending comes before its end.
FORMATS: dict[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "notes.json": to_notes,
    "md": to_markdown,
    "tex": to_latex,
    "html": to_html,
    "json": to_json,
}
#: Endings of the files that a figure is drawn in, beside its table.
PICTURES = ("png", "pdf")


@cache
def _template(name: str, escape: Callable[[str], str], **delimiters: Any) -> "Template":
    """A template; every value that it prints is escaped, its own markup is not."""
    # Every plan imports this module.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def escaped(value: Any) -> Markup:
        return Markup(escape(str(value)))  # noqa: S704 - this is the escaping

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES[0].parent),
        autoescape=True,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **delimiters,
    )
    return environment.get_template(name)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown(text: str) -> str:
    return _one_line(re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _in_fonts(character: str) -> bool:
    """Whether pdfLaTeX sets a character: ASCII, escaped, or a Latin letter with an accent."""
    if character.isascii() or character in _LATEX or character in _IN_FONTS:
        return True
    accented = "\u00c0" <= character <= "\u017f"
    return accented and unicodedata.normalize("NFD", character)[0].isascii()
