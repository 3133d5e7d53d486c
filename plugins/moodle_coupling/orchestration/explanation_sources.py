"""What a trace is made of: where each value comes from, what the ledger knows of the person, and ids that look alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Literal

from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.contract.recipes import RECIPES
from moodle_coupling.mapping import IdnumberFrom, Write
from moodle_coupling.people.table import Table
from moodle_coupling.people.usernames import plain_maker
from moodle_coupling.words.sentence import ENGLISH, Sentence, as_sentence, text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable
    from collections.abc import Mapping as MappingOf

    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Condition, FieldValue, Mapping


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

    def named(self, column: str) -> Sentence:
        """Name a column, with its heading in the source where that is another."""
        heading = self.headings.get(column)
        if heading and heading != column:
            return Sentence("explain.column_headed", column=column, heading=heading)
        return Sentence("explain.column", column=column)


def why_out_of_scope(record: Record) -> dict[str, Sentence]:
    """Give the conditions of the mapping's scope that do not hold for the person, by name, with what was found."""
    from moodle_coupling.people.rules import holds

    scope, found = record.mapping.scope, {}
    if not scope.inactive and record.table.flag("inactive")[0]:
        found["scope.inactive"] = Sentence("explain.has_left", where="scope.inactive", column=record.named("inactive"))
    for number, condition in enumerate(scope.include):
        where = f"scope.include[{number}]"
        if not holds(condition, record.table.texts(condition.column), where)[0]:
            found[where] = Sentence(
                "explain.condition",
                where=where,
                column=record.named(condition.column),
                value=record.text(condition.column),
                wanted=_wanted(condition),
            )
    return found


def username_lines(record: Record, base: str) -> list[Sentence]:
    """Say of which parts the username is made and what the recipe makes of each."""
    settings = record.mapping.username
    plain = plain_maker(settings.transliterate)
    recipe = Sentence("explain.recipe", recipe=settings.recipe.value)
    if len(RECIPES[settings.recipe].parts) > 1:
        recipe = Sentence("explain.recipe_separated", recipe=settings.recipe.value, separator=settings.separator)
    made = Sentence("explain.username", recipe=recipe, username=base)
    lines = [made if base else Sentence("explain.no_username", recipe=recipe)]
    for name in RECIPES[settings.recipe].parts:
        origin, found = _part(record, name)
        became = Sentence("explain.part", part=name, text=found, plain=plain(found))
        said = became if found else Sentence("explain.part_empty", part=name)
        lines.append(Sentence("explain.part_of", part=said, origin=origin) if origin else said)
    return lines


def field_origins(record: Record, *, email: str, from_file: Collection[str]) -> dict[str, Sentence]:
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
            else Sentence("explain.connection_default", connection=mapping.connection)
        )
    for shortname, origin in mapping.profile_fields.items():
        found[f"{PROFILE_PREFIX}{shortname}"] = _origin(record, origin, f"profile_fields.{shortname}")
    return {name: _when(origin, mapping.write_policy(name)) for name, origin in found.items()}


def _when(origin: Sentence, write: Write) -> Sentence:
    if write is Write.ON_CREATE:
        return Sentence("explain.on_create", origin=origin)
    return Sentence("explain.if_empty", origin=origin) if write is Write.IF_EMPTY else origin


def _wanted(condition: Condition) -> str:
    said = condition.model_dump(exclude_none=True, exclude={"column"})
    return ", ".join(f"{test} {value!r}" for test, value in said.items())


def _part(record: Record, name: str) -> tuple[Sentence | None, str]:
    """Give where a part of the recipe comes from, and its text; of an address the fields tell where it comes from."""
    if name == "initial":
        column = "initials" if record.text("initials") else "firstname"
        return Sentence("explain.first_letter", column=record.named(column)), record.text(column)
    if name == "email":
        return None, next((found for column in record.mapping.email if (found := record.text(column))), "")
    return record.named(name), record.text(name)


