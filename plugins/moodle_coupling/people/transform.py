"""From persons to candidates: cleaned, named, with a base username, and with a reason for whatever is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import INACTIVE_UNREAD
from moodle_coupling.contract.fields import FIELD_BY_NAME, PROFILE_PREFIX, PROFILE_WIDTH, WIDTHS, Takes
from moodle_coupling.contract.recipes import RECIPES
from moodle_coupling.mapping import IdnumberFrom, Unmatched
from moodle_coupling.mapping.checks import to_code
from moodle_coupling.people import rules
from moodle_coupling.people.arrow import (
    at_once,
    blank_where,
    change_where,
    choose,
    collector_at_rest,
    is_blank,
    join,
    longer_than,
    pc,
    same_text,
    to_series,
)
from moodle_coupling.people.cleaning import damaged, surnames
from moodle_coupling.people.rules import Blocks, Reasons, holds, note_sources
from moodle_coupling.people.table import Table, first_filled, rows_of
from moodle_coupling.people.usernames import base_usernames

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf

    from moodle_coupling.mapping import FieldValue, Mapping
    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.people.cleaning import Surnames


@dataclass(frozen=True, slots=True)
class TransformCounts:
    """Persons read, in scope, stopped altogether, and in scope but not good enough for a new account; reasons by code."""

    persons: int
    in_scope: int
    rejected: int
    not_creatable: int
    reasons: MappingOf[str, int]


@dataclass(frozen=True, slots=True)
class Transformed:
    """What became of the persons.

    ``candidates``: one row per person, in the persons' order; CANDIDATE_COLUMNS and then the mapping's fields.
    ``reasons``: REASON_COLUMNS, several rows per person possible, only of persons in scope.
    """

    candidates: pd.DataFrame
    reasons: pd.DataFrame
    counts: TransformCounts


ROWS_AT_ONCE: Final = 125_000
"""Persons looked at together; nothing is judged across persons. Parts of a large frame use a second core, and their
arrays stay near it."""

_NAMES: Final = frozenset({"firstname", "lastname"})
"""Fields without which Moodle makes no account."""


@collector_at_rest()
def transform(persons: pd.DataFrame, mapping: Mapping) -> Transformed:
    """Return the candidates of a persons frame, and a reason for everything that Moodle would refuse or spoil.

    ``persons`` has the columns of PERSON_COLUMNS (any of which may be absent, but for ``row``) and free ones. A value
    that Moodle cannot take is '' in the candidates; the reason says which it was. Depends on nothing but its arguments.

    Raises:
        MappingError: the mapping names a column that there is not.
        InputError: the frame lacks ``row``, or it is not unique.

    """
    rows_of(persons)
    parts = [persons.iloc[first : first + ROWS_AT_ONCE] for first in range(0, len(persons), ROWS_AT_ONCE)] or [persons]
    found = at_once(partial(_of_part, part, mapping) for part in parts)
    candidates, reasons = (pd.concat(frames, ignore_index=True) for frames in zip(*found, strict=True))
    return Transformed(candidates, reasons, _counts(candidates["in_scope"].to_numpy(), reasons))


def _of_part(persons: pd.DataFrame, mapping: Mapping) -> tuple[pd.DataFrame, pd.DataFrame]:
    file = mapping.path or f"include/mappings/{mapping.environment}.yaml"
    table = Table(persons, mapping.environment, str(file))
    in_scope = _in_scope(table, mapping)
    reasons = Reasons(table.rows, in_scope)
    columns: dict[str, Texts] = {}
    columns["idnumber"], columns["other_id"] = _ids(table, mapping.idnumber, reasons)
    if table.has(INACTIVE_UNREAD):
        unread = table.texts(INACTIVE_UNREAD)
        reasons.add("inactive_unclear", ~is_blank(unread), unread)
    note_sources(table, reasons)
    parts = surnames(table.texts("infix"), table.texts("lastname"))
    columns |= _names(table, mapping, parts, reasons)
    columns["email"] = _email(table, mapping, reasons)
    columns["username"] = _username(table, mapping, parts, columns["email"], reasons)
    further = _fields(table, mapping, reasons)
    frame = reasons.frame()
    candidates = pd.DataFrame(
        {
            "row": table.rows,
            "person_id": to_series(table.texts("person_id")),
            "extern_id": to_series(table.texts("extern_id")),
            **{
                name: to_series(columns[name])
                for name in ("idnumber", "other_id", "username", "firstname", "lastname", "email")
            },
            "inactive": table.flag("inactive"),
            "in_scope": in_scope,
            **{name: to_series(texts) for name, texts in further.items()},
        }
    )
    return candidates, frame


def _counts(in_scope: Mask, reasons: pd.DataFrame) -> TransformCounts:
    stopped = reasons.loc[reasons["blocks"] == Blocks.ALL, "row"].unique()
    doubtful = reasons.loc[reasons["blocks"] == Blocks.CREATE, "row"].unique()
    by_code = {str(code): int(number) for code, number in reasons["code"].value_counts().items()}
    return TransformCounts(
        persons=len(in_scope),
        in_scope=int(in_scope.sum()),
        rejected=len(stopped),
        not_creatable=len(np.setdiff1d(doubtful, stopped)),
        reasons=by_code,
    )


def _in_scope(table: Table, mapping: Mapping) -> Mask:
    mask = np.ones(len(table), dtype=bool) if mapping.scope.inactive else ~table.flag("inactive")
    for number, condition in enumerate(mapping.scope.include):
        where = f"scope.include[{number}]"
        mask &= holds(condition, table.texts(condition.column, f"{where}.column"), where)
    return mask


def _ids(table: Table, origin: IdnumberFrom, reasons: Reasons) -> tuple[Texts, Texts]:
    """Return the idnumber and the person's other id."""
    extern, person = table.texts("extern_id"), table.texts("person_id")
    if origin is IdnumberFrom.EXTERN_ID:
        chosen, other = extern, person
    elif origin is IdnumberFrom.PERSON_ID:
        chosen, other = person, extern
    else:
        chosen, other = first_filled(extern, person), blank_where(person, is_blank(extern))
    zero = rules.is_zero(chosen)
    long = longer_than(chosen, WIDTHS["idnumber"])
    spoilt = _spoilt(chosen)
    reasons.add("idnumber_missing", is_blank(chosen))
    reasons.add("idnumber_zero", zero, chosen)
    reasons.add("idnumber_too_long", long, chosen)
    reasons.add("idnumber_spoilt", spoilt, chosen)
    other_spoilt = _spoilt(other)
    reasons.add("other_id_spoilt", other_spoilt, other)
    return blank_where(chosen, zero | long | spoilt), blank_where(other, other_spoilt)


