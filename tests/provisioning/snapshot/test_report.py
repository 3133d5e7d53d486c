"""A custom report says who there is; only whoever a plan can be about is looked up, and a report that lies is not believed."""

from __future__ import annotations

import dataclasses

import pytest
from provisioning.snapshot.site import (
    READ,
    RETRIEVE,
    WITH_REPORTS,
    account,
    links,
    names,
    offer_report,
    read,
    special,
)

from moodle_coupling.errors import MoodleAccessDenied, MoodleFunctionMissing, MoodleRefused, SettingError
from moodle_coupling.hooks.moodle.records import Report
from moodle_coupling.provisioning.snapshot import by_report, everyone
from moodle_coupling.provisioning.snapshot.by_report import ReportUnfit
from moodle_coupling.sandbox.moodle import CAPABILITIES, FUNCTIONS, CustomReport, running_moodle


@pytest.fixture(autouse=True)
def _near(monkeypatch):
    monkeypatch.setattr(everyone, "BEYOND", 1000)


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        offer_report(sandbox)
        yield sandbox


def looked_up(moodle) -> set[str]:
    return {value for call in moodle.calls.all(READ) for value in call.parameters["values"].values()}


class TestWhoIsLookedUp:
    @pytest.fixture
    def crowd(self, moodle, monkeypatch):
        monkeypatch.setattr(by_report, "_SPOT_CHECK", 1)
        moodle.add_accounts(account(f"vreemd{n}") for n in range(50))
        return moodle

    def test_whoever_has_a_number_or_a_persons_key(self, crowd):
        crowd.add_accounts(
            [
                account("orphan", idnumber="CV-99"),
                account("mail", email="Piet@Example.org"),
                account("jan-jansen"),
                account("jan-jansen2"),
                account("linked"),
            ]
        )
        (asked,) = crowd.add_accounts([account("gevraagd")])
        snapshot = read(
            crowd,
            {"idnumber": "CV-1", "email": "piet@example.org", "username": "jan-jansen"},
            strategy="report",
            account_ids=[asked],
            known=links((104, "CV-3"), username=["linked"]),
        )
        assert names(snapshot) == {"orphan", "mail", "jan-jansen", "jan-jansen2", "linked", "gevraagd", "admin"}
        assert snapshot.total == 58
        assert not any(value.startswith("vreemd") for value in looked_up(crowd))

    def test_some_others_as_well_to_see_whether_it_tells_the_truth(self, crowd, monkeypatch):
        monkeypatch.setattr(by_report, "_SPOT_CHECK", 10)
        assert len(read(crowd, strategy="report").accounts) == 10

    def test_what_the_plan_sees_comes_from_the_lookups(self, moodle):
        moodle.add_accounts([account("o", lastname="O'Brien & Söns", idnumber="R&D <1>", city="'s-Gravenhage")])
        snapshot = read(moodle, strategy="report")
        found = snapshot.accounts.set_index("username").loc["o"]
        assert (found["lastname"], found["idnumber"], found["city"]) == ("O'Brien & Söns", "R&D <1>", "'s-Gravenhage")

    def test_an_escaped_address_is_the_persons(self, crowd):
        crowd.add_accounts([account("x", email="o'brien&co@example.org")])
        assert "x" in names(read(crowd, {"email": "O'Brien&Co@example.org"}, strategy="report"))

    @pytest.mark.parametrize("columns", [(), ("username", "idnumber", "email", "fullnamewithlink")])
    def test_a_username_that_no_lookup_takes_is_read_by_another_key(self, moodle, columns):
        offer_report(moodle, *columns)
        moodle.settings.change({"extendedusernamechars": True})
        moodle.add_accounts(
            [account("a+b", idnumber="CV-1"), account("\u00e9", idnumber=" ", email="e@example.org"), account("x")]
        )
        snapshot = read(moodle, strategy="report")
        assert {"a+b", "\u00e9", "x"} <= names(snapshot)
        assert snapshot.unreadable == ()

    @pytest.mark.parametrize("columns", [(), ("username", "idnumber", "email", "fullnamewithlink")])
    def test_many_that_moodle_has_and_cannot_show_are_no_sign_that_the_token_sees_too_little(self, moodle, columns):
        offer_report(moodle, *columns)
        ids = moodle.add_accounts(account(f"jos\u00e9{n}", idnumber=f"CV-{n}") for n in range(8))
        snapshot = read(moodle, strategy="report")
        assert names(snapshot) <= special("report")
        assert set(snapshot.unreadable) == ({str(id_) for id_ in ids} if columns else {f"CV-{n}" for n in range(8)})

    def test_pages_are_read_until_all_rows_are_there(self, moodle, monkeypatch):
        monkeypatch.setattr(by_report, "ROWS", 5)
        moodle.add_accounts(account(f"u{n:02}", idnumber=f"{n}") for n in range(19))
        assert len(read(moodle, strategy="report").accounts) == 21
        assert len(moodle.calls.all(RETRIEVE)) == 5

    def test_the_report_may_be_in_any_language_and_have_more_columns(self, moodle):
        offer_report(moodle, "username", "idnumber", "email", "suspended", "auth", "profilefield_customfield1")
        moodle.settings.change({"lang": "nl"})
        moodle.add_accounts([account("u", idnumber="1")])
        assert read(moodle, strategy="report").total == 3