def _idnumber(record: Record) -> Sentence:
    origin = record.mapping.idnumber
    if origin is IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID:
        if record.text("extern_id"):
            return record.named("extern_id")
        return Sentence("explain.other_column", column=record.named("person_id"), empty=record.named("extern_id"))
    return record.named(origin.value)


def _lastname(record: Record) -> Sentence:
    if record.mapping.infix_before_lastname and record.text("infix"):
        return Sentence("explain.two_columns", first=record.named("infix"), second=record.named("lastname"))
    return record.named("lastname") if record.text("lastname") else _stand_in(record, "lastname")


def _stand_in(record: Record, name: Literal["firstname", "lastname"]) -> Sentence:
    if record.mapping.missing_names.get(name):
        return Sentence("explain.stand_in", column=record.named(name), key=f"missing_names.{name}")
    return record.named(name)


def _email(record: Record, email: str) -> Sentence:
    columns = record.mapping.email
    for column in columns:
        if email and record.text(column) == email:
            return record.named(column)
    return Sentence("explain.no_address", columns=list(columns))


def _origin(record: Record, origin: FieldValue, key: str) -> Sentence:
    if origin.column is None:
        return Sentence("explain.same_for_everyone", key=key)
    column, found = record.named(origin.column), record.text(origin.column)
    if origin.default and not found:
        return Sentence("explain.default", key=key, column=column)
    if origin.value_map and found:
        if origin.translated(found) is not None:
            return Sentence("explain.value_map", column=column, key=key)
        return Sentence("explain.value_map_unmatched", column=column, key=key, unmatched=origin.unmatched.value)
    return column


MOST_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class LastWritten:
    """The value that was last written to a field, and when (UTC)."""

    value: Any
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class History:
    """``known`` is False where there is no ledger to ask.

    ``written``: field → what was last written to it. ``outcomes``: what happened lately, latest first.
    ``mismatches``: those that are open or decided, a sentence each.
    """

    known: bool
    written: dict[str, LastWritten]
    outcomes: tuple[Sentence, ...]
    mismatches: tuple[Sentence, ...]


NOTHING: Final = History(known=False, written={}, outcomes=(), mismatches=())


def person_history(ledger: Ledger | None, environment: str, person_id: str, idnumber: str) -> History:
    """Look a person up in the ledger; raises LedgerUnavailable."""
    if ledger is None or not (person_id or idnumber):
        return NOTHING
    from moodle_coupling.ledger.people import person_mismatches, person_outcomes

    outcomes = person_outcomes(ledger, person_id=person_id, idnumber=idnumber, environment=environment, limit=100)
    mismatches = person_mismatches(ledger, person_id=person_id, idnumber=idnumber, environment=environment)
    told = [_outcome_line(row) for _, row in outcomes[outcomes["action"] != "none"].head(MOST_TOLD).iterrows()]
    return History(
        known=True,
        written=_written(outcomes[outcomes["status"] == "done"]),
        outcomes=tuple(told),
        mismatches=tuple(_mismatch_lines(ledger, mismatches)),
    )


def as_change(field: str, old: Any, new: Any) -> Sentence:
    """Give one change in words: "lastname: 'Jansen' → 'de Wit'"; a new account has no old value."""
    if old is None:
        return Sentence("explain.value", field=field, new=_shown(new))
    return Sentence("explain.change", field=field, old=_shown(old), new=_shown(new))


def changes_of(written: str) -> dict[str, tuple[Any, Any]]:
    """Read the JSON of a plan's or an outcome's changes: field → (old, new)."""
    return {str(name): (pair[0], pair[1]) for name, pair in json.loads(written or "{}").items()}


def word(name: str) -> Sentence:
    """Give the word for an action, a status, a proposal or a kind of decision by its name."""
    code = f"explain.word.{name}"
    return Sentence(code) if ENGLISH.knows(code) else text(name)


def done(action: str, status: str, code: str, message: str = "") -> Sentence:
    """Give what became of an action: 'create done', or 'update failed (moodle_down: …)'."""
    said = Sentence("explain.did", action=word(action), status=word(status))
    if code and message:
        return Sentence("explain.did_as", did=said, code=code, message=as_sentence(message))
    return Sentence("explain.did_for", did=said, code=code) if code else said


