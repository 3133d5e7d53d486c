"""What will be written, and what differs in Moodle because someone changed it there by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.fields import (
    FIELDS,
    MAPPED_FIELDS,
    NAME_FIELDS,
    NEEDS_PASSWORD,
    NEVER_EMPTIED,
    NO_OPTION,
    PROFILE_PREFIX,
    ProfileType,
    Seen,
    contradicts,
    date_stored,
    is_that_date,
    near_option,
    to_moodle,
)
from moodle_coupling.errors import MappingError
from moodle_coupling.mapping import FieldValue, Write
from moodle_coupling.matching.frames import ALWAYS_PROTECTED
from moodle_coupling.matching.view import differs, is_empty
from moodle_coupling.matching.written import Pieces, quoted
from moodle_coupling.people.arrow import (
    as_mask,
    blank_where,
    change_where,
    choose,
    equal,
    is_blank,
    is_in,
    join,
    pa,
    pc,
    same_text,
    taken,
    to_series,
    to_texts,
    together,
)
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.rules import Reasons
from moodle_coupling.people.usernames import assign_usernames, names_in_the_way, numbered
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from collections.abc import Mapping as Mapping_

    from numpy.typing import NDArray

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.mapping.parts import ProfileValue
    from moodle_coupling.matching.frames import Remembered
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Mask, Texts


# ---- Profile fields by their type: what the source says and what Moodle holds, written alike so that they can be
# compared.

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


# ---- What will be written ----

_NEEDS_PASSWORD: Final = NEEDS_PASSWORD | {""}  # '' becomes manual


class Changes:
    """Changes by row number of the plan, which grow field by field."""

    def __init__(self, rows: int) -> None:
        self._pieces = Pieces(rows)

    def add(self, where: NDArray[np.intp], field: str, old: Texts | None, new: Texts) -> None:
        """Add ``field`` at the row numbers ``where``; ``old`` None stands for null."""
        if len(where):
            held = "null" if old is None else quoted(old)
            self._pieces.add(where, join(f"{encode_basestring(field)}: [", held, ", ", quoted(new), "]"))

    def add_flag(self, where: NDArray[np.intp], field: str, pair: str) -> None:
        """Add a field that is not text; ``pair`` is the JSON of old and new without brackets."""
        self._pieces.add(where, same_text(f"{encode_basestring(field)}: [{pair}]", len(where)))

    def any(self) -> Mask:
        """Tell which rows have a change."""
        return self._pieces.any()

    def texts(self) -> Texts:
        """Give the JSON objects, '{}' where nothing was added."""
        return self._pieces.between("{", "}")


def further_fields(persons: pd.DataFrame) -> list[str]:
    """Give the mapped fields and profile fields that a candidates frame has, in the order in which they are written."""
    profile = sorted(name for name in persons.columns if name.startswith(PROFILE_PREFIX))
    return [name for name in MAPPED_FIELDS if name in persons.columns] + profile


def add_create(
    changes: Changes, at: NDArray[np.intp], fields: Iterable[str], column: Callable[[str], Texts], mapping: Mapping
) -> None:
    """Add every filled field of new persons, who stand at the row numbers ``at``; ``column`` gives their values."""
    for field in fields:
        values = column(field)
        filled = ~is_nothing(values)
        changes.add(at[filled], field, None, values.filter(pa.array(filled)))
    if mapping.password != "none":  # noqa: S105  # the setting's name, no password
        needs = is_in(column("auth"), _NEEDS_PASSWORD) if "auth" in fields else np.ones(len(at), dtype=bool)
        changes.add_flag(at[needs], "createpassword", "null, true")


def policy_of(field: str, mapping: Mapping) -> Write:
    """Say when a field of an existing account is written; a field that the mapping does not name never is."""
    if field not in NAME_FIELDS and _setting(field, mapping) is None:
        return Write.ON_CREATE
    return mapping.write_policy(field)


def may_be_emptied(field: str, mapping: Mapping) -> bool:
    """Tell whether an empty value of the source may empty the field in Moodle."""
    setting = _setting(field, mapping)
    return field not in NEVER_EMPTIED and setting is not None and setting.column is not None


def to_write(field: str, old: Texts, new: Texts, mapping: Mapping, *, barred: Mask, remarked: Mask) -> Mask:
    """Tell which rows of an existing account get ``new`` in ``field``.

    ``barred`` are rows whose value must not be written; ``remarked`` rows with any reason on that field, where an empty
    value means "was not usable" and not "was emptied".
    """
    policy = policy_of(field, mapping)
    if policy == Write.ON_CREATE:
        return np.zeros(len(barred), dtype=bool)
    wanted = differs(field, old, new) & ~barred
    if not wanted.any():
        return wanted
    filled = ~is_nothing(new)
    if policy == Write.IF_EMPTY:
        return wanted & filled & is_empty(field, old)
    if not may_be_emptied(field, mapping):
        return wanted & filled
    return wanted & (filled | ~remarked)


def _setting(field: str, mapping: Mapping) -> FieldValue | None:
    if field.startswith(PROFILE_PREFIX):
        return mapping.profile_fields.get(field.removeprefix(PROFILE_PREFIX))
    return mapping.fields.get(field)


def final_usernames(view: View, persons: Places) -> Texts:
    """Give the username that each of ``persons`` (places) gets: free in Moodle and in this plan.

    Who gets the bare name is decided by the source's id, so that neither the order nor the rest of the file matters.
    Moodle's own names are never free: its Users report does not show the guest.
    """
    bases, ids, idnumbers = (view.mine(name).take(pa.array(persons)) for name in ("username", "person_id", "idnumber"))
    order = choose(is_nothing(ids), idnumbers, ids)
    names = together(view.theirs("username"), pa.array(ALWAYS_PROTECTED, type=pa.large_string()))
    return to_texts(assign_usernames(to_series(bases), to_series(order), names_in_the_way(names, bases)))


def carries(username: str, base: str) -> bool:
    """Tell whether a username is ``base``, bare or with a number behind it."""
    if username == base:
        return True
    digits = re.search(r"[0-9]*$", username)
    tail = digits.group() if digits else ""
    numbers = (tail[at:] for at in range(len(tail)))
    return any(number[0] != "0" and int(number) >= 2 and numbered(base, int(number)) == username for number in numbers)


def to_rename(view: View, mine: Places, theirs: Places) -> Mask:
    """Tell of which of these persons, each with an account, that account's username is not theirs any more."""
    other = np.zeros(len(mine), dtype=bool)
    if not view.mapping.username.rename:
        return other
    bases, names = view.mine("username").take(pa.array(mine)), view.theirs("username").take(pa.array(theirs))
    some = np.flatnonzero(~is_nothing(bases) & ~equal(names, bases))
    doubtful = zip(*(texts.take(pa.array(some)).to_pylist() for texts in (bases, names)), strict=True)
    other[some] = [not carries(name.strip().casefold(), base) for base, name in doubtful]
    return other


