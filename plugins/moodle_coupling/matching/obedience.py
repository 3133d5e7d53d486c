"""Decisions obeyed: what analysts decided on exactly these facts changes what matching made of a row."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.verdicts import KEPT_UP, DecisionKind, Verdict, offered
from moodle_coupling.matching.changes import to_write
from moodle_coupling.matching.decisions import (
    ELSEWHERE,
    Account,
    Circumstances,
    account_print,
    choosable,
    circumstances,
    elsewhere_kind,
)
from moodle_coupling.matching.evidence import account_named, evidence_of, persons_listed
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.match import other_holders
from moodle_coupling.matching.view import pairs
from moodle_coupling.people.arrow import pa, to_texts
from moodle_coupling.people.cleaning import folded
from moodle_coupling.words.sentence import Sentence, after, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from moodle_coupling.mapping import Mapping as Coupled
    from moodle_coupling.matching.view import View


NOT_POSSIBLE: Final = "decision_not_possible"
"""Code of the reason why a decision was not obeyed."""
_READ: Final = ("row", "person_id", "extern_id", "idnumber", "account_id", "verdict", "other_accounts", "evidence")


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision and the row (its number in the match frame) that it is on.

    ``account_id`` is None where it names none; ``said`` is the clause that says who decided what and when. ``account_print`` is what
    the account looked like when it was chosen (account_print), where it is none that the mismatch points at; else ''.
    """

    id: int
    at: int
    kind: DecisionKind
    account_id: int | None
    said: Sentence
    account_print: str = ""

    @classmethod
    def of(cls, at: int, values: dict[str, Any]) -> Decision:
        """Read a row of Remembered.decided."""
        chosen, moment, kind = values["account_id"], values["at"], DecisionKind(values["kind"])
        said = {"by": values["by"], "kind": Sentence(f"decided.kind_{kind}")}
        clause = Sentence("decided.some_day", **said)
        if isinstance(moment, dt.datetime) and pd.notna(moment):
            clause = Sentence("decided.on", day=f"{moment.astimezone(dt.UTC):%Y-%m-%d}", **said)
        return cls(
            int(values["decision"]), at, kind, None if pd.isna(chosen) else int(chosen), clause, values["account_print"]
        )

    def told(self, code: str = "decided.plain", **parameters: Any) -> Sentence:
        """Give the sentence that says that it was obeyed, or why not."""
        return Sentence(code, decision=self.said, **parameters)


@dataclass(frozen=True)
class Decided:
    """Decisions in the order in which they were taken, and what obeying them asks.

    ``rows``: the rows decided on, by their number in the match frame. ``orphans``: account id → row number.
    ``accounts``: those that the rows point at, or decisions name, by id; ``prints`` (account_print), ``labels`` (in the view) and ``protected`` (why) likewise.
    ``owners``: idnumber of such an account → the persons in scope who have it. ``holders``: row number of somebody who is
    to get a new account → the account that has the address. ``taken``: accounts that are written without any decision →
    the row for which.
    """

    decisions: list[Decision]
    rows: dict[int, dict[str, Any]]
    orphans: dict[int, int]
    accounts: dict[int, Account]
    prints: dict[int, str]
    labels: dict[int, int]
    protected: dict[int, str]
    owners: dict[str, list[str | Sentence]]
    holders: dict[int, int]
    taken: dict[int, int]


def look_up(view: View, frame: pd.DataFrame, decided: pd.DataFrame) -> Decided:
    """Look up what the decisions (Remembered.decided) are about; those on rows that are not in ``frame`` are left out."""
    persons = frame["row"].notna()
    by_row = _numbers(frame["row"][frame["row"].isin(decided["row"].dropna()).fillna(value=False)])
    nobodys = frame["account_id"][~persons]
    orphans = _numbers(nobodys[nobodys.isin(decided["orphan"].dropna())])
    decisions = _decisions(decided, by_row, orphans)
    ats = sorted({decision.at for decision in decisions})
    rows = dict(zip(ats, _records(frame.loc[ats, list(_READ)]), strict=True))
    elsewhere = {one.account_id for one in decisions if one.account_print and one.account_id is not None}
    meant = {account for row in rows.values() for account in pointed(row)} | elsewhere
    places = view.places(meant)
    known, ids = _records(view.accounts.iloc[places]), view.ids[places].tolist()
    here = frame["account_id"].isin(list(meant)).fillna(value=False)
    written = here & persons & (frame["verdict"].isin(KEPT_UP) | frame["may_link"])
    return Decided(
        decisions=decisions,
        rows=rows,
        orphans=_numbers(frame["account_id"][here & ~persons]) | orphans,
        accounts={account.id: account for account in map(_account, known)},
        prints={int(one["id"]): account_print(one) for one in known if one["id"] in elsewhere},
        labels=dict(zip(ids, places.tolist(), strict=True)),
        protected={id_: view.why.get(place, "") for id_, place in zip(ids, places.tolist(), strict=True)},
        owners=view.owners(places, outside=False),
        holders=_holders(view, decisions),
        taken=_numbers(frame["account_id"][written]),
    )


