"""Linking to an account at which a mismatch does not point."""

from __future__ import annotations

import html
import re

import pytest
from web.mismatched import compare, every_kind
from web.test_environments import CONNECTION, connection

from moodle_coupling.hooks.pause import variable_name
from moodle_coupling.ledger.accounts import record_links
from moodle_coupling.ledger.decisions import decision_history, decisions_in_force, protect
from moodle_coupling.ledger.mismatches import get_mismatch
from moodle_coupling.sandbox.moodle import running_moodle


@pytest.fixture
def ids(ledger):
    return compare(ledger, every_kind())


@pytest.fixture
def moodle(monkeypatch):
    accounts = [
        {"username": f"visser{n}", "firstname": "Mariëlle", "lastname": "Visser", "email": f"v{n}@example.org"}
        for n in range(3)
    ]
    with running_moodle(accounts=accounts) as sandbox:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", connection(sandbox.url, sandbox.token))
        yield sandbox


def numbers(moodle):
    return {one["username"]: one["id"] for one in moodle.accounts()}


def found(visitor, mismatch, text="visser, marielle", *, htmx=True):
    answer = visitor.send_form(f"/mismatches/{mismatch}/accounts", htmx=htmx, text=text)
    assert answer.status_code == 200
    return answer.text


def seen(page):
    """Give the print of each account that can be chosen, by its number."""
    return dict(re.findall(r'name="account" value="(\d+)"><input type="hidden" name="seen" value="(\w+)"', page))


def link(visitor, mismatch, number, print_, version="1"):
    fields = {"version": version, "account": str(number), "seen": print_, "note": "seen at the desk"}
    return visitor.send_form(f"/mismatches/{mismatch}/link", htmx=True, **fields)


@pytest.mark.parametrize("htmx", [True, False])
def test_an_account_is_found_and_linked_as_it_was_shown(visit, ledger, ids, moodle, htmx):
    visitor, number = visit("user"), numbers(moodle)["visser1"]
    page = found(visitor, ids["P1"], htmx=htmx)
    assert "gets person P1" in " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())
    assert len(seen(page)) == 3
    answer = link(visitor, ids["P1"], number, seen(page)[str(number)])
    assert f"Link to account {number}" in answer.text
    (one,) = decision_history(ledger, ids["P1"])
    assert (one.kind, one.account_id, one.by, one.note) == ("link", number, "user", "seen at the desk")
    assert decisions_in_force(ledger, "demo")["account_print"].tolist() == [seen(page)[str(number)]]


def test_an_account_that_changed_after_it_was_shown_is_not_decided_on(visit, ledger, ids, moodle):
    visitor, number = visit("user"), numbers(moodle)["visser1"]
    print_ = seen(found(visitor, ids["P1"]))[str(number)]
    moodle.table.update(number, {"lastname": "Bakker"})
    assert "changed since it was shown" in link(visitor, ids["P1"], number, print_).text
    assert decision_history(ledger, ids["P1"]) == []


def test_what_cannot_be_chosen_says_why(visit, ledger, ids, moodle):
    import pandas as pd

    there = numbers(moodle)
    record_links(ledger, "demo", pd.DataFrame({"idnumber": ["E77"], "account_id": [there["visser0"]]}))
    protect(ledger, "demo", there["visser1"], by="anna")
    page = found(visit("user"), ids["P1"])
    assert set(seen(page)) == {str(there["visser2"])}
    assert "linked to another person (ID number E77)" in page
    assert "It is protected" in page
    assert "protected" in found(visit("user"), ids["P1"], "admin")


def test_who_was_first_is_told(visit, ledger, ids, moodle):
    number = numbers(moodle)["visser1"]
    print_ = seen(found(visit("user"), ids["P1"]))[str(number)]
    visit("admin").send_form(f"/mismatches/{ids['P1']}/decide", version="1", choice="ignore:")
    assert "admin was first" in link(visit("user"), ids["P1"], number, print_).text
    assert get_mismatch(ledger, ids["P1"])["kind"] == "ignore"


@pytest.mark.parametrize("person", ["P5", "P7", "P8", "33"])
def test_where_the_person_has_an_account_or_nobody_is_meant_it_is_not_offered(visit, ids, moodle, person):
    visitor = visit("user")
    assert f"/mismatches/{ids[person]}/accounts" not in visitor.get(f"/mismatches/{ids[person]}").text
    assert visitor.send_form(f"/mismatches/{ids[person]}/accounts", text="visser").status_code == 409


def test_no_request_goes_to_the_moodle_of_a_paused_environment(visit, ids, moodle, monkeypatch):
    monkeypatch.setenv(f"AIRFLOW_VAR_{variable_name(CONNECTION).upper()}", "true")
    before = len(moodle.calls.all())
    assert "Not looked for" in found(visit("user"), ids["P1"])
    assert len(moodle.calls.all()) == before
