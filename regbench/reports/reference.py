"""The run that the others of a task are compared with."""

from collections.abc import Sequence

from regbench.reports.results import RunFacts

#: The method that others are compared with if the report names none.
REFERENCE = "f3rnet-mrb"


def pick_reference(runs: Sequence[RunFacts], wanted: str) -> RunFacts | None:
    """The wanted run or method; else the first learned one, the first but controls, the first."""
    choices = (
        lambda run: run.run == wanted,
        lambda run: run.method == wanted,
        lambda run: run.kind == "learned",
        lambda run: run.kind != "control",
        lambda run: True,
    )
    return next((run for accepts in choices for run in runs if accepts(run)), None)
