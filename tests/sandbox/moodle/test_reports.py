"""Custom reports on users, as the facts say a Moodle shows them."""

from __future__ import annotations

import pytest
from sandbox.moodle.client import someone

from moodle_coupling.sandbox.moodle import CAPABILITIES, FUNCTIONS, REPORT_FUNCTIONS, CustomReport
from moodle_coupling.sandbox.moodle.context import Work, service_seconds

LIST, RETRIEVE = REPORT_FUNCTIONS
COLUMNS = ("username", "idnumber", "email", "lastname", "suspended", "auth", "profilefield_customfield1")


@pytest.fixture
def reports(site):
    site.restrict_token(functions=(*FUNCTIONS, *REPORT_FUNCTIONS))
    site.settings.change({"reports": [CustomReport(7, "Everyone", COLUMNS), CustomReport(3, "Other")]})
    return site


def rows(client, report=7, **paging):
    data = client.call(RETRIEVE, reportid=report, **paging)["data"]
    return [row["columns"] for row in data["rows"]]


def test_the_list_is_by_name(reports, client):
    listed = client.call(LIST)["reports"]
    assert [(report["id"], report["name"]) for report in listed] == [(7, "Everyone"), (3, "Other")]
    assert listed[0]["source"] == "core_user\\reportbuilder\\datasource\\users"
    assert [report["id"] for report in client.call(LIST, page=1, perpage=1)["reports"]] == [3]


def test_values_are_escaped_and_worded_in_the_language_of_the_site(reports, client):
    client.create(someone(lastname="O'Brien & Söns", customfields=[{"type": "customfield1", "value": "<b>a</b> & b"}]))
    client.create(someone("entiteit", lastname="O&#039;Brien"))
    expected = ["jan", "CV-jan", "jan@example.org", "O&#039;Brien &amp; Söns", "No", "OpenID Connect", "a &amp; b"]
    assert expected in rows(client, perpage=50)
    assert [row[3] for row in rows(client, perpage=50) if row[0] == "entiteit"] == ["O&#039;Brien"]
    with reports.changed(lang="nl"):
        data = client.call(RETRIEVE, reportid=7, perpage=50)["data"]
    assert data["headers"][:3] == ["Gebruikersnaam", "ID-nummer", "E-mailadres"]
    assert next(row for row in data["rows"] if row["columns"][0] == "jan")["columns"][4] == "Nee"


def test_deleted_accounts_and_guest_are_left_out_and_other_special_ones_are_not(reports, client):
    (gone,) = client.create(someone("weg"))
    client.call("core_user_delete_users", userids=[gone["id"]])
    assert [row[0] for row in rows(client, perpage=50)] == ["admin", "svc-coupling"]
    assert client.call(RETRIEVE, reportid=7, perpage=2)["data"]["totalrowcount"] == 2


def test_names_in_full_are_not_escaped_and_hold_the_id_of_the_account(reports, client):
    (jan,) = client.create(someone(firstname="a < b", lastname="O'Brien", country="NL", city="'s-Graveland"))
    columns = ("username", "fullname", "fullnamewithlink", "firstname", "city", "country", "confirmed", "lastaccess")
    reports.settings.change({"reports": [CustomReport(7, "Everyone", columns)]})
    link = f'<a href="{reports.url}/user/profile.php?id={jan["id"]}">a < b O\'Brien</a>'

    expected = ["jan", "a < b O'Brien", link, "a &lt; b", "&#039;s-Graveland", "Netherlands", "Yes", ""]
    assert expected in rows(client, perpage=50)
    assert ["admin", "Admin User"] in [row[:2] for row in rows(client, perpage=50)]


def test_a_report_shows_what_the_site_hides(reports, client):
    client.create(someone(city="Ede"))
    reports.settings.change(
        {
            "reports": [CustomReport(7, "Everyone", ("username", "email", "city", "suspended"))],
            "hiddenuserfields": "email,city,suspended",
            "prohibited": "moodle/user:viewhiddendetails,moodle/site:viewuseridentity",
        }
    )

    assert ["jan", "jan@example.org", "Ede", "No"] in rows(client, perpage=50)


def test_pages_are_sorted_when_the_report_is(reports, client):
    client.create(*(someone(name) for name in ("d", "b", "c", "a", "e")))
    assert [row[0] for page in range(4) for row in rows(client, page=page, perpage=2)] == [
        "a", "admin", "b", "c", "d", "e", "svc-coupling",
    ]  # fmt: skip
    reports.settings.change({"reports": [CustomReport(7, "Everyone", sort="")]})
    unsorted = [row[0] for page in range(4) for row in rows(client, page=page, perpage=2)]
    assert len(set(unsorted)) < 7


def test_who_may_not_see_all_reports_sees_those_it_is_in_the_audience_of(reports, client):
    reports.restrict_token(
        functions=(*FUNCTIONS, *REPORT_FUNCTIONS),
        capabilities=frozenset(CAPABILITIES) - {"moodle/reportbuilder:viewall"},
    )
    assert client.call(LIST)["reports"] == []
    assert client.call(RETRIEVE, reportid=7)["errorcode"] == "errorreportview"
    reports.settings.change({"reports": [CustomReport(7, "Everyone", audience=(3,))]})
    assert len(client.call(LIST)["reports"]) == 1
    assert len(rows(client)) == 2


def test_a_report_that_is_not_there_and_a_function_that_is_not_in_the_service(reports, client):
    assert client.call(RETRIEVE, reportid=99)["errorcode"] == "invalidrecordunknown"
    reports.restrict_token(functions=FUNCTIONS)
    assert client.call(RETRIEVE, reportid=7)["errorcode"] == "accessexception"


def test_the_reports_of_a_site_can_be_said_as_text(site):
    site.settings.change({"reports": '[{"id": 4, "name": "X", "columns": ["username"], "audience": [3]}]'})
    assert site.settings.reports == [CustomReport(4, "X", ("username",), audience=(3,))]
    with pytest.raises(Exception, match="no column 'shoe_size'"):
        site.settings.change({"reports": [{"id": 4, "name": "X", "columns": ["shoe_size"]}]})


def test_a_realistic_page_takes_as_long_as_measured():
    assert 5000 / service_seconds(Work(report_rows=5000)) == pytest.approx(3300, rel=0.02)
    assert 1000 / service_seconds(Work(report_rows=1000)) == pytest.approx(3090, rel=0.04)
