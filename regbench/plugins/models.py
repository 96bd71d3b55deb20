"""The models of what a plugin's author writes: metadata of methods, data sets and metrics.

The description of a field is its text in the reference: see `regbench.base.models`.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from regbench.base.models import Entry, FilePath, Id, List, Model, Name, Title, key

Settings = dict[str, Any]
SplitName = Literal["training", "validation", "test"]
MetricId = Annotated[str, Field(title="metric id")]
MethodId = Annotated[str, Field(title="method id")]
Warmup = Literal["toy", "case", "none"]
Need = Literal["true_field", "training_fields", "precomputed_field"]
#: Of a network.
Parameters = Annotated[int, Field(title="whole number >= 1", ge=1)]
Module = Annotated[str, Field(title="module")]


class Citation(Model):
    """A publication."""

    text: str = key("the reference", "")
    doi: str = key("its DOI", "")


class Direction(Model):
    """Which modality is fixed."""

    fixed: Literal[0, 1] = key("number of the modality of the fixed image")
    moving: Literal[0, 1] = key("number of the modality of the moving image")


class Split(Model):
    """The pairs of a split: pair i has the seed `seed + i`."""

    count: int = key("number of pairs", ge=0, le=100000)
    seed: int = key("seed of the first pair", ge=0, le=2**31)


class Resources(Model):
    """What one case takes."""

    threads: int = key("cores of a register job", 1, ge=1)
    memory_gb: float = key("limit of a case: GiB of the method's processes together", 4.0, gt=0)
    time_limit_s: float = key(
        "limit of a case in seconds; the start with its warm-up has 300 s, or this if it is more",
        600.0,
        gt=0,
    )
    seconds_per_megavoxel: float | None = key(
        "seconds that a case of a million voxels takes on these threads. A run is "
        "[cut into jobs](scale-out.md#shards) by it",
        None,
        "by `kind`: 0 for `control`, 5 for `learned` and `pretrained`, 30 else",
        ge=0,
    )
    cases_per_job: int | None = key("number of cases of a job", None, "from the seconds", ge=1)
    gpu: int = key(
        "1: the method can use a GPU; its `device` then names one that no other run holds. "
        "A network always can",
        0,
        ge=0,
    )


Url = Annotated[
    str,
    Field(
        title="address, or doi:DOI/FILE",
        pattern=r"^(https?://|doi:)[^ ]+/[A-Za-z0-9_.-]*[A-Za-z0-9]$",
    ),
]


class Weights(Model):
    """The published weights of a network."""

    url: Url = key("an address, or `doi:<doi>/<file>` for a file of a record")
    checksum: Annotated[str, Field(title="sha256:...", pattern="^sha256:[0-9a-f]{64}$")] = key(
        "the hash of the file; another file is refused"
    )


class Variant(Model):
    """What a variant changes. What it leaves out is as in the rest of `method.yaml`."""

    title: Title | None = key("the row's first cell", None, "the method's")
    description: str | None = key("text for people", None, "the method's")
    warmup: Warmup | None = key("as of the method", None, "the method's")
    needs: List[Need] | None = key("as of the method", None, "the method's")
    uses_labels: bool | None = key("as of the method", None, "the method's")
    settings: Settings = key("merged over the method's settings", {})
    weights: Weights | None = key("as of the method", None, "the method's")
    parameters: Parameters | None = key("as of the method", None, "the method's")


class MethodFile(Model):
    """A registration method: `method.yaml`."""

    ONE_OF: ClassVar = ("entry", "command")

    title: Title = key("the row's first cell")
    kind: Literal["optimisation", "learned", "pretrained", "external", "control"] = key(
        "`control` rows are not ranked; `pretrained`: a network that was trained elsewhere"
    )
    entry: Entry | None = key(
        "a function or a class in `module.py` of the folder", None, "one of the two"
    )
    command: Annotated[List[str], Field(title="list of words", min_length=1)] = key(
        "a command line", (), "one of the two"
    )
    description: str = key("shown by `regbench methods`", "")
    citation: Citation = key("shown by `regbench methods --json`", Citation(), "none")
    seeded: bool | None = key(
        "whether results depend on the seed; if not, the method runs once, with the first seed",
        None,
        "true for `learned`",
    )
    needs: List[Need] = key("what the method receives beside the images; see below", ())
    uses_labels: bool = key(
        "whether its training uses label maps. A learned method's own loss is then given those of "
        "the training pairs; tables mark the row",
        False,
    )
    objective: Literal["training", "self-similarity"] | None = key(
        "what it minimises, where that is the `training` loss at the setting `lambda`, or another "
        "measure of MIND's kind: `reports/objective` marks such a reference",
        None,
        "`training` for `learned`, else none",
    )
    lock: FilePath = key(
        "a requirements file of the folder: the method runs in "
        "[an environment of its own](environments.md)",
        "",
        "the engine's",
        alias="environment",
    )
    python: Annotated[str, Field(title="version", pattern=r"^(3\.\d+)?$")] = key(
        "version of Python of this environment, such as `3.12`", "", "the engine's"
    )
    weights: Weights | None = key(
        "of `pretrained`: `url` and `checksum` of the file that `regbench download` fetches; the "
        "setting `checkpoint` names another file",
        None,
        "none",
    )
    parameters: Parameters | None = key(
        "parameters of a network, for the tables, where the engine cannot count them",
        None,
        "counted",
    )
    requires: List[Module] = key(
        "Python packages that must be importable; without them, the cases are skipped", ()
    )
    install: str = key(
        "the hint in the reason of a skipped case", "", "`pip install` and the missing packages"
    )
    more_files: List[FilePath] = key(
        "files of the folder, beside `method.yaml` and `*.py`, whose change reruns the method",
        (),
        alias="files",
    )
    confined: bool = key(
        "whether the kernel keeps the method from [writing elsewhere](bad-inputs.md#methods); "
        "false for a program that mounts or needs `setuid`",
        True,
    )
    warmup: Warmup = key(
        "what runs before the first case: a toy pair, the first case once more, or nothing", "toy"
    )
    resources: Resources = key("what one case takes; see below", Resources(), "see below")
    settings: Settings = key(
        "names and default values; a config may change these and no others", {}
    )
    meanings: dict[str, str] = key(
        "what each of the settings does, with its unit: shown by `regbench methods NAME`", {}
    )
    variants: dict[Id, Variant] = key(
        "several ids, each with its own changes. With variants, the folder's name is not an id",
        {},
        "one, with the folder's name",
    )


class LearnedSettings(Model):
    """Settings that every learned method has. A plugin's `settings` may change the defaults."""

    checkpoint: str = key(
        "weights to use instead of training: `reference`, `reference:TASK` or a path, in which "
        "`{task}`, `{method}` and `{seed}` stand for the run's own",
        "",
    )
    steps: int = key("steps of Adam", 1600)
    coarse_steps: int = key(
        "how many of the steps, the first ones, train on copies at half the resolution", 0, ge=0
    )
    learning_rate: float = key("learning rate at the start", 0.001)
    schedule: Literal["cosine", "constant"] = key(
        "`cosine`: the learning rate falls to 0; with `coarse_steps` to 0.3 of the start in them, "
        "then from 0.6 of the start to 0",
        "cosine",
    )
    # The paper's 1.5 holds back fields of whole voxels.
    lambda_: float = key("weight of the regularisation; the paper has 1.5", 0.3, alias="lambda")
    fold_weight: float = key(
        "weight of FAIM's penalty on folds as a mean over the voxels of max(0, -J)", 0.0
    )
    fold_sum_weight: float = key(
        "weight of the same penalty as a sum over the voxels, as FAIM's authors have it; both "
        "weights add up",
        0.0,
        "0 (FAIM: 0.001)",
    )
    # Without it, Adam diverges after some hundred steps.
    clip: float | Literal["none"] = key("largest norm of the gradient; `none`: any", 0.02)
    weights: Literal["last", "best"] = key(
        "which weights registration gets; `best` has the lowest validation loss", "last"
    )
    swap_roles: bool = key("augmentation: exchange fixed and moving at random", True)
    flip: bool = key("augmentation: mirror left and right at random", True)
    validate_every: int = key("steps between validations", 400)
    save_every: int = key("steps between saved states", 100)
    precision: Literal["auto", "bf16", "fp32"] = key(
        "`auto` is bf16 where the processor computes in it, else fp32", "auto"
    )
    rescale: bool = key(
        "map intensities between an image's percentiles 0.5 and 99.5 to [0, 1]; false: images are "
        "used as they are",
        True,
    )
    recompute: bool = key(
        "recompute blocks for their gradients: less memory, more time, the same numbers", False
    )
    instance_steps: int = key(
        "registration: steps of Adam on each pair, from the trained weights, before the field is "
        "taken. It changes no training",
        0,
        ge=0,
    )
    instance_rate: float = key("registration: constant learning rate of these steps", 1e-4, gt=0)
    network: Settings = key("parameters of the plugin's `build`", {})


