"""`snakemake --report`: the tables are in it, with caption, category and labels."""

import base64
import re
from pathlib import Path

import pytest
from finished import pair_of_methods
from toy_project import ToyProject

CAPTION = "Folds |J| <= 0, 50 % of a_b* & `c`"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    project = pair_of_methods(tmp_path_factory)
    table = project.root / "reports" / "table.yaml"
    text = re.sub(r"(?m)^caption: .*$", f'caption: "{CAPTION}"', table.read_text())
    table.write_text(text)
    project.snakemake("reports/table.html")
    return project


def test_the_report_has_the_table_and_what_belongs_to_it(project: ToyProject) -> None:
    project.snakemake("reports/table.html", "--report", "report.html")
    text = Path(project.root / "report.html").read_text()
    # Punctuation is text, not markup: nothing was lost in reStructuredText.
    for word in ("Tables", "Table 2", "toy", "Folds |J| &lt;= 0, 50 % of a_b* &amp; `c`"):
        assert word in text, word
    shown = project.root / "reports" / "table.html"
    assert base64.b64encode(shown.read_bytes()).decode()[:200] in text