REPAIRED: Final = "repaired"
REPORTED: Final = "reported"
_PERSONAL: Final = frozenset(field.name for field in FIELDS if field.personal)
_NO_LINKS: Final = pd.DataFrame({"idnumber": pd.Series(dtype="str"), "username": pd.Series(dtype="str")})


class Drift:
    """What was changed by hand, by row number of the plan: {field: [in Moodle, in the source, repaired or reported]}."""

    def __init__(self, view: View, known: Remembered, rows: int) -> None:
        links = known.links if known.links is not None and "username" in known.links else _NO_LINKS
        persons = view.persons["row"].to_numpy(dtype=np.int64)
        as_written = np.fromiter(known.as_written, dtype=np.int64, count=len(known.as_written))
        self._as_written = np.isin(persons, as_written)
        self._usernames = links[["idnumber", "username"]]
        self._found = Pieces(rows)

    def note_usernames(self, view: View, at: Places, accounts: Places, *, renamed: Mask) -> None:
        """Note whose account has another username by now than when it was last looked at."""
        if self._usernames.empty:
            return
        # An account that is named as its own link says differs from no link, and that is nearly every one.
        same = view.linked_by_us & equal(view.theirs("username"), view.known_username)
        some = self._as_written[at] & (renamed | ~same[accounts])
        if not some.any():
            return
        at, accounts, renamed = at[some], accounts[some], renamed[some]
        idnumbers = view.mine("idnumber").take(pa.array(at))
        coded = pc.dictionary_encode(idnumbers)
        links = pc.index_in(to_texts(self._usernames["idnumber"]), value_set=coded.dictionary)
        numbers = pc.fill_null(links, -1).to_numpy()
        known = np.flatnonzero(numbers >= 0)
        place = np.full(len(coded.dictionary), -1, dtype=np.intp)
        place[numbers[known]] = known
        # Which of several links is meant cannot be told.
        place[np.bincount(numbers[known], minlength=len(place)) > 1] = -1
        given = taken(to_texts(self._usernames["username"]), place[coded.indices.to_numpy()])
        held = view.theirs("username").take(pa.array(accounts))
        self.note("username", at, held, given, barred=is_nothing(given), written=renamed)

    def note(  # each is a fact of its own
        self, name: str, at: Places, old: Texts, new: Texts, *, barred: Mask, written: Mask
    ) -> None:
        """Note where a field differs of those as written; ``written`` are those in whom the plan puts it right."""
        if name in _PERSONAL:
            return
        mine = self._as_written[at] & ~barred
        if not mine.any():
            return
        mine &= written | (differs(name, old, new) & ~is_nothing(new))
        some = pa.array(mine)
        held, said = (quoted(texts.filter(some)) for texts in (old, new))
        done = choose(written[mine], f'"{REPAIRED}"', f'"{REPORTED}"')
        self._found.add(at[mine], join(f"{encode_basestring(name)}: [", held, ", ", said, ", ", done, "]"))

    def texts(self) -> Texts:
        """Give the JSON objects, one per row of the plan."""
        return self._found.between("{", "}")


# ---- Fields that a site can hide from the token one by one: absent is then not empty, and each must be proved visible.

HIDEABLE: Final = tuple(field.name for field in FIELDS if field.seen is Seen.NOT_HIDDEN and field.width)
"""What hiddenuserfields hides without a trace: Moodle leaves an empty value out of its answers, and a hidden one alike
(recordings 460-493). A hidden 'suspended' or e-mail address shows on every account, and a run refuses to start. Profile
fields are shown with moodle/user:viewalldetails whatever their visibility (recording 287), and without it no username is."""


def compared_fields(mapping: Mapping) -> tuple[str, ...]:
    """Give those of HIDEABLE that the mapping writes to accounts that are there, so that they must be seen."""
    return tuple(field for field in HIDEABLE if policy_of(field, mapping) != Write.ON_CREATE)


def shown_fields(accounts: pd.DataFrame, fields: Iterable[str], *, own_id: int | None) -> set[str]:
    """Give those fields that are seen to be visible: some account other than the service user's shows a value.

    A user may see more of itself than of others, so its own account proves nothing; while it is not known which one that
    is (``own_id`` None) two accounts must show a value.
    """
    others = accounts if own_id is None else accounts[accounts["id"] != own_id]
    enough = 2 if own_id is None else 1
    return {field for field in fields if field in others and int((others[field] != "").sum()) >= enough}