class Download(Model):
    """A file to download."""

    url: Url = key("an address, or `doi:<doi>/<file>` for a file of a record")
    checksum: Annotated[
        str,
        Field(title="sha256:... or md5:...", pattern="^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$"),
    ] = key("may be left out for a DOI, whose record states it", "")
    unzip: bool = key("whether to unpack the file", False)


class DatasetFile(Model):
    """A data set: `dataset.yaml`."""

    ONE_OF: ClassVar = ("generate", "importer")

    title: Title = key("the data set's name in tables")
    version: int = key("number that increases when the pairs change; tables show it", ge=1)
    generate: Entry | None = key("a function that makes a pair from a seed", None, "one of the two")
    importer: Entry | None = key(
        "a function that writes a Learn2Reg layout", None, "one of the two", alias="import"
    )
    pairs: Entry | None = key(
        "with `import`: a function that lists the pairs",
        None,
        "`settings.path` names a dataset JSON",
    )
    download: Annotated[List[Download], Field(min_length=1)] = key(
        "what `regbench download` fetches. `url` is an address "
        "or `doi:<doi>/<file>`; `checksum` is `sha256:...` or `md5:...` and may be left out for a "
        "DOI, whose record states it; `unzip: true` unpacks the file",
        (),
    )
    settings: Settings = key("names and default values: keyword arguments of the function", {})
    splits: dict[SplitName, Split] = key(
        "for `generate`: the pairs of each split: pair i has the seed `seed + i`. Splits share no "
        "seed",
        {},
    )
    modalities: dict[Name, str] = key("names by number", {})
    labels: dict[Name, str] = key("names by label value", {})
    direction: Direction = key(
        "which modality is `fixed` and which is `moving`",
        Direction(fixed=0, moving=1),
        "`{fixed: 0, moving: 1}`",
    )
    prealigned: bool = key("whether the pairs are affinely aligned", False)
    description: str = key("shown by `regbench datasets`", "")
    source: str = key("where the data come from, for people", "")
    citation: Citation = key("for people", Citation(), "none")


