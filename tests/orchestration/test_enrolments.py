"""Runs in Airflow whose access is who is enrolled in Coachview: given, and taken back from who is withdrawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from access.windows import NEXT, first_of
from orchestration.coupling import Coupling, connect
from orchestration.test_coachview_runs import guid, person

from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration.connection_checks import check_environment
from moodle_coupling.sandbox.coachview import SandboxCoachview, running_coachview
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

MAPPING = """\
environment: {name}
connection: moodle_{name}
source: {{type: coachview, connection: school_cv}}
idnumber: extern_id
safeguards: {{first_load: false, source_shrunk: off}}
access:
  source:
    type: coachview
    connection: school_cv
    elearning_environment: this-moodle
    columns: {{person_id: persoonId, training: opleidingId, from: begin, until: einde, state: status}}
    part_columns: {{training: opleidingId}}
    translate: {{BHV: BHV-2027}}
  courses_by: shortname
  states: {{Ingeschreven: active, Geannuleerd: none}}
  safeguards: {{first_load: false, empty: false, take_backs: off, per_target: off}}
"""
SCHOOL: dict[str, Any] = {
    "courses": [
        {"shortname": "BHV-2027", "fullname": "Bedrijfshulp", "idnumber": "1"},
        {"shortname": "VCA", "fullname": "Veiligheid", "idnumber": "2"},
    ]
}
PARTS = [
    {"opleidingId": training, "lesvormId": "Elearning", "elearningOmgevingId": where, "elearningCode": code}
    for training, where, code in (
        (guid(901), "this-moodle", "BHV"),
        (guid(902), "this-moodle", "VCA"),
        (guid(903), "another", "EHBO"),
    )
]


def enrolment(number: int, of: int, training: int, status: str = "Ingeschreven") -> dict[str, Any]:
    window = {"begin": f"{NEXT}-01-01T00:00:00", "einde": f"{NEXT}-06-30T00:00:00"}
    return {"id": guid(number), "persoonId": guid(of), "opleidingId": guid(training), "status": status, **window}


ENROLMENTS = [
    enrolment(1, 1, 901),
    enrolment(2, 2, 901),
    enrolment(3, 2, 902),
    enrolment(4, 3, 903),
    enrolment(5, 3, 902, "Geannuleerd"),
]


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    coupling.mapping = MAPPING
    with running_moodle(access=SCHOOL) as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxCoachview]:
    with running_coachview(people=map(person, range(1, 4)), parts=PARTS, enrolments=ENROLMENTS) as running:
        made = {"conn_type": "coachview", "host": running.url, "login": running.client_id}
        made |= {"password": running.client_secret, "extra": {"allow_http": True}}
        monkeypatch.setenv("AIRFLOW_CONN_SCHOOL_CV", json.dumps(made))
        yield running


def enrolled(moodle: SandboxMoodle) -> dict[str, dict[str, tuple[int, int]]]:
    """Give, by course, the windows of who is in it, by idnumber."""
    names = {one["id"]: one["idnumber"] for one in moodle.accounts()}
    return {
        course: {names[one["userid"]]: (one["timestart"], one["timeend"]) for one in moodle.access.enrolments(number)}
        for number, course in ((2, "BHV"), (3, "VCA"))
    }


@pytest.mark.slow
def test_who_is_enrolled_in_coachview_gets_the_course_and_who_is_withdrawn_loses_it(
    coupling: Coupling, moodle: SandboxMoodle, site: SandboxCoachview
) -> None:
    half_a_year = (first_of(NEXT, 1), first_of(NEXT, 7))
    run = coupling.run()
    assert (run.state, run.tasks["access"]) == ("success", "success")
    both = {"CV-1": half_a_year, "CV-2": half_a_year}
    assert enrolled(moodle) == {"BHV": both, "VCA": {"CV-2": half_a_year}}
    with_keys = load_mapping(coupling.folder / f"{coupling.name}.yaml")
    assert check_environment(with_keys).is_fit

    site.enrolments.change(guid(2), {"status": "Geannuleerd"})
    site.enrolments.remove([guid(3)])
    site.calls.clear()
    run = coupling.run()
    plan = run.frame("access_plan").set_index(["person_id", "target"])
    assert plan["action"].to_dict() == {
        (guid(1), "BHV-2027"): "none",
        (guid(2), "BHV-2027"): "take_back",
        (guid(2), "VCA"): "take_back",
    }
    assert enrolled(moodle) == {"BHV": {"CV-1": half_a_year}, "VCA": {}}
    assert len(site.calls.all("Opleidingsonderdelen")) == len(site.calls.all("Opleidingsvragen")) == 1

    assert coupling.run().tasks["access"] == "skipped"
    site.enrolments.change(guid(2), {"status": "Ingeschreven"})
    assert coupling.run().state == "success"
    assert enrolled(moodle)["BHV"] == both


@pytest.mark.slow
def test_a_key_that_is_called_otherwise_stops_the_run_before_anything_is_written(
    coupling: Coupling, moodle: SandboxMoodle, site: SandboxCoachview
) -> None:
    assert coupling.run().state == "success"
    before = enrolled(moodle)
    coupling.mapping = MAPPING.replace("state: status", "state: toestand")
    run = coupling.run()
    assert run.state == "failed"
    assert not run.has("access_plan.parquet")
    assert enrolled(moodle) == before
    checked = check_environment(load_mapping(coupling.folder / f"{coupling.name}.yaml"))
    assert not checked.is_fit
    (wrong,) = [one for one in checked.findings if one.code == "enrolment_keys" and "toestand" in one.message]
    assert "status" in wrong.message
