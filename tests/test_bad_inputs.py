"""Every bad input of the list gets its one line: no traceback, no hang, no silent number.

`python tests/test_bad_inputs.py` writes the lists of docs/bad-inputs.md anew.
"""

import csv
import os
import textwrap
import tracemalloc
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from bad_annotations import ANNOTATIONS, LABELLED, MASKED, POINTS
from bad_data import PREPARED, REFUSED
from bad_fields import FIELDS
from bad_methods import MISDEEDS
from damage import CASE, Bad, Folder
from helpers import REPOSITORY, SHAPE, shift_field, toy_dataset
from shell import Shell

from regbench.base.errors import BadInput
from regbench.data.layout import read_layout
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import MetricPlugin
from regbench.plugins.loading import load_entry
from regbench.spatial.field import write_field
from regbench.spatial.submission import read_submitted

PAGE = REPOSITORY / "docs" / "bad-inputs.md"


@cache
def _metrics() -> dict[str, MetricPlugin]:
    return discover(REPOSITORY).metrics


def _folder(root: Path) -> Folder:
    toy_dataset(root / "data", numbers=(1, 2))
    for n in (1, 2):
        write_field(root / "pred" / f"disp_000{n}_000{n}.nii.gz", shift_field((0, 0, 0)))
    return Folder(root, [])


def _words(folder: Folder) -> list[object]:
    words = ["evaluate", "--dataset", folder.json, "--predictions", folder.field.parent]
    return [*words, "--output", folder.root / "out" / "m.csv", *folder.more]


def _evaluate(shell: Shell, folder: Folder, expected: int) -> dict[str, list[dict[str, str]]]:
    """The rows of the damaged case and of the other one, by metric: `bad`, `good`."""
    code, out, err = shell(*_words(folder))
    assert (code, err) == (expected, [])
    assert "Traceback" not in out
    with (folder.root / "out" / "m.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["status"] and "\n" not in row["status"] for row in rows)
    assert all((row["value"] == "nan") == (row["status"] != "ok") for row in rows)
    return {
        "bad": [row for row in rows if row["case"] == CASE],
        "good": [row for row in rows if row["case"] != CASE],
    }


def _says(line: str, bad: Bad) -> None:
    """The words are in the line, in their order."""
    position = 0
    for word in bad.says:
        found = line.find(word, position)
        assert found >= 0, f"{word!r} not in {line!r}"
        position = found + len(word)


def _ids(items: Iterable[Bad]) -> list[str]:
    return [bad.what for bad in items]


def test_the_undamaged_folder_is_measured(shell: Shell) -> None:
    rows = _evaluate(shell, _folder(shell.root), 0)
    missing = {row["metric"] for row in rows["bad"] if row["status"] != "ok"}
    # There is no true field.
    learning = {"displacement_slope", "displacement_r2", "epe_interior", "interior_voxels"}
    assert missing == {"epe", "epe_mm", *learning}


@pytest.mark.parametrize("bad", FIELDS, ids=_ids(FIELDS))
def test_a_bad_field_fails_its_case(shell: Shell, bad: Bad) -> None:
    folder = _folder(shell.root)
    bad.make(folder)
    rows = _evaluate(shell, folder, 3)
    # The terms of the training loss are no scores.
    scored = {name for name in _metrics() if not name.startswith("objective_")}
    assert {row["metric"] for row in rows["bad"]} == scored
    for row in rows["bad"]:
        assert row["status"].startswith("failed: ")
        _says(row["status"], bad)
    if not folder.more and "two pairs" not in bad.what:
        assert any(row["status"] == "ok" for row in rows["good"])


@pytest.mark.parametrize(("needs", "bad"), ANNOTATIONS, ids=_ids(bad for _, bad in ANNOTATIONS))
def test_a_bad_annotation_fails_the_metrics_that_need_it(
    shell: Shell, needs: tuple[str, ...], bad: Bad
) -> None:
    metrics = {name for name, metric in _metrics().items() if metric.needs in needs}
    folder = _folder(shell.root)
    bad.make(folder)
    rows = _evaluate(shell, folder, 3)
    failed = {row["metric"] for row in rows["bad"] if row["status"].startswith("failed")}
    assert failed == metrics
    for row in rows["bad"]:
        if row["metric"] in metrics:
            _says(row["status"], bad)
    assert {row["metric"] for row in rows["bad"] if row["status"] == "ok"} >= {"folds"}
    assert not any(row["status"].startswith("failed") for row in rows["good"])


@pytest.mark.parametrize("bad", REFUSED, ids=_ids(REFUSED))
def test_a_bad_command_is_refused(shell: Shell, bad: Bad) -> None:
    folder = _folder(shell.root)
    bad.make(folder)
    shell.refuses(*_words(folder), naming=bad.says)


@pytest.mark.parametrize("bad", PREPARED, ids=_ids(PREPARED))
def test_a_bad_pair_is_a_problem_of_the_prepared_data(shell: Shell, bad: Bad) -> None:
    folder = _folder(shell.root)
    bad.make(folder)
    plugin = discover(REPOSITORY).datasets["learn2reg"]
    ready = shell.root / "ready" / "X_dataset.json"
    load_entry(plugin.folder, str(plugin.importer))({"path": str(folder.json)}, ready)
    first, second = read_layout(ready).cases["validation"]
    assert first.problem is not None
    assert "\n" not in first.problem
    _says(first.problem, bad)
    assert second.problem is None


@pytest.mark.parametrize("follow", [False, True])
def test_links_of_the_data_set_are_followed_when_asked_for(shell: Shell, *, follow: bool) -> None:
    folder = _folder(shell.root)
    (bad,) = [bad for bad in FIELDS if bad.what.startswith("the labels are a link")]
    bad.make(folder)
    folder.more.extend(["--follow-links"] * follow)
    rows = _evaluate(shell, folder, 0 if follow else 3)
    assert any(row["status"] == "ok" for row in rows["bad"]) == follow


@pytest.mark.parametrize("name", ["a gzip bomb", "npz: more data"])
def test_a_bomb_is_not_unpacked(shell: Shell, name: str) -> None:
    """Both hold 24 MiB of zeros."""
    folder = _folder(shell.root)
    (bad,) = [bad for bad in FIELDS if bad.what.startswith(name)]
    bad.make(folder)
    (path,) = folder.field.parent.glob("disp_0001_*")
    tracemalloc.start()
    try:
        with pytest.raises(BadInput):
            read_submitted(path, SHAPE, np.eye(4))
        assert tracemalloc.get_traced_memory()[1] < 2 * 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["field", "json", "labels", "landmarks"])
