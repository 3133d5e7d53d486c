"""Decisions with the rows and the accounts that they are about, looked up once for all of them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.contract.verdicts import KEPT_UP, DecisionKind
from moodle_coupling.matching.compare import folded
from moodle_coupling.matching.decision_words import Account

if TYPE_CHECKING:
    from moodle_coupling.matching.view import View

_READ: Final = ("row", "person_id", "extern_id", "idnumber", "account_id", "verdict", "other_accounts", "evidence")


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision and the row (its number in the match frame) that it is on.

    ``account_id`` is None where it names none; ``said`` says who decided what and when, without a full stop.
    """

    id: int
    at: int
    kind: DecisionKind
    account_id: int | None
    said: str

    @classmethod
    def of(cls, at: int, values: dict[str, Any]) -> Decision:
        """Read a row of Remembered.decided."""
        chosen, moment, kind = values["account_id"], values["at"], DecisionKind(values["kind"])
        day = ""
        if isinstance(moment, dt.datetime) and pd.notna(moment):
            day = f" on {moment.astimezone(dt.UTC):%Y-%m-%d} (UTC)"
        said = f"{values['by']} decided{day}: {kind.replace('_', ' ')}"
        return cls(int(values["decision"]), at, kind, None if pd.isna(chosen) else int(chosen), said)


@dataclass(frozen=True)
class Decided:
    """Decisions in the order in which they were taken, and what obeying them asks.

    ``rows``: the rows decided on, by their number in the match frame. ``orphans``: account id → row number.
    ``accounts``: those that the rows point at, by id; ``labels`` (in the view) and ``protected`` (why) likewise.
    ``owners``: idnumber of such an account → the persons in scope who have it. ``holders``: row number of somebody who is
    to get a new account → the account that has the address. ``taken``: accounts that are written without any decision →
    the row for which.
    """

    decisions: list[Decision]
    rows: dict[int, dict[str, Any]]
    orphans: dict[int, int]
    accounts: dict[int, Account]
    labels: dict[int, int]
    protected: dict[int, str]
    owners: dict[str, list[str]]
    holders: dict[int, int]
    taken: dict[int, int]


def look_up(view: View, frame: pd.DataFrame, decided: pd.DataFrame) -> Decided:
    """Look up what the decisions (Remembered.decided) are about; those on rows that are not in ``frame`` are left out."""
    persons = frame["row"].notna()
    by_row, orphans = _numbers(frame["row"][persons]), _numbers(frame["account_id"][~persons])
    decisions = _decisions(decided, by_row, orphans)
    ats = sorted({decision.at for decision in decisions})
    rows = dict(zip(ats, _records(frame.loc[ats, list(_READ)]), strict=True))
    meant = {account for row in rows.values() for account in pointed(row)}
    known = view.accounts[view.accounts["id"].isin(meant)]
    ids = [int(id_) for id_ in known["id"]]
    written = persons & (frame["verdict"].isin(KEPT_UP) | frame["may_link"])
    return Decided(
        decisions=decisions,
        rows=rows,
        orphans=orphans,
        accounts={account.id: account for account in map(_account, _records(known))},
        labels=dict(zip(ids, known.index, strict=True)),
        protected=dict(zip(ids, view.protected.loc[known.index], strict=True)),
        owners=_owners(view, known),
        holders=_holders(view, decisions),
        taken=_numbers(frame["account_id"][written].dropna()),
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


def _owners(view: View, accounts: pd.DataFrame) -> dict[str, list[str]]:
    found = view.owners(accounts["idnumber"])
    inside = {held: [name for name in names if not name.endswith("(not in scope)")] for held, names in found.items()}
    return {held: names for held, names in inside.items() if names}


def _holders(view: View, decisions: list[Decision]) -> dict[int, int]:
    who = [decision.at for decision in decisions if decision.kind == DecisionKind.CREATE_SEPARATE]
    emails = view.persons["email"].reindex(who).dropna()
    if view.mapping.matching.shared_email or emails.empty:
        return {}
    wanted, theirs = folded(emails), folded(view.accounts["email"])
    some = theirs[theirs.isin(set(wanted) - {""})]
    by_address = dict(zip(some, view.accounts["id"].loc[some.index], strict=True))
    return {int(at): int(by_address[email]) for at, email in wanted.items() if email in by_address}  # type: ignore[call-overload]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
