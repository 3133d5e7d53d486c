"""Persons whose idnumber one or more accounts have exactly: theirs, unless something else says that it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.mapping import Write
from moodle_coupling.matching.compare import folded, is_blank
from moodle_coupling.matching.evidence import NAMED, first_of, persons_listed
from moodle_coupling.matching.likeness import Identity, has_another_name, is_somebody_else
from moodle_coupling.matching.questions import pairs
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.matching.view import View

_NAMES: Final = ("firstname", "lastname")
_COMPARED: Final = (*_NAMES, "email")
_LONGEST: Final = 200
"""Characters of a name or address that are compared: Moodle's columns hold 100, and words are compared each with each."""
_OWNERS: Final = 3
"""How many persons are named of each account that holds an address."""


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
        Sentence(
            "evidence.duplicate_account_protected" if protected else "evidence.duplicate_account",
            idnumber=idnumber,
            accounts=first_of([view.account(a) for a in found]),
        ).written()
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

    frame = pd.DataFrame({"a": at.astype("Int64"), "verdict": Verdict.LINKED.value, "evidence": ""})
    frame["others"] = other_holders(view, at).reindex(at.index)
    frame["others"] = frame["others"].map(lambda found: found if isinstance(found, list) else [])
    frame["email_kept"] = frame["others"].map(len) > 0
    told = _Telling(view, frame, persons["idnumber"])

    told.say(frame["email_kept"], Verdict.EMAIL_TAKEN, "evidence.email_taken", _holders(view, frame))
    suspended = accounts["suspended"]
    # Verdict and columns say all of those who returned.
    frame.loc[suspended & by_us & ~persons["inactive"], ["verdict", "evidence"]] = [Verdict.RETURNED.value, ""]
    told.say(suspended & ~by_us, Verdict.HELD, "evidence.held")
    other = reassigned(view, at)
    found = pd.Series(frame.index.isin(other.index), index=frame.index)
    known = found & (other.reindex(frame.index).fillna("") != "")
    told.say(found & ~known, Verdict.ID_REASSIGNED, "evidence.reassigned_differs")
    told.say(known, Verdict.ID_REASSIGNED, "evidence.reassigned_known", lambda p: {"person": other[p]})
    # Nothing is written where the account seems somebody else's, its address neither.
    frame.loc[found, "email_kept"] = False
    told.say(why != "", Verdict.PROTECTED, "evidence.protected", lambda p: {"why": view.why_protected(int(at[p]))})
    return frame


@dataclass(frozen=True)
class _Telling:
    """Puts verdicts and written sentences into the frame of persons with one account each."""

    view: View
    frame: pd.DataFrame
    idnumbers: pd.Series[str]

    def say(
        self,
        where: pd.Series[bool],
        verdict: Verdict,
        code: str,
        more: Callable[[int], dict[str, Any]] = lambda _: {},
    ) -> None:
        """Give those persons a verdict and a sentence; ``more`` are its parameters besides account and idnumber."""
        some = self.frame.index[where]
        written = [
            Sentence(code, account=self.view.account(int(a)), idnumber=self.idnumbers[p], **more(p)).written()
            for p, a in zip(some, self.frame["a"][some], strict=True)
        ]
        self.frame.loc[some, "verdict"] = verdict.value
        self.frame.loc[some, "evidence"] = pd.Series(written, index=some, dtype="str")


def _holders(view: View, frame: pd.DataFrame) -> Callable[[int], dict[str, Any]]:
    """Give what names the accounts that hold the address a person would get, and whose they are."""
    named = {a for found in frame["others"][frame["email_kept"]] for a in found[:NAMED]}
    idnumbers = view.accounts["idnumber"]
    owners = view.owners(idnumbers.loc[sorted(named)])

    def name(a: int) -> Sentence:
        account, whose = view.account(a), owners.get(idnumbers[a])
        if not whose:
            return account
        return Sentence("name.account_of", account=account, persons=persons_listed(whose[:_OWNERS]))

    def holders(p: int) -> dict[str, Any]:
        found = frame["others"][p]
        names = first_of([name(a) for a in found[:NAMED]], len(found[NAMED:]))
        return {"email": view.persons["email"][p], "holders": names}

    return holders


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


def reassigned(view: View, at: pd.Series[int]) -> pd.Series[str]:
    """Give the persons whose account seems somebody else's, by label: the person that the ledger knows it by, '' for none.

    Those with '' differ in first name, last name and e-mail address.
    ``at``: person's label → label of the account that has the idnumber. Names are judged (docs/decisions/0019) only where a
    plain comparison of whole columns leaves a doubt: usually a few of many.
    """
    if not set(_NAMES) <= set(view.accounts.columns):
        return pd.Series(index=at.index[:0], dtype="str")
    persons = view.persons.loc[at.index]
    accounts = view.accounts.loc[at].set_axis(at.index)
    known = view.known_person.loc[at].set_axis(at.index)
    first, last = (persons[name] != accounts[name] for name in _NAMES)
    elsewhere = (known != "") & (persons["person_id"] != "") & (known != persons["person_id"]) & (first | last)
    doubtful = elsewhere | (first & last & (persons["email"] != accounts["email"]))
    doubtful[doubtful] = elsewhere[doubtful] | (
        folded(persons["email"][doubtful]) != folded(accounts["email"][doubtful])
    )
    some = doubtful.index[doubtful]
    found: dict[int, str] = {}
    for p, mine, theirs, other in zip(
        some,
        _identities(persons.loc[some]),
        _identities(accounts.loc[some]),
        known.where(elsewhere, "").loc[some],
        strict=True,
    ):
        if other and has_another_name(mine, theirs):
            found[p] = other
        elif is_somebody_else(mine, theirs):
            found[p] = ""
    return pd.Series(found, index=pd.Index(list(found), dtype=at.index.dtype), dtype="str")


def _identities(frame: pd.DataFrame) -> list[Identity]:
    return [
        Identity(*(text.strip()[:_LONGEST] for text in texts))
        for texts in zip(*(frame[name] for name in _COMPARED), strict=True)
    ]