def _shown(value: Any) -> str | Sentence:
    if isinstance(value, bool):
        return Sentence("explain.yes" if value else "explain.no")
    return f"'{value}'"


def _written(those: pd.DataFrame) -> dict[str, LastWritten]:
    found: dict[str, LastWritten] = {}
    for changes, at in zip(those["changes"], those["at"], strict=True):  # latest first
        for name, (_old, new) in changes_of(changes).items():
            found.setdefault(name, LastWritten(new, at.to_pydatetime()))
    return found


def _outcome_line(row: pd.Series[Any]) -> Sentence:
    did = done(row["action"], row["status"], row["code"], row["message"])
    changes = [as_change(name, *pair) for name, pair in changes_of(row["changes"]).items()]
    at = f"{row['at']:%Y-%m-%d %H:%M} UTC"
    if changes:
        return Sentence("explain.before_changes", at=at, did=did, changes=changes)
    return Sentence("explain.before", at=at, did=did)


def _mismatch_lines(ledger: Ledger, mismatches: pd.DataFrame) -> list[Sentence]:
    from moodle_coupling.ledger.decisions import decision_history
    from moodle_coupling.ledger.words import MismatchStatus

    standing = mismatches[mismatches["status"].isin([MismatchStatus.OPEN, MismatchStatus.DECIDED])]
    lines = []
    for _, row in standing.head(MOST_TOLD).iterrows():
        line = Sentence(
            "explain.mismatch",
            id=int(row["id"]),
            verdict=row["verdict"],
            status=word(row["status"]),
            since=f"{row['first_seen']:%Y-%m-%d}",
        )
        decided = decision_history(ledger, int(row["id"]))
        if decided:
            last = decided[-1]
            line = Sentence("explain.decided", mismatch=line, kind=last.kind, by=last.by, on=f"{last.at:%Y-%m-%d}")
            if last.note:
                line = Sentence("explain.noted", decided=line, note=last.note)
        lines.append(line)
    return lines


MOST: Final = 5
_LOOK_ALIKE: Final = str.maketrans("oil", "011")
_LONGEST: Final = 40
"""Longer ids are only compared without regard to letter case, signs and zeros in front."""


def near_ids(wanted: str, ids: Iterable[str]) -> list[str]:
    """Give at most five of ``ids`` that someone may have meant by ``wanted``, the likeliest first.

    Compared is not with each id (a hundred thousand take seconds): what one slip makes of ``wanted`` is looked up.
    """
    known = dict.fromkeys(id_ for id_ in ids if id_)
    plain = _plain(wanted)
    if not plain:
        return []
    same = [id_ for id_ in known if _plain(id_) == plain]
    by_letters: dict[str, str] = {}
    for id_ in known:
        by_letters.setdefault(id_.casefold(), id_)
    slips = _slips(wanted.strip().casefold()) if len(wanted) <= _LONGEST else set()
    # People slip at the end more than at the beginning.
    begun = wanted.strip().casefold()
    likeliest = sorted(slips & by_letters.keys(), key=lambda slip: (-_alike(slip, begun), slip))
    slipped = [by_letters[slip] for slip in likeliest]
    return list(dict.fromkeys([*same, *slipped]))[:MOST]


def _plain(id_: str) -> str:
    return "".join(sign for sign in id_.casefold() if sign.isalnum()).translate(_LOOK_ALIKE).lstrip("0")


def _alike(one: str, other: str) -> int:
    """Count the letters with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _slips(text: str) -> set[str]:
    """Give every text that is one letter more, less, other or swapped away."""
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789-_. ") | set(text)
    splits = [(text[:at], text[at:]) for at in range(len(text) + 1)]
    less = {left + right[1:] for left, right in splits if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in splits if len(right) > 1}
    other = {left + letter + right[1:] for left, right in splits if right for letter in letters}
    more = {left + letter + right for left, right in splits for letter in letters}
    return less | swapped | other | more
