"""A first mapping file for a source: its headings recognised or guessed, with a comment on each choice."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from moodle_coupling.contract.columns import EMAIL_COLUMNS, PERSON_COLUMNS, ROW
from moodle_coupling.errors import InputError
from moodle_coupling.mapping.checks import COACHVIEW_COLUMNS
from moodle_coupling.mapping.file import SUFFIX, load_mapping
from moodle_coupling.sources.coachview.settings import CoachviewSource
from moodle_coupling.sources.database.settings import SqlSource
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.headings import ID_COLUMNS, HeadingsUnclear, column_of, plain_heading
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from moodle_coupling.words.sentence import Texts

_Source: TypeAlias = FileSource | SqlSource | CoachviewSource
"""What a file can be drafted for."""

_GUESSES: Final[tuple[tuple[str, str], ...]] = (
    (r"mail", "email1"),
    (r"voorlett|initial", "initials"),
    (r"tussenv|voorvoeg|prefix|particle", "infix"),
    (r"achternaam|familienaam|surname|lastname|familyname", "lastname"),
    (r"voornaam|roepnaam|firstname|forename|givenname", "firstname"),
    (r"inactief|uitdienst|geblokkeerd|inactive|suspended|hasleft", "inactive"),
    (r"categor", "categories"),
    (r"woonplaats|plaatsnaam|city|town", "city"),
    (r"landcode|countrycode|country", "country"),
    (r"taal|language", "lang"),
    (r"afdeling|department", "department"),
    (r"instelling|organisatie|bedrijf|institution|organi[sz]ation|company", "institution"),
)
"""What a heading means that is none of the usual ones, by what is in it; the first that fits. Only ``init`` guesses: its
writer looks at what it wrote."""
_ID: Final = re.compile(r"(nummer|number|nr|no|id|code|key)$")
_SPARE_EMAILS: Final = EMAIL_COLUMNS[1:]
_NEXT_EMAIL: Final = {"email1": "email2", "email2": "email3"}
_OURS: Final = tuple(column.name for column in PERSON_COLUMNS if column.name != ROW)
_FIELDS: Final = ("city", "country", "lang", "institution", "department")
_MOST_CATEGORIES: Final = 8
_NEARLY_ALL: Final = 0.9


@dataclass(frozen=True)
class Draft:
    """A mapping file as text, and what it stands on: our columns as ``recognised`` or ``guessed``, and headings ``left``."""

    text: str
    recognised: Mapping[str, str]
    guessed: Mapping[str, str]
    left: Sequence[str]


@dataclass
class _Found:
    """What is known of a source: our column → its heading, by itself or guessed; other headings; persons to look at."""

    source: _Source
    recognised: dict[str, str] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    persons: pd.DataFrame | None = None

    def has(self, column: str) -> bool:
        """Whether the source brings a column, with something in it for somebody."""
        if self.persons is None:
            return column in self.recognised
        return (column in self.recognised or column in self.guessed) and self.share(column) > 0

    def share(self, column: str) -> float:
        """For how many of the persons the column is filled; 1 where nobody was looked at."""
        if self.persons is None or not len(self.persons):
            return float(column in self.recognised or column in self.guessed)
        if column not in self.persons:
            return 0.0
        values = self.persons[column]
        return float((values != "").mean()) if values.dtype != bool else 1.0


def draft(environment: str, given: str, folder: Path, texts: Texts, *, connection: str = "", table: str = "") -> Draft:
    """Write a mapping for ``given``: a file (or the address of one), or an Airflow connection (of a database: its ``table``).

    A file and a database are read; Coachview is not, since its columns are known and its requests are counted.

    Raises SourceError when the source cannot be read, InputError when it is neither a file nor a connection or its connection is
    of a type that persons cannot come from, MappingError when the environment's name is none.
    """
    found = _look(_source_of(given, folder, table), folder)
    text = "\n".join(_lines(environment, connection or f"moodle_{environment}", found, texts)) + "\n"
    _check(environment, text)
    return Draft(text, found.recognised, found.guessed, found.left)


def place(folder: Path, environment: str, text: str, *, force: bool) -> Path:
    """Write the file, whole or not at all; raises InputError when one is there already, unless ``force``, or none can be made."""
    path = folder / f"{environment}{SUFFIX}"
    handle, name = -1, ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{environment}-", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).chmod(0o644)
        if force:
            Path(name).replace(path)
        else:
            os.link(name, path)  # refuses where there is one, also one that was made this moment
    except FileExistsError:
        raise InputError(Sentence("init.there_already", file=str(path))) from None
    except OSError as error:
        raise InputError(Sentence("init.not_written", file=str(path), why=error.strerror or str(error))) from error
    finally:
        with suppress(OSError):
            Path(name).unlink()
    return path


# ---- looking -----------------------------------------------------------------------------------------------------------


def _source_of(given: str, folder: Path, table: str) -> _Source:
    file = Path(given).expanduser()
    if "://" in given or file.is_file():
        return FileSource(path=given if "://" in given else _written_path(file.resolve(), folder))
    if file.suffix or len(file.parts) > 1:
        raise InputError(Sentence("init.no_such_file", file=given))
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        kind = str(BaseHook.get_connection(given).conn_type)
    except AirflowNotFoundException:
        raise InputError(Sentence("init.neither", given=given)) from None
    if kind == "coachview":
        return CoachviewSource(type="coachview", connection=given)
    if kind == "moodle":
        raise InputError(Sentence("init.is_a_moodle", given=given))
    if not table:
        raise InputError(Sentence("init.which_table", given=given))
    return SqlSource(type="sql", connection=given, table=table)


def _written_path(file: Path, folder: Path) -> str:
    """Give a path as the mapping file holds it: relative where the file stands beside the folder, else absolute."""
    beside = folder.resolve().parent
    return os.path.relpath(file, folder.resolve()) if file.is_relative_to(beside) else str(file)


def _look(source: _Source, folder: Path) -> _Found:
    if isinstance(source, CoachviewSource):
        return _Found(source, recognised=dict.fromkeys(sorted(COACHVIEW_COLUMNS), ""))
    from moodle_coupling.sources.contract import Wanted
    from moodle_coupling.sources.kinds import open_settings

    guessed: dict[str, str] = {}
    try:
        extract = open_settings(source, folder.resolve()).extract(Wanted())
        headings = list(extract.brought[0].headings)
        guessed = _guessed(headings)
        unclear = bool(guessed)
    except HeadingsUnclear as error:
        headings = list(error.headings)
        guessed, unclear = _guessed(headings, with_id=True), True
    if unclear:
        source = source.model_copy(update={"columns": guessed})
        extract = open_settings(source, folder.resolve()).extract(Wanted())
    recognised = {name: heading for name, heading in extract.headings.items() if name not in guessed}
    used = {plain_heading(heading) for heading in extract.headings.values()}
    left = [heading for heading in headings if plain_heading(heading) not in used]
    return _Found(source, recognised, guessed, left, extract.persons)


def _guessed(headings: Sequence[str], *, with_id: bool = False) -> dict[str, str]:
    """Give our column → heading for headings that are none of the usual ones, and for the second of two that mean the same."""
    known: dict[str, str] = {}
    guessed: dict[str, str] = {}
    open_: list[str] = []
    for heading in headings:
        name = column_of(heading)
        if name is None:
            open_.append(heading)
        elif name not in known:
            known[name] = heading
        else:
            again = next((spare for spare in _SPARE_EMAILS if name in EMAIL_COLUMNS and spare not in known), "")
            guessed[again or _free_name(heading, {*known, *guessed})] = heading
            known.setdefault(again, heading)
    for heading in open_:
        name = next((ours for part, ours in _GUESSES if re.search(part, plain_heading(heading))), None)
        while name in known or name in guessed:
            name = _NEXT_EMAIL.get(str(name))
        if name:
            guessed[name] = heading
    if with_id and not any(name in known for name in ID_COLUMNS):
        free = [heading for heading in open_ if heading not in guessed.values()]
        named = [heading for heading in free if _ID.search(plain_heading(heading))]
        if named or free:
            guessed["person_id"] = (named or free)[0]
    return guessed


def _free_name(heading: str, taken: set[str]) -> str:
    """Give a free column's name made from its heading."""
    name = re.sub(r"[^a-z0-9]+", "_", plain_heading(heading).encode("ascii", "ignore").decode()) or "column"
    name = name if name[0].isalpha() else f"c{name}"
    return name if name not in {*taken, *_OURS} else f"{name}_again"


