"""A run for what changed, for one person, for everyone, and a trace judge alike on MariaDB and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from orchestration.coupling import Coupling, connect
from orchestration.one_person import OnePerson, lines, make

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASES = ("mariadb", "postgresql")
PERSONS = [
    ("1", "SP-MIXED", "Zoë", "", "Meer", "zoe@example.org", "Utrecht"),
    ("2", "CV-2", "Anna", "", "Ypma", "anna.y@example.org", "Zwolle"),
    ("3", "CV-3", "Jan", "", "Jansen", "jan3@example.org", "Zwolle"),
    ("4", "CV-4", "Piet", "", "Smit", "new@example.org", "Ede"),
]
ACCOUNTS = [
    {"username": "a", "idnumber": "Sp-Mixed", "email": "a@example.org"},
    {"username": "b", "idnumber": "", "email": "Anna.Y@Example.org"},
    {"username": "c", "idnumber": " CV-3", "email": "c@example.org"},
    {"username": "piet-smit", "idnumber": "CV-4", "email": "old@example.org", "firstname": "Piet", "lastname": "Smit"},
    {"username": "e", "idnumber": "CV-99", "email": "New@Example.org"},
]
VERDICTS = {"1": "id_case", "2": "id_missing", "3": "id_case", "4": "email_taken"}


@pytest.fixture(params=DATABASES)
def moodle(request: pytest.FixtureRequest) -> Iterator[SandboxMoodle]:
    with running_moodle() as running:
        running.settings.change({"database": request.param})
        yield running


@pytest.fixture
def coupled(coupling: Coupling, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch) -> Coupling:
    connect(monkeypatch, coupling.name, moodle.url, moodle.token)
    return coupling


def add(moodle: SandboxMoodle) -> None:
    moodle.add_accounts([{"firstname": "V", "lastname": "A"} | account for account in ACCOUNTS])


def verdicts(run) -> dict[str, str]:
    plan = run.frame("plan")
    return plan[plan["row"].notna()].set_index("person_id")["verdict"].to_dict()


def test_the_first_run_the_next_and_a_full_one_judge_alike(coupled: Coupling, moodle: SandboxMoodle) -> None:
    add(moodle)
    coupled.persons(PERSONS)
    before = len(moodle.accounts())
    first, again, full = coupled.run(), coupled.run(), coupled.reconcile()
    assert [run.state for run in (first, again, full)] == ["success"] * 3
    assert [verdicts(run) for run in (first, again, full)] == [VERDICTS] * 3
    assert len(moodle.accounts()) == before


def test_an_address_that_is_anothers_keeps_nothing_else_from_being_written(
    coupled: Coupling, moodle: SandboxMoodle
) -> None:
    add(moodle)
    # A field is written to accounts that are there only where somebody's shows that it is not hidden.
    moodle.add_accounts(
        [{"username": "somebody", "firstname": "S", "lastname": "B", "email": "s.b@example.org", "city": "Delft"}]
    )
    coupled.persons(PERSONS)
    run = coupled.run()
    (mine,) = [account for account in moodle.accounts() if account["username"] == "piet-smit"]
    assert (mine["email"], mine["city"]) == ("old@example.org", "Ede")
    outcome = run.frame("outcomes").set_index("person_id").loc["4"]
    assert (outcome["verdict"], outcome["status"]) == ("email_taken", "done")


def test_accounts_that_came_after_everyone_was_read_are_known_too(coupled: Coupling, moodle: SandboxMoodle) -> None:
    coupled.persons([])
    assert coupled.reconcile().state == "success"
    add(moodle)
    coupled.persons(PERSONS)
    assert verdicts(coupled.run(person_ids=["1"]))["1"] == "id_case"
    assert verdicts(coupled.run()) == VERDICTS


@pytest.fixture
def one(tmp_path: Path, moodle: SandboxMoodle) -> Iterator[OnePerson]:
    add(moodle)
    made = make(tmp_path, moodle)
    made.persons([(*person, "Cursist", "nee", "") for person in PERSONS])
    yield made
    made.ledger.close()


@pytest.mark.parametrize("person", [person for person, verdict in VERDICTS.items() if verdict != "email_taken"])
def test_before_one_person_is_written_everyone_is_read(one: OnePerson, person: str) -> None:
    before = len(one.moodle.accounts())
    trace = one.explain(person, write=True)
    assert trace.steps[3].facts["verdict"] == VERDICTS[person]
    assert len(one.moodle.accounts()) == before
    # From now on a trace that writes nothing knows as much.
    assert one.explain(person).steps[3].facts["verdict"] == VERDICTS[person]


def test_a_trace_says_when_nobody_has_read_everyone_yet(one: OnePerson) -> None:
    one.persons([("8", "CV-8", "Ien", "", "Bos", "ien@example.org", "Ede", "Cursist", "nee", "")])
    assert "Nobody has read all accounts of this Moodle lately" in lines(one.explain("8").steps[3])
    one.explain("8", write=True)
    one.persons([("9", "CV-9", "Ton", "", "Bos", "ton@example.org", "Ede", "Cursist", "nee", "")])
    assert "Nobody has read" not in lines(one.explain("9").steps[3])
