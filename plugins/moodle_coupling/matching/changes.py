"""What will be written, and what differs in Moodle because someone changed it there by hand."""

from __future__ import annotations

import re
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
    PROFILE_PREFIX,
)
from moodle_coupling.mapping import FieldValue, Write
from moodle_coupling.matching.compare import differs, is_empty
from moodle_coupling.matching.frames import ALWAYS_PROTECTED
from moodle_coupling.matching.written import Pieces, quoted
from moodle_coupling.people.arrow import (
    choose,
    equal,
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
from moodle_coupling.people.usernames import assign_usernames, names_in_the_way, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.matching.frames import Remembered
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Mask, Texts

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
