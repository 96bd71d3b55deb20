"""What changed, as lines for a terminal and as Markdown for a pull request."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from regbench.baseline.compare import KINDS, Change

#: Rows of the summary's list. A comment on a pull request has a largest size.
SHOWN = 60


def line(change: Change) -> str:
    """One change in a line: what, from where to where, by how much, beyond which bound."""
    old, new, bound = change.old, change.new, change.bound
    if old is None or new is None:
        there = old or new
        return f"{change.key}: {change.kind}" + (f" ({there.text})" if there else "")
    if bound is None:
        return f"{change.key}: {change.kind}: {old.text} -> {new.text}"
    return (
        f"{change.key}: moved by {change.shift:+.6g}, bound {bound.width(old.value):.6g}: "
        f"{old.text} -> {new.text} ({bound.reason})"
    )


def count_line(changes: Sequence[Change], rows: int) -> str:
    """How many changes of each kind, among how many golden rows."""
    if not changes:
        return f"{rows} golden values, all within their bounds"
    count = Counter(change.kind for change in changes)
    told = ", ".join(f"{count[kind]} {text}" for kind, text in KINDS.items() if count[kind])
    return f"{rows} golden values: {told}"


def markdown(config: str, changes: Sequence[Change], rows: int) -> str:
    """A summary fit for a pull request."""
    verdict = "as they were" if not changes else "not as they were"
    lines = [f"## Metrics of `{config}`: {verdict}", "", f"{count_line(changes, rows)}.", ""]
    if changes:
        lines += [*_by_metric(changes), *_list(changes)]
        lines += ["Where this is meant, `regbench baseline update` takes it, with the reason."]
    return "\n".join(lines).rstrip() + "\n"


def table(changes: Sequence[Change]) -> Iterator[str]:
    """A Markdown table, a change a row."""
    yield "| Task | Run | Seed | Case | Metric | Change | Golden | Found | Moved by | Bound |"
    yield "| --- | --- | ---: | --- | --- | --- | ---: | ---: | ---: | ---: |"
    for change in changes:
        key, old, new, bound = change.key, change.old, change.new, change.bound
        cells = [key.task, key.run, str(key.seed), key.case, f"{key.metric} {key.label}".strip()]
        cells += [change.kind, old.text if old else "", new.text if new else ""]
        moved = bound is not None and old is not None
        cells.append(f"{change.shift:+.6g}" if moved else "")
        cells.append(f"{bound.width(old.value):.6g}" if bound and old else "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _by_metric(changes: Sequence[Change]) -> Iterator[str]:
    """How many rows of each metric changed, in how many runs, and the largest move."""
    yield "| Metric | Rows | Runs | Largest move |"
    yield "| --- | ---: | ---: | ---: |"
    by_metric = sorted(changes, key=lambda change: change.key.metric)
    for metric, group in groupby(by_metric, key=lambda change: change.key.metric):
        own = list(group)
        moves = [change.shift for change in own if change.kind == "moved"]
        largest = f"{max(moves, key=abs):+.6g}" if moves else ""
        runs = len({(change.key.task, change.key.run) for change in own})
        yield f"| {metric} | {len(own)} | {runs} | {largest} |"
    yield ""


def _list(changes: Sequence[Change]) -> Iterator[str]:
    order = {kind: rank for rank, kind in enumerate(KINDS)}
    told = sorted(changes, key=lambda change: order[change.kind])[:SHOWN]
    rest = len(changes) - len(told)
    yield "<details><summary>Row by row</summary>"
    yield ""
    yield from table(told)
    if rest:
        yield ""
        yield f"And {rest} more."
    yield ""
    yield "</details>"
    yield ""
