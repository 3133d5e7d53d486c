"""A run for only some persons: who they are, who else must be looked at, and who need not be looked at as nothing of them changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.frames import PLAN
from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.evidence import UNCHANGED
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.view import is_blank
from moodle_coupling.people.arrow import as_mask, is_in, pa, pc, to_texts
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.cleaning import folded

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.people.arrow import Mask

_IDS: Final = ("person_id", "extern_id", "idnumber")


def chosen(candidates: pd.DataFrame, ids: Collection[str]) -> pd.Series:
    """Tell which candidates are meant by ``ids``: each id may be a person id, an extern id or an idnumber.

    Returns a bool series on the index of ``candidates``.
    """
    wanted = {id_.strip() for id_ in ids if id_.strip()}
    found = candidates[_IDS[0]].isin(wanted)
    for column in _IDS[1:]:
        found |= candidates[column].isin(wanted)
    return found


def only_asked(plan: pd.DataFrame, ids: Collection[str], account_ids: Collection[int]) -> pd.DataFrame:
    """Give the rows of a plan (PLAN_COLUMNS) for these persons and accounts, and those that the same decisions bring along."""
    asked = chosen(plan, ids) & plan["row"].notna()
    asked |= plan["row"].isna() & plan["account_id"].isin(list(account_ids)).fillna(value=False)
    obeyed = plan.loc[asked, "decision"].dropna()
    together = plan["decision"].isin(obeyed).fillna(value=False)
    return plan[asked | together].reset_index(drop=True)


def unknown_ids(candidates: pd.DataFrame, ids: Collection[str]) -> list[str]:
    """Give the ids, in the order asked, that no candidate has."""
    known: set[str] = set()
    for column in _IDS:
        known.update(candidates[column])
    return [id_ for id_ in dict.fromkeys(text.strip() for text in ids) if id_ and id_ not in known]


def neighbourhood(candidates: pd.DataFrame, ids: Collection[str]) -> pd.DataFrame:
    """Give the chosen candidates and everyone beside them."""
    mask = chosen(candidates, ids)
    return candidates[mask | beside(candidates, mask)].reset_index(drop=True)


def beside(candidates: pd.DataFrame, mask: pd.Series[bool]) -> pd.Series[bool]:
    """Tell who shares an idnumber, e-mail address or base username with one of ``mask``, or has its other id as idnumber.

    Judged alone, a person with a double would look single, and a namesake would get the other's username. Letter case
    and surrounding spaces do not count, as in matching.
    """
    near = np.zeros(len(candidates), dtype=bool)
    chosen_, some = mask.to_numpy(dtype=bool), pa.array(mask.to_numpy(dtype=bool))
    if not chosen_.any():
        return pd.Series(near, index=candidates.index, dtype="bool")
    for column in ("idnumber", "email", "username"):
        values = folded(to_texts(candidates[column]))
        near |= is_in(values, pc.unique(values.filter(some))) & ~is_nothing(values)
    idnumbers = to_texts(candidates["idnumber"])
    near |= is_in(idnumbers, pc.unique(to_texts(candidates["other_id"]).filter(some))) & ~is_nothing(idnumbers)
    return pd.Series(near & ~chosen_, index=candidates.index, dtype="bool")


_DONE: Final = "done"
_OURS: Final = frozenset({Action.CREATE, Action.UPDATE, Action.LINK, Action.REACTIVATE})


@dataclass(frozen=True)
class Split:
    """The candidates in three parts, each in the order and with the columns they came with.

    ``look``: in scope, to be looked up, matched and planned. ``skipped``: in scope and unchanged. ``outside``: not in
    scope; a run for what changed does nothing with them. The last two are what ``make_plan`` calls bystanders.
    """

    look: pd.DataFrame
    skipped: pd.DataFrame
    outside: pd.DataFrame

    @property
    def bystanders(self) -> pd.DataFrame:
        """Everyone who is not looked at, and is named when somebody else points at their account."""
        return pd.concat([self.skipped, self.outside], ignore_index=True)


def split_unchanged(
    candidates: pd.DataFrame, reasons: pd.DataFrame, prints: pd.Series[str], known: pd.DataFrame
) -> Split:
    """Tell who must be looked at from who is as last written.

    ``prints`` are the fingerprints on the index of ``candidates``; ``known`` has ``idnumber``, ``account_id`` and
    ``fingerprint``, as the ledger remembers them ('' where it does not). Whoever shares an idnumber, an e-mail address or
    a base username with somebody to be looked at is looked at too, as are all that share an idnumber among themselves.
    """
    in_scope = candidates["in_scope"].astype("bool")
    remembered = known.drop_duplicates("idnumber", keep=False).set_index("idnumber")["fingerprint"]
    before = _found(remembered, candidates["idnumber"])
    stopped = candidates["row"].isin(reasons.loc[reasons["blocks"] == "all", "row"])
    idnumbers = to_texts(candidates["idnumber"])
    coded = pc.dictionary_encode(idnumbers).indices.to_numpy()
    often = np.bincount(coded[in_scope.to_numpy()], minlength=len(coded)) > 1
    doubled = in_scope & often[coded]
    same = (before != "") & (before == prints) & ~is_blank(idnumbers)
    look = in_scope & (~same | stopped | doubled)
    look = (look | beside(candidates, look)) & in_scope
    return Split(
        look=candidates[look].reset_index(drop=True),
        skipped=candidates[in_scope & ~look].reset_index(drop=True),
        outside=candidates[~in_scope].reset_index(drop=True),
    )


def unchanged_rows(skipped: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Give the plan's rows (PLAN) of who was not looked at, with the account that the ledger remembers.

    ``known`` may bring ``username``; without it the username is ''.
    """
    one_each = known.drop_duplicates("idnumber").set_index("idnumber")
    plan = pd.DataFrame({name: skipped[name] for name in PLAN.names if name in skipped and name != "username"})
    plan["row"] = skipped["row"].astype("Int64")
    plan["account_id"] = skipped["idnumber"].map(one_each["account_id"]).astype("Int64")
    usernames = _found(one_each["username"], skipped["idnumber"]) if "username" in one_each else ""
    told = {
        "verdict": Verdict.LINKED.value,
        "action": Action.NONE.value,
        "username": usernames,
        "changes": "{}",
        "reasons": "[]",
        "evidence": UNCHANGED,
        "other_accounts": "[]",
        "proposal": "",
        "drift": "{}",
    }
    plan = plan.assign(**told, decision=pd.Series(pd.NA, index=plan.index, dtype="Int64"))
    texts = PLAN.texts
    plan[texts] = plan[texts].fillna("").astype("str")
    return plan[list(PLAN.names)]


