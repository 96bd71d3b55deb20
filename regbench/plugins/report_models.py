"""The models of a kind of report and of a report's file: columns, published numbers, grids.

The description of a field is its text in the reference: see `regbench.base.models`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from regbench.base.models import Id, List, Model, Name, SomeDistinct, Title, key
from regbench.plugins.models import MethodId, MetricId, Settings, SplitName

View = Literal["axial", "coronal", "sagittal"]


class Column(Model):
    """A column of a table."""

    ONE_OF: ClassVar = ("metric", "spread", "fact")

    metric: MetricId | None = key("a metric", None, "one of the three")
    spread: MetricId | None = key(
        "the standard deviation of a metric's mean between seeds", None, "one of the three"
    )
    fact: (
        Literal["parameters", "time_gpu", "time_cpu", "cpu_seconds", "cases", "weights"] | None
    ) = key("a number of the runs", None, "one of the three")
    title: str | None = key("the column's title", None, "the metric's")
    better: Literal["higher", "lower", "truth", "none"] | None = key(
        "which values are better; `truth`: those nearest to the true field's", None, "the metric's"
    )


class Header(Model):
    """A column of published numbers."""

    title: str = key("the column's title")
    group: str | None = key("a title above several columns", None)
    label: str | None = key("the organ", None)
    direction: Literal["higher", "lower", "none"] = key("which values are better", "none")


class Zoom(Model):
    """The part of a picture that is enlarged."""

    centre: Annotated[
        tuple[float, float, float], Field(title="list of three numbers", strict=False)
    ] = key("world millimetres (RAS); they fix the plane, too")
    size_mm: float | None = key("edge of the part", None, gt=0)


class Grid(Model):
    """The runs behind a sweep."""

    values: Annotated[List[float], Field(min_length=1)] = key("values of the setting")
    methods: Annotated[List[MethodId], Field(min_length=1)] = key("method ids")
    settings: Settings = key("other settings of all runs; without them, the config's", {})


Cell = Annotated[
    str,
    Field(
        title="number as text (1.5, 1.5±0.2 or -)",
        pattern=r"^(-|-?[0-9]+(\.[0-9]+)?(±[0-9]+(\.[0-9]+)?)?)$",
    ),
]


class PublishedRecipe(Model):
    """How a publication trained its networks."""

    stated: Settings = key("settings that it states, with its values")
    methods: dict[MethodId, Settings] = key("what it states of single methods instead", {})
    cases: dict[Id, dict[SplitName, int]] = key("task to the numbers of its cases", {})
    unstated: Settings = key("settings that it does not state, with the plainest values", {})
    open: List[Title] = key("what else it does not state, and what is done here", ())


class KindData(Model):
    """A kind of report: the literal `KIND` of its Python file, or of `kind.py` in its folder."""

    fields: List[str] = key(
        "keys of a report that one of the kind must have, beside `title` and `kind`", ()
    )
    settings: Settings = key("names and default values of settings that only this kind has", {})
    results: Literal["tasks", "own", "none"] = key(
        "the results that it shows: of the report's task, of all `tasks` if it names none; of its "
        "`own` runs, which its `grids` list; or `none`",
        "tasks",
    )
    metrics: List[MetricId] = key("metrics without which a config has no such report", ())
    drawn: bool = key("with `True`, `build` returns a `Drawing`, and pictures appear, too", False)
    page: bool = key(
        "with `True`, `build` returns the text of an html file, made of the other reports", False
    )
    inputs: List[Literal["layout", "cases", "methods", "metrics"]] = key(
        "what else it reads, so that a change renders it again: the `layout` of the task's data "
        "set, the `cases` of its runs with their fields, the files of the `methods` in `rows` or "
        "of all `metrics`",
        (),
    )
    packages: List[str] = key(
        "installed packages that it copies from; another version renders it again", ()
    )


class ReportFile(Model):
    """A table or a figure: `reports/ID.yaml`."""

    title: Title = key("printed above the table")
    kind: Annotated[str, Field(title="kind of report")] = key(
        "one of the kinds above, or of your own"
    )
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
    views: SomeDistinct[View] = key("`overview`: a row of pictures each", ("axial",))
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
        "report of published numbers",
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
    settings: Settings = key("settings of the kind, merged over its defaults", {})
