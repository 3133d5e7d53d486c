"""The control paths: changing what a Coachview's users would change, and moving its time on."""

from __future__ import annotations

import pytest
import requests
from sandbox.coachview.client import changed, guid, someone

from moodle_coupling.sandbox.coachview.sandbox import Control


def test_the_state_tells_how_things_stand(office, client):
    office.people.add([someone(1), someone(2, inactief=True)])
    client.rows()
    state = client.control("GET", "state").json()

    assert (state["people"], state["inactive"], state["tokens"]) == (2, 1, 1)
    assert (state["budget"]["limit"], state["budget"]["used"]) == (5000, 1)
    assert state["settings"]["take_maximum"] == 100
    assert len(state["time"]) == len("2025-06-06T09:30:00")


def test_people_are_added_and_shown_with_all_there_is_of_them(client):
    added = client.control("POST", "people", [someone(1, vrijevelden={"Vrijveld1": "x"}), {"achternaam": "Nieuw"}])
    ids = added.json()["ids"]
    shown = client.control("GET", "people").json()

    assert ids[0] == guid(1)
    assert [person["id"] for person in shown] == ids
    assert shown[0]["vrijevelden"] == {"Vrijveld1": "x"}
    assert [row["achternaam"] for row in client.rows()] == ["Jansen 001", "Nieuw"]


def test_a_change_stamps_the_audit_trail(office, client):
    office.people.add([someone(adres={"plaats": "Utrecht", "landCode": "NL"}, auditTrail=changed("2021-06-09"))])
    control = {"id": guid(1), "changes": {"achternaam": "Anders", "adres": {"plaats": "Zwolle"}}}
    after = client.control("POST", "people/change", control).json()
    trail = after["auditTrail"]

    assert (after["achternaam"], after["adres"]) == ("Anders", {"plaats": "Zwolle", "landCode": "NL"})
    assert trail["aangemaaktDatumTijd"] == "2015-01-01T08:00:00"
    assert "2021-06-09T10:00:00" < trail["gewijzigdDatumTijd"] <= office.clock.stamp("Europe/Amsterdam")
    assert len(trail["etag"]) == 32
    assert client.rows()[0]["achternaam"] == "Anders"


def test_a_change_can_be_given_its_moment(office, client):
    office.people.add([someone()])
    control = {"id": guid(1), "changes": {"auditTrail": {"gewijzigdDatumTijd": "2022-02-02T12:00:00"}}}
    client.control("POST", "people/change", control)

    assert len(client.rows(where="audittrail.gewijzigddatumtijd=02-02-2022,03-02-2022")) == 1


def test_people_leave_by_being_set_inactive(office, client):
    office.people.add([someone(1), someone(2)])
    state = client.control("POST", "people/inactive", [guid(2)]).json()

    assert (state["people"], state["inactive"]) == (2, 1)
    assert client.names("inactief=true") == ["Jansen 002"]


