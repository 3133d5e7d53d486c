"""Obeying decisions: what analysts decided on exactly these facts changes what matching made of a row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.contract.verdicts import DecisionKind, Verdict, offered
from moodle_coupling.matching.decided import Decided, Decision, look_up, pointed
from moodle_coupling.matching.decisions import choosable
from moodle_coupling.matching.evidence import sentence
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.linked import other_holders

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.matching.decision_words import Account
    from moodle_coupling.matching.view import View

NOT_POSSIBLE: Final = "decision_not_possible"
"""Code of the reason why a decision was not obeyed."""


@dataclass(frozen=True)
class Obeyed:
    """The match frame after decisions; ``impossible`` says by row number why a decision was not obeyed.

    The frame has, besides its own columns, ``decision`` (Int64), ``forced`` (the action decided on, '' for none) and
    ``holders`` (JSON: the accounts that have the address a person would get). Further accounts that decisions write have
    rows of their own among the orphans, where ``row`` is missing.
    """

    frame: pd.DataFrame
    impossible: dict[int, str] = field(default_factory=dict)


def obey(view: View, matched: pd.DataFrame, decided: pd.DataFrame | None) -> Obeyed:
    """Apply the decisions (Remembered.decided) to the match frame, in the order in which they were taken.

    No account is written for two rows: who comes later is told so and left as it is. Decisions on rows that are not here
    are another run's.
    """
    nothing = pd.Series(pd.NA, index=matched.index, dtype="Int64")
    frame = matched.assign(decision=nothing, forced="", holders=matched["other_accounts"])
    if decided is None or decided.empty:
        return Obeyed(frame)
    work = _Work(view, frame, look_up(view, frame, decided))
    for decision in work.known.decisions:
        work.take(decision)
    return work.finished()


class _Impossible(Exception):
    """Why a decision cannot be obeyed, in words."""


@dataclass
class _Work:
    """Decisions at work; what they change is kept by column and row number, and put into the frame at the end."""

    view: View
    frame: pd.DataFrame
    known: Decided
    changed: dict[str, dict[int, Any]] = field(default_factory=dict)
    given: dict[int, int] = field(default_factory=dict)
    """Row number → the account that is the person's by decision."""
    extra: list[dict[str, Any]] = field(default_factory=list)
    impossible: dict[int, str] = field(default_factory=dict)

    def take(self, decision: Decision) -> None:
        """Apply one decision, or say why not."""
        row, how = self.known.rows[decision.at], _HOW.get(decision.kind)
        if decision.kind in _LEAVE:
            self._set(decision.at, evidence=f"{row['evidence']} {sentence(decision.said)}", may_link=False)
        if how is None:
            return
        try:
            self._refuse_kind(decision, row)
            which = how(self, decision, row)
        except _Impossible as why:
            self.impossible[decision.at] = sentence(f"{decision.said}. It was not done: {why}")
            return
        self._obeyed(decision.at, decision, f"{row['evidence']} {sentence(decision.said + which)}", may_link=False)

    def link(self, decision: Decision, row: dict[str, Any]) -> str:
        """Make the account the person's: link, re-key, take over a suspended one, or choose among several."""
        chosen, verdict = self._chosen(decision, row), row["verdict"]
        others = [one for one in pointed(row) if one != chosen.id] if verdict == Verdict.DUPLICATE_ACCOUNT else []
        for one in (chosen.id, *others):
            self._refuse_account(one, decision, row)
        self.known.taken.update(dict.fromkeys((chosen.id, *others), decision.at))
        self.given[decision.at] = chosen.id
        forced = _LINKED_BY.get(verdict, Action.LINK)
        self._set(decision.at, account_id=chosen.id, forced=forced.value)
        for one in others:
            said = f"{self.known.accounts[one]} has idnumber '{row['idnumber']}' too, which {chosen} keeps"
            self._add(decision, one, Action.UPDATE, said, self._former(row))
        return f", {chosen}"

    def create(self, decision: Decision, row: dict[str, Any]) -> str:
        """Give the person an account of its own; while another account has its idnumber, that is taken off first.

        Then the run after this one makes the account: made in one go, a crash between the two could leave two accounts with
        one idnumber, and a look-up before the create would find the old one and take it for the person's.
        """
        holder = self.known.holders.get(decision.at)
        if row["verdict"] == Verdict.ID_REASSIGNED and holder != row["account_id"]:
            return self._free_idnumber(decision, row)
        if holder is not None:
            raise _Impossible(
                f"account {holder} has e-mail '{self.view.persons['email'][decision.at]}', and this Moodle forbids two "
                "accounts with one address; give the person or that account another"
            )
        self._set(decision.at, account_id=pd.NA, forced=Action.CREATE.value)
        return ""

    def _free_idnumber(self, decision: Decision, row: dict[str, Any]) -> str:
        own = int(row["account_id"])
        self._refuse_account(own, decision, row)
        self.known.taken[own] = decision.at
        said = f"{self.known.accounts[own]} has idnumber '{row['idnumber']}', which is another person's now"
        self._add(decision, own, Action.UPDATE, said, self._former(row))
        # The person's row keeps no account: what is written there is not the person's.
        self._set(decision.at, account_id=pd.NA)
        return "; the idnumber is taken off first, and the next run makes the account"

    @staticmethod
    def _former(row: dict[str, Any]) -> dict[str, Any]:
        """Give what stands in the row of an account that loses its idnumber: none, for a link is remembered by it."""
        return {name: row[name] for name in ("person_id", "extern_id", "verdict")} | {"idnumber": ""}

    def suspend(self, decision: Decision, row: dict[str, Any]) -> str:
        """Suspend the account, whoever made it."""
        chosen = self._chosen(decision, row)
        self._refuse_account(chosen.id, decision, row)
        self.known.taken[chosen.id] = decision.at
        if row["verdict"] == Verdict.ID_DIFFERS:
            self._suspend_stranger(decision, chosen)
        else:
            self._set(decision.at, account_id=chosen.id, forced=Action.SUSPEND.value)
        return f", {chosen}"

    def finished(self) -> Obeyed:
        """Give the frame with all changes: persons by row, then orphans and further accounts by account id."""
        self._tell_holders()
        frame = self.frame.assign(impossible="")
        for name, values in {**self.changed, "impossible": self.impossible}.items():
            frame.loc[list(values), name] = pd.Series(values, dtype=frame[name].dtype)
        # An account that is a person's by now is nobody's orphan.
        gone = frame["row"].isna() & frame["account_id"].isin(list(self.given.values())).fillna(value=False)
        persons, others = frame[frame["row"].notna()], frame[frame["row"].isna() & ~gone]
        if self.extra:
            added = pd.DataFrame(self.extra).reindex(columns=frame.columns).astype(frame.dtypes.to_dict())
            others = pd.concat([others, added]).sort_values("account_id")
        frame = pd.concat([persons, others], ignore_index=True)
        why = frame["impossible"][frame["impossible"] != ""]
        return Obeyed(frame.drop(columns="impossible"), dict(zip(why.index, why, strict=True)))

    def _suspend_stranger(self, decision: Decision, account: Account) -> None:
        """Suspend an account that a person points at and that is not the person's: its row is its own."""
        at = self.known.orphans.get(account.id)
        if at is not None:
            evidence = f"{self.frame['evidence'][at]} {sentence(decision.said)}"
            self._obeyed(at, decision, evidence, forced=Action.SUSPEND.value)
            return
        nobody = {"person_id": "", "extern_id": "", "idnumber": account.idnumber, "verdict": Verdict.ORPHAN.value}
        said = f"{account} has idnumber '{account.idnumber}', which belongs to no person"
        self._add(decision, account.id, Action.SUSPEND, said, nobody)

    def _chosen(self, decision: Decision, row: dict[str, Any]) -> Account:
        there = [self.known.accounts[id_] for id_ in pointed(row)]
        possible = choosable(decision.kind, row["verdict"], there, row["idnumber"])
        if decision.account_id is None:
            if len(possible) != 1:
                raise _Impossible("it does not say which account is meant; decide again, and choose one")
            return possible[0]
        for account in possible:
            if account.id == decision.account_id:
                return account
        raise _Impossible(f"account {decision.account_id} is not, or no longer, one that this can be done with")

    def _refuse_kind(self, decision: Decision, row: dict[str, Any]) -> None:
        if decision.at in self.changed.get("decision", {}):
            raise _Impossible("an earlier decision was obeyed here")
        if decision.kind not in offered(row["verdict"]):
            raise _Impossible(f"that cannot be decided on '{row['verdict'] or 'rejected before matching'}'")

    def _refuse_account(self, account: int, decision: Decision, row: dict[str, Any]) -> None:
        """Refuse an account that is protected, written for another row, or another person's by its idnumber."""
        found = self.known.accounts[account]
        if self.known.protected[account]:
            raise _Impossible(f"{found} is protected ({self.known.protected[account]})")
        if self.known.taken.get(account, decision.at) != decision.at:
            raise _Impossible(f"{found} is written for somebody else in this very plan")
        owners = self.known.owners.get(found.idnumber)
        if owners and found.idnumber != row["idnumber"]:
            raise _Impossible(f"{found} has the idnumber of person {owners[0]}")

    def _tell_holders(self) -> None:
        """Note whose address is another account's, so that the account given keeps its own."""
        given = pd.Series({at: self.known.labels[account] for at, account in self.given.items()}, dtype="int64")
        if given.empty:
            return
        found, ids = other_holders(self.view, given).to_dict(), self.view.accounts["id"]
        for at in self.given:
            holders = [int(ids[a]) for a in found.get(at, ())]
            self._set(at, email_kept=bool(holders), holders=json.dumps(holders))

    def _obeyed(self, at: int, decision: Decision, evidence: str, **values: Any) -> None:
        self._set(at, decision=decision.id, evidence=evidence, **values)

    def _set(self, at: int, **values: Any) -> None:
        for name, value in values.items():
            self.changed.setdefault(name, {})[at] = value

    def _add(self, decision: Decision, account: int, action: Action, said: str, row: dict[str, Any]) -> None:
        """Add a row for an account that is no person's."""
        columns = self.frame.columns
        plain = {name: False if self.frame[name].dtype == "bool" else "" for name in columns}
        told = {"row": pd.NA, "account_id": account, "other_accounts": "[]", "holders": "[]", "impossible": ""}
        evidence = f"{sentence(said)} {sentence(decision.said)}"
        obeyed = {"decision": decision.id, "forced": action.value, "evidence": evidence}
        self.extra.append(plain | told | obeyed | row)


_LINKED_BY: Final[dict[str, Action]] = {
    Verdict.HELD: Action.REACTIVATE,
    Verdict.DUPLICATE_ACCOUNT: Action.UPDATE,
    Verdict.ID_REASSIGNED: Action.UPDATE,
}
"""Where the account has the idnumber already, what a decision to link does to it."""
_HOW: Final[dict[DecisionKind, Callable[[_Work, Decision, dict[str, Any]], str]]] = {
    DecisionKind.LINK: _Work.link,
    DecisionKind.REKEY: _Work.link,
    DecisionKind.CREATE_SEPARATE: _Work.create,
    DecisionKind.SUSPEND: _Work.suspend,
}
"""How each kind is carried out; the others stay in force, or change nothing."""
_LEAVE: Final = frozenset({DecisionKind.IGNORE, DecisionKind.DO_NOT_TOUCH})
"""Kinds by which nothing is written, so that no row carries them out."""
