"""Runs on a site that hides fields from the service user: nothing that cannot be seen is compared, written or guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.ledger.runs import latest_runs
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration.explanation import explain_person
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.sandbox.moodle.site import LEAST_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

ZOE = ("1", "CV-1", "Zoë", "van der", "Meer", "zoe@example.org", "Utrecht")
JAN = ("2", "CV-2", "Jan", "", "Jansen", "jan@example.org", "Zwolle")
PIET = ("5", "CV-5", "Piet", "", "Smit", "smit@example.org", "Ede")
TYPED = "Groningen"
THERE = [
    {
        "username": f"{first.lower()}",
        "firstname": first,
        "lastname": last,
        "email": email,
        "idnumber": idnumber,
        "city": TYPED,
    }
    for first, last, email, idnumber in (
        ("Jan", "Jansen", "jan@example.org", "CV-2"),
        ("Piet", "Smit", "smit@example.org", "CV-5"),
    )
]


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=THERE) as running:
        running.restrict_token(capabilities=LEAST_CAPABILITIES)
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


def cities(moodle: SandboxMoodle) -> dict[str, str]:
    return {one["idnumber"]: one["city"] for one in moodle.accounts() if one["idnumber"]}


def written(moodle: SandboxMoodle) -> int:
    return len(moodle.calls.all("core_user_update_users"))


@pytest.mark.parametrize("write", ["always", "if_empty"])
@pytest.mark.parametrize("full", [True, False], ids=["full", "changed"])
def test_what_a_person_typed_stays_and_no_night_writes_it(
    coupling: Coupling, moodle: SandboxMoodle, *, write: str, full: bool
) -> None:
    moodle.settings.change({"hiddenuserfields": "city,country,timezone"})
    coupling.mapping = coupling.mapping.replace("{{column: city}}", f"{{{{column: city, write: {write}}}}}")
    coupling.persons([ZOE, JAN, PIET])
    run = coupling.reconcile() if full else coupling.run()
    assert run.state == "success"
    assert run.actions == {"create": 1, "none": 2}
    assert cities(moodle) == {"CV-1": "Utrecht", "CV-2": TYPED, "CV-5": TYPED}
    assert run.folder is not None
    text = (run.folder / "summary.md").read_text()
    assert "Fields that the service user may not see" in text
    assert "'city'" in text
    assert "hiddenuserfields" in text
    assert "moodle/user:viewhiddendetails" in text
    assert latest_runs(the_ledger(), coupling.name, limit=1)[0].counts["unseen_city"] == 1
    assert coupling.reconcile().actions == {"none": 3}
    assert cities(moodle) == {"CV-1": "Utrecht", "CV-2": TYPED, "CV-5": TYPED}


def test_once_the_capability_is_there_the_source_is_followed_again(coupling: Coupling, moodle: SandboxMoodle) -> None:
    moodle.settings.change({"hiddenuserfields": "city"})
    coupling.persons([JAN, PIET])
    assert coupling.reconcile().actions == {"none": 2}
    moodle.restrict_token(capabilities=LEAST_CAPABILITIES | {"moodle/user:viewhiddendetails"})
    run = coupling.reconcile()
    assert run.actions == {"update": 2}
    assert cities(moodle) == {"CV-2": "Zwolle", "CV-5": "Ede"}
    assert run.folder is not None
    assert "may not see" not in (run.folder / "summary.md").read_text()


def test_where_nobody_has_it_new_accounts_get_it_and_prove_that_it_is_seen(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    for account in moodle.accounts():
        moodle.table.update(account["id"], {"city": ""})
    coupling.persons([JAN, PIET])
    assert coupling.reconcile().actions == {"none": 2}
    coupling.persons([ZOE, JAN, PIET])
    assert coupling.reconcile().actions == {"create": 1, "none": 2}
    assert coupling.reconcile().actions == {"update": 2, "none": 1}
    assert cities(moodle) == {"CV-1": "Utrecht", "CV-2": "Zwolle", "CV-5": "Ede"}


@pytest.mark.parametrize("hidden", ["suspended", "email"])
@pytest.mark.parametrize("full", [True, False], ids=["full", "changed"])
def test_a_run_that_cannot_see_what_it_needs_does_not_start(
    coupling: Coupling, moodle: SandboxMoodle, *, hidden: str, full: bool
) -> None:
    moodle.settings.change({"hiddenuserfields": hidden})
    moodle.table.update(51, {"suspended": 1})
    coupling.persons([ZOE, JAN, PIET])
    before = moodle.accounts()
    run = coupling.reconcile() if full else coupling.run()
    assert run.state == "failed"
    assert run.tasks["plan"] == "failed"
    assert moodle.accounts() == before


def traced(coupling: Coupling, person: str) -> Any:
    from moodle_coupling.hooks.moodle.hook import MoodleHook

    path = coupling.folder / f"{coupling.name}.yaml"
    path.write_text(coupling.mapping.format(name=coupling.name))
    with MoodleHook(f"moodle_{coupling.name}") as hook:
        return explain_person(load_mapping(path), path, person, hook, ledger=the_ledger())


def test_explaining_one_person_compares_no_hidden_field(coupling: Coupling, moodle: SandboxMoodle) -> None:
    moodle.settings.change({"hiddenuserfields": "city"})
    coupling.persons([ZOE, JAN, PIET])
    trace = traced(coupling, "CV-2")
    assert "Zwolle" in trace.text()
    assert trace.steps[4].facts["changes"] == {}
    assert "hiddenuserfields" in trace.text()
    moodle.settings.change({"hiddenuserfields": ""})
    assert traced(coupling, "CV-2").steps[4].facts["changes"] == {"city": [TYPED, "Zwolle"]}


@pytest.mark.parametrize("person", ["CV-1", "CV-2"])
def test_explaining_one_person_stops_where_suspended_is_hidden(
    coupling: Coupling, moodle: SandboxMoodle, person: str
) -> None:
    moodle.settings.change({"hiddenuserfields": "suspended"})
    coupling.persons([ZOE, JAN, PIET])
    text = traced(coupling, person).text()
    assert "moodle/user:viewhiddendetails" in text
    assert not traced(coupling, person).steps[3].ok
