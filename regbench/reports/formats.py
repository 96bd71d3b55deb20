"""The formats that a table is written in, by their endings."""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Callable
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
#: Rows on a page of LaTeX. A longer table continues in a further float.
ROWS = 30
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
    """`#` notes, one header row, one row for each method; no markup."""
    buffer = io.StringIO()
    for line in (f"{table.title}. {table.caption}".strip(), *table.notes):
        buffer.write(f"# {_one_line(line)}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([table.first, *(column.title for column in table.columns)])
    for row in table.rows:
        # A title that begins with # would read as a note.
        title = row.title.lstrip("# ") or "-"
        writer.writerow([title, *(cell.text for cell in row.cells)])
    return buffer.getvalue()


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

    A table that is too long for a page continues in further floats with the same header. A title
    such as `Table 2` sets LaTeX's own number.
    """
    number = re.fullmatch(r"Table (\d+)", table.title)
    caption = (table.caption if number else f"{table.title}. {table.caption}").strip()
    parts = [table.rows[at : at + ROWS] for at in range(0, len(table.rows), ROWS)] or [()]
    text = _template("table.tex", _latex, **_DELIMITERS).render(
        table=table,
        number=int(number[1]) if number else None,
        parts=parts,
        caption=caption,
        # The JSON holds every text of the table.
        lacking=[f"{ord(c):04X}" for c in sorted(set(to_json(table))) if not _in_fonts(c)],
    )
    return text + "\n"


FORMATS: dict[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "tex": to_latex,
    "html": to_html,
    "json": to_json,
}


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
