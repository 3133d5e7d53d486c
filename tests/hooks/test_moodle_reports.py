"""Custom reports through the hook: what is there, page by page, and what is said where it may not be seen."""

from __future__ import annotations

import pytest
from provisioning.plans import hook_for

from moodle_coupling.errors import MoodleAccessDenied, MoodleFunctionMissing, MoodleRefused, NotAMoodle
from moodle_coupling.hooks.moodle import records
from moodle_coupling.hooks.moodle.records import Report, ReportPage
from moodle_coupling.sandbox.moodle import CAPABILITIES, FUNCTIONS, REPORT_FUNCTIONS, CustomReport, running_moodle

SERVICE = (*FUNCTIONS, *REPORT_FUNCTIONS)


@pytest.fixture
def moodle():
    with running_moodle(settings={"reports": [CustomReport(7, "Everyone")]}) as sandbox:
        sandbox.restrict_token(functions=SERVICE)
        yield sandbox


@pytest.fixture
def hook(moodle):
    with hook_for(moodle) as opened:
        yield opened


def test_reports_and_their_pages_have_types(moodle, hook):
    assert hook.list_reports() == [Report(7, "Everyone", "core_user\\reportbuilder\\datasource\\users")]
    assert hook.report_page(7, 1, 1) == ReportPage(
        ("Username", "ID number", "Email address"), (("svc-coupling", "", "svc-coupling@example.org"),), 2
    )


def test_all_reports_are_listed_however_many(moodle, hook):
    moodle.settings.change({"reports": [CustomReport(n, f"R{n:03}") for n in range(1, 201)]})
    assert [report.id for report in hook.list_reports()] == list(range(1, 201))


def test_what_may_not_be_seen_says_how_to_mend_it(moodle, hook):
    moodle.restrict_token(functions=SERVICE, capabilities=frozenset(CAPABILITIES) - {"moodle/reportbuilder:viewall"})
    assert hook.list_reports() == []
    with pytest.raises(
        MoodleAccessDenied, match="reportbuilder:viewall, or put the service user in the report's audience"
    ):
        hook.report_page(7, 0, 10)


def test_a_report_or_function_that_is_not_there_is_told_apart(moodle, hook):
    with pytest.raises(MoodleRefused, match="invalidrecordunknown"):
        hook.report_page(99, 0, 10)
    moodle.restrict_token()
    with hook_for(moodle) as other, pytest.raises(MoodleFunctionMissing, match="core_reportbuilder_list_reports"):
        other.list_reports()


@pytest.mark.parametrize(
    "answer", [None, [], {"reports": [{}]}, {"reports": 3}, {"data": {"headers": []}}, {"data": {"rows": [1]}}]
)
def test_anything_else_is_no_moodle(answer):
    for read in (records.reports_in, records.page_in):
        with pytest.raises(NotAMoodle):
            read(answer)


def test_deleted_accounts_are_left_out_but_their_numbers_told(moodle, hook):
    (kept, gone) = moodle.add_accounts(
        {"username": name, "firstname": "V", "lastname": "A", "email": f"{name}@example.org"} for name in ("a", "b")
    )
    hook.delete_accounts([gone])
    read = hook.accounts_by_field("id", [kept, gone])
    assert [account.id for account in read.accounts] == [kept]
    assert read.deleted == (gone,)
