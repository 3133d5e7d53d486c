"""Drift: what differs in Moodle although the source says what was last written, so that someone changed it there by hand."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.fields import FIELDS
from moodle_coupling.matching.compare import differs
from moodle_coupling.matching.written import Pieces, quoted
from moodle_coupling.people.arrow import choose, equal, join, pa, pc, taken, to_texts
from moodle_coupling.people.arrow import is_blank as is_nothing

if TYPE_CHECKING:
    from moodle_coupling.matching.remembered import Remembered
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Mask, Texts

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
