"""The provision DAG, run in this process against the sandbox over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.session import create_session
from orchestration.coupling import Coupling, connect
from sqlalchemy import select

from moodle_coupling.orchestration.names import users_asset
from moodle_coupling.sandbox.moodle import CAPABILITIES, SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

PERSONS = [
    ("1", "CV-1", "Zoë", "van der", "Meer", "zoe@example.org", "Utrecht"),
    ("2", "CV-2", "Jan", "", "Jansen", "jan2@example.org", "Zwolle"),
    ("3", "CV-3", "Jan", "", "Jansen", "jan3@example.org", "Zwolle"),
    ("4", "CV-4", "", "", "Bakker", "bakker@example.org", "Ede"),
    ("5", "CV-5", "Piet", "", "Smit", "smit@example.org", "Ede"),
]
PAUSE = "AIRFLOW_VAR_MOODLE_COUPLING_PAUSED__MOODLE_TRIAL"


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    stranger = {"username": "smit", "firstname": "Piet", "lastname": "Smit", "email": "Smit@example.org"}
    with running_moodle(accounts=[stranger]) as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


def by_idnumber(moodle: SandboxMoodle) -> dict[str, dict]:
    return {account["idnumber"]: account for account in moodle.accounts() if account["idnumber"]}


def test_people_become_accounts_and_everyone_else_is_explained(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    run = coupling.run()

    assert run.state == "success"
    accounts = by_idnumber(moodle)
    assert {key: account["username"] for key, account in accounts.items()} == {
        "CV-1": "zoe-vander-meer",
        "CV-2": "jan-jansen",
        "CV-3": "jan-jansen2",
    }
    assert accounts["CV-1"]["lastname"] == "van der Meer"
    outcomes = run.frame("outcomes").set_index("person_id")
    assert outcomes["status"].to_dict() == {"1": "done", "2": "done", "3": "done", "4": "rejected", "5": "skipped"}
    assert outcomes.loc["4", "code"] == "firstname_missing"
    assert run.frame("plan").set_index("person_id").loc["5", "verdict"] == "id_missing"


def test_a_second_run_writes_nothing(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    before = moodle.accounts()
    again = coupling.run()

    assert again.state == "success"
    assert again.actions == {"none": 4, "reject": 1}
    assert moodle.accounts() == before
    assert {name for name, state in again.tasks.items() if state == "success"} == {"prepare", "plan", "report"}
    assert set(again.frame("outcomes")["status"]) == {"skipped", "rejected"}
    assert list(again.frame("outcomes")["row"]) == list(again.frame("plan")["row"])


def test_only_what_changed_is_written(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    married = ("2", "CV-2", "Jan", "de", "Wit", "jan2@example.org", "Zwolle")
    coupling.persons([PERSONS[0], married, *PERSONS[2:]])
    run = coupling.run()

    plan = run.frame("plan").set_index("person_id")
    assert json.loads(plan.loc["2", "changes"]) == {"lastname": ["Jansen", "de Wit"]}
    assert run.actions == {"update": 1, "none": 3, "reject": 1}
    assert by_idnumber(moodle)["CV-2"]["username"] == "jan-jansen"


def test_a_dry_run_plans_and_writes_nothing(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    before = moodle.accounts()
    run = coupling.run(dry_run=True)

    assert run.state == "success"
    assert run.actions["create"] == 3
    assert moodle.accounts() == before
    assert run.tasks["approve"] == run.tasks["load"] == "skipped"
    assert run.tasks["report"] == "success"


def announced(coupling: Coupling) -> list[int]:
    """Give how many accounts were made, of each event of the accounts' asset."""
    with create_session() as session:
        query = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id).order_by(AssetEvent.id)
        events = session.scalars(query.where(AssetModel.name == users_asset(coupling.name).name)).all()
        return [event.extra["done_create"] for event in events]


def test_a_load_is_an_event_of_the_accounts_and_a_dry_run_is_none(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    before = len(announced(coupling))
    coupling.run(dry_run=True)
    assert len(announced(coupling)) == before
    coupling.run()
    coupling.run()
    assert announced(coupling)[before:] == [3, 0]


def test_a_run_for_one_person_gives_the_same_name_as_a_run_for_all(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    run = coupling.run(person_ids=["CV-3"])

    assert run.state == "success"
    assert run.tasks["load"] == "success", run.tasks
    assert list(by_idnumber(moodle)) == ["CV-3"]
    assert by_idnumber(moodle)["CV-3"]["username"] == "jan-jansen2"


def test_an_unknown_person_id_fails_and_names_it(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    run = coupling.run(person_ids=["CV-3", "CV-99"])

    assert run.state == "failed"
    assert run.tasks["prepare"] == "failed"
    assert by_idnumber(moodle) == {}


def test_a_full_run_shows_orphans(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.persons(PERSONS)
    coupling.run()
    coupling.persons(PERSONS[1:])
    run = coupling.run(mode="full")

    orphans = run.frame("plan").query("verdict == 'orphan'")
    assert list(orphans["idnumber"]) == ["CV-1"]
    assert list(orphans["action"]) == ["none"]


@pytest.mark.parametrize("value", ["true", '{"paused": true, "reason": "upgrade"}', "no idea"])
def test_a_paused_environment_gets_no_request_at_all(
    coupling: Coupling, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(PAUSE, value)
    coupling.persons(PERSONS)
    before = len(moodle.calls.all())
    run = coupling.run()

    assert len(moodle.calls.all()) == before
    assert set(run.tasks.values()) == {"skipped"}
    assert not run.has("plan.parquet")


def test_a_token_that_sees_no_idnumbers_gets_no_run(coupling: Coupling, moodle: SandboxMoodle) -> None:
    moodle.restrict_token(capabilities=set(CAPABILITIES) - {"moodle/user:viewalldetails"})
    coupling.persons(PERSONS)
    run = coupling.run()

    assert run.state == "failed"
    assert run.tasks["plan"] == "failed"
    assert by_idnumber(moodle) == {}


def test_more_refusals_than_the_mapping_tolerates_fail_the_run_after_everyone_else_is_in(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    coupling.persons([(*person[:-1], "xx") for person in PERSONS[:3]])
    coupling.more = "  lang: {column: city}\nlimits: {tolerated_failures: 0.5}\n"
    run = coupling.run()

    assert run.state == "failed"
    assert run.tasks["report"] == "failed"
    assert set(run.frame("outcomes")["status"]) <= {"rejected", "failed"}
    assert run.has("summary.md")


def test_the_connections_defaults_hold_for_new_accounts_where_the_mapping_says_nothing(
    coupling: Coupling, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {"default_auth": "nologin", "default_lang": "en", "default_country": "BE"}
    connect(monkeypatch, coupling.name, moodle.url, moodle.token, **defaults)
    coupling.persons(PERSONS[:1])
    coupling.run()

    account = by_idnumber(moodle)["CV-1"]
    assert account["country"] == "BE"
    assert account["auth"] == "manual"  # the mapping says so
