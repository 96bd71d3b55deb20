"""One run with one seed: what is registered, trained or evaluated, and where."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from regbench.base import paths
from regbench.data.layout import Case, Layout, read_layout
from regbench.plan.config import Config, RunConfig


@dataclass(frozen=True)
class Job:
    """A run of the config with one seed.

    Attributes:
        config, run, seed: what to do.
        folder: for its results; each case has a folder in it.
        layout_file: dataset JSON of the prepared data set.
    """

    config: Config
    run: RunConfig
    seed: int
    folder: Path
    layout_file: Path

    @classmethod
    def of(cls, config: Config, run: RunConfig, seed: int) -> "Job":
        """The job whose files lie where a workflow of the config has them."""
        folder = paths.run_folder(config.name, run.task.id, run.id, seed)
        return cls(config, run, seed, folder, paths.layout_file(config.name, run.task.dataset.id))

    @cached_property
    def layout(self) -> Layout:
        """The prepared data set, read once."""
        return read_layout(self.layout_file)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The cases that are registered and evaluated, in order, in the task's direction."""
        return self.layout.directed(self.run.task.evaluated_split(), self.run.task.direction)

    def split(self, name: str) -> tuple[Case, ...]:
        """The cases of another split, in the task's direction."""
        return self.layout.directed(name, self.run.task.direction)

    def groups(self) -> dict[str, tuple[int, ...]]:
        """The task's label groups; by default one for each label of the data set; extras last."""
        main = self.run.task.labels
        return {**(self.layout.groups() if main is None else main), **self.run.task.extra_labels}

    def source(self) -> "Job":
        """The job of the task that this one's methods are trained on: itself, or another."""
        task = self.run.task
        if task.trained_on == task.id:
            return self
        return Job.of(self.config, self.config.run(task.trained_on, self.run.id), self.seed)

    def shard_file(self, shard: str) -> Path:
        """What tells that the cases of a shard, `<index>-of-<n>`, are registered."""
        return self.folder / "shards" / f"{shard}.json"
