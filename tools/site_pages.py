"""Builds the documentation site in build/site: python tools/site_pages.py (`make docs`).

The pages lie in build/pages as they lie in the repository, so that their links need no change. The
navigation is what docs/README.md lists.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build"
INDEX = "docs/README.md"
#: Beside docs/: what its pages link to.
FILES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "CITATION.cff",
    "config/README.md",
    "examples/tool-ci/README.md",
)


def navigation(text: str) -> list[dict[str, object]]:
    """The groups of docs/README.md, each with the pages that its lines link to.

    A group's title is a line in bold; the first group has none, and its pages stand at the top.
    """
    groups: list[tuple[str, list[dict[str, str]]]] = [("", [])]
    for block in re.split(r"\n(?=\* |\*\*)", text):
        if title := re.match(r"\*\*(.+)\*\*", block):
            groups.append((title[1], []))
        elif block.startswith("* "):
            head = block.partition(":")[0] if "](" in block.partition(":")[0] else block
            for name, page in re.findall(r"\[([^\]]+)\]\(([^)#]+\.md)\)", head):
                path = (REPOSITORY / "docs" / page).resolve().relative_to(REPOSITORY)
                groups[-1][1].append({name[:1].upper() + name[1:]: str(path)})
    (_, first), *others = groups
    home: list[dict[str, object]] = [{"Home": "README.md"}, {"All pages": INDEX}]
    return [*home, *first, *({title: pages} for title, pages in others)]


def main() -> int:
    """Write the pages and the settings, and build strictly."""
    pages = BUILD / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(REPOSITORY / "docs", pages / "docs")
    for name in FILES:
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, pages / name)
    settings = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())
    settings |= {
        "nav": navigation((REPOSITORY / INDEX).read_text()),
        "docs_dir": str(pages),
        "site_dir": str(BUILD / "site"),
    }
    file = BUILD / "mkdocs.yml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(file)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
