"""Obeying decisions: what analysts decided on exactly these facts changes what matching made of a row."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.matching.compare import folded
from moodle_coupling.matching.frames import WRITTEN_VERDICTS, Action, DecisionKind, Verdict
from moodle_coupling.matching.linked import other_holders

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.matching.view import View

WORDS: Final = {
    DecisionKind.LINK: "link it",
    DecisionKind.REKEY: "re-key it",
    DecisionKind.CREATE_SEPARATE: "create an account of its own",
    DecisionKind.SUSPEND: "suspend it",
    DecisionKind.DO_NOT_TOUCH: "do not touch it",
    DecisionKind.IGNORE: "ignore it",
    DecisionKind.LATER: "decide later",
}


@dataclass
class Obeyed:
    """The match frame after decisions; ``impossible`` says by row number why a decision was not obeyed.

    The frame has, besides its own columns, ``decision`` (Int64), ``forced`` (the action decided on, '' for none), and rows
    at its end for further accounts that decisions write: ``row`` is missing there, as for an orphan.
    """

    frame: pd.DataFrame
    impossible: dict[int, str] = field(default_factory=dict)


def obey(view: View, matched: pd.DataFrame, decided: pd.DataFrame | None) -> Obeyed:
    """Apply the decisions (Remembered.decided) to the match frame, in the order in which they were taken.

    No account is written for two rows: who comes later is told so and left as it is.
    """
    frame = matched.assign(decision=pd.Series(pd.NA, index=matched.index, dtype="Int64"), forced="")
    if decided is None or decided.empty:
        return Obeyed(frame)
    work = _Work.over(view, frame)
    for decision in decided.sort_values("decision").to_dict("records"):
        work.take({str(name): value for name, value in decision.items()})
    return Obeyed(work.finished(), work.impossible)


class _Impossible(Exception):
    """Why a decision cannot be obeyed, in a sentence."""


@dataclass
class _Work:
    view: View
    frame: pd.DataFrame
    by_row: dict[int, int]
    by_orphan: dict[int, int]
    labels: dict[int, int]
    taken: set[int]
    extra: list[dict[str, Any]] = field(default_factory=list)
    covered: set[int] = field(default_factory=set)
    impossible: dict[int, str] = field(default_factory=dict)

    @classmethod
    def over(cls, view: View, frame: pd.DataFrame) -> _Work:
        persons = frame.index[frame["row"].notna()]
        orphans = frame.index[frame["row"].isna()]
        written = frame.loc[persons, "verdict"].isin(WRITTEN_VERDICTS) | frame.loc[persons, "may_link"]
        return cls(
            view=view,
            frame=frame,
            by_row={int(row): int(at) for row, at in zip(frame.loc[persons, "row"], persons, strict=True)},
            by_orphan={int(a): int(at) for a, at in zip(frame.loc[orphans, "account_id"], orphans, strict=True)},
            labels={int(id_): a for a, id_ in enumerate(view.accounts["id"])},
            taken={int(id_) for id_ in frame.loc[persons, "account_id"][written].dropna()},
        )

    def take(self, decision: dict[str, Any]) -> None:
        """Apply one decision, or say why not; decisions on rows that are not here are another run's."""
        at = self._at(decision)
        how = _HOW.get(DecisionKind(decision["kind"]))
        if at is None or how is None:
            return
        try:
            how(self, at, decision)
        except _Impossible as why:
            self.impossible[at] = f"{_said(decision)} It was not done: {why}"
            return
        self.frame.loc[at, "decision"] = decision["decision"]
        self.frame.loc[at, "evidence"] = f"{self._cell(at, 'evidence')} {_said(decision)}"

    def finished(self) -> pd.DataFrame:
        """Give the frame without orphans whose account a person has by now, and with the rows that decisions added."""
        gone = self.frame["row"].isna() & self.frame["account_id"].isin(self.covered).fillna(value=False)
        frame = self.frame[~gone]
        if gone.any():
            kept = {int(old): new for new, old in enumerate(frame.index)}
            self.impossible = {kept[at]: why for at, why in self.impossible.items() if at in kept}
        if self.extra:
            added = pd.DataFrame(self.extra).reindex(columns=frame.columns)
            added = added.astype({name: frame[name].dtype for name in frame.columns})
            frame = pd.concat([frame, added])
        return frame.reset_index(drop=True)

    def _cell(self, at: int, name: str) -> Any:
        return self.frame.at[at, name]

    def _at(self, decision: dict[str, Any]) -> int | None:
        row, orphan = decision["row"], decision["orphan"]
        return self.by_row.get(int(row)) if pd.notna(row) else self.by_orphan.get(int(orphan))

    def link(self, at: int, decision: dict[str, Any]) -> None:
        """Make the account the person's: link, re-key, take over a suspended one, or choose among several."""
        verdict = self._cell(at, "verdict")
        account = self._chosen(at, decision)
        others = self._others(at, account) if verdict == Verdict.DUPLICATE_ACCOUNT else []
        for one in (account, *others):
            self._refuse_protected(one)
        self._refuse_owned(at, account)
        for one in (account, *others):
            self._reserve(one)
        self._give(at, account)
        if verdict == Verdict.HELD:
            self.frame.loc[at, "forced"] = Action.REACTIVATE.value
        elif verdict == Verdict.DUPLICATE_ACCOUNT:
            self.frame.loc[at, "forced"] = Action.UPDATE.value
        else:
            self.frame.loc[at, "forced"] = Action.LINK.value
        for one in others:
            self._add(
                at, one, decision, Action.UPDATE, f"Account {account} keeps the idnumber; it is taken off this one."
            )
        self.covered.add(account)

    def create(self, at: int, _decision: dict[str, Any]) -> None:
        """Give the person an account of its own."""
        person = self.view.persons.loc[at]
        if not self.view.mapping.matching.shared_email:
            holders = self.view.accounts["id"][
                folded(self.view.accounts["email"]) == person["email"].casefold().strip()
            ]
            if person["email"] and len(holders):
                raise _Impossible(
                    f"e-mail '{person['email']}' is on account {int(holders.iloc[0])}, and this Moodle forbids two "
                    "accounts with one address. Give the person or the account another address."
                )
        self.frame.loc[at, "account_id"] = pd.NA
        self.frame.loc[at, "forced"] = Action.CREATE.value

    def suspend(self, at: int, decision: dict[str, Any]) -> None:
        """Suspend the account, whoever made it."""
        account = self._chosen(at, decision)
        self._refuse_protected(account)
        if self.view.accounts["suspended"][self.labels[account]]:
            raise _Impossible(f"account {account} is suspended already.")
        self._reserve(account)
        if pd.isna(self._cell(at, "row")):
            self.frame.loc[at, "forced"] = Action.SUSPEND.value
        else:
            self._add(at, account, decision, Action.SUSPEND, f"Account {account} is suspended.")
            self.covered.add(account)

    def _chosen(self, at: int, decision: dict[str, Any]) -> int:
        meant = decision["account_id"]
        if pd.isna(meant):
            meant = self._cell(at, "account_id")
        if pd.isna(meant):
            raise _Impossible("it does not say which account is meant. Decide again, and choose one.")
        if int(meant) not in self.labels:
            raise _Impossible(f"account {int(meant)} was not seen in Moodle.")
        return int(meant)

    def _others(self, at: int, account: int) -> list[int]:
        idnumber = self._cell(at, "idnumber")
        same = self.view.accounts["id"][self.view.accounts["idnumber"] == idnumber]
        return [int(id_) for id_ in same if int(id_) != account]

    def _refuse_protected(self, account: int) -> None:
        why = self.view.protected[self.labels[account]]
        if why:
            raise _Impossible(f"account {account} is protected ({why}).")

    def _refuse_owned(self, at: int, account: int) -> None:
        """Never take an account from a person of the source whose exact idnumber it has."""
        held = self.view.accounts["idnumber"][self.labels[account]]
        if held and held != self._cell(at, "idnumber"):
            owners = [name for name in self.view.owners([held]).get(held, []) if not name.endswith("(not in scope)")]
            if owners:
                raise _Impossible(f"account {account} has the idnumber of person {owners[0]}.")

    def _reserve(self, account: int) -> None:
        if account in self.taken:
            raise _Impossible(f"account {account} is written for somebody else in this very plan.")
        self.taken.add(account)

    def _give(self, at: int, account: int) -> None:
        self.frame.loc[at, "account_id"] = account
        holders = other_holders(self.view, pd.Series({at: self.labels[account]}))
        self.frame.loc[at, "email_kept"] = bool(len(holders))

    def _add(self, at: int, account: int, decision: dict[str, Any], action: Action, evidence: str) -> None:
        self.extra.append(
            {
                **{name: self._cell(at, name) for name in ("person_id", "extern_id", "verdict")},
                "row": pd.NA,
                "idnumber": self.view.accounts["idnumber"][self.labels[account]],
                "account_id": account,
                "evidence": f"{evidence} {_said(decision)}",
                "other_accounts": "[]",
                "proposal": "",
                "may_link": False,
                "email_kept": False,
                "shared_field": "",
                "question_open": False,
                "explained": False,
                "decision": decision["decision"],
                "forced": action.value,
            }
        )


_HOW: Final[dict[DecisionKind, Callable[[_Work, int, dict[str, Any]], None]]] = {
    DecisionKind.LINK: _Work.link,
    DecisionKind.REKEY: _Work.link,
    DecisionKind.CREATE_SEPARATE: _Work.create,
    DecisionKind.SUSPEND: _Work.suspend,
}
"""The kinds that change a plan. The others leave it as it is: protected accounts are known to the view already."""


def _said(decision: dict[str, Any]) -> str:
    at = decision["at"]
    day = f" on {at:%Y-%m-%d}" if isinstance(at, dt.datetime) and pd.notna(at) else ""
    return f"{decision['by']} decided{day}: {WORDS[DecisionKind(decision['kind'])]}."
