"""Hidden is not empty: a token that sees less than it must stops the reading, and the error names the capability."""

from __future__ import annotations

import dataclasses

import pytest
from provisioning.plans import hook_for
from provisioning.snapshot.site import STRATEGIES, WITH_REPORTS, account, candidates, links, names, offer_report, read

from moodle_coupling.errors import MoodleAccessDenied
from moodle_coupling.hooks.moodle.records import AccountsRead
from moodle_coupling.provisioning.snapshot import everyone
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.sandbox.moodle import CAPABILITIES, running_moodle


@pytest.fixture(autouse=True)
def _near(monkeypatch):
    monkeypatch.setattr(everyone, "BEYOND", 1000)


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        offer_report(sandbox)
        sandbox.add_accounts(account(f"jan{n}", idnumber=f"CV-{n}") for n in range(20))
        yield sandbox


def without(moodle, capability: str) -> None:
    moodle.restrict_token(functions=WITH_REPORTS, capabilities=frozenset(CAPABILITIES) - {capability})


def hiding(method):
    """Give a lookup that shows nobody's ID number but the service user's own."""

    def accounts_by_field(field, values):
        found = method(field, values)
        shown = [one if one.id == 3 else dataclasses.replace(one, idnumber="") for one in found.accounts]
        return AccountsRead(tuple(shown), found.unreadable)

    return accounts_by_field


@pytest.mark.parametrize("strategy", [*STRATEGIES, "auto"])
@pytest.mark.parametrize(
    ("capability", "named"),
    [
        ("moodle/site:viewuseridentity", "moodle/site:viewuseridentity"),
        ("moodle/user:viewalldetails", "moodle/user:viewalldetails"),
        ("moodle/user:viewdetails", "moodle/user:viewdetails"),
    ],
)
def test_a_capability_that_is_gone_stops_every_way_of_reading(moodle, strategy, capability, named):
    without(moodle, capability)
    with pytest.raises(MoodleAccessDenied, match=named):
        read(moodle, {"idnumber": "CV-1", "email": "jan1@example.org"}, strategy=strategy)


@pytest.mark.parametrize("capability", ["moodle/site:viewuseridentity", "moodle/user:viewalldetails"])
def test_it_stops_a_reading_of_some_too(moodle, capability):
    without(moodle, capability)
    people = candidates({"idnumber": "CV-1", "email": "jan1@example.org", "username": "jan1"})
    with hook_for(moodle) as hook, pytest.raises(MoodleAccessDenied, match=capability):
        # Lookups by idnumber find nobody then; the ledger's links still do.
        read_accounts(hook, people, known=links((51, "CV-1")))


@pytest.mark.parametrize("strategy", ["fields", "listing"])
def test_links_whose_accounts_show_no_number_when_nobody_does_are_an_error(moodle, strategy):
    with pytest.raises(MoodleAccessDenied, match=r"None of the .* accounts read shows an ID number, though 2 of them"):
        read(
            moodle,
            strategy=strategy,
            known=links((50, "CV-0"), (51, "CV-1")),
            replaced={"accounts_by_field": hiding, "find_accounts": hiding_list},
        )


def hiding_list(method):
    return lambda key, value: [dataclasses.replace(one, idnumber="") for one in method(key, value)]


def test_the_service_users_own_number_proves_nothing(moodle):
    moodle.table.update(3, {"idnumber": "DIENST"})
    with pytest.raises(MoodleAccessDenied, match="None of the"):
        read(moodle, strategy="fields", known=links((50, "CV-0")), replaced={"accounts_by_field": hiding})
    with pytest.raises(MoodleAccessDenied, match="hidden is not empty"):
        read(moodle, strategy="report", replaced={"accounts_by_field": hiding})


def test_numbers_that_the_report_shows_and_the_lookups_do_not_are_an_error(moodle):
    with pytest.raises(MoodleAccessDenied, match="20 accounts with an ID number, and all came without one"):
        read(moodle, strategy="report", replaced={"accounts_by_field": hiding})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_number_that_someone_took_away_is_no_error_while_others_show(moodle, strategy):
    moodle.table.update(50, {"idnumber": ""})
    snapshot = read(moodle, strategy=strategy, known=links((50, "CV-0"), (51, "CV-1")))
    assert snapshot.accounts.set_index("id")["idnumber"].to_dict().items() >= {50: "", 51: "CV-1"}.items()


def test_a_site_without_any_number_is_no_error_when_none_is_known(moodle):
    for id_ in range(50, 70):
        moodle.table.update(id_, {"idnumber": ""})
    assert len(names(read(moodle, strategy="fields", known=links((50, ""))))) == 23


def test_accounts_that_the_report_shows_and_the_lookups_do_not_are_an_error(moodle):
    def losing(method):
        def accounts_by_field(field, values):
            found = method(field, values)
            return AccountsRead(tuple(one for one in found.accounts if one.id < 60), found.unreadable)

        return accounts_by_field

    with pytest.raises(MoodleAccessDenied, match=r"shows 22 accounts .* 10 of them did not come"):
        read(moodle, strategy="report", replaced={"accounts_by_field": losing})


def test_the_error_names_no_person(moodle):
    without(moodle, "moodle/site:viewuseridentity")
    with pytest.raises(MoodleAccessDenied) as caught:
        read(moodle, strategy="fields")
    assert "jan" not in str(caught.value)
