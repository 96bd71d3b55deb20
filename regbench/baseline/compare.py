"""Comparing a run's numbers with golden ones, two-sided."""

from collections.abc import Mapping
from dataclasses import dataclass

from regbench.baseline.tolerances import Bound, Tolerances
from regbench.baseline.values import Key, Value, Values

#: Kinds of change, in the order in which they are told.
KINDS = {
    "moved": "moved beyond their bound",
    "status": "changed status",
    "unit": "changed unit",
    "missing": "missing",
    "new": "new",
}


@dataclass(frozen=True)
class Change:
    """One row that is not as it was.

    Attributes:
        kind: a key of KINDS.
        key: what the row is of.
        old, new: golden and found; None for a new or a missing row.
        bound: that was exceeded, for `moved`.
    """

    kind: str
    key: Key
    old: Value | None = None
    new: Value | None = None
    bound: Bound | None = None

    @property
    def shift(self) -> float:
        """New minus old value; nan where there are not two."""
        if self.old is None or self.new is None:
            return float("nan")
        return self.new.value - self.old.value


def compare(golden: Values, found: Values, tolerances: Tolerances) -> list[Change]:
    """Every row that moved beyond its bound, came, went, or changed its status or unit.

    A distance that equals the bound is inside.

    Raises:
        BadInput: a metric without a tolerance, moved or not: no number is compared with a bound
            that nobody stated.
    """
    changes = []
    for key in sorted(golden.keys() | found.keys()):
        old, new = golden.get(key), found.get(key)
        known = old or new
        if key.metric in tolerances.ignored or known is None:
            continue
        bound = tolerances.bound(known.method, key.metric)
        change = _change(key, old, new, bound)
        if change is not None:
            changes.append(change)
    return changes


def updated(golden: Mapping[Key, Value], changes: list[Change]) -> Values:
    """Golden values after the changes. A row within its bound keeps its old value.

    So a number cannot creep away by small steps, each of them within the bound.
    """
    result = dict(golden)
    for change in changes:
        if change.new is None:
            del result[change.key]
        else:
            result[change.key] = change.new
    return result


def _change(key: Key, old: Value | None, new: Value | None, bound: Bound) -> Change | None:
    if old is None or new is None:
        return Change("new" if old is None else "missing", key, old, new)
    if old.status != new.status:
        return Change("status", key, old, new)
    if old.unit != new.unit:
        return Change("unit", key, old, new)
    # Two rows without a number and with one status are equal, and so are two infinities.
    if old.status != "ok" or old.value == new.value:
        return None
    if abs(new.value - old.value) <= bound.width(old.value):
        return None
    return Change("moved", key, old, new, bound)
