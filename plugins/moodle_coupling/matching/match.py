"""Candidates against accounts: one verdict per person and, on full runs, per orphan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.duplicates import find_duplicates
from moodle_coupling.matching.linked import judge_linked
from moodle_coupling.matching.orphans import find_orphans
from moodle_coupling.matching.questions import find_points, judge_questions, pairs

if TYPE_CHECKING:
    from collections.abc import Collection

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


def match_view(view: View, *, full: bool, account_ids: Collection[int] = ()) -> pd.DataFrame:
    """Give the verdicts (MATCH_COLUMNS) on every person in scope and, when ``full``, on every orphan.

    ``account_ids``: the orphans among these accounts, though not full. Nothing depends on the order of the rows.
    """
    standing = view.persons[~view.rejected]
    doubles = _duplicates(view, standing)
    exact = pairs(standing["idnumber"], view.accounts["idnumber"])
    linked = judge_linked(view, exact[~exact["p"].isin(doubles.index)].sort_values(["p", "a"], ignore_index=True))
    unlinked = standing.index.difference(pd.Index(exact["p"]))
    # Duplicates are rejected, but their questions stand: nobody else is linked to an account that they point at.
    points = find_points(standing.loc[unlinked], view.accounts, view.mapping)
    questions = judge_questions(view, points, unlinked.difference(doubles.index))
    judged = pd.concat([linked, questions, doubles]).reindex(view.persons.index)
    judged["others"] = judged["others"].map(lambda found: found if isinstance(found, list) else [])

    persons = view.persons[["row", "person_id", "extern_id", "idnumber"]].join(judged)
    parts = [persons]
    if full or account_ids:
        parts.append(find_orphans(view, judged, points, only=None if full else account_ids))
    return _finished(view, pd.concat(parts, ignore_index=True))


def _duplicates(view: View, standing: pd.DataFrame) -> pd.DataFrame:
    # An address that Moodle refuses anyway ('none@none') says nothing about who somebody is.
    addresses = standing["email"].where(~view.email_barred.loc[standing.index], "")
    doubles = find_duplicates(standing.assign(email=addresses), by_email=not view.mapping.matching.shared_email)
    return doubles.rename(columns={"field": "shared_field"}).assign(verdict=Verdict.DUPLICATE_PERSON.value)


def _finished(view: View, rows: pd.DataFrame) -> pd.DataFrame:
    ids = view.accounts["id"]
    at = rows["a"].astype("Int64") if "a" in rows else pd.Series(pd.NA, index=rows.index, dtype="Int64")
    rows["account_id"] = at.map(ids).astype("Int64")
    rows["row"] = rows["row"].astype("Int64")
    rows["other_accounts"] = [
        json.dumps([int(ids[a]) for a in found]) if isinstance(found, list) and found else "[]"
        for found in rows["others"]
    ]
    frame = rows.reindex(columns=list(MATCH_COLUMNS))
    for name in ("may_link", "email_kept", "question_open", "explained"):
        frame[name] = frame[name].astype("boolean").fillna(value=False).astype("bool")
    for name in ("person_id", "extern_id", "idnumber", "verdict", "evidence", "proposal", "shared_field"):
        frame[name] = frame[name].astype("object").fillna("").astype("str")
    return frame
