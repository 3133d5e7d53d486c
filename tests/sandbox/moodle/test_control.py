"""The control paths: only for this machine, and only of a sandbox."""

from __future__ import annotations

import pytest
import requests
from sandbox.moodle.client import Client, someone

from moodle_coupling.sandbox.moodle import SandboxMoodle
from moodle_coupling.sandbox.moodle.sandbox import Control


@pytest.fixture
def control(site):
    with requests.Session() as session:
        yield lambda method, path, json=None: session.request(
            method, f"{site.url}/sandbox/{path}", json=json, timeout=30
        )


def test_faults_are_set_listed_and_cleared(control, client):
    control("POST", "faults", ["503,first=1", {"kind": "latency", "seconds": 0.001}])

    assert [fault["kind"] for fault in control("GET", "faults").json()] == ["503", "latency"]
    assert client.respond("core_webservice_get_site_info").status_code == 503
    assert control("DELETE", "faults").json() == []


def test_a_wrong_fault_is_refused_and_the_others_stay(control):
    control("POST", "faults", ["html"])
    answer = control("POST", "faults", ["teapot"])

    assert answer.status_code == 400
    assert "'teapot' is unknown" in answer.json()["error"]
    assert [fault["kind"] for fault in control("GET", "faults").json()] == ["html"]


def test_settings_are_changed_and_shown(control, client):
    answer = control("POST", "settings", {"maintenance": "config"})

    assert answer.json()["maintenance"] == "config"
    assert client.info()["errorcode"] == "sitemaintenance"


def test_a_site_can_move_to_another_database(control, client):
    client.create(someone("jan", idnumber="Cv-1"))
    before = client.by_field("idnumber", "CV-1")
    control("POST", "settings", {"database": "postgresql"})

    assert [account["username"] for account in before] == ["jan"]
    assert client.by_field("idnumber", "CV-1") == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"nonsense": 1}, "no setting 'nonsense'. It knows: admins, allowaccountssameemail"),
        ({"maintenance": "maybe"}, "cannot be 'maybe': choose one of off, cli, config"),
        ({"database": "oracle"}, "cannot be 'oracle': choose one of mariadb, postgresql"),
        ({"prohibited": "moodle/user:fly"}, "there is no capability 'moodle/user:fly'"),
        ({"max_input_vars": "many"}, "'max_input_vars' cannot be 'many'"),
        ({"debugdisplay": "perhaps"}, "use true or false"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_possible(control, change, complaint):
    answer = control("POST", "settings", change)

    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


def test_the_state_shows_what_stands_in_the_database(control, client):
    client.create(someone(customfields=[{"type": "customfield1", "value": "x"}]))
    jan = control("GET", "state").json()["accounts"][-1]

    assert (jan["username"], jan["auth"], jan["profile_fields"]) == ("jan", "oidc", {"customfield1": "x"})


def test_accounts_are_added_past_every_check(control, client):
    ids = control("POST", "accounts", [{"username": "Odd Name", "email": "odd@example.org"}]).json()["ids"]

    assert client.by_field("id", *ids)["errorcode"] == "invalidresponse"


def test_the_call_log_holds_neither_token_nor_password(site, control, client):
    client.create(someone(auth="manual", password="Geheim-8-teken!"))
    log = control("GET", "calls")

    (call,) = log.json()
    assert (call["function"], call["status"], call["accounts"], call["fields"]) == (
        "core_user_create_users",
        200,
        1,
        10,
    )
    assert call["parameters"]["users"]["0"]["username"] == "jan"
    assert site.token not in log.text
    assert "Geheim" not in log.text


def test_the_call_log_knows_how_a_call_ended(site, client):
    client.create(someone(email="x"))
    site.faults.add("500")
    client.respond("core_webservice_get_site_info")

    assert [(c.errorcode, c.status, c.faults) for c in site.calls.all()] == [
        ("invalidparameter", 200, ()),
        ("", 500, ("500",)),
    ]


def test_an_unknown_control_says_which_there_are(control):
    answer = control("GET", "nothing")

    assert answer.status_code == 404
    assert "GET /sandbox/state" in answer.json()["error"]


def test_the_controls_are_for_this_machine_only(site):
    assert site.control.answer("GET", "state", b"", "192.0.2.1", "")[0] == 403
    assert site.control.answer("GET", "settings", b"", "::1", "")[0] == 200


def test_a_secret_guards_the_controls_where_one_is_set(site):
    guarded = Control(site, "s3cret")

    assert guarded.answer("GET", "settings", b"", "127.0.0.1", "")[0] == 403
    assert guarded.answer("GET", "settings", b"", "127.0.0.1", "s3cret")[0] == 200


def test_other_paths_are_no_web_service(site):
    with requests.Session() as session:
        assert "Log in to the site" in session.get(site.url, timeout=30).text
        assert session.get(f"{site.url}/nothing", timeout=30).status_code == 404


def test_two_sandboxes_know_nothing_of_each_other(site, client):
    other = SandboxMoodle()
    other.start()
    client.create(someone())
    elsewhere = Client(other)
    with elsewhere.session:
        found = elsewhere.by_field("username", "jan")
    other.stop()

    assert found == []


def test_a_fault_of_the_sandbox_itself_is_told_apart_from_one_asked_for(site, client, monkeypatch, caplog):
    def broken(_request):
        raise ZeroDivisionError

    monkeypatch.setattr(site, "serve", broken)

    assert client.respond("core_webservice_get_site_info").status_code == 500
    assert "The sandbox Moodle failed on POST /webservice/rest/server.php" in caplog.text


def test_a_body_sent_in_chunks_is_read_whole(site, client):
    body = f"wstoken={site.token}&wsfunction=core_webservice_get_site_info&moodlewsrestformat=json".encode()
    chunks = (body[start : start + 7] for start in range(0, len(body), 7))
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.session.post(f"{site.url}/webservice/rest/server.php", data=chunks, headers=kind, timeout=30)

    assert answer.json()["userid"] == 3
    assert client.info()["userid"] == 3
