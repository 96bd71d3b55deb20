"""The base of the models of hand-written files, and the one line on what is wrong with a file.

A model is the schema of a file: keys, types, defaults and descriptions. The reference in the docs
and the JSON schemas for editors are generated from it. Importing pydantic takes time, so modules
that are imported everywhere import models inside the functions that read files.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from regbench.base.errors import BadInput
from regbench.base.schemas import did_you_mean

#: Where the JSON schema of a model has the Default column of its key, if it is no plain value.
DEFAULT_TEXT = "x-default"
#: What the text of an error shows of a value.
_LONGEST = 160

T = TypeVar("T")
M = TypeVar("M", bound="Model")


def _distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(items)) != len(items):
        raise PydanticCustomError("repeated", "an entry is repeated")
    return items


def _as_text(name: Any) -> Any:
    return str(name) if type(name) is int else name


#: The title of a type is what the reference and the errors call it.
Id = Annotated[str, Field(title="id", pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
Title = Annotated[str, Field(title="text, not empty", min_length=1)]
FilePath = Annotated[str, Field(title="path")]
Entry = Annotated[
    str, Field(title="module:name", pattern="^[A-Za-z_][A-Za-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$")
]
#: A key that YAML may take for a number, such as the value of a label.
Name = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int)]
List = Annotated[tuple[T, ...], Strict(False)]
#: The bound stands before the validator: behind it, the schema would have a text's `minLength`.
SomeDistinct = Annotated[
    tuple[T, ...],
    Strict(False),
    Field(min_length=1),
    AfterValidator(_distinct),
    Field(json_schema_extra={"uniqueItems": True}),
]


class Model(BaseModel):
    """A mapping with known keys. A key takes no null, and a number is finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    #: Fields of which a file has exactly one.
    ONE_OF: ClassVar[tuple[str, ...]] = ()
    #: Fields that take null.
    NULLABLE: ClassVar[tuple[str, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _is_given(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in cls.NULLABLE:
            raise PydanticCustomError("null", "is null")
        return value

    @model_validator(mode="after")
    def _has_one(self) -> Any:
        given = [name for name in self.ONE_OF if name in self.model_fields_set]
        if self.ONE_OF and len(given) != 1:
            raise PydanticCustomError("one_of", "not exactly one of them")
        return self

    @classmethod
    def keys(cls, fields: tuple[str, ...]) -> list[str]:
        """The keys in the file that belong to these fields."""
        return [cls.model_fields[name].alias or name for name in fields]


def key(meaning: str, default: Any = ..., shown: str = "", **constraints: Any) -> Any:
    """A field of a model.

    Args:
        meaning: the description in the reference.
        default: without one, the key is required.
        shown: the Default column of the reference, where it is not the default itself.
        constraints: those of `pydantic.Field`.
    """
    if shown:
        constraints["json_schema_extra"] = {DEFAULT_TEXT: shown}
    return Field(default, description=meaning, **constraints)


def check(model: type[M], content: Any, file: Path | str | None, noun: str = "field") -> M:
    """The parsed content of a file as its model.

    Raises:
        BadInput: one line that names the file, the key, what it takes and what it has. It calls
            the key a `noun`.
    """
    try:
        for path, number in _infinite(content):
            raise BadInput(
                f"{noun} {_dotted(path)}", file=file, expected="a finite number", found=number
            )
        return model.model_validate(content)
    except RecursionError as error:
        raise BadInput("refers to itself", file=file) from error
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # Unknown keys explain missing ones. A deep error says more than that of the list around it.
    first = min(errors, key=lambda e: (e["type"] not in _UNKNOWN, -len(_path(e, content))))
    raise _problem(model, content, first, file, noun)


def schema_of(model: type[Model]) -> dict[str, Any]:
    """The JSON schema of a model."""
    return model.model_json_schema(schema_generator=_Generator)


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """A node of a JSON schema with its reference, if it has one, followed."""
    name = node.get("$ref", "").rpartition("/")[2]
    return {**schema["$defs"][name], **node} if name else node


def words(schema: dict[str, Any], node: dict[str, Any], quote: str = "") -> str:
    """What a node of a JSON schema takes, in words; `quote` encloses literal values."""
    node = resolved(schema, node)
    if "title" in node:
        return str(node["title"])
    if node.get("type") == "object":
        values = node.get("additionalProperties")
        if isinstance(values, dict):
            names = words(schema, node.get("propertyNames", {"title": "name"}), quote)
            return f"mapping of {names} to {words(schema, values, quote)}"
        keys = [f"{quote}{name}{quote}" for name in node.get("properties", ())]
        return f"mapping with {', '.join(keys)}" if 0 < len(keys) <= 4 else "mapping"
    if "enum" in node or "const" in node:
        return ", ".join(f"{quote}{v}{quote}" for v in node.get("enum", [node.get("const")]))
    if "anyOf" in node:
        return ", or ".join(words(schema, branch, quote) for branch in node["anyOf"])
    if node.get("type") == "array":
        items = words(schema, node.get("items", {"title": "value"}), quote)
        several = re.sub(
            r"^((?:[a-z]+ )?(?:number|id)|path|name|mapping|module|text)\b", r"\1s", items
        )
        least = " (at least one)" if node.get("minItems") else ""
        return f"list of {'different ' * bool(node.get('uniqueItems'))}{several}{least}"
    kind = _TYPES[node["type"]]
    if "maximum" in node:
        return f"{kind} from {node['minimum']} to {node['maximum']}"
    signs = {"minimum": ">=", "exclusiveMinimum": ">"}
    return kind + "".join(f" {sign} {node[name]}" for name, sign in signs.items() if name in node)


_TYPES = {
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "null": "null",
}
_UNKNOWN = ("extra_forbidden", "invalid_key")


class _Generator(GenerateJsonSchema):
    """JSON schemas with the titles that models give, and without the null of absent keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        node = super().default_schema(schema)
        if node.get("default", ...) is None:
            del node["default"]
            branches = [b for b in node.pop("anyOf") if b != {"type": "null"}]
            node |= branches[0] if len(branches) == 1 else {"anyOf": branches}
        return node

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        node = super().dict_schema(schema)
        names = self.generate_inner(schema["keys_schema"])
        if "title" in names:
            for values in node.pop("patternProperties", {}).values():
                node["additionalProperties"] = values
            node["propertyNames"] = names
        return node

    def model_schema(self, schema: Any) -> dict[str, Any]:
        node = super().model_schema(schema)
        node.pop("title", None)
        if issubclass(schema["cls"], Model) and schema["cls"].ONE_OF:
            keys = schema["cls"].keys(schema["cls"].ONE_OF)
            node["oneOf"] = [{"required": [name]} for name in keys]
        return node


def _problem(
    model: type[Model], content: Any, error: ErrorDetails, file: Path | str | None, noun: str
) -> BadInput:
    schema = schema_of(model)
    path = _path(error, content)
    last = error["loc"][-1] if error["loc"] else None
    if error["type"] in _UNKNOWN or last == "[key]":
        *path, name = path if last == "[key]" else [*path[:-1], str(last)]
        node, value = _at(schema, content, path)
        node = _mapping(schema, node)
        known = {"enum": list(node["properties"])} if "properties" in node else {"title": "text"}
        names = node.get("propertyNames", known)
        if "enum" not in names:
            expected = words(schema, names)
            return BadInput(
                f"bad key in {noun} {_dotted(path)}", file=file, expected=expected, found=repr(name)
            )
        own = sorted(names["enum"])
        unknown = sorted(str(given) for given in value if given not in own)
        return BadInput(
            f"unknown key {', '.join(map(repr, unknown))} in {_dotted(path)}"
            f"{did_you_mean(unknown, own)}",
            file=file,
            expected=f"one of {', '.join(own)}",
        )
    node, value = _at(schema, content, path)
    if error["type"] == "missing" and isinstance(value, dict):
        expected = words(schema, _mapping(schema, node)["properties"][last])
        return BadInput(
            f"{noun} {_dotted([*path, str(last)])} is missing", file=file, expected=expected
        )
    if error["type"] == "one_of":
        choices = [branch["required"][0] for branch in node["oneOf"]]
        given = " and ".join(name for name in choices if name in value) or "none of them"
        expected = f"exactly one of {', '.join(choices)}"
    else:
        given = "nothing" if value is None else _shorten(repr(value))
        expected = words(schema, node)
    return BadInput(f"{noun} {_dotted(path)}", file=file, expected=expected, found=given)


def _path(error: ErrorDetails, content: Any) -> list[Any]:
    """The keys and positions that lead to an error; what else its `loc` has names types."""
    path: list[Any] = []
    for part in error["loc"]:
        if isinstance(content, list | tuple):
            inside = isinstance(part, int) and part < len(content)
        else:
            inside = isinstance(content, dict) and part in content
        if inside:
            content = content[part]
            path.append(part)
    return path


def _at(schema: dict[str, Any], content: Any, path: list[Any]) -> tuple[dict[str, Any], Any]:
    """The node of the schema and the value at a path."""
    node = schema
    for part in path:
        node, content = _child(schema, node, part), content[part]
    return node, content


def _child(schema: dict[str, Any], node: dict[str, Any], part: Any) -> dict[str, Any]:
    for branch in node.get("anyOf", [node]):
        branch = resolved(schema, branch)
        items = branch.get("prefixItems", [branch.get("items")])[0]
        child = branch.get("properties", {}).get(part, branch.get("additionalProperties", items))
        if isinstance(child, dict):
            return resolved(schema, child)
    return {"title": "another value"}


def _mapping(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The branch of a node that is a mapping."""
    branches = [resolved(schema, branch) for branch in node.get("anyOf", [node])]
    return next(branch for branch in branches if branch.get("type") == "object")


def _infinite(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], float]]:
    if isinstance(content, float) and not math.isfinite(content):
        yield path, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _infinite(value, (*path, name))
    elif isinstance(content, list | tuple):
        for position, value in enumerate(content):
            yield from _infinite(value, (*path, position))


def _dotted(path: Any) -> str:
    return ".".join(map(str, path)) or "(top level)"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
