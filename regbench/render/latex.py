"""Writing a table as LaTeX (booktabs) that compiles by itself."""

from regbench.render.headers import lower, spans
from regbench.render.model import Cell, Table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage[margin=1cm,landscape]{geometry}
\begin{document}"""


def to_latex(table: Table) -> str:
    """A document with one table: two header rows, the best in bold, the notes below it."""
    upper = [rf"\multicolumn{{{n}}}{{c}}{{{escape(title)}}}" for title, n in spans(table.columns)]
    body = [_line([escape(row.title), *(_cell(c) for c in row.cells)]) for row in table.rows]
    lines = [
        _PREAMBLE,
        r"\begin{table}",
        rf"\caption{{{escape(f'{table.title}. {table.caption}'.strip())}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        _line([table.first, *upper]),
        *_rules(table),
        _line(["", *(escape(label) for label in lower(table.columns))]),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
        r"\begin{footnotesize}\begin{itemize}",
        *(rf"\item {escape(note)}" for note in table.notes),
        r"\end{itemize}\end{footnotesize}",
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


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