def pointed(row: dict[str, Any]) -> list[int]:
    """Give the accounts that a row of the match frame points at, by id."""
    own = [] if pd.isna(row["account_id"]) else [int(row["account_id"])]
    return sorted({*json.loads(row["other_accounts"]), *own})


def _numbers(values: pd.Series[Any]) -> dict[int, int]:
    """Give the index label of each number."""
    return {int(value): int(at) for value, at in zip(values, values.index, strict=True)}


def _decisions(decided: pd.DataFrame, by_row: dict[int, int], orphans: dict[int, int]) -> list[Decision]:
    found = []
    for values in _records(decided.sort_values("decision")):
        at = orphans.get(values["orphan"]) if pd.isna(values["row"]) else by_row.get(values["row"])
        if at is not None:
            found.append(Decision.of(at, values))
    return found


def _account(values: dict[str, Any]) -> Account:
    texts = {name: str(values[name]) for name in ("username", "idnumber", "email")}
    return Account(int(values["id"]), suspended=bool(values["suspended"]), **texts)


def _holders(view: View, decisions: list[Decision]) -> dict[int, int]:
    persons = len(view.persons)
    who = [one.at for one in decisions if one.kind == DecisionKind.CREATE_SEPARATE and one.at < persons]
    if view.mapping.matching.shared_email or not who:
        return {}
    wanted = folded(view.mine("email").take(pa.array(who)))
    found, places = pairs(wanted, view.theirs_folded("email"))
    # Of several accounts with one address the last.
    return {who[one]: int(view.ids[a]) for one, a in zip(found.tolist(), places.tolist(), strict=True)}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


