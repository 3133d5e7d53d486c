"""Mapping files on disk: read with every error at its line, found by name, described by a JSON Schema."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from moodle_coupling.errors import MappingError
from moodle_coupling.mapping.access import ACCESS_LISTS
from moodle_coupling.mapping.checks import did_you_mean, set_elsewhere
from moodle_coupling.mapping.checks import problems as problems_between_parts
from moodle_coupling.mapping.document import MOST_BYTES, Document, Problem, key_path, read_document
from moodle_coupling.mapping.model import Mapping
from moodle_coupling.mapping.parts import Schedule
from moodle_coupling.mapping.safeguards import Notify, connection_id
from moodle_coupling.mapping.source import PERSON_SOURCES
from moodle_coupling.words.sentence import Sentence, in_turn, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic_core import ErrorDetails

    from moodle_coupling.mapping.checks import Location


# ---- Pydantic's errors of a mapping file in our own words, at their line, with suggestions ----

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
    kinds = ACCESS_LISTS.kinds() if of_list else PERSON_SOURCES.kinds() if where[0] == "source" else {}
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
            annotation = PERSON_SOURCES.kind_of(value)
        elif place.where[: number + 1] == ("access", "source"):
            annotation = ACCESS_LISTS.kind_of(value)
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


# ---- Mapping files on disk ----

DAILY: Final = "0 6 * * *"
"""When a DAG of a wrong file runs, and fails, where its own schedule cannot be read any more."""

_BLOCK: Final = re.compile(r"^(?=[A-Za-z_]+[ \t]*:)", re.MULTILINE)
_CONFLICT: Final = re.compile(r"^(<<<<<<<|=======|>>>>>>>).*$", re.MULTILINE)
"""What Git leaves in a file where two changes meet."""
_Part = TypeVar("_Part", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Remains:
    """The keys of a wrong mapping file that can be relied on; '' and nobody for what cannot."""

    connection: str = ""
    title: str = ""
    schedule: Schedule = field(default_factory=lambda: Schedule(provision=DAILY, reconcile=DAILY))
    notify: Notify = field(default_factory=Notify)


def remains_of(raw: bytes) -> Remains:
    """Give what the bytes of a mapping file still say.

    Each key is read by itself, so that one that is wrong takes no other along, not even where the whole is no YAML. A
    schedule that is left out means by hand only, as in a good file; one that is wrong, misspelt or gone means DAILY.
    """
    said = _top_keys(raw)
    if not said:
        return Remains()
    misspelt = any(did_you_mean(key, ["schedule"]) for key in said.keys() - Mapping.model_fields.keys())
    unsaid = Remains().schedule if misspelt else Schedule()
    return Remains(
        connection=_connection(said.get("connection")),
        title=title if isinstance(title := said.get("title"), str) else "",
        schedule=_schedule(said["schedule"]) if "schedule" in said else unsaid,
        notify=_kept(Notify, said.get("notify")),
    )


def _top_keys(raw: bytes) -> dict[str, Any]:
    whole = read_document(raw).data
    if isinstance(whole, dict):
        return whole
    said: dict[str, Any] = {}
    for key, value in _blocks(raw.decode("utf-8-sig", errors="replace")):
        said.setdefault(key, value)
    return said


def _blocks(text: str) -> Iterator[tuple[str, Any]]:
    """Give the top keys of a text that is no YAML as a whole, each read alone; what is no YAML is ()."""
    for block in _BLOCK.split(_CONFLICT.sub("", text)):
        if key := re.match(r"[A-Za-z_]+", block):
            data = read_document(block.encode("utf-8", errors="replace")).data
            yield key[0], data.get(key[0]) if isinstance(data, dict) else ()


def _connection(value: Any) -> str:
    try:
        return connection_id(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def _schedule(value: Any) -> Schedule:
    if value is None:
        return Schedule()
    if not isinstance(value, dict):
        return Remains().schedule
    good = _kept(Schedule, value)
    lost = {key: DAILY for key in ("provision", "reconcile") if value.get(key) and not getattr(good, key)}
    return good.model_copy(update=lost)


def _kept(model: type[_Part], value: Any) -> _Part:
    """Give a part of the file with those of its keys that are right."""
    kept = {}
    for key, each in value.items() if isinstance(value, dict) else ():
        try:
            model.model_validate({key: each})
        except ValidationError:
            continue
        kept[key] = each
    return model.model_validate(kept)


SUFFIX = ".yaml"
UNFORESEEN = "cannot be checked"
"""How the error begins that stands for a fault in the checks themselves."""


class MappingFileError(MappingError):
    """Everything that is wrong with one mapping file, one line each.

    Attributes: ``path``, and ``problems`` with line, column, key path and text, in the order of the file.
    """

    path: Path

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda each: (each.line, each.column, each.key, each.text))
        name = shown(path)
        super().__init__(Sentence("mapping.file", lines=[_said(name, each) for each in self.problems]))

    def __reduce__(self) -> tuple[type[MappingFileError], tuple[Path, list[Problem]]]:
        return type(self), (self.path, self.problems)


def load_mapping(path: Path) -> Mapping:
    """Read one mapping file.

    Nothing in it is filled in from the environment, from variables or from templates.

    Raises MappingFileError with all errors of the file, and nothing else whatever the file holds: one bad file must
    not take the other environments down.
    """
    try:
        return _load(path)
    except MappingFileError:
        raise
    except Exception as error:
        # Not the error's own text: there may be a secret in it that somebody wrote into the file.
        said = Sentence("mapping.file.unforeseen", error=type(error).__name__)
        raise MappingFileError(path, [Problem(1, 1, "", said)]) from error


def _load(path: Path) -> Mapping:
    document = read_document(_bytes(path))
    mapping = None
    problems = list(document.problems)
    if isinstance(document.data, dict):
        try:
            mapping = Mapping.model_validate(document.data)
        except ValidationError as error:
            problems += problems_of(error, document)
            problems += _problems_between(document, problems)
        problems += _name_problems(path, document)
    elif not problems:
        problems.append(Problem(*document.mark(()), "", Sentence("mapping.file.no_keys")))
    if mapping is None or problems:
        raise MappingFileError(path, problems)
    mapping._path = path.resolve()  # noqa: SLF001  # a frozen model's private attribute: the file it came from
    return mapping


def mark_of(path: Path, key: str) -> tuple[int, int]:
    """Give line and column of a top key in a file; its first character where that cannot be told."""
    try:
        return read_document(_bytes(path)).mark((key,))
    except MappingError:
        return 1, 1


def remains(path: Path) -> Remains:
    """Give what a mapping file that is wrong still says; of one that cannot be read nothing but the defaults."""
    try:
        return remains_of(_bytes(path))
    except MappingError:
        return Remains()


def source_base(path: Path) -> Path:
    """Give the folder where the relative source path of the mapping file at ``path`` starts."""
    return path.resolve().parent


def source_path(mapping: Mapping) -> Sentence:
    """Give where the persons of a mapping come from, for people: an absolute path, an address, a table; '+' between several.

    For a mapping made in code a relative path starts at the working directory.
    """
    base = source_base(mapping.path) if mapping.path else Path.cwd()
    return Sentence("sources.where.all", parts=[source.where(base) for source in mapping.sources])


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of a mapping file, made for editors to complete keys and values by."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Mapping.model_json_schema(),
        "title": "Mapping file of a Moodle coupling",
    }
    _name_the_keys(schema)
    return schema


def write_schema(path: Path) -> None:
    """Write the JSON Schema of a mapping file."""
    import json

    path.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _name_the_keys(schema: Any) -> None:
    # An editor completes 'properties'; most do not look at the equivalent propertyNames/enum that pydantic gives.
    if isinstance(schema, list):
        for part in schema:
            _name_the_keys(part)
    if isinstance(schema, dict):
        keys = schema.get("propertyNames", {}).get("enum")
        if keys:
            del schema["propertyNames"]
            schema["properties"] = dict.fromkeys(keys, schema["additionalProperties"])
            schema["additionalProperties"] = False
        for part in schema.values():
            _name_the_keys(part)


def _bytes(path: Path) -> bytes:
    """Give what a file holds, and of one that is far too long a little more than is allowed."""
    try:
        if path.exists() and not path.is_file():
            raise MappingFileError(path, [Problem(1, 1, "", Sentence("mapping.file.no_file"))])
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise MappingFileError(path, [Problem(1, 1, "", _unreadable(path, why))]) from None


def _unreadable(path: Path, why: str) -> Sentence:
    try:
        if path.is_symlink():
            return Sentence("mapping.file.unreadable_link", why=why, target=str(path.readlink()))
    except (OSError, ValueError):
        pass
    return Sentence("mapping.file.unreadable", why=why)


def _problems_between(document: Document, found: list[Problem]) -> list[Problem]:
    # Pydantic compares the parts with each other only when each of them is right.
    known = {each.key for each in found}
    return [
        Problem(*document.mark(where), key_path(where), said)
        for where, said in problems_between_parts(document.data)
        if key_path(where) not in known
    ]


def _name_problems(path: Path, document: Document) -> list[Problem]:
    environment = document.data.get("environment")
    if not isinstance(environment, str) or environment == path.stem:
        return []
    said = Sentence("mapping.file.other_name", environment=environment, file=f"{environment}{SUFFIX}", stem=path.stem)
    return [Problem(*document.mark(("environment",)), "environment", said)]


def _said(name: str, problem: Problem) -> Sentence:
    place = f"{name}:{problem.line}:{problem.column}: {_line(f'{problem.key}: ' if problem.key else '')}"
    return Sentence("mapping.file.problem", place=place, said=_on_one_line(problem.said))


def _on_one_line(said: Any) -> Any:
    """Give a sentence without line ends in what it is said with."""
    if isinstance(said, Sentence):
        return Sentence(said.code, **{name: _on_one_line(value) for name, value in said.parameters.items()})
    if isinstance(said, list):
        return [_on_one_line(each) for each in said]
    return _line(said) if isinstance(said, str) else said


def _line(text: str) -> str:
    """Give a text on one line, however many the values in it had."""
    return re.sub(r"\s*[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]\s*", " ", text)


def shown(path: Path) -> str:
    """Give a path for people: from the working directory on where it lies below it."""
    try:
        text = str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # elsewhere, or links that lead in a circle
        text = str(path)
    return text.encode("utf-8", "backslashreplace").decode()  # a name on disk need not be text
