"""Profile fields by their type: what the source says and what Moodle holds, written alike so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.contract.profile_fields import (
    NO_OPTION,
    ProfileType,
    contradicts,
    date_stored,
    is_that_date,
    near_option,
    to_moodle,
)
from moodle_coupling.errors import MappingError
from moodle_coupling.mapping import Write
from moodle_coupling.people.arrow import (
    as_mask,
    blank_where,
    change_where,
    equal,
    is_blank,
    pa,
    pc,
    to_series,
    to_texts,
)
from moodle_coupling.people.reasons import Reasons
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Mapping as Mapping_

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.mapping.parts import ProfileValue


_LONG_STAMP: Final = r"^-?\p{Nd}{8,11}$"
"""What can be a timestamp: a date of the source, written without signs between, is no longer than eight characters."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Candidates, reasons and accounts in which profile fields hold what Moodle stores, dates as they are sent."""

    candidates: pd.DataFrame
    reasons: pd.DataFrame
    accounts: pd.DataFrame


def with_types(
    candidates: pd.DataFrame, reasons: pd.DataFrame, accounts: pd.DataFrame, mapping: Mapping, types: Mapping_[str, str]
) -> Typed:
    """Convert the profile fields that the mapping names.

    ``types``: the types that the site shows, by shortname. A value that Moodle would drop or bend becomes '', with a reason.
    Raises MappingError where the site contradicts the mapping.
    """
    found = Typed(candidates, reasons, accounts)
    for shortname, setting in mapping.profile_fields.items():
        column = PROFILE_PREFIX + shortname
        if column in candidates:
            found = _converted(found, column, setting, type_of(shortname, mapping, types))
    return found


def type_of(shortname: str, mapping: Mapping, types: Mapping_[str, str]) -> str:
    """Give a profile field's type, by the site's word or else the mapping's; '' when nobody says it."""
    said, shown = mapping.profile_fields[shortname].type or "", types.get(shortname, "")
    if not contradicts(said, shown):
        return shown or said
    raise MappingError(
        Sentence(
            "matching.profile_type",
            coupling=mapping.environment,
            field=shortname,
            said=said,
            shown=shown,
            file=str(mapping.path or mapping.environment),
        )
    )


def _converted(found: Typed, column: str, setting: ProfileValue, type_: str) -> Typed:
    if type_ == "":
        return _undeclared_dates(found, column)
    if type_ not in (ProfileType.MENU, ProfileType.CHECKBOX, ProfileType.DATETIME):
        return found
    accounts = found.accounts
    options = _options(setting, accounts, column)
    if column in accounts and type_ == ProfileType.DATETIME:
        zone = setting.time_zone or ""
        texts = to_texts(accounts[column])
        stored = change_where(texts, ~is_blank(texts), lambda text: date_stored(text, zone))
        accounts = accounts.assign(**{column: to_series(stored).set_axis(accounts.index)})
    if column in accounts and type_ == ProfileType.CHECKBOX:
        accounts = accounts.assign(**{column: accounts[column].replace("", "0")})
    if column not in accounts and type_ == ProfileType.CHECKBOX:
        accounts = accounts.assign(**{column: pd.Series("0", index=accounts.index, dtype="str")})
    candidates, reasons = _sent(found, column, setting, type_, options)
    if type_ == ProfileType.CHECKBOX and setting.write is Write.IF_EMPTY:
        # No tick and never said look alike in Moodle (recording 460): both are empty.
        candidates = candidates.assign(**{column: candidates[column].replace("0", "")})
        accounts = accounts.assign(**{column: accounts[column].replace("0", "")})
    return Typed(candidates, reasons, accounts)


def _options(setting: ProfileValue, accounts: pd.DataFrame, column: str) -> frozenset[str]:
    if setting.options is not None:
        return frozenset(setting.options)
    return frozenset(pc.unique(to_texts(accounts[column])).to_pylist()) - {""} if column in accounts else frozenset()


def _sent(
    found: Typed, column: str, setting: ProfileValue, type_: str, options: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    texts = to_texts(found.candidates[column])
    rows = found.reasons.loc[(found.reasons["field"] == column).to_numpy(), "row"]
    left_out = np.isin(found.candidates["row"], rows) & is_blank(texts)
    coded = pc.dictionary_encode(texts)
    told = [to_moodle(text, type_, setting, options) for text in coded.dictionary.to_pylist()]
    values, codes = (
        blank_where(pa.array([pair[at] for pair in told], type=pa.large_string()).take(coded.indices), left_out)
        for at in (0, 1)
    )
    noted = Reasons(found.candidates["row"].to_numpy(), found.candidates["in_scope"].to_numpy(dtype=bool))
    for code in sorted({code for _, code in told} - {""}):
        meant = (lambda text: near_option(text, options)) if code == NO_OPTION else None
        noted.add(code, equal(codes, code), texts, column, likeliest=meant)
    more = noted.frame()
    reasons = pd.concat([found.reasons, more], ignore_index=True) if len(more) else found.reasons
    sent = to_series(values).set_axis(found.candidates.index)
    return found.candidates.assign(**{column: sent}), reasons


def _undeclared_dates(found: Typed, column: str) -> Typed:
    """Leave a field of unknown type alone, but where Moodle holds the very date that the source says, as a timestamp."""
    if column not in found.accounts:
        return found
    held = to_texts(found.accounts[column])
    stamps = as_mask(pc.match_substring_regex(held, _LONG_STAMP))
    if not stamps.any():
        return found
    keys = found.candidates.drop_duplicates("idnumber").set_index("idnumber")[column]
    said = found.accounts["idnumber"][stamps].map(keys).astype("object").fillna("")
    pairs = list(zip(held.filter(pa.array(stamps)).to_pylist(), said, strict=True))
    alike = {(old, new) for old, new in set(pairs) if len(old) > 8 and is_that_date(old, new)}
    texts = pa.array([new if (old, new) in alike else old for old, new in pairs], type=pa.large_string())
    changed = to_series(pc.replace_with_mask(held, pa.array(stamps), texts))
    return Typed(
        found.candidates, found.reasons, found.accounts.assign(**{column: changed.set_axis(found.accounts.index)})
    )
