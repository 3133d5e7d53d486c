"""Accounts whose idnumber belongs to no person who should be in this Moodle; looked at on full runs only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.compare import is_blank
from moodle_coupling.matching.evidence import persons_listed
from moodle_coupling.matching.questions import find_points

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.matching.view import View

REKEYABLE = frozenset({Verdict.ID_CASE, Verdict.ID_OTHER_SCHEME})


def find_orphans(
    view: View, judged: pd.DataFrame, points: pd.DataFrame, *, only: Collection[int] | None = None
) -> pd.DataFrame:
    """Give one row per orphan, by account's index label: ``a``, ``verdict``, ``evidence``, ids, ``question_open``, ``explained``.

    ``only``: those of these account ids. ``explained``: a person of the source has the idnumber and is not in scope.
    ``judged`` are the persons' verdicts (``a``, ``verdict``, ``others``); ``points`` who points at which account. An
    account that is a person's under another spelling or the other id is no orphan: its re-key is a question already.
    """
    idnumbers = view.accounts["idnumber"]
    somebodys = view.everyone.loc[view.everyone["in_scope"], "idnumber"]
    orphan = ~is_blank(idnumbers) & ~idnumbers.isin(somebodys) & (view.protected == "")
    if only is not None:
        orphan &= view.accounts["id"].isin(list(only))
    rekeyed = judged.loc[judged["verdict"].isin(REKEYABLE), "a"].dropna()
    orphan &= ~idnumbers.index.isin(rekeyed)
    accounts = view.accounts[orphan]

    asked = set(points["a"])
    asked.update(a for found in judged["others"] for a in found)
    if only is not None:
        asked.update(_asked_by_bystanders(view, accounts))
    frame = pd.DataFrame({"a": accounts.index.astype("int64")}, index=accounts.index)
    frame["question_open"] = frame["a"].isin(asked)
    former, why = _former(view, accounts["idnumber"])
    for name in ("person_id", "extern_id"):
        frame[name] = former[name].reindex(accounts["idnumber"]).fillna("").to_numpy()
    frame["idnumber"] = accounts["idnumber"]
    names = view.account_names.loc[accounts.index]
    reasons = [why.get(idnumber, "which belongs to no person") for idnumber in accounts["idnumber"]]
    frame["verdict"] = Verdict.ORPHAN.value
    frame["explained"] = accounts["idnumber"].isin(list(why)).to_numpy()
    frame["evidence"] = [
        f"A{name[1:]} has idnumber '{idnumber}', {reason}."
        for name, idnumber, reason in zip(names, accounts["idnumber"], reasons, strict=True)
    ]
    return frame


def _asked_by_bystanders(view: View, accounts: pd.DataFrame) -> set[int]:
    """Give the accounts at which somebody may point who is not looked at in this run."""
    others = view.everyone[view.everyone["in_scope"] & ~view.everyone["row"].isin(view.persons["row"])]
    return set(find_points(others.reset_index(drop=True), accounts, view.mapping)["a"])


def _former(view: View, idnumbers: pd.Series[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Ids of the out-of-scope person (the first by row) behind an idnumber, and the words for why it is an orphan."""
    out = view.everyone[~view.everyone["in_scope"] & view.everyone["idnumber"].isin(set(idnumbers))]
    names = view.owners(out["idnumber"])
    first = out.drop_duplicates("idnumber").set_index("idnumber")
    why = {}
    for idnumber, inactive in first["inactive"].items():
        left = "has left (inactive in the source)" if inactive else "is outside this Moodle's scope"
        persons = [name.removesuffix(" (not in scope)") for name in names[str(idnumber)]]
        why[str(idnumber)] = f"which only {persons_listed(persons)} has, who {left}"
    return first, why
