"""What the ledger knows for a plan, and what becomes of the decisions that analysts took."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.verdicts import DecisionKind, Verdict
from moodle_coupling.ledger.accounts import absences, links_frame, note_absences
from moodle_coupling.ledger.decisions import decisions_in_force, decisions_on, lapse_choices, mark_applied, protections
from moodle_coupling.ledger.mismatches import record_mismatches, subjects
from moodle_coupling.matching.decisions import account_print, mismatches_with_facts
from moodle_coupling.matching.frames import Action, Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.orchestration.run import Run

OF_AN_ACCOUNT: Final = "account "
"""How the ledger names the subject of a mismatch that is about an account and no person."""


def remembered(ledger: Ledger | None, environment: str, *, as_written: Collection[int] = ()) -> Remembered:
    """Give what the ledger knows of an environment, all but decisions; without a ledger nothing is known."""
    now = dt.datetime.now(dt.UTC)
    if ledger is None:
        return Remembered(now=now)
    marked, gone = protections(ledger, environment), absences(ledger, environment)
    return Remembered(
        links=links_frame(ledger, environment),
        protections={int(account): by for account, by in zip(marked["account_id"], marked["by"], strict=True)},
        gone_since={int(account): at for account, at in zip(gone["account_id"], gone["since"], strict=True)},
        as_written=frozenset(int(row) for row in as_written),
        now=now,
    )


def record(run: Run, accounts: pd.DataFrame, found: pd.DataFrame, plan: pd.DataFrame) -> None:
    """Write down the mismatches that a plan without decisions shows, and since when its orphans are gone.

    A decision lapses whose chosen account (``accounts`` are those read) is not, or no longer, what it was.
    """
    environment, ledger = run.mapping.environment, run.ledger
    lapse_choices(ledger, _looking_otherwise(run, accounts))
    record_mismatches(ledger, environment, run.record.id, found, full=run.full, examined=subjects(plan))
    if run.full:
        orphans = plan.loc[plan["verdict"] == Verdict.ORPHAN, ["account_id", "idnumber"]]
        note_absences(ledger, environment, orphans, complete=True)


def planned(
    plan_with: Callable[[Remembered], pd.DataFrame],
    known: Remembered,
    accounts: pd.DataFrame,
    ledger: Ledger | None,
    environment: str,
    *,
    note: Callable[[pd.DataFrame, pd.DataFrame], None] | None = None,
) -> pd.DataFrame:
    """Plan without anyone's decision, and then again with the decisions in force on exactly what was found.

    ``plan_with`` makes the plan; ``note`` is told of the mismatches (rows of the plan with facts) and the plan before
    decisions are looked up.
    """
    frame = plan_with(known)
    found = mismatches_with_facts(frame, accounts)
    if note is not None:
        note(found, frame)
    if ledger is None or found.empty:
        return frame
    on = decisions_on(ledger, environment, found)
    return plan_with(replace(known, decided=on)) if len(on) else frame


def decided_orphans(ledger: Ledger, environment: str) -> list[int]:
    """Give the accounts of nobody that analysts decided to suspend, so that every run looks at them."""
    found = decisions_in_force(ledger, environment)
    meant = found[(found["kind"] == DecisionKind.SUSPEND) & found["subject"].str.startswith(OF_AN_ACCOUNT)]
    return [int(subject.removeprefix(OF_AN_ACCOUNT)) for subject in meant["subject"]]


def chosen_accounts(ledger: Ledger, environment: str) -> list[int]:
    """Give the accounts that decisions name though their mismatches do not point at them, so that every run reads them."""
    found = decisions_in_force(ledger, environment)
    return sorted({int(account) for account in found.loc[found["account_print"] != "", "account_id"]})


def _looking_otherwise(run: Run, accounts: pd.DataFrame) -> list[int]:
    """Give the decisions from before this run whose chosen account is gone, or looks otherwise than when it was chosen."""
    found = decisions_in_force(run.ledger, run.mapping.environment)
    found = found[(found["account_print"] != "") & (found["at"] < run.record.started)]
    rows = accounts[accounts["id"].isin(found["account_id"])].to_dict("records")
    prints = {row["id"]: account_print({str(name): value for name, value in row.items()}) for row in rows}
    return [
        int(decision)
        for decision, account, taken in found[["decision", "account_id", "account_print"]].itertuples(index=False)
        if prints.get(account) != taken
    ]


def carried_out(run: Run, part: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    """Mark the decisions of which every row is as decided as carried out by this run; ``outcomes`` goes along with ``part``."""
    right = (outcomes["status"] == "done").to_numpy() | (part["action"] == Action.NONE).to_numpy()
    rows = pd.DataFrame({"decision": part["decision"], "right": right & ~_still_differs(part)}).dropna()
    if rows.empty:
        return
    done = rows.groupby("decision")["right"].all()
    mark_applied(run.ledger, run.record.id, [int(decision) for decision in done.index[done]])


def _still_differs(part: pd.DataFrame) -> pd.Series[bool]:
    """Tell whose account is the same person's by decision, and goes on to look like somebody else's.

    So it is where the mapping never writes names: such a decision stays in force, or every night would ask again.
    """
    same_person = (part["verdict"] == Verdict.ID_REASSIGNED) & part["row"].notna() & part["account_id"].notna()
    return same_person & ~part["changes"].str.contains('"(?:firstname|lastname|email)": ')
