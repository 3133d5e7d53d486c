"""A value that Moodle takes from nobody, from the source to the report, the mail and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.ledger.leases import in_quarantine
from moodle_coupling.ledger.runs import latest_runs
from moodle_coupling.orchestration import notices as notifying
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.words.sentence import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterator

PERSONS = [(str(n), f"CV-{n}", "Jan", "", f"Jansen {n}", f"jan{n}@example.org", "nl") for n in range(1, 31)]


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


def test_the_check_at_the_start_of_a_run_names_the_mappings_value(coupling: Coupling, moodle: SandboxMoodle) -> None:
    coupling.more = "  lang: {value: nl}\n"
    coupling.persons(PERSONS)
    run = coupling.run()
    assert run.state == "failed"
    assert run.tasks["plan"] == "failed"
    assert len(moodle.accounts()) == 3
    moodle.settings.change({"langs": "en,nl"})
    assert coupling.run().actions == {"create": 30}


def test_a_value_from_the_source_stops_the_load_and_is_said_everywhere(
    coupling: Coupling, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(notifying, "tell", lambda notice, _who, _ledger: told.append(notice.said()["text"]))
    coupling.mapping = coupling.mapping.replace("city: {{column: city}}", "lang: {{column: city}}")
    coupling.persons(PERSONS)
    run: Any = coupling.run()
    said = "Moodle does not take lang 'nl'"
    assert run.state == "failed"
    assert run.folder is not None
    report = (run.folder / "summary.md").read_text()
    assert said in report
    assert "Install the language pack" in report
    assert set(run.frame("outcomes")["code"]) == {"value_not_taken"}
    assert said in ENGLISH.say(latest_runs(the_ledger(), coupling.name, limit=1)[0].reason)
    assert any(said in body for body in told)
    found = in_quarantine(the_ledger(), coupling.name)
    assert found is not None
    assert said in ENGLISH.say(found.reason)
    creates = moodle.calls.all("core_user_create_users")
    assert sum("CV-1" in str(call.parameters) for call in creates) == 1  # the other is the check's, with nobody in it

    moodle.settings.change({"langs": "en,nl"})
    again = coupling.run()
    assert again.state == "success"
    assert len(moodle.accounts()) == 33
