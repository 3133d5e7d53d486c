"""Candidates against accounts: one verdict per person and, on full runs, per orphan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.compare import pairs_of_numbers
from moodle_coupling.matching.duplicates import find_duplicates
from moodle_coupling.matching.judged import VERDICT_CODES, Judged
from moodle_coupling.matching.linked import judge_linked
from moodle_coupling.matching.orphans import find_orphans
from moodle_coupling.matching.questions import judge_questions, points_of
from moodle_coupling.people.arrow import blank_where, stacked, to_series, together

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.matching.orphans import Orphans
    from moodle_coupling.matching.view import View

MATCH_COLUMNS: Final = (
    "row",  # Int64; missing for an orphan
    "person_id",
    "extern_id",
    "idnumber",
    "account_id",  # Int64; missing when no account, or more than one, is meant
    "verdict",  # Verdict, '' for a person rejected before matching
    "evidence",  # a written sentence, '' where verdict and columns say all
    "other_accounts",  # JSON [id, …]: the accounts a question points at
    "proposal",  # '' | 'link' | 're-key'
    "may_link",  # bool: the mapping allows to link this account without asking
    "email_kept",  # bool: the new e-mail address is another account's, so the account keeps its own
    "shared_field",  # 'idnumber' or 'email' for a duplicate_person
    "question_open",  # bool: some person points at this orphan
    "explained",  # bool: the source has this orphan's person, who is not in scope
)
"""Columns of the match frame: persons in scope by row, then orphans by account id."""
_AS_THEY_ARE: Final = ("person_id", "extern_id")
"""Columns that nobody looks at on the way to the plan: they share the memory of the frames that they come from."""


def match_view(view: View, *, full: bool, account_ids: Collection[int] = ()) -> pd.DataFrame:
    """Give the verdicts (MATCH_COLUMNS) on every person in scope and, when ``full``, on every orphan.

    ``account_ids``: the orphans among these accounts, though not full. Nothing depends on the order of the rows.
    """
    judged = Judged(len(view.persons))
    standing = ~view.rejected
    doubles = _judge_doubles(view, judged, standing)

    keys = view.idnumbers
    places = np.flatnonzero(standing)
    at, theirs = pairs_of_numbers(keys.persons[places], keys.accounts, keys.counts)
    mine = places[at]
    single = ~doubles[mine]
    judge_linked(view, judged, mine[single], theirs[single])

    unlinked = standing.copy()
    unlinked[mine] = False
    # Duplicates are rejected, but their questions stand: nobody else is linked to an account that they point at.
    points = points_of(view, np.flatnonzero(unlinked))
    judge_questions(view, judged, points, unlinked & ~doubles)
    judged.pointed.append(points.accounts)
    orphans = None
    if full or account_ids:
        orphans = find_orphans(view, judged, only=None if full else account_ids)
    return _frame(view, judged, orphans)


def _judge_doubles(view: View, judged: Judged, standing: np.ndarray) -> np.ndarray:
    """Reject persons who share an idnumber or an address, and tell which they are."""
    # An address that Moodle refuses anyway ('none@none') says nothing about who somebody is.
    emails = None
    if not view.mapping.matching.shared_email:
        emails = blank_where(view.mine("email"), view.email_barred | ~standing)
    found = find_duplicates(view, standing, emails)
    doubles = np.zeros(len(standing), dtype=bool)
    doubles[found.places] = True
    judged.verdicts[doubles] = VERDICT_CODES[Verdict.DUPLICATE_PERSON]
    judged.evidence.put(found.places, found.evidence)
    judged.shared_field.put(found.places, found.fields)
    return doubles


def _frame(view: View, judged: Judged, orphans: Orphans | None) -> pd.DataFrame:
    persons = len(judged.verdicts)
    more = 0 if orphans is None else len(orphans.places)
    ids = np.full(persons + more, 0, dtype=np.int64)
    known = np.r_[judged.accounts >= 0, np.ones(more, dtype=bool)]
    ids[:persons][known[:persons]] = view.ids[judged.accounts[known[:persons]]]
    rows = np.zeros(persons + more, dtype=np.int64)
    rows[:persons] = view.persons["row"].to_numpy(dtype=np.int64)
    texts = {name: view.mine(name) for name in ("person_id", "extern_id", "idnumber")} | judged.texts()
    flags = {"may_link": judged.may_link, "email_kept": judged.email_kept}
    flags |= {name: np.zeros(persons, dtype=bool) for name in ("question_open", "explained")}
    columns: dict[str, pd.Series] = {}
    if orphans is not None:
        ids[persons:] = view.ids[orphans.places]
        columns = {name: stacked(found, orphans.texts[name]) for name, found in texts.items() if name in _AS_THEY_ARE}
        texts = {name: together(found, orphans.texts[name]) for name, found in texts.items() if name not in columns}
        flags = {name: np.r_[found, orphans.flags[name]] for name, found in flags.items()}
    columns |= {name: to_series(found) for name, found in texts.items()}
    columns |= {name: pd.Series(found) for name, found in flags.items()}
    columns["account_id"] = pd.Series(pd.arrays.IntegerArray(ids, ~known))
    columns["row"] = pd.Series(pd.arrays.IntegerArray(rows, np.arange(persons + more) >= persons))
    return pd.DataFrame({name: columns[name] for name in MATCH_COLUMNS})
