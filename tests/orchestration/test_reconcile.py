"""The reconcile DAG, and decisions from the ledger to Moodle, run in this process against the sandbox over HTTP."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from orchestration.coupling import Coupling, connect
from sqlalchemy import update

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.ledger.accounts import absences
from moodle_coupling.ledger.decisions import Choice, decide, decisions_in_force
from moodle_coupling.ledger.mismatches import mismatches_frame
from moodle_coupling.ledger.models import AbsenceRow
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.matching.decisions import ACCOUNT_FACTS, account_print
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

ZOE = ("1", "CV-1", "Zoë", "van der", "Meer", "zoe@example.org", "Utrecht")
JAN = ("2", "CV-2", "Jan", "", "Jansen", "jan@example.org", "Zwolle")
PIET = ("5", "CV-5", "Piet", "", "Smit", "smit@example.org", "Ede")
PERSONS = [ZOE, JAN, PIET]
STRANGER = {"username": "psmit", "firstname": "Piet", "lastname": "Smit", "email": "Smit@example.org"}
FORMER = {
    "username": "oud",
    "firstname": "Oud",
    "lastname": "Gediende",
    "email": "oud@example.org",
    "idnumber": "CV-99",
}


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=[STRANGER, FORMER]) as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


def by_idnumber(moodle: SandboxMoodle) -> dict[str, dict[str, Any]]:
    return {account["idnumber"]: account for account in moodle.accounts() if account["idnumber"]}


def mismatch(coupling: Coupling, verdict: str) -> dict[str, Any]:
    rows = mismatches_frame(the_ledger(), coupling.name, statuses=tuple(MismatchStatus))
    return dict(rows[rows["verdict"] == verdict].iloc[0])


def take(coupling: Coupling, verdict: str, kind: DecisionKind, account_id: int | None = None) -> None:
    row = mismatch(coupling, verdict)
    decide(the_ledger(), int(row["id"]), int(row["version"]), Choice(kind, "anna", account_id=account_id))


def test_everything_is_compared_and_a_second_night_changes_nothing(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    first = coupling.reconcile()
    assert first.state == "success"
    plan = first.frame("plan").set_index("idnumber")
    assert plan["verdict"].to_dict() == {"CV-1": "new", "CV-2": "new", "CV-5": "id_missing", "CV-99": "orphan"}
    assert by_idnumber(moodle)["CV-99"]["suspended"] == 0
    assert {mismatch(coupling, verdict)["status"] for verdict in ("orphan", "id_missing")} == {"open"}

    before = moodle.accounts()
    again = coupling.reconcile()
    assert again.actions == {"none": 4}
    assert moodle.accounts() == before
    assert mismatch(coupling, "orphan")["times_seen"] == 2


def test_a_decision_to_link_is_obeyed_by_the_next_run_and_the_mismatch_goes(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    take(coupling, "id_missing", DecisionKind.LINK)
    assert mismatch(coupling, "id_missing")["status"] == "decided"
    run = coupling.run()

    assert run.actions == {"none": 2, "link": 1}
    piet = by_idnumber(moodle)["CV-5"]
    assert (piet["username"], piet["city"]) == ("psmit", "Ede")
    assert mismatch(coupling, "id_missing")["status"] == "applied"
    assert coupling.run().actions == {"none": 3}
    assert coupling.reconcile().actions == {"none": 4}
    assert mismatch(coupling, "id_missing")["status"] == "gone"


def test_a_decision_lapses_when_its_facts_change_and_nothing_is_written(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    take(coupling, "id_missing", DecisionKind.LINK)
    moodle.table.update(moodle.account("psmit")["id"], {"lastname": "De Jong"})  # type: ignore[index]
    assert coupling.run().actions == {"none": 3}
    rows = mismatches_frame(the_ledger(), coupling.name, statuses=tuple(MismatchStatus))
    assert sorted(rows.loc[rows["verdict"] == "id_missing", "status"]) == ["lapsed", "open"]
    assert "CV-5" not in by_idnumber(moodle)


def test_apply_now_carries_out_decisions_on_a_person_and_on_an_orphan_and_touches_nobody_else(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons(PERSONS)
    coupling.reconcile()
    take(coupling, "id_missing", DecisionKind.LINK)
    take(coupling, "orphan", DecisionKind.SUSPEND)
    oud = moodle.account("oud")["id"]  # type: ignore[index]
    moodle.table.update(moodle.account("zoe-vander-meer")["id"], {"city": "Hier"})  # type: ignore[index]
    run = coupling.run(person_ids=["5"], account_ids=[oud])

    assert run.state == "success"
    plan = run.frame("plan")
    assert sorted(plan["action"]) == ["link", "suspend"]
    found = by_idnumber(moodle)
    assert found["CV-99"]["suspended"] == 1
    assert found["CV-1"]["city"] == "Hier"
    assert {mismatch(coupling, verdict)["status"] for verdict in ("orphan", "id_missing")} == {"applied"}


def elsewhere(coupling: Coupling, moodle: SandboxMoodle) -> int:
    """Decide that Piet's account is another one, at which nothing points; gives its number."""
    (number,) = moodle.add_accounts(
        [{"username": "pietje", "firstname": "P.", "lastname": "S.", "email": "p@example.org"}]
    )
    with MoodleHook.from_settings(MoodleSettings("x", moodle.url, moodle.token, allow_http=True)) as hook:
        (account,) = hook.accounts_by_field("id", [number]).accounts
    seen = account_print({name: account.value(name) for name in ACCOUNT_FACTS})
    row = mismatch(coupling, "id_missing")
    choice = Choice(DecisionKind.LINK, "anna", account_id=number, account_print=seen)
    decide(the_ledger(), int(row["id"]), int(row["version"]), choice)
    return number