def with_unchanged(plan: pd.DataFrame, unchanged: pd.DataFrame) -> pd.DataFrame:
    """Put both together: persons by row, then orphans as they were."""
    if unchanged.empty:
        return plan
    persons = plan["row"].notna()
    together = pd.concat([plan[persons], unchanged]).sort_values("row", kind="stable")
    return pd.concat([together, plan[~persons]], ignore_index=True)


def which_to_remember(plan: pd.DataFrame, outcomes: pd.DataFrame) -> pd.Series[bool]:
    """Tell, on the plan's index, of whom the fingerprint may be remembered after a load.

    Those whose account is now as the source has it: written and done, or linked with nothing to do. Not: who was found
    there already (what it holds was not compared), who waits for a decision, was rejected or failed, whose new e-mail
    address is another's, and who was not looked at: of them it is remembered already.
    """
    status, code = _outcome_of(plan, outcomes, "status"), _outcome_of(plan, outcomes, "code")
    actions, verdicts = plan["action"], plan["verdict"]
    written = actions.isin([action.value for action in _OURS]) & (status == _DONE) & (code == "")
    right = (actions == Action.NONE.value) & (verdicts == Verdict.LINKED.value) & (status == "skipped")
    kept_email = _keeps_email(plan["reasons"])
    looked = plan["row"].notna() & (plan["evidence"] != UNCHANGED)
    return (written | right) & looked & ~kept_email & (verdicts != Verdict.EMAIL_TAKEN.value)


def links_to_forget(plan: pd.DataFrame, outcomes: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of ``known`` whose fingerprint holds no more, with fingerprint '': the next run looks at them again.

    They are those of everyone who was looked at and cannot be remembered: suspended, a write that failed, a mismatch.
    Without this a person whom a full run found wrong would be skipped until the next one.
    """
    settled = _outcome_of(plan, outcomes, "status") != ""
    doubtful = settled & (plan["evidence"] != UNCHANGED) & ~which_to_remember(plan, outcomes)
    mask = known["idnumber"].isin(plan.loc[doubtful, "idnumber"]) & (known["fingerprint"] != "")
    return known[mask].assign(fingerprint="").reset_index(drop=True)


def _keeps_email(reasons: pd.Series[str]) -> Mask:
    """Tell in which rows' reasons it stands that the account keeps its address."""
    code, texts = Verdict.EMAIL_TAKEN.value, to_texts(reasons)
    kept = as_mask(pc.match_substring(texts, code))
    # The word may stand in a value too: only those few are read as JSON.
    read = texts.filter(pa.array(kept)).to_pylist()
    kept[kept] = [any(reason["code"] == code for reason in json.loads(each)) for each in read]
    return kept


def _outcome_of(plan: pd.DataFrame, outcomes: pd.DataFrame, column: str) -> pd.Series[str]:
    """Give a column of the outcomes on the plan's index, '' for a row without an outcome."""
    values = outcomes.set_axis(_key(outcomes))[column]
    return _found(values[~values.index.duplicated(keep="last")], _key(plan))


def _found(values: pd.Series[str], keys: pd.Series[str]) -> pd.Series[str]:
    """Give the text that ``values`` has by each key, on the keys' index; '' where it has none."""
    # Not map: given no values at all it makes numbers of the texts.
    return values.astype("str").reindex(keys).set_axis(keys.index).fillna("")


def _key(frame: pd.DataFrame) -> pd.Series[str]:
    # A row of the plan is a person by its row in the source, an orphan by its account.
    return frame["row"].astype("string").fillna("account " + frame["account_id"].astype("string")).astype("str")
