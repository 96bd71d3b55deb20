"""The models of the parts of a report's file: columns, published numbers, grids."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from regbench.base.models import Id, List, Model, Title, key

Settings = dict[str, Any]
SplitName = Literal["training", "validation", "test"]
MetricId = Annotated[str, Field(title="metric id")]
MethodId = Annotated[str, Field(title="method id")]


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
