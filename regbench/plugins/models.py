"""The models of what a plugin's author writes: metadata of methods, data sets, metrics and reports.

The description of a field is its text in the reference: see `regbench.base.models`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from regbench.base.models import Distinct, Entry, FilePath, Id, List, Model, Name, Title, key
from regbench.plugins.report_parts import (
    Cell,
    Column,
    Grid,
    Header,
    MethodId,
    MetricId,
    PublishedRecipe,
    Settings,
    SplitName,
    Zoom,
)

Warmup = Literal["toy", "case", "none"]
Need = Literal["true_field", "training_fields", "precomputed_field"]
View = Literal["axial", "coronal", "sagittal"]
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
    environment: FilePath = key(
        "a requirements file of the folder: the method runs in "
        "[an environment of its own](environments.md)",
        "",
        "the engine's",
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
    files: List[FilePath] = key(
        "files of the folder, beside `method.yaml` and `*.py`, whose change reruns the method", ()
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


class ReportFile(Model):
    """A table or a figure: `reports/ID.yaml`."""

    title: Title = key("printed above the table")
    kind: Annotated[str, Field(title="kind of report")] = key("one of the kinds above")
    task: str | None = key(
        "id of a task of the config; a report whose task the config lacks is not rendered",
        None,
        "all tasks",
    )
    caption: str = key("printed below the title", "")
    rows: List[Annotated[str, Field(title="id")]] = key(
        "method ids in the order of the rows or pictures; methods that a table does not list "
        "follow. `page`: ids of the reports that come first",
        (),
        "all methods; `overview`: all but controls",
    )
    columns: Annotated[List[Column], Field(min_length=1)] = key(
        "columns of a table or metrics of a comparison, each with exactly one of `metric`, "
        "`spread` and `fact`",
        (),
    )
    reference: str | None = key(
        "the method or run id that the others are compared with; `objective`: where the true "
        "field is not known",
        None,
        "`statistics`: `f3rnet-mrb`, else the first learned method, else the first that is no "
        "control",
    )
    without: List[MethodId] = key("methods that are left out", ())
    case: Title | None = key(
        "`overview`: id of the case",
        None,
        "the median of the mean Dice of the methods shown (TRE or EPE where there is no Dice), "
        "among the cases that most of them have a field of",
    )
    views: Annotated[Distinct[View], Field(min_length=1)] = key(
        "`overview`: a row of pictures each", ("axial",)
    )
    zoom: dict[View, Zoom] = key(
        "`overview`: `centre`, three world millimetres (RAS), fixes the plane, too; `size_mm` is "
        "the edge of the part that is enlarged and may be left out",
        {},
        "where methods differ most",
    )
    across: int | None = key(
        "`overview`: number of methods side by side", None, "as many as fit", ge=1, le=12
    )
    width: Literal["85mm", "174mm"] = key(
        "width of a picture: a column or a page of a journal, with type of at least 7 points",
        "174mm",
    )
    colours: Literal["safe", "paper"] = key(
        "`overview`, `page`: the organs' colours: `safe` for every kind of colour vision, or as in "
        "the `paper`",
        "safe",
    )
    show: Literal["warped", "checkerboard", "difference", "grid", "magnitude", "jacobian"] = key(
        "`overview`: what is drawn of each method: the `warped` image, a `checkerboard` of fixed "
        "and warped, the `difference` of the two (share of the grey scale; for images of one "
        "modality), the deformed `grid`, the `magnitude` of the displacement (mm), or the "
        "`jacobian` determinant with folds marked",
        "warped",
    )
    source: str | None = key("`published`: the publication", None)
    header: Annotated[List[Header], Field(min_length=1)] = key(
        "`published`: the columns; only `title` is required", ()
    )
    ours: str | None = key("`compare`, `gain`: id of the report of our numbers", None)
    published: str | dict[Name, List[Cell]] = key(
        "`published`: title of a row to its cells. `compare`, `gain`, `variants`: id of the "
        "report of "
        "published numbers",
        "",
        "none",
    )
    recipe: str | PublishedRecipe | None = key(
        "`published`: how the publication trained its networks (see below). `table`: id of the "
        "report that has it; the notes list in what the trainings of its methods differ",
        None,
    )
    parts: dict[Name, str] = key(
        "`variants`: name in `network.factorised` to the column's title", {}
    )
    cases: int | None = key(
        "`page`: cases of each task in the viewer; `worst`: cases of each method",
        None,
        "3; `worst`: 2",
        ge=0,
    )
    limit_mb: float | None = key("`page`: largest size of the page in MB", None, "58", gt=0)
    setting: str | None = key("`sweep`: the setting that varies", None)
    metric: MetricId | None = key("`sweep` and charts: the metric that is drawn", None)
    grids: dict[str, Grid] | None = key(
        "`sweep`: the runs, by the grid's name: `values` of the setting, `methods` and other "
        "`settings`; without these, all else is as in the config's runs of the methods",
        None,
        min_length=1,
    )


class PluginPaths(Model):
    """Plugins outside the project. Paths are absolute, or relative to the project."""

    methods: List[FilePath] = key("a folder with `method.yaml`, or a folder of such folders", ())
    datasets: List[FilePath] = key("a folder with `dataset.yaml`, or a folder of such folders", ())
    metrics: List[FilePath] = key("a metric's `.py`, or a folder of them", ())
    reports: List[FilePath] = key("a report's `.yaml`, or a folder of them", ())