# ---- writing -----------------------------------------------------------------------------------------------------------


def _check(environment: str, text: str) -> None:
    """Raise MappingError where what was written is no mapping file: its name, mostly."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{environment}{SUFFIX}"
        path.write_text(text, encoding="utf-8")
        load_mapping(path)


def _lines(environment: str, connection: str, found: _Found, texts: Texts) -> Iterator[str]:
    def note(code: str, **parameters: Any) -> str:
        return texts.say(Sentence(f"init.{code}", **parameters))

    yield "# yaml-language-server: $schema=mapping.schema.json"
    yield "#"
    yield from (f"# {line}" for line in note("about", source=_shown_source(found.source)).splitlines())
    yield ""
    yield f"environment: {_quoted(environment)} # {note('environment')}"
    yield f"title: {_quoted(environment.replace('_', ' ').capitalize())}"
    yield f"connection: {_quoted(connection)} # {note('connection')}"
    yield ""
    yield from _source_lines(found, note)
    yield ""
    yield f"idnumber: {_idnumber(found)} # {note('idnumber')}"
    yield ""
    recipe = _recipe(found)
    yield "username:"
    yield f"  recipe: {recipe} # {note(f'recipe.{recipe}')}"
    emails = [name for name in EMAIL_COLUMNS if found.has(name)]
    yield ""
    yield f"email: [{', '.join(emails)}] # {note('email')}" if emails else f"# {note('no_email')}"
    yield ""
    yield from _field_lines(found, note)
    yield from _scope_lines(found, note)
    yield ""
    yield "leavers:"
    yield f"  policy: report # {note('leavers')}"
    yield ""
    yield f"# {note('safeguards')}"
    yield ""
    yield f"# {note('schedule')}"
    yield "# schedule:"
    yield '#   provision: "*/30 6-20 * * 1-5"'
    yield '#   reconcile: "15 2 * * *"'
    yield "#   timezone: Europe/Amsterdam"
    yield ""
    yield f"# {note('notify')}"
    yield "# notify:"
    yield "#   to: [functional-admin@example.org]"


def _source_lines(found: _Found, note: Any) -> Iterator[str]:
    source = found.source
    yield "source:"
    yield f"  type: {source.type}"
    if isinstance(source, FileSource):
        yield f"  path: {_quoted(source.path)} # {note('path')}"
    else:
        yield f"  connection: {_quoted(source.connection)} # {note('source_connection')}"
    if isinstance(source, SqlSource):
        yield f"  table: {_quoted(source.table)}"
        yield f"  # changed_column: changed_at # {note('changed_column')}"
    if found.guessed:
        yield f"  columns: # {note('columns')}"
        yield from (f"    {name}: {_quoted(heading)}" for name, heading in found.guessed.items())
    if heads := {name: heading for name, heading in found.recognised.items() if heading}:
        yield f"  # {note('recognised')}"
        yield from (f"  #   {name}: {_quoted(heading)}" for name, heading in heads.items())
    if found.left:
        yield f"  # {note('left')}"
        yield from (f"  #   {_free_name(heading, set())}: {_quoted(heading)}" for heading in found.left)
    if isinstance(source, CoachviewSource):
        yield f"  # {note('free_fields')}"
        yield "  # columns:"
        yield "  #   free1: Vrijveld1"


def _idnumber(found: _Found) -> str:
    """Give the id that nearly everyone has; not one or the other, since a person whose other id comes later gets another key."""
    if found.has("extern_id") and (found.share("extern_id") >= _NEARLY_ALL or not found.has("person_id")):
        return "extern_id"
    return "person_id"


def _recipe(found: _Found) -> str:
    """Give the first recipe for which nearly as many persons have what it needs as for any."""
    needs = {
        "first_infix_last": min(found.share("firstname"), found.share("lastname")),
        "initials_infix_last": min(found.share("initials"), found.share("lastname")),
        "email": found.share("email1"),
    }
    most = max(needs.values())
    return next((recipe for recipe, share in needs.items() if share and share >= most * _NEARLY_ALL), "extern_id")


def _field_lines(found: _Found, note: Any) -> Iterator[str]:
    yield "fields:"
    yield "  auth:"
    yield f"    value: manual # {note('auth')}"
    for name in _FIELDS:
        if not found.has(name):
            continue
        yield f"  {name}:"
        yield f"    column: {name}"
        if name == "lang":
            yield f"    write: on_create # {note('lang')}"
        if name == "country":
            yield f"    # default: NL # {note('country')}"
    yield ""
    yield f"# {note('profile_fields')}"
    yield "# profile_fields:"
    free = [name for name in (*found.recognised, *found.guessed) if name not in _OURS or name.startswith("free")]
    for number, name in enumerate(free or ["free1"], 1):
        yield f"#   customfield{number}: {{ column: {name} }}"
    yield ""


def _scope_lines(found: _Found, note: Any) -> Iterator[str]:
    if found.has("inactive"):
        yield "scope:"
        yield f"  inactive: false # {note('inactive')}"
    else:
        yield f"# {note('no_inactive')}"
        yield "# scope:"
        yield "#   inactive: false"
    if found.persons is not None and found.has("categories"):
        said = sorted({one for cell in found.persons["categories"] for one in str(cell).split("|") if one})
        yield f"#   {note('categories')}"
        yield "#   include:"
        yield f"#     - {{ column: categories, any_of: [{', '.join(map(_quoted, said[:_MOST_CATEGORIES]))}] }}"


def _shown_source(source: _Source) -> str:
    if isinstance(source, FileSource):
        return Path(source.path).name if "://" not in source.path else source.path
    return source.connection


def _quoted(value: str) -> str:
    """Give a text as YAML reads it back, whatever it holds: bare where that is plain, else as JSON, which is YAML too."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./@-]*", value) and value.lower() not in {
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "y",
        "n",
    }
    return value if plain else json.dumps(value, ensure_ascii=not value.isprintable())
