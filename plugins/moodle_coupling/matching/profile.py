"""Profile fields by their type: what the source says and what Moodle holds, written alike so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.contract.profile_types import ProfileType, contradicts, date_stored, is_that_date
from moodle_coupling.contract.profile_values import NO_OPTION, near_option, to_moodle
from moodle_coupling.errors import MappingError
from moodle_coupling.mapping import Write
from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.reasons import Reasons
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Mapping as Mapping_

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.mapping.parts import ProfileValue


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
        stored = accounts[column].map({text: date_stored(text, zone) for text in accounts[column].unique()})
        accounts = accounts.assign(**{column: stored.astype("str")})
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
    return frozenset(accounts[column]) - {""} if column in accounts else frozenset()


def _sent(
    found: Typed, column: str, setting: ProfileValue, type_: str, options: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    texts = found.candidates[column]
    left_out = found.candidates["row"].isin(found.reasons.loc[found.reasons["field"] == column, "row"]) & (texts == "")
    told = {text: to_moodle(text, type_, setting, options) for text in texts.unique()}
    values = texts.map({text: value for text, (value, _) in told.items()}).where(~left_out, "").astype("str")
    codes = texts.map({text: code for text, (_, code) in told.items()}).where(~left_out, "")
    noted = Reasons(found.candidates["row"].to_numpy(), found.candidates["in_scope"].to_numpy(dtype=bool))
    for code in sorted(set(codes) - {""}):
        meant = (lambda text: near_option(text, options)) if code == NO_OPTION else None
        noted.add(code, (codes == code).to_numpy(), to_texts(texts), column, likeliest=meant)
    more = noted.frame()
    reasons = pd.concat([found.reasons, more], ignore_index=True) if len(more) else found.reasons
    return found.candidates.assign(**{column: values}), reasons


def _undeclared_dates(found: Typed, column: str) -> Typed:
    """Leave a field of unknown type alone, but where Moodle holds the very date that the source says, as a timestamp."""
    if column not in found.accounts:
        return found
    keys = found.candidates.drop_duplicates("idnumber").set_index("idnumber")[column]
    said = found.accounts["idnumber"].map(keys).astype("object").fillna("")
    held = found.accounts[column]
    same = [len(old) > 8 and is_that_date(old, new) for old, new in zip(held, said, strict=True)]
    return Typed(
        found.candidates,
        found.reasons,
        found.accounts.assign(**{column: held.where(~pd.Series(same, index=held.index), said)}),
    )
