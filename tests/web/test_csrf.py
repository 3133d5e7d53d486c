"""A change must carry proof that it was asked for from a page made for this user."""

from __future__ import annotations

import re

import pytest
from web.conftest import token_of

from moodle_coupling.web.base import forms
from moodle_coupling.web.base.forms import is_genuine, token_for

CHANGE = "/environments/demo/resume"


def send(visitor, token, **headers):
    return visitor.post(CHANGE, data={forms.FIELD: token} if token else {}, headers=headers)


class TestTheToken:
    @pytest.fixture(autouse=True)
    def _secret(self, site):
        """Sign as the site does."""

    def test_it_is_its_users_alone(self):
        assert is_genuine(token_for("anna"), "anna")
        assert not is_genuine(token_for("anna"), "bram")

    def test_it_is_never_the_same_twice(self):
        assert token_for("anna") != token_for("anna")

    @pytest.mark.parametrize("token", ["", "x", "WzEsMl0.x.y", token_for.__name__])
    def test_nonsense_is_refused(self, token):
        assert not is_genuine(token, "anna")

    def test_a_changed_token_is_refused(self):
        token = token_for("anna")
        assert not is_genuine(token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), "anna")

    def test_an_old_one_is_refused(self, monkeypatch):
        token = token_for("anna")
        monkeypatch.setattr(forms, "SECONDS", -1)
        assert not is_genuine(token, "anna")

    def test_another_secret_is_refused(self, monkeypatch):
        token = token_for("anna")
        monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "another")
        assert not is_genuine(token, "anna")


def test_what_holds_tokens_is_made_anew_before_they_run_out(monkeypatch):
    monkeypatch.setattr(forms.time, "time", lambda: 1_000_000.0)
    before = forms.period()
    monkeypatch.setattr(forms.time, "time", lambda: 1_000_000.0 + forms.SECONDS / 2)
    assert forms.period() > before


class TestARequest:
    def test_the_right_token_in_a_form(self, visit):
        assert send(visit("op"), token_for("op")).status_code == 303

    def test_the_right_token_in_a_header(self, visit):
        assert visit("op").post(CHANGE, headers={forms.HEADER: token_for("op")}).status_code == 303

    @pytest.mark.parametrize("token", ["", "nonsense"])
    @pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
    def test_missing_or_wrong(self, visit, token, headers):
        answer = send(visit("op"), token, **headers)
        assert answer.status_code == 403
        assert "nothing was changed" in answer.text

    def test_a_form_newer_than_its_page(self, visit):
        answer = send(visit("op"), token_for("op"), **{forms.HEADER: token_for("admin")})
        assert answer.status_code == 303

    def test_somebody_elses(self, visit):
        assert send(visit("op"), token_for("admin")).status_code == 403

    def test_a_token_in_the_address_does_not_count(self, visit):
        assert visit("op").post(f"{CHANGE}?{forms.FIELD}={token_for('op')}").status_code == 403

    @pytest.mark.parametrize("sender", ["cross-site", "same-site"])
    def test_another_site(self, visit, sender):
        assert send(visit("op"), token_for("op"), **{"Sec-Fetch-Site": sender}).status_code == 403

    def test_our_own_site(self, visit):
        assert send(visit("op"), token_for("op"), **{"Sec-Fetch-Site": "same-origin"}).status_code == 303

    def test_a_bearer_needs_it_too(self, visit):
        visitor = visit("")
        bearer = {"Authorization": f"Bearer {token_of('op')}"}
        assert visitor.post(CHANGE, headers=bearer).status_code == 403
        assert visitor.post(CHANGE, headers=bearer | {forms.HEADER: token_for("op")}).status_code == 303


def test_the_page_holds_a_token_for_htmx_and_for_each_form(visit):
    html = visit("op").get("/").text
    meta = re.search(r'<meta name="csrf-token" content="([^"]+)"', html)[1]
    headers = re.search(r"hx-headers='{\"X-CSRF-Token\": \"([^\"]+)\"}'", html)[1]
    fields = re.findall(r'name="csrf_token" value="([^"]+)"', html)
    assert html.count("<form") == len(fields) > 1
    assert all(is_genuine(token, "op") for token in (meta, headers, *fields))
    assert visit("op").post(CHANGE, headers={forms.HEADER: headers}).status_code == 303
