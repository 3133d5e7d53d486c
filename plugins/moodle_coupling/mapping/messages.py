"""Pydantic's errors of a mapping file in our own words, at their line, with suggestions."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from moodle_coupling.mapping.access import ACCESS_KINDS, access_kind_of
from moodle_coupling.mapping.checks import did_you_mean, set_elsewhere
from moodle_coupling.mapping.document import Document, Problem, key_path
from moodle_coupling.mapping.model import Mapping
from moodle_coupling.mapping.source import KINDS, kind_of
from moodle_coupling.words.sentence import Sentence, in_turn, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

    from moodle_coupling.mapping.checks import Location

_SECRETS: Final = frozenset({"token", "wstoken", "password", "secret", "api_key", "url", "host"})
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "mapping.value.below"),
    "less_than_equal": ("le", "mapping.value.above"),
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


def _say(error: ErrorDetails, place: _Place) -> Sentence:
    kind = error["type"]
    if kind == "extra_forbidden" or _is_about_a_key(error):
        return _unknown_key(place)
    if kind == "value_error":
        return _refusal(error["ctx"]["error"])
    if kind == "missing":
        return Sentence("mapping.key.missing", description=_description(place))
    if error["input"] is None:
        return _and_description(Sentence("mapping.key.empty"), place)
    if kind in _BOUNDS:
        bound, code = _BOUNDS[kind]
        return Sentence(code, value=_quoted(error), bound=str(error["ctx"][bound]))
    say = _SENTENCES.get(kind)
    return say(error, place) if say else Sentence("mapping.value.other", value=_quoted(error), said=error["msg"])


def _refusal(error: Any) -> Sentence:
    """Give what a check of ours refused a value with."""
    said = error.args[0] if isinstance(error, Exception) and error.args else error
    return said if isinstance(said, Sentence) else text(str(said))


def _and_description(said: Sentence, place: _Place) -> Sentence:
    description = _description(place)
    return in_turn([said, description]) if isinstance(description, Sentence) else said


def _quoted(error: ErrorDetails) -> Sentence | str:
    value = error["input"]
    if isinstance(value, dict):
        return Sentence("mapping.value.keys")
    if isinstance(value, list):
        return Sentence("mapping.value.list")
    shown = " ".join(str(value).split())
    return f"'{shown[:60]}…'" if len(shown) > 60 else f"'{shown}'"


def _choice(error: ErrorDetails, _: _Place) -> Sentence:
    choices = re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))
    hint = did_you_mean(error["input"], choices) if isinstance(error["input"], str) else ""
    return Sentence("mapping.value.not_one_of", value=_quoted(error), choices=", ".join(choices), hint=hint)


def _list(error: ErrorDetails, _: _Place) -> Sentence:
    value = error["input"]
    if isinstance(value, str):
        return Sentence("mapping.value.no_list_such_as", value=value)
    return Sentence("mapping.value.no_list")


def _of_value(code: str) -> Callable[[ErrorDetails, _Place], Sentence]:
    return lambda error, _: Sentence(f"mapping.value.{code}", value=_quoted(error))


def _of_key(code: str) -> Callable[[ErrorDetails, _Place], Sentence]:
    return lambda error, place: Sentence(f"mapping.value.{code}", value=_quoted(error), description=_description(place))


_SENTENCES: Final[dict[str, Callable[[ErrorDetails, _Place], Sentence]]] = {
    "enum": _choice,
    "literal_error": _choice,
    "list_type": _list,
    "string_type": _of_value("no_text"),
    "string_pattern_mismatch": _of_key("not_possible"),
    "string_too_short": _of_key("empty"),
    "string_too_long": lambda error, _: Sentence(
        "mapping.value.too_long", value=_quoted(error), most=error["ctx"]["max_length"]
    ),
    "too_short": _of_key("empty"),
    "bool_parsing": _of_value("not_true_or_false"),
    "bool_type": _of_value("no_true_or_false"),
    "int_parsing": _of_value("not_whole"),
    "int_type": _of_value("no_whole_number"),
    "float_parsing": _of_value("not_a_number"),
    "float_type": _of_value("no_number"),
    "dict_type": lambda error, place: _and_description(Sentence("mapping.value.no_keys", value=_quoted(error)), place),
    "model_type": lambda error, place: Sentence(
        "mapping.value.no_model", keys=", ".join(_keys(place)), value=_quoted(error)
    ),
}


def _unknown_key(place: _Place) -> Sentence:
    where = place.where
    key, known = str(where[-1]), _keys(place.above)
    of_list = where[:2] == ("access", "source")
    if key in _SECRETS and (len(where) == 1 or where[0] == "source" or of_list):
        return Sentence("mapping.key.secret_of_moodle" if len(where) == 1 else "mapping.key.secret_of_source")
    if where[0] == "fields" and (elsewhere := set_elsewhere(key)):
        return Sentence("mapping.key.not_here", key=key, where=elsewhere)
    if key == "<<":
        return Sentence("mapping.key.merge")
    kinds: dict[str, Any] = {**ACCESS_KINDS} if of_list else {**KINDS} if where[0] == "source" else {}
    if kind := next((kind for kind, model in kinds.items() if key in model.model_fields), ""):
        return Sentence("mapping.key.of_another_source", kind=kind)
    hint = did_you_mean(key, known) or Sentence("mapping.hint.known_here", there=", ".join(known))
    return Sentence("mapping.key.unknown", hint=hint)


def _keys(place: _Place) -> list[str]:
    """Give the keys that are possible at a location."""
    annotation = _annotation(place)
    if _is_model(annotation):
        return list(annotation.model_fields)
    keys = get_args(annotation)[:1] if get_origin(annotation) is dict else ()
    return [str(key) for each in keys if get_origin(each) is Literal for key in get_args(each)]


def _description(place: _Place) -> Sentence | str:
    """Give what the model says of the key at a location, '' when it says nothing."""
    owner: Any = _annotation(place.above) if place.where else None
    field = owner.model_fields.get(str(place.where[-1])) if _is_model(owner) else None
    return Sentence(field.description) if field and field.description else ""


def _annotation(place: _Place) -> Any:
    """Follow a location through the model; gives the type that is meant there, or None."""
    annotation: Any = Mapping
    value: Any = place.data
    for number, step in enumerate(place.where):
        value = value.get(step) if isinstance(value, dict) else _item(value, step)
        if place.where[0] == "source" and number == (1 if isinstance(step, int) else 0):
            annotation = kind_of(value)
        elif place.where[: number + 1] == ("access", "source"):
            annotation = access_kind_of(value)
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
