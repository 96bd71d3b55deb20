"""Writing a table as one HTML page that needs nothing else."""

from html import escape

from regbench.reports.headers import lower, spans
from regbench.reports.model import Cell, Table

_STYLE = """
body {
  font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 96rem; padding: 0 1rem;
}
h1 { font-size: 1.3rem; margin-bottom: .2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-block: 2px solid; margin: 1rem 0; font-size: .9rem; }
th, td { padding: .25rem .55rem; text-align: right; white-space: nowrap; }
thead th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
thead tr:last-child th { border-bottom: 1px solid; }
thead th[colspan] { text-align: center; border-bottom: 1px solid #999; }
tbody tr:hover { background: #8882; }
ul { color: #555; font-size: .85rem; padding-left: 1.2rem; }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #e6e6e6; }
  ul { color: #aaa; }
}
"""


def to_html(table: Table) -> str:
    """A page: heading, caption, the table with two header rows and the best in bold, the notes."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(table.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{heading(table, 1)}
{numbers(table)}
</body>
</html>
"""


def heading(table: Table, level: int) -> str:
    """Title and caption; `level` is that of the title's `h` element."""
    return f"<h{level}>{escape(table.title)}</h{level}>\n<p>{escape(table.caption)}</p>"


def numbers(table: Table) -> str:
    """The table itself and its notes."""
    upper = "".join(
        f'<th colspan="{n}" scope="colgroup">{escape(title)}</th>'
        if n > 1
        else f'<th scope="col">{escape(title)}</th>'
        for title, n in spans(table.columns)
    )
    below = "".join(f'<th scope="col">{escape(label)}</th>' for label in lower(table.columns))
    rows = "\n".join(
        f'<tr><th scope="row">{escape(row.title)}</th>{"".join(map(_cell, row.cells))}</tr>'
        for row in table.rows
    )
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return f"""<div class="scroll">
<table>
<thead>
<tr><th scope="col">{escape(table.first)}</th>{upper}</tr>
<tr><th></th>{below}</tr>
</thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<ul>
{notes}
</ul>"""


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    return f"<td><strong>{text}</strong></td>" if cell.best else f"<td>{text}</td>"
