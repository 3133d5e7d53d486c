"""Two sources that do not agree on who somebody is: nothing is written, and an analyst has a mismatch until it is corrected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration.explanation import explain_person
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

MAPPING = """\
environment: {name}
connection: moodle_{name}
source:
  - {{path: hr.csv, name: HR}}
  - {{path: it.csv, name: IT}}
idnumber: extern_id
safeguards: {{first_load: false, source_shrunk: off}}
leavers: {{policy: suspend, grace_days: 0}}
"""
HEAD = "PersonId;ExternId;Voornaam;Achternaam;Email\n"
HR = HEAD + "1;E1;Ali;Bos;ali@example.org\n2;E2;Eva;Vos;eva@example.org\n"


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    coupling.mapping = MAPPING
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


def said(coupling: Coupling, first: str, last: str) -> None:
    (coupling.folder / "hr.csv").write_text(HR)
    (coupling.folder / "it.csv").write_text(
        f"ExternId;Voornaam;Achternaam;Email\nE1;{first};{last};{first.lower()}@example.org\n"
    )


def waiting() -> dict[str, str]:
    found = mismatch_page(the_ledger(), MismatchFilter()).rows
    return dict(zip(found["verdict"], found["status"], strict=True))


def test_a_mismatch_from_the_first_disagreement_to_its_correction(coupling: Coupling, moodle: SandboxMoodle) -> None:
    said(coupling, "Ali", "Bos")
    assert coupling.run().actions == {"create": 2}

    said(coupling, "Piet", "Puk")
    night = coupling.reconcile()
    plan = night.frame("plan").set_index("idnumber")
    assert plan.loc["E1", ["verdict", "action"]].tolist() == ["sources_disagree", "reject"]
    assert "Ali Bos <ali@example.org> in HR, Piet Puk <piet@example.org> in IT" in plan.loc["E1", "evidence"]
    assert json.loads(plan.loc["E1", "changes"]) == {}
    assert not (plan["verdict"] == "orphan").any()  # the account is not taken for a leaver's
    assert {one["idnumber"]: one["suspended"] for one in moodle.accounts() if one["idnumber"]} == {"E1": 0, "E2": 0}
    assert waiting() == {"sources_disagree": "open"}

    said(coupling, "Ali", "Bos")
    assert coupling.reconcile().actions == {"none": 2}
    assert waiting() == {"sources_disagree": "gone"}


def test_a_changed_run_closes_it_too(coupling: Coupling, moodle: SandboxMoodle) -> None:
    said(coupling, "Piet", "Puk")
    coupling.reconcile()
    assert waiting() == {"sources_disagree": "open"}
    said(coupling, "Ali", "Bos")
    assert coupling.run().actions["create"] == 1
    assert waiting() == {"sources_disagree": "gone"}


def test_ignored_it_stays_ignored_until_the_sources_say_something_else(
    coupling: Coupling, moodle: SandboxMoodle
) -> None:
    said(coupling, "Piet", "Puk")
    coupling.reconcile()
    (row,) = mismatch_page(the_ledger(), MismatchFilter()).rows.to_dict("records")
    decide(the_ledger(), row["id"], row["version"], Choice(DecisionKind.IGNORE, "anna"))

    coupling.reconcile()
    assert waiting() == {"sources_disagree": "decided"}
    said(coupling, "Kees", "Kok")
    assert coupling.reconcile().frame("plan")["action"].value_counts().to_dict() == {"reject": 1, "none": 1}
    found = mismatch_page(the_ledger(), MismatchFilter()).rows
    assert sorted(found["status"]) == ["lapsed", "open"]
    assert "E1" not in {one["idnumber"] for one in moodle.accounts()}


def test_explaining_the_person_tells_what_each_source_says(coupling: Coupling, moodle: SandboxMoodle) -> None:
    said(coupling, "Piet", "Puk")
    coupling.reconcile()
    path = coupling.folder / f"{coupling.name}.yaml"
    with MoodleHook.from_settings(MoodleSettings("moodle_trial", moodle.url, moodle.token)) as hook:
        trace = explain_person(load_mapping(path), path, "E1", hook, ledger=the_ledger())
    step = next(one for one in trace.steps if one.number == 4)
    assert str(step.said).startswith("sources_disagree")
    assert not step.ok
    assert "Ali Bos <ali@example.org> in HR, Piet Puk <piet@example.org> in IT" in "\n".join(map(str, step.lines))