class TestWhichReport:
    def test_it_is_found_by_name_whatever_the_letter_case_or_by_number(self, moodle):
        moodle.settings.change({"reports": [CustomReport(4, "Alle GEBRUIKERS"), CustomReport(5, "Anders")]})
        for said in ("alle gebruikers", 4):
            assert read(moodle, strategy="report", report=said).strategy == "report"
        assert {call.parameters["reportid"] for call in moodle.calls.all(RETRIEVE)} == {"4"}

    def test_a_name_with_signs_is_compared_as_people_read_it(self, moodle):
        def escaped(_listed):
            return lambda: [Report(7, "R&amp;D &quot;all&quot;", "core_user\\reportbuilder\\datasource\\users")]

        snapshot = read(moodle, strategy="report", report='R&D "all"', replaced={"list_reports": escaped})
        assert snapshot.total == 2

    def test_one_that_is_not_there_or_there_twice_is_an_error_that_says_so(self, moodle):
        with pytest.raises(SettingError, match="no custom report 'X' that the service user may see"):
            read(moodle, strategy="report", report="X")
        with pytest.raises(MoodleRefused):
            read(moodle, strategy="report", report=99)
        moodle.settings.change({"reports": [CustomReport(4, "X"), CustomReport(5, "x")]})
        with pytest.raises(SettingError, match=r"2 custom reports 'X' \(4, 5\)"):
            read(moodle, strategy="report", report="X")

    def test_one_on_something_else_than_users_is_not_taken(self, moodle):
        def courses(_listed):
            return lambda: [Report(7, "Moodle coupling", "core_course\\reportbuilder\\datasource\\courses")]

        with pytest.raises(SettingError, match="must be on the source 'Users'"):
            read(moodle, strategy="report", replaced={"list_reports": courses})

    def test_rights_that_lack_are_named(self, moodle):
        moodle.restrict_token(
            functions=WITH_REPORTS, capabilities=frozenset(CAPABILITIES) - {"moodle/reportbuilder:viewall"}
        )
        with pytest.raises(SettingError, match="moodle/reportbuilder:viewall"):
            read(moodle, strategy="report")
        with pytest.raises(MoodleAccessDenied, match="moodle/reportbuilder:viewall"):
            read(moodle, strategy="report", report=7)
        moodle.restrict_token(functions=FUNCTIONS)
        with pytest.raises(MoodleFunctionMissing, match="core_reportbuilder_list_reports"):
            read(moodle, strategy="report")

    @pytest.mark.parametrize("said", ["X", 99])
    def test_left_to_choose_another_way_is_taken(self, moodle, said):
        moodle.add_accounts([account("u")])
        snapshot = read(moodle, strategy="auto", report=said)
        assert snapshot.strategy == "fields"
        assert "u" in names(snapshot)

    def test_left_to_choose_a_right_that_lacks_is_no_error(self, moodle):
        moodle.restrict_token(
            functions=WITH_REPORTS, capabilities=frozenset(CAPABILITIES) - {"moodle/reportbuilder:viewall"}
        )
        assert read(moodle, strategy="auto").strategy == read(moodle, strategy="auto", report=7).strategy == "fields"