def test_people_can_be_removed_without_a_trace(office, client):
    office.people.add([someone(1), someone(2)])

    assert client.control("POST", "people/remove", [guid(1), guid(9)]).json()["people"] == 1
    assert client.names() == ["Jansen 002"]
    office.people.add([someone(1)])
    assert client.names() == ["Jansen 002", "Jansen 001"]


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("people", [{"id": "7", "achternaam": "x"}], "must be a GUID in small letters, not '7'"),
        ("people", [{"id": guid(2).upper().replace("0", "A"), "achternaam": "x"}], "must be a GUID in small letters"),
        ("people", [{"id": guid(1), "achternaam": "x"}], "is there already"),
        ("people", [{"surname": "x"}], "has no key 'surname'. It knows: id, titel"),
        ("people", [{"adres": {"street": "x"}}], "'adres' must be an object with keys of adres1"),
        ("people", [{"adres": "Utrecht"}], "'adres' must be an object"),
        ("people", [{"inactief": "nee"}], "'inactief' must be true or false"),
        ("people", [{"vrijevelden": ["x"]}], "'vrijevelden' must be a dict"),
        ("people", [{"vrijevelden": {"Vrijveld99": "x"}}], "free field 'Vrijveld99' has no definition"),
        ("people", [{"externId": "cv-001"}], "externId 'cv-001' is there already under externSource ''"),
        ("people/change", {"id": guid(9), "changes": {}}, f"no person '{guid(9)}'"),
        ("people/change", {"id": guid(1), "changes": {"id": guid(9)}}, "id does not change"),
        ("people/change", {"id": guid(1)}, "'changes' is missing"),
        ("budget", {"used": "many"}, "invalid literal"),
        ("settings", {"guid_order": "odd"}, "choose one of text, sql_server"),
        ("settings", {"timezone": "Mars/Olympus"}, "no time zone of that name"),
        ("settings", {"rate_limit": -1}, "must not be below 0"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_has_changed(office, client, path, body, complaint):
    office.people.add([someone(1)])
    before = office.people.all()
    answer = client.control("POST", path, body)

    assert answer.status_code == 400
    assert complaint in answer.json()["error"]
    assert office.people.all() == before


def test_of_people_that_do_not_fit_none_is_added(office, client):
    assert client.control("POST", "people", [someone(1), someone(2, externId="CV-001")]).status_code == 400
    assert len(office.people) == 0
    office.people.add([someone(1), someone(2, externId="CV-001", externSource="Magister")])
    assert len(office.people) == 2


def test_an_extern_id_is_free_again_once_its_person_has_another(office):
    office.people.add([someone(1)])
    office.people.change(guid(1), {"externId": "CV-100"})
    office.people.add([someone(2, externId="CV-001")])

    assert [person["externId"] for person in office.people.all()] == ["CV-100", "CV-001"]


def test_the_limit_can_be_used_up_and_renewed(office, client):
    client.control("POST", "budget", {"used": 5000})
    assert client.get().status_code == 429
    assert client.control("DELETE", "budget").json()["budget"]["used"] == 0
    assert client.get().headers["X-Rate-Limit-Remaining"] == "4999"


def test_tokens_can_be_revoked(client):
    assert client.control("DELETE", "tokens").json()["tokens"] == 0
    assert client.get().status_code == 401


def test_the_time_can_be_moved_on(office, client):
    before = client.control("GET", "state").json()["time"]
    after = client.control("POST", "clock", {"advance": 86_400}).json()["time"]
    office.people.add([someone()])

    assert after[:10] > before[:10]
    assert client.get().status_code == 401
    client.log_in()
    assert client.rows()[0]["auditTrail"]["gewijzigdDatumTijd"] >= after


def test_the_local_time_is_that_of_the_zone(office):
    office.settings.change({"timezone": "Asia/Tokyo"})
    office.people.add([someone()])
    stamp = office.people.all()[0]["auditTrail"]["gewijzigdDatumTijd"]

    assert stamp > office.clock.stamp("Europe/Amsterdam")


def test_faults_settings_and_calls_have_their_paths(office, client):
    client.control("POST", "faults", ["500,first=1"])
    client.control("POST", "settings", {"take_default": 3})
    client.get(where="inactief=false")
    calls = client.control("GET", "calls").json()

    assert [(call["endpoint"], call["status"], call["params"], call["faults"]) for call in calls] == [
        ("Personen", 500, {"where": "inactief=false"}, ["500"])
    ]
    assert client.control("DELETE", "calls").json() == client.control("DELETE", "faults").json() == []
    assert office.settings.take_default == 3


def test_the_log_of_calls_holds_neither_secret_nor_token(office, client):
    client.log_in()
    client.rows(take=5)
    log = client.control("GET", "calls")

    assert [(call["method"], call["endpoint"], call["status"]) for call in log.json()] == [
        ("POST", "token", 200),
        ("GET", "Personen", 200),
    ]
    assert office.client_secret not in log.text
    assert client.session.headers["Authorization"].partition(" ")[2] not in log.text
    assert [call.rows for call in office.calls.all("Personen")] == [0]


def test_the_controls_are_for_this_machine_only(office):
    assert office.control.answer("GET", "state", b"", "192.0.2.1", "")[0] == 403
    assert Control(office, "s3cret").answer("GET", "state", b"", "127.0.0.1", "")[0] == 403
    assert Control(office, "s3cret").answer("GET", "state", b"", "127.0.0.1", "s3cret")[0] == 200


def test_a_body_that_is_too_large_is_not_read(office):
    answer = requests.post(f"{office.url}/auth/connect/token", data=b"x" * ((1 << 20) + 1), timeout=30)

    assert answer.status_code == 413