@dataclass(frozen=True)
class Obeyed:
    """The match frame after decisions; ``impossible`` says by row number why a decision was not obeyed.

    The frame has, besides its own columns, ``decision`` (Int64), ``forced`` (the action decided on, '' for none) and
    ``holders`` (JSON: the accounts that have the address a person would get). Further accounts that decisions write have
    rows of their own among the orphans, where ``row`` is missing.
    """

    frame: pd.DataFrame
    impossible: dict[int, Sentence] = field(default_factory=dict)


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
    """Why a decision cannot be obeyed, as a clause."""

    def __init__(self, code: str, /, **parameters: Any) -> None:
        super().__init__(code)
        self.why = Sentence(code, **parameters)


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
    impossible: dict[int, Sentence] = field(default_factory=dict)

    def take(self, decision: Decision) -> None:
        """Apply one decision, or say why not."""
        row, how = self.known.rows[decision.at], _HOW.get(decision.kind)
        if decision.kind in _LEAVE:
            self._set(decision.at, evidence=after(self._evidence(row), decision.told()), may_link=False)
        if how is None:
            return
        try:
            self._refuse_kind(decision, row)
            told = how(self, decision, row)
        except _Impossible as error:
            self.impossible[decision.at] = decision.told("decided.not_done", why=error.why)
            return
        self._obeyed(decision.at, decision, after(self._evidence(row), told), may_link=False)

    def link(self, decision: Decision, row: dict[str, Any]) -> Sentence:
        """Make the account the person's: link, re-key, take over a suspended one, or choose among several."""
        chosen, verdict = self._chosen(decision, row), row["verdict"]
        others = [one for one in pointed(row) if one != chosen.id] if verdict == Verdict.DUPLICATE_ACCOUNT else []
        for one in (chosen.id, *others):
            self._refuse_account(one, decision, row)
        self.known.taken.update(dict.fromkeys((chosen.id, *others), decision.at))
        self.given[decision.at] = chosen.id
        forced = LINKED_BY.get(verdict, Action.LINK)
        self._set(decision.at, account_id=chosen.id, forced=forced.value)
        for one in others:
            other = self.known.accounts[one].named
            said = Sentence("evidence.idnumber_kept", account=other, idnumber=row["idnumber"], keeper=chosen.named)
            self._add(decision, one, Action.UPDATE, said, self._former(row))
        return decision.told("decided.account", account=chosen.named)

    def create(self, decision: Decision, row: dict[str, Any]) -> Sentence:
        """Give the person an account of its own; while another account has its idnumber, that is taken off first.

        Then the run after this one makes the account: made in one go, a crash between the two could leave two accounts with
        one idnumber, and a look-up before the create would find the old one and take it for the person's.
        """
        holder = self.known.holders.get(decision.at)
        if row["verdict"] == Verdict.ID_REASSIGNED and holder != row["account_id"]:
            return self._free_idnumber(decision, row)
        if holder is not None:
            email = self.view.mine("email")[decision.at].as_py()
            raise _Impossible("not_done.address_taken", account=account_named(holder), email=email)
        self._set(decision.at, account_id=pd.NA, forced=Action.CREATE.value)
        return decision.told()

    def _free_idnumber(self, decision: Decision, row: dict[str, Any]) -> Sentence:
        own = int(row["account_id"])
        self._refuse_account(own, decision, row)
        self.known.taken[own] = decision.at
        said = Sentence("evidence.idnumber_moved", account=self.known.accounts[own].named, idnumber=row["idnumber"])
        self._add(decision, own, Action.UPDATE, said, self._former(row))
        # The person's row keeps no account: what is written there is not the person's.
        self._set(decision.at, account_id=pd.NA)
        return decision.told("decided.idnumber_first")

    def _evidence(self, row: dict[str, Any]) -> str:
        """Give what a row stands on, written, also where its columns say all."""
        own = self.known.accounts.get(-1 if pd.isna(row["account_id"]) else int(row["account_id"]))
        return row["evidence"] or evidence_of(row | {"username": own.username if own else ""}).written()

    @staticmethod
    def _former(row: dict[str, Any]) -> dict[str, Any]:
        """Give what stands in the row of an account that loses its idnumber: none, for a link is remembered by it."""
        return {name: row[name] for name in ("person_id", "extern_id", "verdict")} | {"idnumber": ""}

    def suspend(self, decision: Decision, row: dict[str, Any]) -> Sentence:
        """Suspend the account, whoever made it."""
        chosen = self._chosen(decision, row)
        self._refuse_account(chosen.id, decision, row)
        self.known.taken[chosen.id] = decision.at
        if row["verdict"] == Verdict.ID_DIFFERS:
            self._suspend_stranger(decision, chosen)
        else:
            self._set(decision.at, account_id=chosen.id, forced=Action.SUSPEND.value)
        return decision.told("decided.account", account=chosen.named)

    def finished(self) -> Obeyed:
        """Give the frame with all changes: persons by row, then orphans and further accounts by account id."""
        self._tell_holders()
        frame = self.frame.assign(impossible="")
        impossible = {at: why.written() for at, why in self.impossible.items()}
        for name, values in {**self.changed, "impossible": impossible}.items():
            frame.loc[list(values), name] = pd.Series(values, dtype=frame[name].dtype)
        # An account that is a person's by now is nobody's orphan.
        gone = frame["row"].isna() & frame["account_id"].isin(list(self.given.values())).fillna(value=False)
        persons, others = frame[frame["row"].notna()], frame[frame["row"].isna() & ~gone]
        if self.extra:
            added = pd.DataFrame(self.extra).reindex(columns=frame.columns).astype(frame.dtypes.to_dict())
            others = pd.concat([others, added]).sort_values("account_id")
        frame = pd.concat([persons, others], ignore_index=True)
        why = frame["impossible"][frame["impossible"] != ""]
        told = {at: said for at, written in zip(why.index, why, strict=True) if (said := read(written)) is not None}
        return Obeyed(frame.drop(columns="impossible"), told)

    def _suspend_stranger(self, decision: Decision, account: Account) -> None:
        """Suspend an account that a person points at and that is not the person's: its row is its own."""
        at = self.known.orphans.get(account.id)
        if at is not None:
            self._obeyed(at, decision, after(self.frame["evidence"][at], decision.told()), forced=Action.SUSPEND.value)
            return
        nobody = {"person_id": "", "extern_id": "", "idnumber": account.idnumber, "verdict": Verdict.ORPHAN.value}
        said = Sentence("evidence.orphan", account=account.named, idnumber=account.idnumber)
        self._add(decision, account.id, Action.SUSPEND, said, nobody)

    def _chosen(self, decision: Decision, row: dict[str, Any]) -> Account:
        if decision.account_print:
            return self._elsewhere(decision)
        there = [self.known.accounts[id_] for id_ in pointed(row)]
        possible = choosable(decision.kind, row["verdict"], there, row["idnumber"])
        if decision.account_id is None:
            if len(possible) != 1:
                raise _Impossible("not_done.which_account")
            return possible[0]
        for account in possible:
            if account.id == decision.account_id:
                return account
        raise _Impossible("not_done.other_account", account=account_named(decision.account_id))

    def _elsewhere(self, decision: Decision) -> Account:
        """Give an account at which the row does not point, as it was when it was chosen."""
        account = -1 if decision.account_id is None else decision.account_id
        if account not in self.known.accounts:
            raise _Impossible("not_done.not_there", account=account_named(account))
        found = self.known.accounts[account]
        if self.known.prints[account] != decision.account_print or elsewhere_kind(found) != decision.kind:
            raise _Impossible("not_done.looks_otherwise", account=found.named)
        return found

    def _refuse_kind(self, decision: Decision, row: dict[str, Any]) -> None:
        if decision.at in self.changed.get("decision", {}):
            raise _Impossible("not_done.earlier")
        elsewhere = bool(decision.account_print)
        if row["verdict"] not in ELSEWHERE if elsewhere else decision.kind not in offered(row["verdict"]):
            verdict = row["verdict"]
            raise _Impossible("not_done.verdict", verdict=verdict) if verdict else _Impossible("not_done.rejected")

    def _refuse_account(self, account: int, decision: Decision, row: dict[str, Any]) -> None:
        """Refuse an account that is protected, written for another row, or another person's by its idnumber."""
        found = self.known.accounts[account]
        if self.known.protected[account]:
            why = read(self.known.protected[account])
            raise _Impossible("not_done.protected", account=found.named, why=why)
        if self.known.taken.get(account, decision.at) != decision.at:
            raise _Impossible("not_done.written", account=found.named)
        owners = self.known.owners.get(found.idnumber)
        if owners and found.idnumber != row["idnumber"]:
            raise _Impossible("not_done.owned", account=found.named, person=persons_listed(owners[:1]))

    def _tell_holders(self) -> None:
        """Note whose address is another account's, so that the account given keeps its own."""
        if not self.given:
            return
        theirs = np.array([self.known.labels[account] for account in self.given.values()], dtype=np.intp)
        found = other_holders(self.view, np.array(list(self.given), dtype=np.intp), theirs)
        for at in self.given:
            holders = self.view.ids[found.get(at, [])].tolist()
            self._set(at, email_kept=bool(holders), holders=json.dumps(holders))

    def _obeyed(self, at: int, decision: Decision, evidence: str, **values: Any) -> None:
        self._set(at, decision=decision.id, evidence=evidence, **values)

    def _set(self, at: int, **values: Any) -> None:
        for name, value in values.items():
            self.changed.setdefault(name, {})[at] = value

    def _add(self, decision: Decision, account: int, action: Action, said: Sentence, row: dict[str, Any]) -> None:
        """Add a row for an account that is no person's."""
        columns = self.frame.columns
        plain = {name: False if self.frame[name].dtype == "bool" else "" for name in columns}
        told = {"row": pd.NA, "account_id": account, "other_accounts": "[]", "holders": "[]", "impossible": ""}
        evidence = after(said.written(), decision.told())
        obeyed = {"decision": decision.id, "forced": action.value, "evidence": evidence}
        self.extra.append(plain | told | obeyed | row)


