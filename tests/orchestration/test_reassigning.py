"""An idnumber that went to somebody else, from the source to Moodle and back through a decision, against the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.mismatches import mismatches_frame
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

JAN = ("1", "CV-1", "Jan", "", "Jansen", "jan@example.org", "Ede")
PIET = ("2", "CV-2", "Piet", "", "Bos", "piet@example.org", "Ede")
FATIMA = ("9", "CV-1", "Fatima", "", "Yilmaz", "fatima@example.org", "Delft")


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    """A Moodle in which Jan and Piet have the accounts that this coupling made."""
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        coupling.persons([JAN, PIET])
        assert coupling.run().actions == {"create": 2}
        yield running


def state(moodle: SandboxMoodle, username: str) -> dict[str, Any]:
    account = moodle.account(username)
    assert account is not None
    return {name: account[name] for name in ("firstname", "lastname", "email", "idnumber", "city", "suspended")}


def mismatch(coupling: Coupling) -> dict[str, Any]:
    rows = mismatches_frame(the_ledger(), coupling.name, statuses=tuple(MismatchStatus))
    return dict(rows[rows["verdict"] == "id_reassigned"].iloc[0])


def take(coupling: Coupling, kind: DecisionKind, account_id: int | None = None) -> None:
    row = mismatch(coupling)
    decide(the_ledger(), int(row["id"]), int(row["version"]), Choice(kind, "anna", account_id=account_id))


def test_of_another_person_the_number_is_taken_off_and_the_next_run_makes_an_account(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    before = state(moodle, "jan-jansen")
    coupling.persons([FATIMA, PIET])
    for run in (coupling.run(), coupling.reconcile()):
        assert run.actions == {"none": 2}
    assert state(moodle, "jan-jansen") == before

    take(coupling, DecisionKind.CREATE_SEPARATE)
    assert coupling.run().actions == {"none": 2, "update": 1}
    assert state(moodle, "jan-jansen") == before | {"idnumber": ""}
    assert mismatch(coupling)["status"] == "applied"

    assert coupling.run().actions == {"none": 1, "create": 1}
    made = state(moodle, "fatima-yilmaz")
    assert (made["idnumber"], made["email"], made["city"]) == ("CV-1", "fatima@example.org", "Delft")
    assert state(moodle, "jan-jansen") == before | {"idnumber": ""}
    assert coupling.reconcile().actions == {"none": 2}
    assert mismatch(coupling)["status"] == "gone"


def test_a_crash_after_the_number_was_taken_off_leaves_a_person_who_is_new(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons([FATIMA, PIET])
    coupling.run()
    take(coupling, DecisionKind.CREATE_SEPARATE)
    # Moodle did it, and the run died before it could write that down.
    moodle.table.update(moodle.account("jan-jansen")["id"], {"idnumber": ""})  # type: ignore[index]
    assert coupling.run().actions == {"none": 1, "create": 1}
    assert state(moodle, "fatima-yilmaz")["idnumber"] == "CV-1"
    assert state(moodle, "jan-jansen")["firstname"] == "Jan"


def test_the_same_person_goes_on_as_linked_and_is_not_asked_again(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons([FATIMA, PIET])
    coupling.run()
    take(coupling, DecisionKind.LINK, int(moodle.account("jan-jansen")["id"]))  # type: ignore[index]
    assert coupling.run().actions == {"none": 1, "update": 1}
    now = state(moodle, "jan-jansen")
    assert (now["firstname"], now["email"], now["idnumber"]) == ("Fatima", "fatima@example.org", "CV-1")
    assert coupling.run().actions == {"none": 2}
    assert coupling.reconcile().actions == {"none": 2}
    assert mismatch(coupling)["status"] == "gone"


def test_the_same_person_stays_decided_where_names_are_never_written(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.more = "write: {firstname: on_create, lastname: on_create, email: on_create}\n"
    coupling.persons([FATIMA, PIET])
    coupling.run()
    take(coupling, DecisionKind.LINK, int(moodle.account("jan-jansen")["id"]))  # type: ignore[index]
    for _ in range(2):
        coupling.run()
        assert mismatch(coupling)["status"] == "decided"
    assert (state(moodle, "jan-jansen")["firstname"], state(moodle, "jan-jansen")["city"]) == ("Jan", "Delft")


def test_a_sister_under_another_person_id_is_known_from_the_ledger(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons([("9", "CV-1", "Anna", "", "Jansen", "jan@example.org", "Ede"), PIET])
    run = coupling.run()
    assert run.frame("plan").set_index("idnumber")["verdict"].to_dict() == {"CV-1": "id_reassigned", "CV-2": "linked"}
    assert state(moodle, "jan-jansen")["firstname"] == "Jan"
    assert coupling.run().actions == {"none": 2}
    assert mismatch(coupling)["status"] == "open"


def test_two_crossed_ids_come_right_by_taking_both_numbers_off(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons([("1", "CV-2", *JAN[2:]), ("2", "CV-1", *PIET[2:])])
    assert coupling.reconcile().actions == {"none": 2}
    rows = mismatches_frame(the_ledger(), coupling.name, statuses=tuple(MismatchStatus))
    for row in rows.to_dict("records"):
        decide(the_ledger(), int(row["id"]), int(row["version"]), Choice(DecisionKind.CREATE_SEPARATE, "anna"))
    assert coupling.run().actions == {"none": 2, "update": 2}
    run = coupling.run()
    assert set(run.frame("plan")["verdict"]) == {"id_missing"}
    rows = mismatches_frame(the_ledger(), coupling.name, statuses=(MismatchStatus.OPEN,))
    for row in rows.to_dict("records"):
        decide(the_ledger(), int(row["id"]), int(row["version"]), Choice(DecisionKind.LINK, "anna"))
    assert coupling.run().actions == {"link": 2}
    assert (state(moodle, "jan-jansen")["idnumber"], state(moodle, "piet-bos")["idnumber"]) == ("CV-2", "CV-1")
    assert coupling.reconcile().actions == {"none": 2}
