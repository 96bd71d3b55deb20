"""The documentation is true: its examples run, its links resolve, its commands exist.

`python tests/test_docs.py` writes the list of metrics into docs/metrics.md anew.
"""

import argparse
import ast
import csv
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_project import IGNORED, REPO, ToyProject, make_project

from regbench.cli.main import parser
from regbench.plan.jobs import start

PAGES = [
    REPO / "README.md",
    REPO / "config" / "README.md",
    *sorted((REPO / "docs").glob("*.md")),
]
METRICS_PAGE = REPO / "docs" / "metrics.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
#: A block with its language, and the file that the line before it names: whole, or changed in it.
BLOCK = re.compile(
    r"(?:^(?P<change>In )?`(?P<file>[^`\n]+)`:\n\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def page_id(page: Path) -> str:
    return str(page.relative_to(REPO))


# -- the examples of the pages on plugins, in their order -------------------------------------


@dataclass(frozen=True)
class Walk:
    """A project in which a page's examples were carried out, and what its commands left.

    Attributes:
        steps: of each command: the line, its output, and the report that it names.
    """

    project: ToyProject
    steps: list[tuple[str, str, str]]

    @property
    def root(self) -> Path:
        return self.project.root

    def checks(self) -> list[list[str]]:
        """The lines of each `regbench check`."""
        return [output.splitlines() for line, output, _ in self.steps if " check " in line]

    def tables(self) -> list[dict[str, dict[str, str]]]:
        """The reports that the commands rendered, as cells."""
        return [cells(table) for _, _, table in self.steps if table]


def walk(name: str, folder: Path) -> Walk:
    """Carry out a page: write its files and run its commands, in a new project."""
    root = folder / "project"
    root.mkdir()
    project = make_project(root)
    phantom = "datasets/abdomen_phantom"
    shutil.copytree(REPO / phantom, root / phantom, ignore=IGNORED)
    for report in ("table2", "table2-paper"):
        shutil.copy(REPO / "reports" / f"{report}.yaml", root / "reports")
    steps = []
    for block in BLOCK.finditer((REPO / "docs" / name).read_text()):
        if block["file"]:
            put(root / block["file"], block["text"], change=bool(block["change"]))
        elif block["kind"] == "console":
            for line in block["text"].splitlines():
                output = run(project, line.removeprefix("$ "))
                report = re.search(r"reports/\w+\.csv", line)
                table = (root / report.group()).read_text() if report else ""
                steps.append((line, output, table))
    return Walk(project, steps)


@pytest.fixture(scope="module")
def methods_page(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    return walk("add-a-method.md", tmp_path_factory.mktemp("methods"))


@pytest.fixture(scope="module")
def datasets_page(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    return walk("add-a-dataset.md", tmp_path_factory.mktemp("datasets"))


def put(file: Path, text: str, *, change: bool) -> None:
    """Write an example's file; a change replaces the top-level keys that it has."""
    if change:
        content = {**yaml.safe_load(file.read_text()), **yaml.safe_load(text)}
        text = yaml.safe_dump(content, sort_keys=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def run(project: ToyProject, line: str) -> str:
    """What a command line of the page prints, run by this Python."""
    modules = {"snakemake": "snakemake", "regbench": "regbench.cli.main", "pytest": "pytest"}
    program, *words = shlex.split(line)
    folder = str(Path(sys.executable).parent)
    environment = {
        **project.environment,
        "PATH": os.pathsep.join([folder, os.environ["PATH"]]),
    }
    done = subprocess.run(
        [sys.executable, "-m", modules[program], *words],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr[-4000:]}"
    return done.stdout


def cells(table: str) -> dict[str, dict[str, str]]:
    """A rendered csv: title to its cells but times, which no two runs share."""
    rows = csv.DictReader(io.StringIO(table))
    return {
        row["Method"]: {k: v for k, v in row.items() if not k.startswith(("Time", "CPU"))}
        for row in rows
    }


@pytest.mark.verify
def test_the_methods_make_rows(methods_page: Walk) -> None:
    first, second = methods_page.tables()
    assert list(first) == ["Moving", "My demons", "My network", "My program"]
    assert {"Centre of mass", "Phase correlation", "Nudge"} < set(second)
    for table in (first, second):
        assert all(row["Cases"] == row["Cases total"] == "2" for row in table.values())
    # Each does something of its own, and the network is trained.
    assert len({row["EPE (voxel)"] for row in first.values()}) == 4
    assert second["Nudge"]["EPE (voxel)"] != second["Moving"]["EPE (voxel)"]
    assert first["My network"]["Params (M)"] == "0.013"
    assert (methods_page.root / "shift.nii.gz").is_file()


@pytest.mark.verify
def test_the_scaffolds_pass_their_checks(methods_page: Walk, datasets_page: Walk) -> None:
    python, learned, command = methods_page.checks()
    (dataset,) = datasets_page.checks()
    for lines in (python, command):
        assert any(x.startswith("ok       convention       finds") for x in lines)
        assert any(x.startswith("ok       toy pair") for x in lines)
    assert any("same weights" in x for x in learned if x.startswith("ok       resume"))
    for lines in (python, command, dataset):
        assert lines[:-1]
        assert {x.split()[0] for x in lines[:-1]} <= {"ok", "->", "warning"}, lines


@pytest.mark.verify
def test_the_method_finds_the_shifts_of_the_data_set(
    methods_page: Walk, datasets_page: Walk
) -> None:
    (before,) = datasets_page.tables()
    assert before["Moving"]["EPE (voxel)"] != "0"
    assert before["Oracle"]["EPE (voxel)"] == "0"
    assert all(row["Cases"] == row["Cases total"] == "2" for row in before.values())
    # Whole-voxel shifts are what phase correlation finds: it equals the truth.
    name = "methods/phase_correlation"
    shutil.copytree(methods_page.root / name, datasets_page.root / name)
    file = "config/balls.yaml"
    put(datasets_page.root / file, "methods: [identity, phase-correlation]", change=True)
    report = "reports/leaderboard.csv"
    run(datasets_page.project, f"snakemake --cores all {report} --configfile {file}")
    after = cells((datasets_page.root / report).read_text())
    assert after["Phase correlation"]["EPE (voxel)"] == "0"
    assert after["Moving"] == before["Moving"]


@pytest.mark.verify
def test_the_metric_is_in_its_table(tmp_path: Path) -> None:
    page = walk("add-a-metric.md", tmp_path)
    (table,) = page.tables()
    assert list(table) == ["Moving", "Oracle"]
    for organ in ("liver", "kidney"):
        column = f"Volume ratio {organ} (%)"
        assert len({row[column] for row in table.values()}) == 2
        assert 80 < float(table["Oracle"][column]) < 120
    assert any("volume_ratio" in output for line, output, _ in page.steps if "metrics" in line)


@pytest.mark.verify
def test_the_reports_are_rendered(tmp_path: Path) -> None:
    page = walk("add-a-report.md", tmp_path)
    table, spread = page.tables()
    assert list(table) == list(spread) == ["Moving", "Oracle"]
    assert float(table["Oracle"]["Dice liver (%)"]) > 80
    low, high = (float(spread["Oracle"][f"Dice (%), {q} % of cases"]) for q in (10, 90))
    assert 80 < low < high
    for kind in ("csv", "md", "tex", "html", "png", "pdf"):
        assert (page.root / "reports" / f"picture.{kind}").is_file()


@pytest.mark.parametrize(
    "page", ["add-a-method.md", "add-a-metric.md", "add-a-report.md", "published-networks.md"]
)
def test_a_config_of_an_example_starts_beside_all_reports_of_the_box(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader's clone has Figure 3, which the toy project lacks."""
    monkeypatch.chdir(tmp_path)
    blocks = list(BLOCK.finditer((REPO / "docs" / page).read_text()))
    texts = [b["text"] for b in blocks if (b["file"] or "").startswith("config/")]
    plan = start(yaml.safe_load(texts[0]) | {"methods": ["identity"]}, REPO)
    assert "figure3" in plan.config.sweeps


# -- links, commands, references --------------------------------------------------------------


def links(page: Path) -> list[str]:
    """The targets of a page's links within the repository."""
    text = INLINE.sub("", FENCE.sub("", page.read_text()))
    return [x for x in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in x]


def test_links_commands_and_keys_are_found_at_all() -> None:
    """So that none of the tests below passes because it looks at nothing."""
    readme = REPO / "README.md"
    assert readme in PAGES and METRICS_PAGE in PAGES
    assert "docs/add-a-method.md" in links(readme)
    assert ["make", "test"] in commands(readme)
    assert {words[0] for page in PAGES for words in commands(page)} == {
        *("regbench", "make", "snakemake")
    }
    assert {"evaluate", "check"} < set(choices(parser()))
    assert "metrics" in anchors(METRICS_PAGE)
    assert "|`dice` Dice|%|higher|" in metric_list()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_resolves(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), f"{page_id(page)}: {target}"
        if anchor:
            assert anchor in anchors(linked), f"{page_id(page)}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def commands(page: Path) -> list[list[str]]:
    """The words of every command line in a page's code, placeholders as they are."""
    text = page.read_text()
    lines = [x for kind, body in FENCE.findall(text) if kind == "console" for x in body.split("\n")]
    lines += [" ".join(code.split()) for code in INLINE.findall(FENCE.sub("", text))]
    found = []
    for line in lines:
        words = line.removeprefix("$ ").split("#")[0].split()
        if words and words[0] in ("regbench", "make", "snakemake"):
            found.append(words)
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_exists(page: Path) -> None:
    makefile = (REPO / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    own = set(re.findall(r"`(reports/\w+)\.yaml`", page.read_text()))
    for words in commands(page):
        line = " ".join(words)
        if words[0] == "regbench":
            check_regbench(words[1:], line)
        for word in words[1:]:
            if re.fullmatch(r"reports/\w+\.csv", word):
                stem = word.removesuffix(".csv")
                assert stem in own or (REPO / f"{stem}.yaml").is_file(), line
            elif words[0] == "make" and re.fullmatch(r"[a-z]+", word):
                assert word in targets, line


def check_regbench(words: list[str], line: str) -> None:
    """The subcommand exists, and so do all the options that are given."""
    top = parser()
    known = choices(top)
    name = next((word for word in words if not word.startswith("-") and word != "..."), None)
    if name is None:
        return
    assert name in known, line
    parsers = [top, known[name]]
    # A command may have commands of its own.
    parsers += [p for word, p in choices(known[name]).items() if word in words]
    options = {o for p in parsers for a in p._actions for o in a.option_strings}
    for word in words:
        if word.startswith("-"):
            assert word in options, f"{line}: {word}"


def choices(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Subcommand to its parser; none where there are no subcommands."""
    found = (a.choices for a in top._actions if isinstance(a, argparse._SubParsersAction))
    return dict(next(found, {}))


def test_every_command_of_the_program_is_in_the_readme() -> None:
    text = (REPO / "README.md").read_text()
    for name in set(choices(parser())) - {"stage"}:
        assert f"`regbench {name}`" in text, name


def test_every_dependency_has_its_reason() -> None:
    text = (REPO / "docs" / "dependencies.md").read_text()
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    items = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert len(items) > 20
    for item in items:
        name = re.split(r"[<>=]", item)[0]
        assert re.search(rf"^\|[^|]*\b{re.escape(name)}\b", text, re.MULTILINE), name


# -- the list of metrics ----------------------------------------------------------------------


def metric_list() -> str:
    """The metrics' own declarations as Markdown."""
    table = ["|Metric|Unit|Best|Range|Needs|Decimals|", "|---" * 6 + "|"]
    definitions = []
    remarks: dict[str, dict[str, list[str]]] = {"empty": {}, "border": {}, "source": {}}
    for file in sorted((REPO / "metrics").glob("[!_]*.py")):
        about = metadata(file)
        name = f"`{file.stem}`"
        low, high = ("" if end is None else str(end) for end in about["range"])
        cells = [
            f"{name} {about['title']}",
            about["unit"] or "-",
            about["direction"],
            f"{low}-{high}" if high else f"{low or 'any'} up",
            about["needs"].replace("_", " "),
            str(about.get("precision", 2)),
        ]
        table.append(f"|{'|'.join(cells)}|")
        definitions.append(f"* {name}: `{about['definition']}`")
        for key, names in remarks.items():
            text = about.get(key, "")
            if text and not text.startswith(("no special case", "not applicable")):
                names.setdefault(text, []).append(name)
    lines = [*table, "", "Definitions:", "", *definitions]
    titles = {"empty": "Empty masks", "border": "Borders", "source": "Sources"}
    for key, names in remarks.items():
        lines += ["", f"{titles[key]}:", ""]
        lines += [f"* {', '.join(stems)}: {text}" for text, stems in names.items()]
    return "\n".join([*lines, ""])


def metadata(file: Path) -> dict[str, Any]:
    """METADATA of a metric's file, with the fields that discovery leaves out."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "METADATA":
            return dict(ast.literal_eval(node.value))
    raise AssertionError(file)


def with_metrics(text: str) -> str:
    """The page with the list of metrics as it must be."""
    start, _, rest = text.partition("<!-- metrics -->\n")
    _, _, end = rest.partition("<!-- /metrics -->")
    return f"{start}<!-- metrics -->\n\n{metric_list()}\n<!-- /metrics -->{end}"


def test_the_list_of_metrics_is_of_the_metrics() -> None:
    text = METRICS_PAGE.read_text()
    assert text == with_metrics(text), "run: python tests/test_docs.py"


if __name__ == "__main__":
    METRICS_PAGE.write_text(with_metrics(METRICS_PAGE.read_text()))
