"""Pydantic's errors of a mapping file in our own words, at their line, with suggestions."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from moodle_coupling.mapping.checks import did_you_mean, set_elsewhere
from moodle_coupling.mapping.document import Document, Problem, key_path
from moodle_coupling.mapping.model import Mapping
from moodle_coupling.mapping.source import KINDS, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

    from moodle_coupling.mapping.checks import Location

_SECRETS: Final = frozenset({"token", "wstoken", "password", "secret", "api_key", "url", "host"})
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "is below the least"),
    "less_than_equal": ("le", "is above the most"),
}


def problems_of(error: ValidationError, document: Document) -> list[Problem]:
    """Give each error of a validation as a problem of the file."""
    return [_problem(each, document) for each in error.errors(include_url=False)]


def _problem(error: ErrorDetails, document: Document) -> Problem:
    where = error["loc"][:-1] if _is_about_a_key(error) else error["loc"]
    return Problem(*document.mark(where), key_path(where), _say(error, _Place(where, document.data)))


def _is_about_a_key(error: ErrorDetails) -> bool:
    """Tell whether pydantic speaks of the key itself; a key may also be written '[key]' in the file."""
    return error["type"] != "extra_forbidden" and len(error["loc"]) > 1 and error["loc"][-1] == "[key]"


@dataclass(frozen=True)
class _Place:
    """Where in the file, and the file: what a source may hold depends on the type it says."""

    where: Location
    data: Any

    @property
    def above(self) -> _Place:
        return _Place(self.where[:-1], self.data)


def _say(error: ErrorDetails, place: _Place) -> str:
    kind = error["type"]
    if kind == "extra_forbidden" or _is_about_a_key(error):
        return _unknown_key(place)
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "missing":
        return f"is missing: {_description(place)}"
    if error["input"] is None:
        return f"is empty: say something, or take the key out. {_description(place)}".rstrip()
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{_quoted(error)} {words}, {error['ctx'][bound]}"
    say = _SENTENCES.get(kind)
    return say(error, place) if say else f"{_quoted(error)}: {error['msg']}"


def _quoted(error: ErrorDetails) -> str:
    value = error["input"]
    if isinstance(value, dict):
        return "a set of keys"
    if isinstance(value, list):
        return "a list"
    text = " ".join(str(value).split())
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"


def _choice(error: ErrorDetails, _: _Place) -> str:
    choices = re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))
    hint = did_you_mean(error["input"], choices) if isinstance(error["input"], str) else ""
    return f"{_quoted(error)} is not one of {', '.join(choices)}{hint}"


def _list(error: ErrorDetails, _: _Place) -> str:
    value = error["input"]
    example = f": [{value}]" if isinstance(value, str) else ""
    return f"must be a list, also when it holds one thing{example}"


_SENTENCES: Final[dict[str, Callable[[ErrorDetails, _Place], str]]] = {
    "enum": _choice,
    "literal_error": _choice,
    "list_type": _list,
    "string_type": lambda error, _: f"must be a text, not {_quoted(error)}",
    "string_pattern_mismatch": lambda error, place: f"{_quoted(error)} is not possible: {_description(place)}",
    "string_too_short": lambda _, place: f"must not be empty: {_description(place)}",
    "string_too_long": lambda error, _: f"{_quoted(error)} is longer than {error['ctx']['max_length']} characters",
    "too_short": lambda _, place: f"must not be empty: {_description(place)}",
    "bool_parsing": lambda error, _: f"{_quoted(error)} must be true or false",
    "bool_type": lambda error, _: f"must be true or false, not {_quoted(error)}",
    "int_parsing": lambda error, _: f"{_quoted(error)} must be a whole number",
    "int_type": lambda error, _: f"must be a whole number, not {_quoted(error)}",
    "float_parsing": lambda error, _: f"{_quoted(error)} must be a number, such as 0.05",
    "float_type": lambda error, _: f"must be a number, not {_quoted(error)}",
    "dict_type": lambda error, place: (
        f"must hold keys with values, not {_quoted(error)}. {_description(place)}".rstrip()
    ),
    "model_type": lambda error, place: f"must hold keys ({', '.join(_keys(place))}), not {_quoted(error)}",
}


def _unknown_key(place: _Place) -> str:
    where = place.where
    key, known = str(where[-1]), _keys(place.above)
    if key in _SECRETS and (len(where) == 1 or where[0] == "source"):
        what = "a Moodle" if len(where) == 1 else "a source"
        return f"unknown key: the address and the token of {what} stand in the Airflow connection, never in this file"
    if where[0] == "fields" and (elsewhere := set_elsewhere(key)):
        return f"'{key}' is not set here: {elsewhere}"
    if key == "<<":
        return "merging (<<) is not used here; write the keys out"
    if where[0] == "source" and (
        kind := next((kind for kind, model in KINDS.items() if key in model.model_fields), "")
    ):
        return f"unknown key here: it belongs to a source of type {kind} (say 'type: {kind}')"
    hint = did_you_mean(key, known) or f". Known here: {', '.join(known)}"
    return f"unknown key{hint}"


def _keys(place: _Place) -> list[str]:
    """Give the keys that are possible at a location."""
    annotation = _annotation(place)
    if _is_model(annotation):
        return list(annotation.model_fields)
    keys = get_args(annotation)[:1] if get_origin(annotation) is dict else ()
    return [str(key) for each in keys if get_origin(each) is Literal for key in get_args(each)]


def _description(place: _Place) -> str:
    """Give what the model says of the key at a location, '' when it says nothing."""
    owner: Any = _annotation(place.above) if place.where else None
    field = owner.model_fields.get(str(place.where[-1])) if _is_model(owner) else None
    return (field.description or "") if field else ""


def _annotation(place: _Place) -> Any:
    """Follow a location through the model; gives the type that is meant there, or None."""
    annotation: Any = Mapping
    value: Any = place.data
    for number, step in enumerate(place.where):
        value = value.get(step) if isinstance(value, dict) else _item(value, step)
        if place.where[0] == "source" and number == (1 if isinstance(step, int) else 0):
            annotation = kind_of(value)
        else:
            annotation = _inner(annotation, step)
    return annotation


def _item(value: Any, step: str | int) -> Any:
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None


def _inner(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        field = annotation.model_fields.get(str(step))
        return _bare(field.annotation) if field else None
    arguments = get_args(annotation)
    return _bare(arguments[-1]) if arguments and get_origin(annotation) in {dict, list} else None


def _bare(annotation: Any) -> Any:
    """Take Annotated and '| None' off a type."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        kinds = [each for each in get_args(annotation) if each is not type(None)]
        return _bare(kinds[0]) if len(kinds) == 1 else None
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
