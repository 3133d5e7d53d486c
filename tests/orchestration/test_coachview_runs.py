"""Runs of a coupling whose persons come from Coachview: few requests by day, and one person is never everyone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.erasure import forget
from moodle_coupling.orchestration.extraction import read_around
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.coachview import SandboxCoachview, running_coachview
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 250
MAPPING = """\
environment: {name}
connection: moodle_{name}
source: {{type: coachview, connection: school_cv, columns: {{free1: Vrijveld1}}}}
idnumber: extern_id
safeguards: {{first_load: false, source_shrunk: off}}
profile_fields: {{customfield1: {{column: free1}}}}
leavers: {{policy: suspend, grace_days: 0}}
"""


def guid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def person(number: int) -> dict[str, Any]:
    return {
        "id": guid(number),
        "voornaam": f"Voor{number}",
        "achternaam": "Achter",
        "externId": f"CV-{number}",
        "email1": f"p{number}@example.org",
        "auditTrail": {"gewijzigdDatumTijd": "2024-02-01T12:00:00"},
        "vrijevelden": {"Vrijveld1": "Groep 1", "VrijveldNotitie": "Vertrouwelijk"},
    }


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    coupling.mapping = MAPPING
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxCoachview]:
    with running_coachview(people=map(person, range(1, COUNT + 1))) as running:
        made = {"conn_type": "coachview", "host": running.url, "login": running.client_id}
        made |= {"password": running.client_secret, "extra": {"allow_http": True}}
        monkeypatch.setenv("AIRFLOW_CONN_SCHOOL_CV", json.dumps(made))
        yield running


def around(coupling: Coupling, id_: str) -> pd.DataFrame:
    path = coupling.folder / f"{coupling.name}.yaml"
    return read_around(load_mapping(path), coupling.folder, id_).persons.set_index("extern_id")


def test_from_coachview_into_moodle_and_then_only_what_changed(
    coupling: Coupling, moodle: SandboxMoodle, site: SandboxCoachview
) -> None:
    assert coupling.run().actions == {"create": COUNT}
    made = {one["idnumber"]: one["profile_fields"] for one in moodle.accounts()}
    assert made["CV-2"] == {"customfield1": "Groep 1"}

    site.people.change(guid(2), {"achternaam": "Nieuw"})
    site.people.change(guid(3), {"vrijevelden": {"Vrijveld1": "Groep 2"}})
    site.people.deactivate([guid(4)])
    site.calls.clear()
    run = coupling.run()
    assert run.actions == {"none": COUNT - 3, "update": 2}
    assert len(site.calls.all("Personen")) == 1

    site.people.remove([guid(5)])  # no feed tells of it; the night's run, which reads everyone, does
    assert len(coupling.run().frame("persons")) == COUNT
    night = coupling.reconcile().frame("plan").set_index("idnumber")
    assert set(night.index[night["action"] == "suspend"]) == {"CV-4", "CV-5"}


def test_one_person_is_asked_for_alone(coupling: Coupling, moodle: SandboxMoodle, site: SandboxCoachview) -> None:
    assert coupling.run().state == "success"
    site.people.change(guid(2), {"achternaam": "Nieuw"})
    site.people.change(guid(3), {"achternaam": "Anders"})
    site.people.remove([guid(5)])
    site.calls.clear()
    found = around(coupling, "CV-2")
    assert (len(found), found.loc["CV-2", "lastname"], found.loc["CV-3", "lastname"]) == (COUNT, "Nieuw", "Achter")
    assert "CV-5" not in around(coupling, "CV-5").index
    assert "CV-5" not in around(coupling, guid(5)).index
    assert len(site.calls.all("Personen")) == 1 + 1 + 2
    assert all("where" in call.params for call in site.calls.all("Personen"))


def test_a_forgotten_person_is_in_no_file_and_does_not_come_back(
    coupling: Coupling, moodle: SandboxMoodle, site: SandboxCoachview
) -> None:
    assert coupling.run().state == "success"
    assert coupling.run(person_ids=[guid(5)]).state == "success"
    site.people.remove([guid(5), guid(6)])
    assert len(coupling.run().frame("persons")) == COUNT
    assert [told for told in ("p5@example.org", guid(6), "Voor5 ") if told not in staged()] == []

    for typed in ("CV-5", "P6@Example.org"):
        forgotten, in_files = forget(the_ledger(), coupling.name, typed, [coupling.name])
        assert forgotten.links == 1
        assert in_files > 3
    everything = staged()
    for number in (5, 6):
        traces = (
            guid(number),
            f"p{number}@example.org",
            f"Voor{number} ",
            f"voor{number}-achter",
            f"CV-{number} ",
            f"'CV-{number}'",
        )
        assert [trace for trace in traces if trace in everything] == []
    assert "p7@example.org" in everything

    left = coupling.run().frame("persons")
    assert len(left) == COUNT - 2
    assert not left["extern_id"].isin(["CV-5", "CV-6"]).any()


def staged() -> str:
    """Give all that stands in any file of the staging area, as text."""
    texts = []
    for file in sorted(Path(staging.staging_root().path).rglob("*")):
        if file.suffix == ".parquet":
            frame = pd.read_parquet(file)
            texts += [f"{value} " for column in frame.select_dtypes(["string", "object"]) for value in frame[column]]
        elif file.is_file():
            texts.append(file.read_text("utf-8"))
    return "\n".join(texts)


def test_before_the_first_good_run_everyone_is_read(
    coupling: Coupling, moodle: SandboxMoodle, site: SandboxCoachview
) -> None:
    assert coupling.run(dry_run=True).actions == {"create": COUNT}
    assert len(around(coupling, "CV-2")) == COUNT


def test_no_secret_in_what_a_run_leaves(coupling: Coupling, moodle: SandboxMoodle, site: SandboxCoachview) -> None:
    coupling.run()
    left = b"".join(path.read_bytes() for path in coupling.staging.rglob("*") if path.is_file())
    assert site.client_secret.encode() not in left
    assert b"Vertrouwelijk" not in left