def _spoilt(ids: Texts) -> Mask:
    return rules.is_spoilt(ids) | damaged(ids)


def _names(table: Table, mapping: Mapping, parts: Surnames, reasons: Reasons) -> dict[str, Texts]:
    surname = table.texts("lastname")
    spoilt = table.damaged("lastname")
    if mapping.infix_before_lastname:
        surname = parts.whole
        spoilt |= table.damaged("infix")
    names = {"firstname": table.texts("firstname"), "lastname": surname}
    names |= _stand_ins(names, mapping)
    kept = {}
    for field, mask in (("firstname", table.damaged("firstname")), ("lastname", spoilt)):
        texts = names[field]
        reasons.add(f"{field}_missing", is_blank(texts))
        kept[field] = _free_text(field, texts, mask, reasons)
    return kept


def _stand_ins(names: dict[str, Texts], mapping: Mapping) -> dict[str, Texts]:
    """Return the names with what the mapping has for a missing one; whoever has no name at all is given none."""
    other = {"firstname": names["lastname"], "lastname": names["firstname"]}
    return {
        name: choose(is_blank(names[name]) & ~is_blank(other[name]), stand_in, names[name])
        for name, stand_in in ((str(name), text) for name, text in mapping.missing_names.items())
    }


def _free_text(field: str, texts: Texts, spoilt: Mask, reasons: Reasons) -> Texts:
    """Return the texts without those that came damaged, are too long for Moodle's field or hold tags."""
    long = longer_than(texts, WIDTHS[field])
    tags = rules.has_tags(texts)
    reasons.add(f"{field}_too_long", long, texts)
    reasons.add(f"{field}_has_tags", tags, texts)
    reasons.add("text_damaged", spoilt, texts, field, blocks=Blocks.CREATE if field in _NAMES else None)
    return blank_where(texts, long | tags | spoilt)


def _email(table: Table, mapping: Mapping, reasons: Reasons) -> Texts:
    """Return the first address in order of preference that Moodle takes; '' where there is none."""
    length = len(table)
    chosen = same_text("", length)
    refused = same_text("", length)
    skipped: list[tuple[str, Texts, Mask]] = []
    for name in mapping.email:
        texts = table.texts(name)
        filled, open_ = ~is_blank(texts), is_blank(chosen)
        if not (filled & open_).any():
            continue
        good = rules.is_email(texts) & ~longer_than(texts, WIDTHS["email"])
        bad = filled & ~good & open_
        if bad.any():
            skipped.append((name, texts, bad))
            refused = choose(bad & is_blank(refused), texts, refused)
        chosen = choose(good & open_, texts, chosen)
    none = is_blank(chosen)
    long = none & rules.is_email(refused) & longer_than(refused, WIDTHS["email"])
    reasons.add("email_missing", none & is_blank(refused))
    reasons.add("email_invalid", none & ~is_blank(refused) & ~long, refused)
    reasons.add("email_too_long", long, refused)
    for column, values, bad in skipped:
        reasons.add("email_skipped", bad & ~none, values, column)
    return chosen


