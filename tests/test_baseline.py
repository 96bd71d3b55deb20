"""Golden values: what is a change, what is refused, and what is written."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml
from helpers import one_line

from regbench.base.errors import BadInput
from regbench.baseline.compare import (
    TolerancesFile,
    compare,
    from_table,
    read_tolerances,
    read_values,
    updated,
    write_values,
)
from regbench.baseline.run import SHOWN, append, checked_reason, count_line, line, markdown
from regbench.reports.results import COLUMNS


class Key(NamedTuple):
    task: str
    run: str
    seed: int
    case: str
    metric: str
    label: str


@dataclass(frozen=True)
class Value:
    method: str
    value: float
    unit: str
    status: str


Values = dict[Key, Value]
BOUNDS: dict[str, Any] = {
    "ignored": {"register_s": "a time"},
    "metrics": {
        "dice": {"absolute": 0.5, "reason": "half a point"},
        "asd": {"absolute": 0.125, "relative": 0.25, "reason": "a quarter"},
    },
    "looser": [{"methods": ["syn"], "reason": "its kernels", "metrics": {"dice": {"absolute": 4}}}],
}


def key(case: str = "a", metric: str = "dice", label: str = "liver", run: str = "shift") -> Key:
    return Key("t", run, 0, case, metric, label)


def value(number: float = 80.0, *, method: str = "shift", status: str = "ok") -> Value:
    return Value(method, number, "%", status)


def lost(status: str) -> Value:
    return value(math.nan, status=status)


@pytest.fixture
def tolerances(tmp_path: Path) -> TolerancesFile:
    return bounds(tmp_path / "tolerances.yaml", BOUNDS)


def bounds(file: Path, content: dict[str, Any]) -> TolerancesFile:
    file.write_text(yaml.safe_dump(content))
    return read_tolerances(file)


def frame(values: Values) -> pd.DataFrame:
    rows = [{**key._asdict(), **vars(item)} for key, item in values.items()]
    return from_table(pd.DataFrame(rows, columns=list(COLUMNS)))


def contents(values: pd.DataFrame) -> Values:
    """The values of a frame; of a value that is nan, its one object, so that it equals itself."""
    found = {}
    for row in values.to_dict("records"):
        name = Key(*(row.pop(field) for field in Key._fields))
        number = row.pop("value")
        found[name] = Value(value=math.nan if math.isnan(number) else number, **row)
    return found


def compared(old: Values, new: Values, tolerances: TolerancesFile) -> pd.DataFrame:
    return compare(frame(old), frame(new), tolerances)


def kinds(old: Values, new: Values, tolerances: TolerancesFile) -> list[str]:
    return compared(old, new, tolerances)["kind"].tolist()


@pytest.mark.parametrize(
    ("metric", "old", "new", "moved"),
    [
        ("dice", 80.0, 80.5, False),
        ("dice", 80.0, 79.5, False),
        ("dice", 80.0, 80.50001, True),
        ("dice", 80.0, 79.49999, True),
        # The relative part is of the golden value: 0.125 + 0.25 * 4.
        ("asd", 4.0, 5.125, False),
        ("asd", 4.0, 2.875, False),
        ("asd", 4.0, 5.126, True),
        ("asd", 4.0, 2.874, True),
        ("asd", 0.0, 0.125, False),
        ("asd", -4.0, -5.126, True),
        ("dice", 80.0, math.inf, True),
        ("dice", math.inf, math.inf, False),
    ],
)
def test_a_bound_has_two_sides_and_its_edge_is_inside(
    tolerances: TolerancesFile, metric: str, old: float, new: float, moved: bool
) -> None:
    name = key(metric=metric)
    found = kinds({name: value(old)}, {name: value(new)}, tolerances)
    assert found == (["moved"] if moved else [])


def test_a_method_may_have_a_looser_bound(tolerances: TolerancesFile) -> None:
    name = key(run="syn@iterations=1")
    old, new = value(80, method="syn"), value(84, method="syn")
    assert kinds({name: old}, {name: new}, tolerances) == []
    assert kinds({name: old}, {name: replace(new, value=84.1)}, tolerances) == ["moved"]
    # The group says nothing of asd: the bound of all methods holds.
    name = key(metric="asd", run="syn@iterations=1")
    old, new = value(0, method="syn"), value(0.2, method="syn")
    assert kinds({name: old}, {name: new}, tolerances) == ["moved"]


def test_rows_that_come_and_go_and_change_status_are_told(tolerances: TolerancesFile) -> None:
    old = {key("a"): value(), key("b"): value(), key("c"): value(), key("d"): lost("empty: none")}
    new = {
        key("a"): lost("failed: no luck"),
        key("c"): replace(value(), unit="mm"),
        key("d"): lost("empty: none"),
        key("e"): value(),
    }
    changes = compared(old, new, tolerances)
    assert list(zip(changes["case"], changes["kind"], strict=True)) == [
        ("a", "status"),
        ("b", "missing"),
        ("c", "unit"),
        ("e", "new"),
    ]
    # A reason that changes is a change; from a number to none and back, too.
    assert kinds({key(): lost("empty: a")}, {key(): lost("empty: b")}, tolerances) == ["status"]
    assert kinds({key(): lost("empty: a")}, {key(): value()}, tolerances) == ["status"]
    assert kinds(old, old, tolerances) == []


def test_a_cost_is_not_compared_and_an_unknown_metric_is_refused(
    tolerances: TolerancesFile,
) -> None:
    assert kinds({}, {key(metric="register_s"): value()}, tolerances) == []
    for old, new in (({}, {key(metric="epe"): value()}), ({key(metric="epe"): value()}, {})):
        with pytest.raises(BadInput) as error:
            compared(old, new, tolerances)
        one_line(error.value, "tolerances.yaml", "no tolerance for metric 'epe'")


def test_the_lines_say_what_moved_by_how_much_and_beyond_which_bound(
    tolerances: TolerancesFile,
) -> None:
    changes = compared(
        {key("a"): value(80), key("b"): value(70)},
        {key("a"): value(78.5), key("c"): lost("failed: no luck")},
        tolerances,
    )
    assert [line(change) for change in changes.itertuples()] == [
        "t shift seed0 a dice liver: moved by -1.5, bound 0.5: 80 % -> 78.5 % (half a point)",
        "t shift seed0 b dice liver: missing (70 %)",
        "t shift seed0 c dice liver: new (failed: no luck)",
    ]
    assert count_line(changes, 2) == (
        "2 golden values: 1 moved beyond their bound, 1 missing, 1 new"
    )
    assert count_line(changes[:0], 2) == "2 golden values, all within their bounds"


def test_the_summary_is_markdown_of_a_bounded_size(tolerances: TolerancesFile) -> None:
    old = {key(f"case{i:03d}"): value() for i in range(SHOWN + 7)}
    new = {name: value(80 + 0.01 * (100 + i)) for i, name in enumerate(old)}
    new[key("odd")] = lost("failed: a | b")
    changes = compared(old, new, tolerances)
    text = markdown("toy", changes, len(old))
    assert text.startswith("## Metrics of `toy`: not as they were\n")
    assert f"| dice | {SHOWN + 8} | 1 | +1.66 |" in text
    assert "| t | shift | 0 | case000 | dice liver | moved | 80 % | 81 % | +1 | 0.5 |" in text
    assert "And 8 more." in text and "case066" not in text
    assert "failed: a \\| b" in markdown("toy", changes[-1:], 1)
    assert len(text) < 65536
    assert "as they were" in markdown("toy", changes[:0], 3)
    assert "regbench baseline update" not in markdown("toy", changes[:0], 3)


def test_an_update_takes_what_changed_and_nothing_within_its_bound(
    tolerances: TolerancesFile,
) -> None:
    old = {key("a"): value(80), key("b"): value(70), key("c"): value(60)}
    new = {key("a"): value(80.4), key("b"): value(75), key("d"): value(50)}
    after = contents(updated(frame(old), compared(old, new, tolerances)))
    assert after == {key("a"): value(80), key("b"): value(75), key("d"): value(50)}
    # So small steps do not add up: the next one is measured from the old value, too.
    assert kinds(after, {**after, key("a"): value(80.8)}, tolerances) == ["moved"]


# -- files ------------------------------------------------------------------------------------


def test_golden_values_survive_the_file_to_their_last_digit(tmp_path: Path) -> None:
    run = "syn@iterations=10-5,seed_x=1"
    values = {
        key("0001", run=run): value(0.1 + 0.2),
        key('quo"ted', label=""): value(1 / 3),
        key("c"): lost("failed: a, b"),
    }
    write_values(tmp_path / "values.csv", frame(values))
    read = contents(read_values(tmp_path / "values.csv"))
    assert repr(read) == repr(dict(sorted(values.items())))
    assert (tmp_path / "values.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


HEAD = ",".join(COLUMNS) + "\n"
ROW = "t,shift,shift,0,a,dice,liver,80.0,%,ok\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["wrong columns", "task,run"]),
        ("case,metric\n", ["wrong columns", "case"]),
        (HEAD + ROW + ROW, ["two rows of t shift seed0 a dice liver"]),
        (HEAD + ROW.replace("80.0", "eighty"), ["row 1", "eighty"]),
        (HEAD + ROW.replace(",0,", ",first,"), ["row 1", "first"]),
        (HEAD + ROW.replace("80.0", "nan"), ["row 1", "disagree"]),
        (HEAD + ROW.replace("ok", "failed: no"), ["row 1", "disagree"]),
        (HEAD + ROW.replace(",%,ok", ""), ["row 1", "not complete"]),
        (HEAD + ROW.replace("ok", "ok,more"), ["row 1", "not complete"]),
    ],
)
def test_a_bad_file_of_golden_values_is_one_line(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    file = tmp_path / "values.csv"
    file.write_text(text)
    with pytest.raises(BadInput) as error:
        read_values(file)
    one_line(error.value, file, *words)


def test_a_missing_or_binary_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        read_values(tmp_path / "values.csv")
    one_line(error.value, "values.csv: cannot be read", "No such file")
    (tmp_path / "values.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput) as error:
        read_values(tmp_path / "values.csv")
    one_line(error.value, "values.csv: is not text")


GOOD = {"dice": {"absolute": 0.5, "reason": "half a point"}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["mapping"]),
        ("a: [", ["YAML"]),
        ({"metrics": {}}, ["metrics"]),
        ({"metrics": {"dice": {"absolute": 0.5}}}, ["metrics.dice", "reason"]),
        ({"metrics": {"dice": {"absolute": 0.5, "reason": " "}}}, ["metrics.dice.reason"]),
        ({"metrics": {"dice": {"absolute": -1, "reason": "x"}}}, ["metrics.dice.absolute", "-1"]),
        ("metrics: {dice: {absolute: 1e-3, reason: x}}", ["metrics.dice.absolute", "1e-3"]),
        ("metrics: {dice: {absolute: .nan, reason: x}}", ["metrics.dice.absolute", "nan"]),
        ("metrics: {dice: {absolute: .inf, reason: x}}", ["metrics.dice.absolute", "inf"]),
        ({"metrics": {"dice": {**GOOD["dice"], "abs": 1}}}, ["'abs'", "metrics.dice"]),
        ({"metrics": GOOD, "ignored": {"dice": "no"}}, ["'dice' is ignored and has a bound"]),
        ({"metrics": GOOD, "ignored": {"x": ""}}, ["ignored.x"]),
        ({"metrics": GOOD, "looser": [{"methods": ["a"], "metrics": GOOD}]}, ["looser.0"]),
        (
            {
                "metrics": GOOD,
                "looser": 2
                * [{"methods": ["syn"], "reason": "x", "metrics": {"dice": {"absolute": 1}}}],
            },
            ["'syn' is in two groups"],
        ),
    ],
)
def test_bad_tolerances_are_one_line(tmp_path: Path, content: Any, words: list[str]) -> None:
    file = tmp_path / "tolerances.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(BadInput) as error:
        read_tolerances(file)
    one_line(error.value, file, *words)


def test_the_changelog_grows_by_old_new_and_reason(
    tmp_path: Path, tolerances: TolerancesFile
) -> None:
    file = tmp_path / "CHANGELOG.md"
    new = compared({}, {key("a"): value(), key("b"): lost("empty: none")}, tolerances)
    append(file, "toy", "first", new, 0)
    assert "The first 2 golden values, 1 of them without a number." in file.read_text()
    moved = compared({key("b"): value(80)}, {key("b"): value(81.5)}, tolerances)
    append(file, "toy", " dice counts\nvoxels anew ", moved, 1)
    text = file.read_text()
    assert text.startswith("# Changes of the golden values of `toy`\n")
    assert text.index("\nfirst\n") < text.index("\ndice counts voxels anew\n")
    assert "| t | shift | 0 | b | dice liver | moved | 80 % | 81.5 % | +1.5 | 0.5 |" in text


@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
def test_an_empty_reason_is_refused(reason: str) -> None:
    with pytest.raises(BadInput) as error:
        checked_reason(reason)
    one_line(error.value, "reason is empty")


def test_a_collected_table_is_read_row_by_row() -> None:
    rows = [
        ["t", "shift", "shift", 0, "0001", "dice", "liver", 80.0, "%", "ok"],
        ["t", "shift", "shift", 0, "0001", "tre", "", math.nan, "mm", "skipped: no landmarks"],
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"case": "category"})
    found = contents(from_table(table))
    assert found[key("0001")] == value()
    assert found[Key("t", "shift", 0, "0001", "tre", "")].status == "skipped: no landmarks"
    with pytest.raises(BadInput) as error:
        from_table(pd.concat([table, table]))
    one_line(error.value, "two rows of t shift seed0 0001")
