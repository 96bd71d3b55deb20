"""The optional tools: extras with exact pins, a lock of their own, and plugins that name them."""

import re
import tomllib
from pathlib import Path

import yaml

REPO = Path(__file__).resolve().parent.parent
EXTRAS = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
TOOLS = ("convexadam", "demons", "elastix", "greedy")


def pins(lines: list[str]) -> dict[str, str]:
    """Normalised name to version, of lines that pin one exact public version each."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match is not None, line
        found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    return found


def locked(name: str) -> dict[str, str]:
    lines = (REPO / name).read_text().splitlines()
    return pins([line for line in lines if line and not line.startswith("#")])


def test_the_tools_lock_has_the_extras_versions_and_leaves_the_main_lock_alone() -> None:
    tools = locked("requirements-tools.lock")
    for tool in TOOLS:
        assert pins(EXTRAS[tool]).items() <= tools.items(), tool
    assert EXTRAS["tools"] == [f"regbench-mir[{','.join(TOOLS)}]"]
    assert not tools.keys() & locked("requirements.lock").keys()
    assert not [name for name in tools if name.startswith(("nvidia", "cuda", "triton", "torch"))]


def test_each_tool_s_plugin_names_its_extra_and_its_source() -> None:
    for tool in TOOLS:
        data = yaml.safe_load((REPO / "methods" / tool / "method.yaml").read_text())
        assert f'".[{tool}]"' in data["install"]
        assert data["requires"]
        assert data["citation"]["doi"].startswith("10.")
