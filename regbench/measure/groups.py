"""The label groups of a task."""

from regbench.data.layout import Layout
from regbench.plan.config import RunConfig


def label_groups(run: RunConfig, layout: Layout) -> dict[str, tuple[int, ...]]:
    """The task's label groups; by default one for each label of the data set; extras last."""
    main = run.task.labels
    if main is None:
        main = layout.groups()
    return {**main, **run.task.extra_labels}