LINKED_BY: Final[dict[str, Action]] = {
    Verdict.HELD: Action.REACTIVATE,
    Verdict.DUPLICATE_ACCOUNT: Action.UPDATE,
    Verdict.ID_REASSIGNED: Action.UPDATE,
}
"""Where the account has the idnumber already, what a decision to link does to it."""
_HOW: Final[dict[DecisionKind, Callable[[_Work, Decision, dict[str, Any]], Sentence]]] = {
    DecisionKind.LINK: _Work.link,
    DecisionKind.REKEY: _Work.link,
    DecisionKind.CREATE_SEPARATE: _Work.create,
    DecisionKind.SUSPEND: _Work.suspend,
}
"""How each kind is carried out; the others stay in force, or change nothing."""
_LEAVE: Final = frozenset({DecisionKind.IGNORE, DecisionKind.DO_NOT_TOUCH})
"""Kinds by which nothing is written, so that no row carries them out."""


# ---- What a run will write for a decision, as far as the facts of its mismatch show; no source and no Moodle is asked.

_SYNCED: Final = ("firstname", "lastname", "email")
"""Fields of the facts that are kept up to date, each as the mapping says."""
Change = tuple[Any, Any]
"""What a field has now (None where there is no account yet), and what it gets."""


@dataclass(frozen=True, slots=True)
class Write:
    """What is written to one account; ``account_id`` None for one that is made."""

    action: Action
    account_id: int | None
    changes: Mapping[str, Change]


