"""Mapping files on disk: read with every error at its line, found by name, described by a JSON Schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from moodle_coupling.errors import MappingError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.mapping.checks import problems as problems_between_parts
from moodle_coupling.mapping.document import MOST_BYTES, Document, Problem, key_path, read_document
from moodle_coupling.mapping.messages import problems_of
from moodle_coupling.mapping.model import Mapping
from moodle_coupling.mapping.parts import Schedule
from moodle_coupling.mapping.safeguards import Notify, connection_id
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

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
