"""Where each value of one person comes from: column and heading, constant, default, or the recipe's parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.mapping import IdnumberFrom, Write
from moodle_coupling.people.table import Table
from moodle_coupling.people.usernames import PARTS, plain_maker

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Mapping as MappingOf

    import pandas as pd

    from moodle_coupling.mapping import Condition, FieldValue, Mapping

_WHEN = {Write.ALWAYS: "", Write.ON_CREATE: ", only when the account is made", Write.IF_EMPTY: ", only while empty"}


@dataclass(frozen=True)
class Record:
    """One person as the source has it, cleaned; ``headings`` say under which heading each column stood."""

    mapping: Mapping
    table: Table
    headings: MappingOf[str, str]

    @classmethod
    def of(cls, persons: pd.DataFrame, mapping: Mapping, headings: MappingOf[str, str]) -> Record:
        """Take the one row of a persons frame."""
        return cls(mapping, Table(persons, mapping.environment, str(mapping.path or mapping.environment)), headings)

    def text(self, column: str) -> str:
        """Give the cleaned text of a column."""
        return str(self.table.texts(column)[0].as_py())

    def named(self, column: str) -> str:
        """Name a column, with its heading in the source where that is another."""
        heading = self.headings.get(column)
        return f"column {column}" + (f" ('{heading}')" if heading and heading != column else "")


def why_out_of_scope(record: Record) -> list[str]:
    """Give the conditions of the mapping's scope that do not hold for the person, by name, with what was found."""
    from moodle_coupling.people.scope import holds

    scope, found = record.mapping.scope, []
    if not scope.inactive and record.table.flag("inactive")[0]:
        found.append(f"scope.inactive: {record.named('inactive')} says that the person has left")
    for number, condition in enumerate(scope.include):
        where = f"scope.include[{number}]"
        if not holds(condition, record.table.texts(condition.column), where)[0]:
            value = record.text(condition.column)
            found.append(f"{where}: {record.named(condition.column)} is '{value}', wanted {_wanted(condition)}")
    return found


def username_lines(record: Record, base: str) -> list[str]:
    """Say of which parts the username is made and what the recipe makes of each."""
    settings = record.mapping.username
    plain = plain_maker(settings.transliterate)
    made = f"recipe {settings.recipe.value}"
    if len(PARTS[settings.recipe]) > 1:
        made += f", separator '{settings.separator}'"
    lines = [f"username: {made} makes '{base}'" if base else f"username: {made} makes nothing"]
    for name in PARTS[settings.recipe]:
        column, text = _part(record, name)
        lines.append(f"  {name} '{text}' becomes '{plain(text)}'{column}" if text else f"  {name} is empty{column}")
    return lines


def field_origins(record: Record, *, email: str, from_file: Collection[str]) -> dict[str, str]:
    """Say for each field of a candidate where its value comes from and when it is written.

    ``email`` is the address that was chosen; ``from_file`` are the ``fields`` that the mapping file itself names; the others are the connection's defaults.
    """
    mapping = record.mapping
    found = {
        "idnumber": _idnumber(record),
        "firstname": record.named("firstname") if record.text("firstname") else _stand_in(record, "firstname"),
        "lastname": _lastname(record),
        "email": _email(record, email),
    }
    for name, origin in mapping.fields.items():
        found[name] = (
            _origin(record, origin, f"fields.{name}")
            if name in from_file
            else f"default of connection {mapping.connection}"
        )
    for shortname, origin in mapping.profile_fields.items():
        found[f"{PROFILE_PREFIX}{shortname}"] = _origin(record, origin, f"profile_fields.{shortname}")
    return {name: text + _WHEN[mapping.write_policy(name)] for name, text in found.items()}


def _wanted(condition: Condition) -> str:
    said = condition.model_dump(exclude_none=True, exclude={"column"})
    return ", ".join(f"{test} {value!r}" for test, value in said.items())


def _part(record: Record, name: str) -> tuple[str, str]:
    """Give the column a part of the recipe comes from, in words, and its text."""
    if name == "initial":
        column = "initials" if record.text("initials") else "firstname"
        return f" (the first letter, of {record.named(column)})", record.text(column)
    if name == "email":
        return "", next((text for column in record.mapping.email if (text := record.text(column))), "")
    return f" ({record.named(name)})", record.text(name)


def _idnumber(record: Record) -> str:
    origin = record.mapping.idnumber
    if origin is IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID:
        if record.text("extern_id"):
            return record.named("extern_id")
        return f"{record.named('person_id')}, as {record.named('extern_id')} is empty"
    return record.named(origin.value)


def _lastname(record: Record) -> str:
    if record.mapping.infix_before_lastname and record.text("infix"):
        return f"{record.named('infix')} and {record.named('lastname')}"
    return record.named("lastname") if record.text("lastname") else _stand_in(record, "lastname")


def _stand_in(record: Record, name: Literal["firstname", "lastname"]) -> str:
    said = record.mapping.missing_names.get(name)
    return f"{record.named(name)} is empty; what stands for it (missing_names.{name})" if said else record.named(name)


def _email(record: Record, email: str) -> str:
    columns = record.mapping.email
    for column in columns:
        if email and record.text(column) == email:
            return record.named(column)
    return f"none of {', '.join(columns)} holds a usable address"


def _origin(record: Record, origin: FieldValue, key: str) -> str:
    if origin.column is None:
        return f"the same for everyone ({key})"
    if origin.default and not record.text(origin.column):
        return f"default of {key}, as {record.named(origin.column)} is empty"
    text = record.text(origin.column)
    if origin.value_map and text:
        known = origin.translated(text) is not None
        how = (
            f"as {key}.value_map has it" if known else f"which {key}.value_map does not name ({origin.unmatched.value})"
        )
        return f"{record.named(origin.column)}, {how}"
    return record.named(origin.column)
