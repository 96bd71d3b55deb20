"""The model of a config: see `regbench.base.models`."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from regbench.base.models import Id, List, Model, Name, SomeDistinct, Title, key
from regbench.plugins.models import (
    MetricId,
    Parameters,
    PluginPaths,
    Settings,
    Split,
    SplitName,
)

Label = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**31)]
Groups = Annotated[
    dict[Name, SomeDistinct[Label]],
    Field(title="mapping of name to label values"),
]
Kept = Literal["all", "reported", "none"]


class DatasetEntry(Model):
    """A data set of the config: an entry of `datasets`."""

    plugin: str = key("a data set of `regbench datasets`, by its folder's name (`lung_phantom`)")
    settings: Settings = key(
        "merged over the plugin's settings; only keys that the plugin has", {}, "the plugin's"
    )
    splits: dict[SplitName, Split] = key(
        "for generated data sets: the pairs of each split; see below",
        {},
        "the plugin's",
    )


class TaskDirection(Model):
    """Which modality is fixed."""

    fixed: int = key("number of the modality of the fixed image", ge=0)
    moving: int = key("number of the modality of the moving image", ge=0)


class TaskEntry(Model):
    """A task of the config: an entry of `tasks`."""

    dataset: Id = key("a key of `datasets`")
    title: str | None = key("kept with the results", None, "the task's id")
    split: Literal["auto", "training", "validation", "test"] = key(
        "the cases that are measured; `auto` is test, or validation where there is no test case or "
        "where only validation has labels, landmarks or true fields",
        "auto",
    )
    direction: TaskDirection | None = key(
        "numbers of the `fixed` and the `moving` modality. Of several modalities it picks the "
        "pairs. Turning it around turns labels, landmarks and true fields with it",
        None,
        "the data set's own",
    )
    prealigned: bool | None = key(
        "whether pairs are affinely aligned; handed to methods, not checked",
        None,
        "the data set plugin's",
    )
    labels: Groups | None = key(
        "organs to measure; the values of a group are united before any metric",
        None,
        "one group for each label of the data set",
    )
    extra_labels: Groups = key("measured too, but not shown in tables", {})
    trained_on: Id | None = key(
        "id of a task. The learned methods take over the weights that the same runs have on that "
        "task, and are not trained anew",
        None,
        "the task itself",
    )
    label_interpolation: Literal["nearest", "linear"] = key(
        "how label maps are warped; `linear` warps each label's mask and takes the largest",
        "nearest",
    )
    notes: List[str] = key("lines that the notes of the task's tables repeat", ())


class MethodEntry(Model):
    """A method of the config: an entry of `methods`."""

    method: Id = key("a method of `regbench methods`")
    title: Title | None = key(
        "the first cell of the row in tables",
        None,
        "the method's; where it is listed several times, with the settings that differ",
    )
    settings: Settings = key(
        "changes; only keys that the method has. They become part of the run's id: `syn@bins=64`",
        {},
        "the method's",
    )
    parameters: Parameters | None = key(
        "parameters of the network behind the fields, for the tables; a count takes precedence",
        None,
        "the method's",
    )
    tasks: Annotated[List[Id], Field(min_length=1)] | None = key(
        "ids of the tasks on which it runs", None, "all tasks"
    )
    seeds: SomeDistinct[Seed] | None = key("its own seeds", None, "the config's")


#: An entry, or the id of a method alone.
ListedMethod = Annotated[
    MethodEntry,
    BeforeValidator(
        lambda item: {"method": item} if isinstance(item, str) else item,
        json_schema_input_type=Id | MethodEntry,
    ),
]


class Limits(Model):
    """Limits of one case, for all methods."""

    time_s: float | None = key(
        "seconds of one case; the method's start with its warm-up has 300 s, or this if it is more",
        None,
        "the method's `time_limit_s`",
        gt=0,
    )
    memory_gb: float | None = key(
        "GiB of resident memory of the method's processes", None, "the method's `memory_gb`", gt=0
    )


def _doubling(lengths: tuple[int, ...]) -> tuple[int, ...]:
    """The protocol compares a length with its double."""
    if any(longer != 2 * shorter for shorter, longer in pairwise(lengths)):
        raise PydanticCustomError("doubling", "not twice the one before")
    return lengths


class StudyEntry(Model):
    """The protocol of a study: `study` of a config. See docs/protocol.md."""

    lambda_: SomeDistinct[Annotated[float, Field(ge=0)]] = key(
        "the grid of lambda, the same for every method", alias="lambda"
    )
    steps: Annotated[SomeDistinct[Annotated[int, Field(ge=1)]], AfterValidator(_doubling)] = key(
        "lengths of a training", title="list of whole numbers >= 1, each twice the one before"
    )
    gain: float = key("Dice points that a doubled length must gain to be taken", 0.3, ge=0)


class PluginsOfConfig(Model):
    """What a listing of plugins reads of a config."""

    plugins: PluginPaths = key("as in a config", PluginPaths())


class ConfigFile(Model):
    """A config of regbench: `config/NAME.yaml`."""

    name: Id = key(
        "names the folders `data/<name>`, `results/<name>`, `logs/<name>` and `benchmarks/<name>`"
    )
    description: str = key("kept with the results", "")
    datasets: dict[Id, DatasetEntry] = key(
        "the data sets, by ids that you choose; see below",
        min_length=1,
        title="mapping of id to data set",
    )
    tasks: dict[Id, TaskEntry] = key(
        "the tasks, by ids that you choose; see below",
        min_length=1,
        title="mapping of id to task",
    )
    methods: Annotated[List[ListedMethod], Field(min_length=1)] = key(
        "method ids, or entries with settings; see below",
        title="list of ids or mappings (at least one)",
    )
    seeds: SomeDistinct[Seed] = key(
        "a method with randomness runs once for each seed; others run once, with the first", (0,)
    )
    metrics: Literal["all"] | SomeDistinct[MetricId] = key(
        "what is measured; `all` leaves out those that are "
        "[asked for by name](../docs/metrics.md#learn2regs-own-definitions)",
        "all",
    )
    reports: List[Annotated[str, Field(title="report id")]] = key(
        "what `snakemake` without a target renders", (), "every report whose task the config has"
    )
    device: Literal["auto", "cpu", "cuda"] = key(
        "where learned methods, and methods that ask for a GPU, compute; `auto` is a GPU where "
        "the machine that computes has one. GPUs are handed out by lock: two runs never share one",
        "auto",
    )
    selection: Literal["validation", "test"] = key(
        "the cases on which a grid (`reports/figure3`) is measured. `test` is the paper's way: "
        "every table then carries a warning",
        "validation",
    )
    grid: Id = key(
        "which of a sweep report's grids is run; `reports/figure3.yaml` has `default`, `full` "
        "and `paper`",
        "default",
    )
    keep_fields: Kept = key(
        "fields kept after evaluation; `reported` keeps the first case's. A metric that is new or "
        "edited later cannot be measured on a field that is gone: it fails, says so, and "
        "`regbench retry` (with `all`) registers those cases again",
        "all",
    )
    keep_warped: Kept = key(
        "warped volumes kept beside the fields: `warped.nii.gz`, the moving image on the fixed "
        "grid, and `warped_labels.nii.gz` where it has labels; `reported` keeps the first case's. "
        "Switched on later, they are made of the fields that are still there",
        "none",
    )
    timing: Literal["shared", "alone"] = key(
        "`alone` adds a job for each run that times one case with nothing beside it, on the "
        "processor and, where a method can use one that is there, on a GPU",
        "shared",
    )
    job_minutes: float | None = key(
        "how long a register job should take: a run of more minutes is "
        "[cut into several jobs](../docs/scale-out.md#shards). A change registers no finished "
        "case again",
        None,
        "10",
        gt=0,
    )
    study: StudyEntry | None = key(
        "how `regbench study` chooses lambda and length of the learned methods; see below",
        None,
        "none",
    )
    limits: Limits = key(
        "limits of one case, for all methods; see below", Limits(), "each method's own"
    )
    plugins: PluginPaths = key("plugins outside the project; see below", PluginPaths(), "none")