def unfit(moodle, match: str, *people, **arguments) -> None:
    """See that the report is refused, and that another way is taken where that may be chosen."""
    with pytest.raises(ReportUnfit, match=match):
        read(moodle, *people, strategy="report", **arguments)
    snapshot = read(moodle, *people, strategy="auto", **arguments)
    assert snapshot.strategy == "fields"
    assert names(snapshot) == {row["username"] for row in moodle.accounts()}
    assert snapshot.total == len(snapshot.accounts)


class TestAReportThatLies:
    @pytest.fixture
    def moodle(self, moodle):
        moodle.add_accounts(account(f"u{n:02}", idnumber=f"CV-{n}") for n in range(30))
        return moodle

    def test_too_few_columns(self, moodle):
        offer_report(moodle, "username", "idnumber")
        unfit(moodle, "fewer than three columns")

    @pytest.mark.parametrize("columns", [("idnumber", "username", "email"), ("email", "idnumber", "username")])
    def test_other_columns_first(self, moodle, columns):
        offer_report(moodle, *columns, sort="username")
        unfit(moodle, "first three columns must be username, ID number and e-mail|sort by username")

    def test_another_column_where_the_number_should_be(self, moodle):
        offer_report(moodle, "username", "city", "email")
        unfit(moodle, r"another ID number or e-mail address than the web service for 30 of 32")

    def test_another_column_where_the_address_should_be(self, moodle):
        offer_report(moodle, "username", "idnumber", "lastname")
        unfit(moodle, "something else as the service user's")

    def test_no_order(self, moodle, monkeypatch):
        monkeypatch.setattr(by_report, "ROWS", 10)
        offer_report(moodle, sort="")
        unfit(moodle, "Let it sort by username")

    def test_a_condition_that_hides_a_known_account(self, moodle):
        moodle.table.update(55, {"suspended": 1})
        offer_report(moodle, hides_suspended=True)
        unfit(moodle, r"1 are there and it does not show them \(account 55", known=links((55, "CV-5")))

    def test_a_condition_that_hides_a_persons_account(self, moodle):
        moodle.table.update(55, {"suspended": 1})
        offer_report(moodle, hides_suspended=True)
        unfit(moodle, "must have no conditions", {"idnumber": "CV-5"})

    def test_an_account_that_changed_meanwhile_is_no_lie(self, moodle):
        def later(method):
            def report_page(*arguments):
                page = method(*arguments)
                moodle.table.update(55, {"idnumber": "ANDERS"})
                moodle.table.update(56, {"username": "anders"})
                moodle.add_accounts([account("nieuw", idnumber="CV-nieuw")])
                return page

            return report_page

        snapshot = read(moodle, {"idnumber": "CV-nieuw"}, strategy="report", replaced={"report_page": later})
        assert snapshot.accounts.set_index("id").loc[55, "idnumber"] == "ANDERS"
        assert {"anders", "nieuw"} <= names(snapshot)

    def test_a_deletion_while_it_is_read_makes_it_be_read_again(self, moodle, monkeypatch):
        monkeypatch.setattr(by_report, "ROWS", 10)
        pages = []

        def deleting(method):
            def report_page(report_id, page, per_page):
                given = method(report_id, page, per_page)
                pages.append(page)
                if pages == [0]:
                    moodle.remove_accounts([50])
                return given

            return report_page

        snapshot = read(moodle, strategy="report", parallel_requests=1, replaced={"report_page": deleting})
        assert pages == [0, 1, 2, 3, 0, 1, 2, 3]
        assert snapshot.total == 31

    def test_totals_that_never_agree_are_not_believed(self, moodle):
        def less(method):
            return lambda *arguments: dataclasses.replace(page := method(*arguments), total=page.total + 5)

        with pytest.raises(ReportUnfit, match="says it has 37 rows, and its pages hold 32"):
            read(moodle, strategy="report", replaced={"report_page": less})
