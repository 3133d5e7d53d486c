"""A field that a site hides is proved visible or left out: absent is not empty."""

from __future__ import annotations

import pytest
from provisioning.plans import hook_for
from provisioning.snapshot.site import STRATEGIES, WITH_REPORTS, account, candidates, offer_report, read

from moodle_coupling.errors import MoodleAccessDenied
from moodle_coupling.provisioning.snapshot import everyone
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.provisioning.snapshot.visibility import Visibility
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.sandbox.moodle.site import LEAST_CAPABILITIES

LEAST = LEAST_CAPABILITIES | {"moodle/reportbuilder:view", "moodle/reportbuilder:viewall"}
BOTH = Visibility(("city", "country"), own_id=3)


@pytest.fixture(autouse=True)
def _near(monkeypatch):
    monkeypatch.setattr(everyone, "BEYOND", 1000)


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        offer_report(sandbox)
        sandbox.restrict_token(functions=WITH_REPORTS, capabilities=LEAST)
        sandbox.add_accounts(account(f"jan{n}", idnumber=f"CV-{n}", city="Ede", country="NL") for n in range(20))
        yield sandbox


def read_some(moodle, *idnumbers: str, visibility: Visibility = BOTH):
    with hook_for(moodle) as hook:
        return read_accounts(hook, candidates(*({"idnumber": one} for one in idnumbers)), visibility=visibility)


@pytest.mark.parametrize("strategy", [*STRATEGIES, "some"])
@pytest.mark.parametrize("hidden", ["city", "country", "city,country"])
def test_a_hidden_field_is_not_among_the_accounts(moodle, strategy, hidden):
    moodle.settings.change({"hiddenuserfields": hidden})
    snapshot = read_some(moodle, "CV-1") if strategy == "some" else read(moodle, strategy=strategy, visibility=BOTH)
    assert snapshot.unseen == tuple(hidden.split(","))
    assert {"city", "country"} - set(snapshot.accounts.columns) == set(hidden.split(","))


@pytest.mark.parametrize("strategy", [*STRATEGIES, "some"])
def test_the_capability_gives_it_back(moodle, strategy):
    moodle.settings.change({"hiddenuserfields": "city,country"})
    moodle.restrict_token(functions=WITH_REPORTS, capabilities=LEAST | {"moodle/user:viewhiddendetails"})
    snapshot = read_some(moodle, "CV-1") if strategy == "some" else read(moodle, strategy=strategy, visibility=BOTH)
    assert snapshot.unseen == ()
    assert set(snapshot.accounts.set_index("idnumber").loc["CV-1", ["city", "country"]]) == {"Ede", "NL"}


@pytest.mark.parametrize("strategy", [*STRATEGIES, "some"])
@pytest.mark.parametrize("hidden", ["suspended", "email"])
def test_what_every_run_needs_stops_it_and_names_setting_and_capability(moodle, strategy, hidden):
    moodle.settings.change({"hiddenuserfields": hidden})
    with pytest.raises(MoodleAccessDenied, match=r"hiddenuserfields.*moodle/user:viewhiddendetails"):
        read_some(moodle, "CV-1") if strategy == "some" else read(moodle, strategy=strategy, visibility=BOTH)


def test_that_it_is_hidden_shows_also_where_nobody_is_found(moodle):
    moodle.settings.change({"hiddenuserfields": "email"})
    with pytest.raises(MoodleAccessDenied, match="hiddenuserfields"):
        read_some(moodle, "CV-999")


def test_the_service_users_own_account_proves_nothing(moodle):
    moodle.table.update(3, {"city": "Utrecht", "idnumber": "DIENST"})
    for number in range(50, 70):
        moodle.table.update(number, {"city": ""})
    assert read(moodle, strategy="fields", visibility=BOTH).unseen == ("city",)
    assert read_some(moodle, "DIENST").unseen == ("city",)
    # As long as it is not known which account is its own, one account is not enough.
    assert read_some(moodle, "DIENST", visibility=Visibility(("city", "country"))).unseen == ("city",)


def test_nobody_having_it_looks_the_same_until_one_account_shows_it(moodle):
    for number in range(50, 70):
        moodle.table.update(number, {"city": ""})
    assert read_some(moodle, "CV-1").unseen == ("city",)
    moodle.table.update(2, {"city": "Utrecht"})  # the administrator's, by hand
    snapshot = read_some(moodle, "CV-1")
    assert snapshot.unseen == ()
    assert list(snapshot.accounts["city"]) == [""]


def test_accounts_that_we_wrote_to_are_looked_at_where_the_first_ones_prove_nothing(moodle):
    for number in range(50, 70):
        moodle.table.update(number, {"city": ""})
    (far,) = moodle.add_accounts([account("ver", idnumber="CV-500", id=5000, city="Assen")])
    assert read_some(moodle, "CV-1").unseen == ("city",)
    assert read_some(moodle, "CV-1", visibility=Visibility(("city", "country"), 3, (far,))).unseen == ()


def test_what_is_not_compared_costs_no_call(moodle):
    for number in range(50, 70):
        moodle.table.update(number, {"city": ""})
    without = read_some(moodle, "CV-1", visibility=Visibility(("country",), 3))
    assert without.unseen == ()
    assert "city" not in without.accounts
    assert without.calls == read_some(moodle, "CV-1", visibility=Visibility((), 3)).calls
    assert read_some(moodle, "CV-1").calls == without.calls + 1


def test_a_site_that_hides_it_while_it_is_read_is_not_believed(moodle):
    def hiding_later(method):
        def accounts_by_field(field, values):
            found = method(field, values)
            if field == "id" and "50" in map(str, values):
                moodle.settings.change({"hiddenuserfields": "city"})
            return found

        return accounts_by_field

    snapshot = read(moodle, strategy="fields", visibility=BOTH, replaced={"accounts_by_field": hiding_later})
    assert snapshot.unseen == ("city",)
