"""JSON schemas of everything a person writes by hand, and the check against them."""

import difflib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from regbench.base.errors import BadInput


def read_yaml(path: Path) -> Any:
    """Read a YAML file (safe subset).

    Raises:
        BadInput: missing, unreadable, or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput("cannot be read", file=path, found=error.strerror) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput("is not valid YAML", file=path, found=str(error)) from error


def validate(content: Any, schema: str, file: Path | str) -> None:
    """Check parsed YAML against one of the schemas beside this module.

    Raises:
        BadInput: one line that names the file, the field, what it takes and what stood there.
    """
    errors = list(_validator(schema).iter_errors(content))
    if not errors:
        return
    error = jsonschema.exceptions.best_match(errors)
    # best_match may stop at an `anyOf`; its branches say more.
    field = ".".join(str(part) for part in error.absolute_path) or "(top level)"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(str(key) for key in set(error.instance) - set(known))
        raise BadInput(
            f"unknown key {', '.join(map(repr, unknown))} in {field}{did_you_mean(unknown, known)}",
            file=file,
            expected=f"one of {', '.join(known)}",
        )
    if error.validator == "oneOf":
        choices = [branch["required"][0] for branch in error.validator_value]
        given = [name for name in choices if name in error.instance]
        raise BadInput(
            f"field {field}",
            file=file,
            expected=f"exactly one of {', '.join(choices)}",
            found=" and ".join(given) or "none of them",
        )
    raise BadInput(f"field {field}: {_shorten(error.message)}", file=file)


def did_you_mean(unknown: list[str], known: list[str]) -> str:
    """` (did you mean ...?)` for the first unknown name that resembles a known one, else empty."""
    for name in unknown:
        close = difflib.get_close_matches(str(name), known, n=1)
        if close:
            return f" (did you mean {close[0]!r}?)"
    return ""


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    text = (resources.files(__package__) / f"{schema}.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def _shorten(message: str) -> str:
    return message if len(message) <= 240 else message[:240] + "..."
