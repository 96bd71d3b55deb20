"""Reports on odd data: landmarks only and thin, one case and label, a method without result."""

import contextlib
import re
import shutil
from pathlib import Path

import pytest
import yaml
from toy_project import REPO, ToyProject, make_project

from regbench.base.paths import metrics_file
from regbench.plan.config import load_config
from regbench.reports.jobs import ReportJobs
from regbench.reports.request import Request, render

TITLE = "<b>A & B</b> 100 % of_x \u00dc\u80ba"
#: The toy project has not their methods.
OTHER = ("figure3", "table1", "gauntlet")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    project = make_project(tmp_path_factory.mktemp("odd"))
    reports = project.root / "reports"
    (reports / "table.yaml").unlink()
    for file in (REPO / "reports").glob("*.yaml"):
        content = {k: v for k, v in yaml.safe_load(file.read_text()).items() if k != "rows"}
        if file.stem not in OTHER and content.get("task") != "mri-ct":
            (reports / file.name).write_text(yaml.safe_dump(content))
    # The toy pairs once more, thin and without labels.
    bare = project.root / "datasets" / "bare"
    shutil.copytree(project.root / "datasets" / "toy", bare)
    code = (bare / "dataset.py").read_text()
    side = "Side(moved, Volume(np.roll(labels, step, axis=0), AFFINE), landmarks=marks)"
    assert side in code and "4.0, 3.0]" in code and "6.0, 4.0]" in code
    code = code.replace(side, "Side(moved, landmarks=marks)")
    code = code.replace("4.0, 3.0]", "4.0, 1.0]").replace("6.0, 4.0]", "6.0, 0.0]")
    (bare / "dataset.py").write_text(code.replace("2:6] =", "0:2] ="))
    few = {"training": {"count": 1, "seed": 1}, "validation": {"count": 0, "seed": 2}}
    project.config |= {
        "datasets": {
            "bare": {"plugin": "bare", "settings": {"shape": [12, 10, 2]}},
            "single": {"plugin": "toy", "splits": {**few, "test": {"count": 1, "seed": 300}}},
        },
        "tasks": {
            "ct-mri": {"dataset": "bare"},
            "lung": {"dataset": "single", "labels": {"box": [1]}},
        },
        "methods": [
            {"method": "shift", "title": TITLE},
            {"method": "trouble", "settings": {"how": "no start"}},
        ],
        "reports": sorted(file.stem for file in reports.glob("*.yaml")),
    }
    done = project.snakemake("results/toy/metrics.parquet", check=False)
    assert done.returncode == 3, done.stderr[-3000:]
    return project


@pytest.mark.verify
def test_every_report_is_written_and_says_what_is_missing(project: ToyProject) -> None:
    with contextlib.chdir(project.root):
        config = load_config(project.config_file, project.root)
        jobs = ReportJobs(config)
        pages = [name for name in config.catalog.reports if name == "index"]
        # The audit needs metrics that a config names; it has tests of its own.
        drawn = [name for name in config.catalog.reports if name not in (*pages, "objective")]
        for name in drawn:
            inputs = jobs.inputs(name)
            outputs = [Path(file) for file in jobs.files(name, drawn=name in jobs.figures())]
            results = Path(inputs["results"]) if "results" in inputs else None
            render(Request(config, config.catalog.reports[name], results), outputs)
            assert all(file.stat().st_size > 0 for file in outputs), name
        shown = [
            f for n in drawn for e in ("json", "png") if (f := Path(f"reports/{n}.{e}")).exists()
        ]
        index = Request(config, config.catalog.reports["index"], metrics_file("toy"), shown)
        render(index, [Path("reports/index.html")])
        texts = {file.stem: file.read_text() for file in Path("reports").glob("*.md")}
        page = Path("reports/index.html").read_text()
    assert len(drawn) > 18 and len(texts) == len(drawn)
    assert "no chart of task ct-mri: no method has a dice there" in texts["boxes"]
    assert "| 0/3 |" in texts["table2"] and "cannot start" in texts["table2"]
    assert "| 0/1 |" in texts["table4"]
    assert "cannot start" in texts["figure4"] and "no labels" in texts["figure4"]
    assert "too few cases" in texts["statistics"]
    body = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "<b>" not in body and "&lt;b&gt;A &amp; B&lt;/b&gt;" in body
