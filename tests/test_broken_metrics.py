"""A metric whose code raises: its rows say the type of the error, and where in its file."""

from pathlib import Path

import pytest
from helpers import shift_field, toy_dataset
from plugin_files import METRIC, kind_file, metric_file
from test_faults import config, job_of, run

from regbench.base.errors import BadInput, of_code
from regbench.base.records import read_rows
from regbench.data.layout import read_layout
from regbench.measure.case import CaseFiles
from regbench.measure.scoring import score_case
from regbench.plan.config import resolve
from regbench.plugins.kinds import read_kind, read_metric
from regbench.plugins.loading import load_kind

#: The error is raised beyond its file, by its last line.
CODE = (
    METRIC.replace("return 7.0", "return _inverse([[0.0]])")
    + """

def _inverse(matrix):
    import numpy
    return numpy.linalg.inv(matrix)
"""
)
SAYS = "failed: LinAlgError: Singular matrix (metrics/broken.py, line 10)"


def test_a_workflow_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = config(tmp_path)
    file = metric_file(tmp_path / "metrics" / "broken.py", CODE)
    assert file.read_text().splitlines()[9] == "    return numpy.linalg.inv(matrix)"
    known = resolve({**known.raw, "metrics": ["broken", "folds"]}, tmp_path)
    run(known)
    found = {row.metric: row.status for row in read_rows(job_of(known).folder / "metrics.csv")}
    assert (found["broken"], found["folds"]) == (SAYS, "ok")


def test_a_scored_folder_names_the_line(tmp_path: Path) -> None:
    metric = read_metric(metric_file(tmp_path / "metrics" / "broken.py", CODE))
    layout = read_layout(toy_dataset(tmp_path))
    case = layout.cases["validation"][0]
    files = CaseFiles(case, shift_field((0, 0, 0)), {}, "nearest")
    assert [row.status for row in score_case(case, layout, files, [metric]).rows] == [SAYS]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise KeyError", "KeyError (kinds/mine.py, line 1)"),
        ("raise ValueError('a\\n  b')", "ValueError: a b (kinds/mine.py, line 1)"),
        ("from regbench.base.errors import BadInput; raise BadInput('no luck')", "no luck"),
    ],
)
def test_the_line_is_one(tmp_path: Path, code: str, says: str) -> None:
    file = kind_file(tmp_path / "kinds" / "mine.py", "KIND = {}")
    kind = read_kind(file)
    file.write_text(code)
    with pytest.raises((KeyError, ValueError)) as error:
        load_kind(kind)
    assert of_code(error.value, file) == says
    assert isinstance(error.value, BadInput) or of_code(error.value) == says.split(" (")[0]