def foreseen(
    verdict: str, facts: Mapping[str, Any], kind: str, account_id: int | None, mapping: Coupled | None
) -> tuple[Write, ...]:
    """Give what a decision makes a run write; nothing where no run does anything for it, or the facts do not say which account.

    ``facts`` is the JSON of matching/decisions.py, read; ``account_id`` the account chosen (None: the mismatch leaves no choice).
    Fields that the facts do not hold are not told, nor what differs by the time of the run. Without a mapping only ID numbers
    and suspensions.
    """
    about = circumstances(verdict, facts)
    if kind == DecisionKind.CREATE_SEPARATE:
        return _create(about)
    if kind not in {DecisionKind.LINK, DecisionKind.REKEY, DecisionKind.SUSPEND}:
        return ()
    chosen = _chosen(about, DecisionKind(kind), account_id)
    if chosen is None:
        return () if account_id is None else (_elsewhere(about, account_id),)
    if kind == DecisionKind.SUSPEND:
        return (Write(Action.SUSPEND, chosen.id, {"suspended": (False, True)}),)
    values = (facts.get("accounts") or {}).get(str(chosen.id)) or {}
    action = LINKED_BY.get(verdict, Action.LINK)
    changes: dict[str, Change] = {"suspended": (True, False)} if action is Action.REACTIVATE else {}
    if chosen.idnumber != about.idnumber:
        changes["idnumber"] = (chosen.idnumber, about.idnumber)
    if mapping is not None:
        changes |= _synced(about, chosen, values, mapping)
    others = about.others(chosen) if verdict == Verdict.DUPLICATE_ACCOUNT else ()
    return (Write(action, chosen.id, changes), *(_freed(other) for other in others))


def as_plan(writes: Iterable[Write]) -> pd.DataFrame:
    """Give writes as the columns of a plan that safeguards look at."""
    rows = [(write.action.value, json.dumps(dict(write.changes))) for write in writes]
    return pd.DataFrame(rows, columns=["action", "changes"], dtype="str")


def _create(about: Circumstances) -> tuple[Write, ...]:
    own = about.own() if about.verdict == Verdict.ID_REASSIGNED else None
    if own is not None:
        return (_freed(own),)  # the run after that makes the account
    fields = ("idnumber", *_SYNCED)
    return (Write(Action.CREATE, None, {name: (None, about.person.get(name, "")) for name in fields}),)


def _freed(account: Account) -> Write:
    return Write(Action.UPDATE, account.id, {"idnumber": (account.idnumber, "")})


def _elsewhere(about: Circumstances, account_id: int) -> Write:
    """Give what is known of an account at which the mismatch does not point: its values stand in no facts."""
    return Write(Action.LINK, account_id, {"idnumber": (None, about.idnumber)})


def _chosen(about: Circumstances, kind: DecisionKind, account_id: int | None) -> Account | None:
    possible = choosable(kind, about.verdict, about.accounts, about.idnumber)
    fitting = [one for one in possible if account_id in {None, one.id}]
    return fitting[0] if len(fitting) == 1 else None


def _synced(about: Circumstances, account: Account, values: Mapping[str, Any], mapping: Coupled) -> dict[str, Change]:
    found: dict[str, Change] = {}
    no = np.zeros(1, dtype=bool)
    for name in _SYNCED:
        old, new = str(values.get(name, "")), str(about.person.get(name, ""))
        taken = name == "email" and not mapping.matching.shared_email and about.address_is_elsewhere(account)
        if (
            name in values
            and to_write(name, to_texts([old]), to_texts([new]), mapping, barred=no, remarked=no)[0]
            and not taken
        ):
            found[name] = (old, new)
    return found
