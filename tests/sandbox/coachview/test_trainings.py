"""Parts of trainings and enrolments: rows answered as they were given, found by any key that a row has."""

from __future__ import annotations

import json

import pytest
from sandbox.coachview.client import changed, guid, someone

from moodle_coupling.errors import SettingError
from moodle_coupling.sandbox.coachview.people import (
    ENROLMENTS,
    ENVIRONMENT,
    PARTS,
    TRAININGS,
    invented_enrolments,
    invented_parts,
)
from moodle_coupling.sandbox.coachview.samples import generate_people, read_people

ROWS = [
    {"id": guid(1), "persoonId": guid(101), "opleidingId": guid(901), "status": "Ingeschreven", "definitief": True},
    {"id": guid(2), "persoonId": guid(102), "opleidingId": guid(902), "opleiding": {"code": "BHV"}, "status": ""},
    {"id": guid(3), "persoonId": guid(103), "opleidingId": guid(901), "vrijevelden": {"Vrijveld1": "x"}},
]


@pytest.fixture(autouse=True)
def _rows(office):
    office.enrolments.add(ROWS)


def ids(client, **params):
    return [int(row["id"][-3:]) for row in client.rows(ENROLMENTS, **params)]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", [1, 2, 3]),
        (f"opleidingId={guid(901)}", [1, 3]),
        (f"OPLEIDINGID={guid(901)},{guid(902)}", [1, 2, 3]),
        ("opleiding.code=bhv", [2]),
        ("definitief=true", [1]),
        (f"id>{guid(1)}", [2, 3]),
    ],
)
def test_any_key_that_a_row_has_can_be_filtered_by(client, where, found):
    assert ids(client, where=where, orderby="id asc") == found


def test_a_key_that_no_row_has_is_refused(client):
    assert client.get(ENROLMENTS, where="cursusId=1").status_code == 400


def test_rows_are_paged_and_counted(client):
    answer = client.get(ENROLMENTS, skip=1, take=1, orderby="id asc", Count="true")
    assert ([row["id"] for row in answer.json()], answer.headers["RowCount"]) == ([guid(2)], "3")


def test_who_changed_is_found_by_the_day(office, client):
    office.enrolments.add([{"id": guid(4), "auditTrail": changed("2024-03-05")}])
    assert ids(client, where="audittrail.gewijzigddatumtijd=05-03-2024,06-03-2024") == [4]
    office.enrolments.change(guid(4), {"status": "Geannuleerd"})
    assert ids(client, where="audittrail.gewijzigddatumtijd=05-03-2024,06-03-2024") == []
    assert client.rows(ENROLMENTS, where="status=Geannuleerd")[0]["id"] == guid(4)


def test_empty_values_and_free_fields_stand_as_the_settings_say(office, client):
    assert "status" not in client.rows(ENROLMENTS, orderby="id asc")[1]
    office.settings.change({"empty_values": "null"})
    row = client.rows(ENROLMENTS, where=f"id={guid(3)}", InclusiefVrijevelden="true")[0]
    assert (row["status"], row["vrijevelden"][0]["data"]) == (None, "x")
    told = client.rows(f"{ENROLMENTS}/Vrijevelden", where=f"recordId={guid(3)}")
    assert told[0]["vrijveldDefinitie"]["code"] == "Vrijveld1"


def test_without_its_scope_come_example_rows(client):
    client.log_in("api Personen.Lezen")
    assert len({row["id"] for row in client.rows(ENROLMENTS)}) == 1


def test_controls_add_and_change(office, client):
    (added,) = client.control("POST", "enrolments", [{"persoonId": guid(9)}]).json()["ids"]
    client.control("POST", "enrolments/change", {"id": added, "changes": {"status": "Geannuleerd"}})
    client.control("POST", "parts", [{"lesvormId": "Elearning"}])
    assert office.enrolments.get(added)["status"] == "Geannuleerd"
    assert client.control("GET", "state").json()["parts"] == 1


@pytest.mark.parametrize("row", [{"id": "1"}, {"id": guid(1)}, {"vrijevelden": {"VrijveldX": 1}}])
def test_what_cannot_be_is_refused(office, row):
    with pytest.raises(SettingError):
        office.enrolments.add([row])


def test_invented_ones_fit_together_and_are_the_same_each_time():
    people = list(generate_people(30))
    rows, parts = list(invented_enrolments(people)), list(invented_parts())
    assert rows == list(invented_enrolments(people))
    elearning = [part for part in parts if part["lesvormId"] == "Elearning"]
    assert {part["elearningOmgevingId"] for part in elearning} == {ENVIRONMENT}
    assert len(elearning) == len(TRAININGS)
    assert {row["opleidingId"] for row in rows} <= {part["opleidingId"] for part in elearning}
    assert {row["persoonId"] for row in rows} == {person["id"] for person in people}
    assert {"Ingeschreven", "Geannuleerd"} <= {row["status"] for row in rows}


def test_a_file_holds_them_too(tmp_path):
    path = tmp_path / "people.json"
    content = {"personen": [someone()], PARTS.lower(): [{"lesvormId": "Elearning"}], ENROLMENTS.lower(): ROWS}
    path.write_text(json.dumps(content), encoding="utf-8")
    found = read_people(path)
    assert (found.parts, found.enrolments) == ([{"lesvormId": "Elearning"}], ROWS)