class MetricData(Model):
    """A metric: the literal `METADATA` of its Python file."""

    title: Title = key("the column's title")
    unit: str = key("the column's unit")
    direction: Literal["higher", "lower", "none"] = key(
        "which values are better; `none` is never ranked and never bold"
    )
    range: Annotated[
        tuple[int | float | None, int | float | None],
        Field(title="list of two numbers or null", strict=False),
    ] = key("lower and upper end; null where there is none")
    needs: Literal[
        "labels",
        "field",
        "images",
        "landmarks",
        "true_field",
        "learn2reg_labels",
        "learn2reg_field",
    ] = key("what the function receives; see below")
    empty: str = key("what happens for empty masks")
    border: str = key("what happens at the image border", "")
    version: int = key("number that increases when values change", ge=1)
    definition: Title = key("the formula")
    source: str = key("the publication or package", "")
    precision: int = key("decimals in tables", 2, ge=0, le=6)
    default: bool = key(
        "with `False`, a workflow measures the metric only if the config names it", True
    )


class PluginPaths(Model):
    """Plugins outside the project. Paths are absolute, or relative to the project."""

    methods: List[FilePath] = key("a folder with `method.yaml`, or a folder of such folders", ())
    datasets: List[FilePath] = key("a folder with `dataset.yaml`, or a folder of such folders", ())
    metrics: List[FilePath] = key("a metric's `.py`, or a folder of them", ())
    reports: List[FilePath] = key(
        "a report's `.yaml`, a kind's `.py` or folder, or a folder of reports with its kinds in "
        "`kinds/`",
        (),
    )