def _username(table: Table, mapping: Mapping, parts: Surnames, email: Texts, reasons: Reasons) -> Texts:
    recipe = RECIPES[mapping.username.recipe]
    columns = {name: table.texts(name) for name in ("firstname", "initials", "extern_id")}
    columns |= {"infix": parts.infix, "lastname": parts.surname}
    columns["extern_id"] = blank_where(columns["extern_id"], rules.is_spoilt(columns["extern_id"]))
    columns["email"] = email
    usernames = base_usernames(columns, mapping.username)
    # A username outlasts the damage of what it is made of, so there is none until that is mended.
    damaged_parts = np.logical_or.reduce(
        [table.damaged(name) for name in columns if name in recipe.parts or name == "firstname"]
    )
    usernames = blank_where(usernames, damaged_parts)
    empty = is_blank(usernames) & ~damaged_parts
    if not empty.any():
        return usernames
    sources = [columns[name] for name in recipe.parts if name in columns]
    made_of = pc.utf8_trim(join(*sources, by=" "), characters=" ")
    nothing = is_blank(made_of)
    if recipe.needs:
        without = empty & is_blank(columns[recipe.needs])
        reasons.add(f"{recipe.needs}_missing", without)
        empty &= ~without
    # Where there was nothing to make it of, the missing name or address has its own reason.
    reasons.add("username_empty", empty & ~nothing, made_of)
    return usernames


def _fields(table: Table, mapping: Mapping, reasons: Reasons) -> dict[str, Texts]:
    """Return the mapping's further Moodle fields, then its profile fields, under the candidates' column names."""
    found: dict[str, Texts] = {}
    for field, origin in mapping.fields.items():
        texts = _origin(table, origin, ("fields", field), reasons)
        known = FIELD_BY_NAME[field]
        if known.takes is Takes.COUNTRY:
            texts = change_where(texts, ~is_blank(texts), to_code)
        if known.takes is Takes.TEXT:
            found[field] = _free_text(field, texts, _damaged(table, origin), reasons)
        else:
            unfit = rules.does_not_fit(known, texts)
            reasons.add(known.refusal, unfit, texts)
            found[field] = blank_where(texts, unfit)
    for shortname, origin in mapping.profile_fields.items():
        name = PROFILE_PREFIX + shortname
        texts = _origin(table, origin, ("profile_fields", shortname), reasons)
        long, spoilt = longer_than(texts, PROFILE_WIDTH), _damaged(table, origin)
        reasons.add("profile_field_too_long", long, texts, name)
        reasons.add("text_damaged", spoilt, texts, name)
        found[name] = blank_where(texts, long | spoilt)
    return found


def _origin(table: Table, origin: FieldValue, key: tuple[str, str], reasons: Reasons) -> Texts:
    """Return a field's texts: a constant, or a column's as its value_map has them, with the default where it is empty."""
    if origin.column is None:
        return same_text(origin.value or "", len(table))
    texts = table.texts(origin.column, f"{'.'.join(key)}.column")
    mapped = _mapped(texts, origin, key, reasons) if origin.value_map else texts
    return choose(is_blank(texts), origin.default, mapped) if origin.default else mapped


def _mapped(texts: Texts, origin: FieldValue, key: tuple[str, str], reasons: Reasons) -> Texts:
    filled = ~is_blank(texts)
    named = is_blank(change_where(texts, filled, lambda text: "" if origin.translated(text) is not None else "?"))
    mapped = change_where(texts, filled & named, lambda text: origin.translated(text) or "")
    if origin.unmatched is Unmatched.KEEP:
        return mapped
    section, name = key
    field = PROFILE_PREFIX + name if section == "profile_fields" else name
    blocks = Blocks.ALL if origin.unmatched is Unmatched.REJECT else None
    reasons.add("value_unmatched", ~named, texts, field, blocks=blocks)
    return blank_where(mapped, ~named)


def _damaged(table: Table, origin: FieldValue) -> Mask:
    return np.zeros(len(table), dtype=bool) if origin.column is None else table.damaged(origin.column)
