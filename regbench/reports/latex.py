"""Writing a table as LaTeX (booktabs) that compiles by itself."""

import re
import unicodedata

from regbench.reports.headers import lower, spans
from regbench.reports.model import Cell, Table, TableRow

_ESCAPES = {
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
_PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage[margin=1cm,landscape]{geometry}"""
#: Rows on a page; a table with more of them goes on in a further float.
ROWS = 30
#: Beyond letters with accents, what pdfLaTeX's T1 fonts set.
_SET = set("\u2013\u2014\u2018\u2019\u201c\u201d\u2026ßæœøåłđðþÆŒØÅŁĐÞ")


def to_latex(table: Table) -> str:
    """A document with one table: two header rows, the best in bold, the notes below it.

    A table too long for a page goes on in further floats with the same header. A title `Table 2`
    becomes LaTeX's own number.
    """
    rows = list(table.rows)
    parts = [rows[at : at + ROWS] for at in range(0, len(rows), ROWS)] or [[]]
    number = re.fullmatch(r"Table (\d+)", table.title)
    caption = table.caption if number else f"{table.title}. {table.caption}"
    lines = [
        _PREAMBLE,
        *_unknown("".join([table.title, caption, *_texts(table)])),
        r"\begin{document}",
        *([rf"\setcounter{{table}}{{{int(number[1]) - 1}}}"] if number else []),
    ]
    for at, part in enumerate(parts):
        continued = r"\addtocounter{table}{-1}" if at else ""
        of = f" (part {at + 1} of {len(parts)})" if len(parts) > 1 else ""
        lines += [
            rf"\begin{{table}}[htbp]{continued}",
            rf"\caption{{{escape(f'{caption.strip()}{of}')}}}",
            *_tabular(table, part),
            r"\end{table}",
        ]
    lines += [
        r"\clearpage" if len(parts) > 1 else "",
        r"\begin{footnotesize}\begin{itemize}",
        *(rf"\item {escape(note)}" for note in table.notes),
        r"\end{itemize}\end{footnotesize}",
        r"\end{document}",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _tabular(table: Table, rows: list[TableRow]) -> list[str]:
    """These rows under the table's header, as wide as the text."""
    upper = [rf"\multicolumn{{{n}}}{{c}}{{{escape(title)}}}" for title, n in spans(table.columns)]
    return [
        # Shrunk to the page, never blown up.
        r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        _line([escape(table.first), *upper]),
        *_rules(table),
        _line(["", *(escape(label) for label in lower(table.columns))]),
        r"\midrule",
        *(_line([escape(row.title), *(_cell(c) for c in row.cells)]) for row in rows),
        r"\bottomrule",
        r"\end{tabular}}",
    ]


def _texts(table: Table) -> list[str]:
    """Everything that the table prints."""
    columns = [f"{column.title}{column.group}{column.label}" for column in table.columns]
    cells = [f"{row.title}{''.join(cell.text for cell in row.cells)}" for row in table.rows]
    return [table.first, *columns, *cells, *table.notes]


def _unknown(text: str) -> list[str]:
    """Names for the characters that pdfLaTeX's fonts lack; XeLaTeX and LuaLaTeX set them."""
    odd = sorted({c for c in text if not _known(c)})
    named = [rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{{{[}}U+{ord(c):04X}{{]}}}}" for c in odd]
    return [r"\ifdefined\pdfoutput", *named, r"\fi"] if odd else []


def _known(character: str) -> bool:
    """ASCII, escaped, or a Latin letter with an accent."""
    if character.isascii() or character in _ESCAPES or character in _SET:
        return True
    return (
        "\u00c0" <= character <= "\u017f" and unicodedata.normalize("NFD", character)[0].isascii()
    )


def escape(text: str) -> str:
    """Text with every character that LaTeX takes for a command made harmless."""
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _cell(cell: Cell) -> str:
    return rf"\textbf{{{escape(cell.text)}}}" if cell.best else escape(cell.text)


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _rules(table: Table) -> list[str]:
    """A thin rule below each title that spans columns."""
    rules, at = [], 2
    for _, n in spans(table.columns):
        if n > 1:
            rules.append(rf"\cmidrule(lr){{{at}-{at + n - 1}}}")
        at += n
    return rules