def test_files_without_permission_are_named(shell: Shell, name: str) -> None:
    folder = _folder(shell.root)
    path = getattr(folder, name)
    path = path() if callable(path) else path
    path.chmod(0)
    code, out, err = shell(*_words(folder))
    assert code == (2 if name == "json" else 3)
    table = folder.root / "out" / "m.csv"
    text = " ".join(err) + (table.read_text() if table.is_file() else "")
    assert path.name in text
    assert "ermission denied" in text or "cannot be read" in text
    assert "Traceback" not in out + text


# -- the page ---------------------------------------------------------------------------------

SECTIONS = {
    "fields": FIELDS,
    "labels": [bad for needs, bad in ANNOTATIONS if needs in (LABELLED, MASKED)],
    "landmarks": [bad for needs, bad in ANNOTATIONS if needs == POINTS],
    "refused": REFUSED,
    "prepared": PREPARED,
    # These are tried by tests/test_bad_methods_workflow.py.
    "methods": [Bad(d.what, lambda f: None, (d.outcome, d.words)) for d in MISDEEDS],
}


def with_lists(text: str) -> str:
    """The page with its lists as they must be."""
    for name, items in SECTIONS.items():
        if name == "methods":
            lines = ["|What the method does|Status of the case|", "|---|---|"]
            lines += [f"|{bad.what}|`{': '.join(filter(None, bad.says))}`|" for bad in items]
        else:
            lines = textwrap.wrap("; ".join(bad.what for bad in items) + ".", 100)
        start, _, rest = text.partition(f"<!-- {name} -->\n")
        _, _, end = rest.partition(f"<!-- /{name} -->")
        body = "\n".join(lines)
        text = f"{start}<!-- {name} -->\n\n{body}\n\n<!-- /{name} -->{end}"
    return text


def test_the_page_lists_what_is_tried() -> None:
    text = PAGE.read_text()
    assert text == with_lists(text), "run: python tests/test_bad_inputs.py"
    everything = [bad.what for items in SECTIONS.values() for bad in items]
    assert len(set(everything)) == len(everything) >= 40


if __name__ == "__main__":
    PAGE.write_text(with_lists(PAGE.read_text()))
