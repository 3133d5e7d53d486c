"""Verdicts on persons whose idnumber one or more accounts have exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.mapping import Write
from moodle_coupling.matching.compare import folded, is_blank
from moodle_coupling.matching.evidence import accounts_listed, sentence
from moodle_coupling.matching.questions import pairs
from moodle_coupling.matching.reassigned import reassigned

if TYPE_CHECKING:
    from moodle_coupling.matching.view import View


def judge_linked(view: View, exact: pd.DataFrame) -> pd.DataFrame:
    """Judge the persons of ``exact`` (``p``, ``a``: index labels of persons and accounts with equal idnumbers).

    Gives, by person's index label: ``a`` (Int64), ``verdict``, ``evidence``, ``others`` (lists of account labels),
    ``email_kept`` (the e-mail address in Moodle stays as it is, since the new one is another account's).
    """
    several = exact["p"].duplicated(keep=False)
    return pd.concat([_judge_one(view, exact[~several].set_index("p")["a"]), _judge_several(view, exact[several])])


def _judge_several(view: View, exact: pd.DataFrame) -> pd.DataFrame:
    groups = exact.groupby("p")["a"].agg(list)
    idnumbers = view.persons["idnumber"].loc[groups.index]
    off = [view.all_protected(found) for found in groups]
    evidence = [
        sentence(
            f"idnumber '{idnumber}' is on {accounts_listed([view.account_names[a] for a in found])}"
            + ("; all of them are protected and never written" if protected else "")
        )
        for idnumber, found, protected in zip(idnumbers, groups, off, strict=True)
    ]
    verdicts = [(Verdict.PROTECTED if protected else Verdict.DUPLICATE_ACCOUNT).value for protected in off]
    return pd.DataFrame(
        {
            "a": pd.Series(pd.NA, index=groups.index, dtype="Int64"),
            "verdict": pd.Series(verdicts, index=groups.index, dtype="object"),
            "evidence": pd.Series(evidence, index=groups.index, dtype="str"),
            "others": groups,
            "email_kept": False,
        }
    )


def _judge_one(view: View, at: pd.Series[int]) -> pd.DataFrame:
    persons = view.persons.loc[at.index]
    accounts = view.accounts.loc[at].set_axis(at.index)
    why = view.protected.loc[at].set_axis(at.index)
    by_us = view.suspended_by_us.loc[at].set_axis(at.index)
    has_key = _has_key(view, at, persons)
    owners = other_holders(view, at)

    frame = pd.DataFrame({"a": at.astype("Int64"), "verdict": Verdict.LINKED.value, "evidence": has_key + "."})
    frame["others"] = owners.reindex(at.index)
    frame["others"] = frame["others"].map(lambda found: found if isinstance(found, list) else [])
    frame["email_kept"] = frame["others"].map(len) > 0
    taken = frame["email_kept"]
    frame.loc[taken, "verdict"] = Verdict.EMAIL_TAKEN.value
    frame.loc[taken, "evidence"] = [
        sentence(f"{has}, but e-mail '{email}' belongs to {_listed_with_idnumber(view, found)}")
        for has, email, found in zip(has_key[taken], persons["email"][taken], frame["others"][taken], strict=True)
    ]
    suspended = accounts["suspended"]
    returned = suspended & by_us & ~persons["inactive"]
    _say(frame, returned, Verdict.RETURNED, has_key + ", is active in the source, and was suspended by this coupling")
    held = suspended & ~by_us
    _say(frame, held, Verdict.HELD, has_key + ", but someone else than this coupling suspended it")
    _tell_reassigned(view, frame, has_key)
    _say(frame, why != "", Verdict.PROTECTED, has_key + ", but it is protected (" + why + ") and never written")
    return frame


def _tell_reassigned(view: View, frame: pd.DataFrame, has_key: pd.Series[str]) -> None:
    """Say of whom the idnumber is on an account that seems somebody else's: nothing of it is written, its address neither."""
    found = reassigned(view, frame["a"].astype("int64"))
    frame.loc[found.index, "verdict"] = Verdict.ID_REASSIGNED.value
    frame.loc[found.index, "evidence"] = has_key.loc[found.index] + ", but seems to be somebody else's: " + found + "."
    frame.loc[found.index, "email_kept"] = False


def _say(frame: pd.DataFrame, where: pd.Series[bool], verdict: Verdict, evidence: pd.Series[str]) -> None:
    frame.loc[where, "verdict"] = verdict.value
    frame.loc[where, "evidence"] = evidence[where] + "."


def _has_key(view: View, at: pd.Series[int], persons: pd.DataFrame) -> pd.Series[str]:
    names = view.account_names.loc[at].set_axis(at.index)
    return "A" + names.str.slice(1) + " has idnumber '" + persons["idnumber"] + "'"


def other_holders(view: View, at: pd.Series[int]) -> pd.Series[Any]:
    """Give the other accounts that hold the address a person would get, where Moodle forbids that; only those found.

    ``at``: person's label → label of the account that is, or becomes, the person's.
    """
    persons = view.persons.loc[at.index]
    accounts = view.accounts.loc[at].set_axis(at.index)
    policy = view.email_policy()
    new, old = folded(persons["email"]), folded(accounts["email"])
    wanted = (new != "") & (new != old) & ~view.email_barred.loc[at.index]
    if policy == Write.IF_EMPTY:
        wanted &= is_blank(accounts["email"])
    if policy == Write.ON_CREATE or view.mapping.matching.shared_email:
        wanted &= False
    found = pairs(new[wanted], folded(view.accounts["email"]))
    return found.sort_values(["p", "a"]).groupby("p")["a"].agg(list)


def _listed_with_idnumber(view: View, found: list[int]) -> str:
    owners = view.owners(view.accounts["idnumber"].loc[found[:10]])
    names = []
    for a in found:
        idnumber = view.accounts["idnumber"][a]
        whose = " of person " + ", ".join(owners[idnumber][:3]) if idnumber in owners else ""
        names.append(view.account_names[a] + whose)
    return accounts_listed(names)
