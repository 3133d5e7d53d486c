"""Tokens: given as RFC 6749 says, good for their scopes and their time."""

from __future__ import annotations

import base64

import pytest

from moodle_coupling.sandbox.coachview import SCOPES, SandboxCoachview


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_a_token_comes_with_its_lifetime_and_scopes_and_is_not_to_be_kept(office, client):
    office.settings.change({"token_lifetime": 900})
    answer = client.token(scope="api Personen.Lezen")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    content = answer.json()
    assert (content["token_type"], content["expires_in"], content["scope"]) == ("Bearer", 900, "api Personen.Lezen")
    assert len(content["access_token"]) > 30


def test_no_scope_asked_is_every_scope_the_client_has(client):
    assert client.token().json()["scope"] == " ".join(SCOPES)


def test_the_client_may_show_itself_in_the_header(office, client):
    form = {"grant_type": "client_credentials"}
    url = f"{office.url}/auth/connect/token"
    right = client.session.post(url, form, headers=basic(office.client_id, office.client_secret), timeout=30)
    wrong = client.session.post(url, form, headers=basic(office.client_id, "guess"), timeout=30)
    garbled = client.session.post(url, form, headers={"Authorization": "Basic %%%"}, timeout=30)

    assert right.status_code == 200
    assert (wrong.status_code, garbled.status_code) == (401, 401)
    assert wrong.headers["WWW-Authenticate"].startswith("Basic")
    assert wrong.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "guess"}, "invalid_client"),
        ({"client_id": "somebody"}, "invalid_client"),
        ({"client_secret": None}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
        ({"scope": "api Personen.Schrijven"}, "invalid_scope"),
        ({"client_id": ["a", "b"]}, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_with_the_error_of_the_standard(client, change, error):
    answer = client.token(**change)

    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_client_can_be_without_client_credentials(office, client):
    office.settings.change({"client_credentials": False})

    assert client.token().json()["error"] == "unauthorized_client"


def test_only_a_posted_form_gives_a_token(office, client):
    url = f"{office.url}/auth/connect/token"

    assert client.session.get(url, timeout=30).json()["error"] == "invalid_request"
    assert client.session.post(url, json={}, timeout=30).json()["error"] == "invalid_request"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer guess", "Basic abc"])
def test_without_a_good_token_nothing_is_told(client, authorization):
    client.session.headers["Authorization"] = authorization
    answer = client.get()

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_expires(office, client):
    office.clock.advance(3599)
    assert client.get().status_code == 200
    office.clock.advance(1)
    answer = client.get()

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    client.log_in()
    assert client.get().status_code == 200


def test_a_token_can_be_revoked(office, client):
    office.tokens.revoke()

    assert client.get().status_code == 401


def test_without_the_scope_come_example_rows_that_all_have_the_same_id(office, client):
    client.log_in("api Persoonscategorieen.Lezen")
    answer = client.get(Count="true")
    rows = answer.json()

    assert answer.status_code == 200
    assert len(rows) > 1
    assert {row["id"] for row in rows} == {"3fa85f64-5717-4562-b3fc-2c963f66afa6"}
    assert answer.headers["RowCount"] == str(len(rows))
    assert rows[0]["adres"]["plaats"] == "string"
    assert len(client.rows(take=1)) == 1


def test_without_the_scope_of_categories_come_examples_too(client):
    client.log_in("api Personen.Lezen")

    assert {row["naam"] for row in client.rows("Persoonscategorieen")} == {"string"}
    assert client.rows() == []


def test_a_missing_scope_can_also_be_forbidden(office, client):
    office.settings.change({"missing_scope": "forbidden"})
    client.log_in("api")
    answer = client.get()

    assert answer.status_code == 403
    assert "Personen.Lezen" in answer.json()["detail"]


def test_free_fields_take_the_scope_of_their_entity(office, client):
    office.settings.change({"missing_scope": "forbidden"})
    client.log_in("api Persoonscategorieen.Lezen")

    assert client.get("Personen/Vrijevelden", where="recordId=x").status_code == 403


def test_nothing_goes_without_the_scope_api(client):
    client.log_in("Personen.Lezen")

    assert client.get().status_code == 403


def test_two_sandboxes_do_not_know_each_others_tokens(office, client):
    other = SandboxCoachview()
    other.start()
    client.sandbox = other
    answer = client.get()
    other.stop()

    assert answer.status_code == 401