@pytest.mark.parametrize("partial", [{}, {"person_ids": ["5"]}], ids=["everyone", "apply now"])
def test_an_account_chosen_elsewhere_is_read_and_becomes_the_persons(
    coupling: Coupling, moodle: SandboxMoodle, partial: dict[str, Any]
) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    number = elsewhere(coupling, moodle)
    run = coupling.run(**partial)
    assert run.actions.get("link") == 1
    piet = by_idnumber(moodle)["CV-5"]
    # The address of the source is the first account's, so this one keeps its own.
    assert (piet["id"], piet["lastname"], piet["email"]) == (number, "Smit", "p@example.org")
    assert mismatch(coupling, "id_missing")["status"] == "applied"


@pytest.mark.parametrize("gone", [True, False])
def test_a_choice_of_an_account_lapses_when_that_account_changes(
    coupling: Coupling, moodle: SandboxMoodle, gone: bool
) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    number = elsewhere(coupling, moodle)
    if gone:
        moodle.remove_accounts([number])
    else:
        moodle.table.update(number, {"firstname": "Paula"})
    coupling.run()
    assert mismatch(coupling, "id_missing")["status"] == "open"
    assert "CV-5" not in by_idnumber(moodle)
    assert decisions_in_force(the_ledger(), coupling.name).empty


def test_an_account_asked_for_whose_person_is_in_the_source_is_no_orphan(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons(PERSONS)
    coupling.more = "leavers: {policy: suspend, grace_days: 0}\n"
    coupling.run()
    zoe = moodle.account("zoe-vander-meer")["id"]  # type: ignore[index]
    run = coupling.run(account_ids=[zoe])
    assert run.frame("plan").empty
    assert by_idnumber(moodle)["CV-1"]["suspended"] == 0


def test_leavers_are_suspended_after_the_days_of_grace_and_reactivated_when_they_return(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons(PERSONS)
    coupling.more = "leavers: {policy: suspend, grace_days: 14}\n"
    coupling.run()
    coupling.persons([ZOE, PIET])
    assert coupling.reconcile().actions == {"none": 4}
    gone = absences(the_ledger(), coupling.name)
    assert sorted(gone["idnumber"]) == ["CV-2", "CV-99"]

    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=15)
    with the_ledger().writing() as connection:
        connection.execute(update(AbsenceRow).values(since=long_ago))
    assert coupling.reconcile().actions == {"none": 3, "suspend": 1}
    assert by_idnumber(moodle)["CV-2"]["suspended"] == 1
    assert by_idnumber(moodle)["CV-99"]["suspended"] == 0  # neither made nor linked by us

    coupling.persons(PERSONS)
    assert coupling.run().actions == {"none": 2, "reactivate": 1}
    assert by_idnumber(moodle)["CV-2"]["suspended"] == 0
    coupling.reconcile()
    assert list(absences(the_ledger(), coupling.name)["idnumber"]) == ["CV-99"]


def test_nobody_is_suspended_while_the_source_left_somebody_out(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    coupling.more = "leavers: {policy: suspend, grace_days: 0}\n"
    coupling.run()
    coupling.persons([ZOE, PIET])
    path = coupling.folder / "persons.csv"
    path.write_text(path.read_text() + "2;CV-2;Jan;;Jansen;jan@example.org;Zwolle;een;cel;te;veel\n")
    run = coupling.reconcile()
    assert len(run.frame("left_out")) == 1
    assert by_idnumber(moodle)["CV-2"]["suspended"] == 0
    coupling.persons([ZOE, PIET])
    coupling.reconcile()
    assert by_idnumber(moodle)["CV-2"]["suspended"] == 1


def test_what_was_changed_by_hand_in_moodle_is_put_right_or_told_as_the_mapping_says(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons([ZOE, JAN])
    coupling.more = "write: {lastname: on_create}\n"
    coupling.run()
    coupling.run()
    zoe = moodle.account("zoe-vander-meer")["id"]  # type: ignore[index]
    moodle.table.update(zoe, {"city": "Hier", "lastname": "Vandermeer"})
    assert coupling.run().actions == {"none": 2}  # a run for what changed does not look at the unchanged
    run = coupling.reconcile()

    drift = json.loads(run.frame("plan").set_index("idnumber").loc["CV-1", "drift"])
    assert drift == {"city": ["Hier", "Utrecht", "repaired"], "lastname": ["Vandermeer", "van der Meer", "reported"]}
    now = by_idnumber(moodle)["CV-1"]
    assert (now["city"], now["lastname"]) == ("Utrecht", "Vandermeer")
    assert run.folder is not None
    summary = (run.folder / "summary.md").read_text()
    assert "| city | 1 | 0 |" in summary
    assert "| lastname | 0 | 1 |" in summary


def test_an_account_that_is_not_to_be_touched_is_left_alone_from_then_on(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    take(coupling, "id_missing", DecisionKind.DO_NOT_TOUCH)
    before = moodle.account("psmit")
    run = coupling.run()
    assert run.frame("plan").set_index("idnumber").loc["CV-5", "verdict"] == "protected"
    assert moodle.account("psmit") == before
    coupling.reconcile()
    assert mismatch(coupling, "id_missing")["status"] == "gone"


def test_a_dry_run_obeys_decisions_on_paper_and_writes_down_nothing(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    take(coupling, "id_missing", DecisionKind.LINK)
    before = moodle.accounts()
    run = coupling.reconcile(dry_run=True)
    assert run.actions == {"none": 3, "link": 1}
    assert moodle.accounts() == before
    assert mismatch(coupling, "id_missing")["status"] == "decided"
    assert absences(the_ledger(), coupling.name).empty
