"""Symbolic links in a folder that somebody else has filled."""

from pathlib import Path

from regbench.base.errors import BadInput
from regbench.data.layout import Case, Layout


def check_links(case: Case, layout: Layout) -> None:
    """Refuse a case one of whose files is a link that leaves the data set's folder.

    An unpacked archive may hold links to anything. Layouts that this project prepared hold links
    to the user's files, and are left alone.

    Raises:
        BadInput: the link, and where it leads.
    """
    if layout.prepared:
        return
    root = layout.file.parent.resolve()
    for path in case.files:
        target = _target(path)
        if not target.is_relative_to(root):
            raise BadInput(
                "is a link that leaves the data set's folder",
                file=path,
                expected="a file in it, or --follow-links (in a config: follow_links)",
                found=target,
            )


def _target(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise BadInput("is a link that leads nowhere", file=path) from error
