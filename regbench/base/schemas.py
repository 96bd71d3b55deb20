"""Reading YAML that a person writes by hand, and the names that a person may have meant."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from regbench.base.errors import BadInput
from regbench.base.files import readable

#: Where the parser in C takes what the other refuses, or reads another value.
_SLOW = re.compile("[\t?!\ufeff]|[|>][-+0-9]*#")
#: More than any file of a person nests, and more values than any has.
_DEEPEST, _MOST = 4000, 10**6


def read_yaml(path: Path) -> Any:
    """Read a YAML file (safe subset).

    Raises:
        BadInput: missing, unreadable, not YAML, or a key that is given twice; with the line.
    """
    with readable(path):
        content = path.read_bytes()
    try:
        return parse_yaml(content.decode())
    except _RepeatedKey as error:
        raise BadInput(f"{error.problem}, in {error.context}", file=path) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}" if mark else ""
        problem = ", ".join(filter(None, (error.context, error.problem))).removeprefix("found ")
        raise BadInput(f"is not valid YAML{place}", file=path, found=problem) from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else error.position
        line = content.decode(errors="replace")[:start].count("\n") + 1
        raise BadInput(
            f"is not valid YAML in line {line}", file=path, found=error.reason
        ) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        # A date that does not exist, or lists in lists without end.
        raise BadInput("is not valid YAML", file=path, found=str(error)) from error


def parse_yaml(text: str) -> Any:
    """The value of a text in YAML's safe subset, without repeated keys."""
    value = _parsed(text)
    if (count := _count(value, {})) > _MOST:
        raise yaml.YAMLError(f"{min(count, 10**300):.0e} values, of anchors that repeat each other")
    return value


def _parsed(text: str) -> Any:
    # Nothing nests deeper than twice this sum: the parser in C overflows the stack far deeper.
    depth = text.count("[") + text.count("{") + max(map(len, text.splitlines()), default=0)
    if depth < _DEEPEST and not _SLOW.search(text):
        try:
            return yaml.load(text, Loader=_Fast)  # noqa: S506
        except yaml.YAMLError:
            # The other finds the same, in words that people know.
            pass
    return yaml.load(text, Loader=_Loader)  # noqa: S506


def _count(value: Any, counts: dict[int, int]) -> int:
    """The values in a content; what an anchor names counts each time, and is looked at once."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in counts:
        # It may hold itself.
        counts[id(value)] = 0
        parts = value.values() if isinstance(value, dict) else value
        counts[id(value)] = 1 + sum(_count(part, counts) for part in parts)
    return counts[id(value)]


def did_you_mean(unknown: list[str], known: list[str]) -> str:
    """` (did you mean ...?)` for the first unknown name that resembles a known one, else empty."""
    for name in unknown:
        close = difflib.get_close_matches(str(name), known, n=1)
        if close:
            return f" (did you mean {close[0]!r}?)"
    return ""


class _RepeatedKey(yaml.MarkedYAMLError):
    """A mapping has a key twice, which YAML forbids and PyYAML does not notice."""


class _Distinct:
    """Refuses a mapping that has a key twice."""

    def flatten_mapping(self, node: Any) -> None:
        lines: dict[tuple[str, str], int] = {}
        # A mapping that others merge comes several times; keys merged into it are not given twice.
        given = [] if hasattr(node, "checked") else node.value
        node.checked = True
        for name in (name for name, _ in given if isinstance(name, yaml.ScalarNode)):
            line = name.start_mark.line + 1
            if (name.tag, name.value) in lines:
                raise _RepeatedKey(
                    context=f"lines {lines[name.tag, name.value]} and {line}",
                    problem=f"key {name.value!r} is given twice",
                )
            lines[name.tag, name.value] = line
        super().flatten_mapping(node)  # type: ignore[misc]


class _Loader(_Distinct, yaml.SafeLoader):
    """YAML's safe subset, without repeated keys."""


class _Fast(_Distinct, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same in C, where PyYAML was built with it: ten times as fast."""
