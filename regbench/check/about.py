"""What can be said about a method from its metadata alone."""

import re
from collections.abc import Iterator

from regbench.check.finding import FAIL, NOTE, OK, WARNING, Finding
from regbench.plugins.kinds import MethodPlugin

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_GIVEN = {"fixed", "moving", "output", "seed", "threads"}
#: Titles that the scaffolds come with.
UNEDITED = ("New method", "New data set")


def metadata_findings(plugin: MethodPlugin) -> Iterator[Finding]:
    """What is missing, or names nothing."""
    troubles = list(_troubles(plugin))
    yield from troubles
    if not troubles:
        yield Finding("metadata", OK, f"{plugin.title}: {plugin.kind}, {len(plugin.files)} files")


def install_finding(plugin: MethodPlugin) -> Finding:
    """Whether the packages of `requires` are there."""
    missing = plugin.missing()
    if missing:
        command = plugin.install or f"pip install {' '.join(missing)}"
        return Finding("install", FAIL, f"{', '.join(missing)} not installed", command)
    names = ", ".join(plugin.requires)
    return Finding("install", OK, f"installed: {names}" if names else "requires no package")


def needs_finding(plugin: MethodPlugin) -> Finding | None:
    """A line for methods that are handed more than two images."""
    if not plugin.needs:
        return None
    text = f"needs {', '.join(plugin.needs)}: here it is handed the toy pair's true field"
    return Finding("needs", NOTE, text)


def _troubles(plugin: MethodPlugin) -> Iterator[Finding]:
    def trouble(outcome: str, text: str, fix: str) -> Finding:
        return Finding("metadata", outcome, text, fix)

    if plugin.title in UNEDITED:
        yield trouble(WARNING, f"the title is {plugin.title!r}", "set title in method.yaml")
    if plugin.kind != "control" and not plugin.description:
        yield trouble(WARNING, "no description", "add a line description: to method.yaml")
    known = _GIVEN | set(plugin.settings)
    names = {str(path.relative_to(plugin.folder)) for path in plugin.files}
    for word in plugin.command:
        for name in _PLACEHOLDER.findall(word):
            if name not in known:
                text = f"{{{name}}} of the command is neither a placeholder nor a setting"
                yield trouble(FAIL, text, f"one of {', '.join(sorted(known))}")
        if "{" not in word and (plugin.folder / word).is_file() and word not in names:
            text = f"a change of {word} would not run the method again"
            yield trouble(WARNING, text, f"add files: [{word}] to method.yaml")
    if plugin.command and not any("{output}" in word for word in plugin.command):
        yield trouble(FAIL, "the command has no {output}", "hand it on: the field is read there")
