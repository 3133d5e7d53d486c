"""The plan made of a report's snapshot is the plan made of everyone: nobody who was left out was in it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching.people import links_frame, mapping, person, persons_frame, reasons_frame
from pandas.testing import assert_frame_equal
from provisioning.plans import hook_for
from provisioning.snapshot.site import offer_report

from moodle_coupling.mapping.parts import SnapshotSettings
from moodle_coupling.matching.frames import Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.provisioning.snapshot import by_report, everyone
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.sandbox.moodle import running_moodle

IDNUMBERS = st.sampled_from(["", "E1", "e1", " E2", "E3", "P1", "X9", "\u00c9", "e\u0301"])
NAMES = ["jan", "jan2", "jan3", "piet", "e1", "x", "y", "z", "q1", "q2"]
EMAILS = st.sampled_from(["a@x.org", "A@X.org", "b@x.org", "", "c@x.org", "o'b&c@x.org", "q@x.org", "\u00e9@x.org"])
FIRST = st.sampled_from(["Jan", "JAN", "Piet"])

ACCOUNTS = st.lists(
    st.fixed_dictionaries(
        {
            "username": st.sampled_from(NAMES),
            "idnumber": IDNUMBERS,
            "email": EMAILS,
            "firstname": FIRST,
            "lastname": st.just("Bos"),
            "suspended": st.booleans(),
        }
    ),
    max_size=10,
    unique_by=lambda one: one["username"],
)
PERSONS = st.lists(
    st.builds(
        person,
        idnumber=st.sampled_from(["E1", "E2", "E3", "\u00e9", "E5"]),
        other_id=st.sampled_from(["P1", "P2", ""]),
        username=st.sampled_from(["jan", "piet", "e1"]),
        email=EMAILS,
        firstname=FIRST,
        lastname=st.just("Bos"),
        inactive=st.booleans(),
        in_scope=st.booleans(),
    ),
    max_size=5,
)
MAPPINGS = st.builds(
    lambda recipe, rename, matching: mapping(username={"recipe": recipe, "rename": rename}, matching=matching),
    recipe=st.sampled_from(["first_infix_last", "extern_id"]),
    rename=st.booleans(),
    matching=st.fixed_dictionaries(
        {"shared_email": st.booleans(), "link_on": st.sampled_from([[], ["email"], ["username"]])}
    ),
)


@pytest.fixture(autouse=True)
def _hardly_any_spot_check(monkeypatch):
    monkeypatch.setattr(by_report, "_SPOT_CHECK", 1)
    monkeypatch.setattr(everyone, "BEYOND", 500)
    monkeypatch.setattr(everyone, "AT_ONCE", 500)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(accounts=ACCOUNTS, persons=PERSONS, made=MAPPINGS, linked=st.sets(st.integers(50, 60), max_size=3))
def test_the_plan_is_the_same(accounts, persons, made, linked):
    numbered = [one | {"row": number} for number, one in enumerate(persons, 1)]
    candidates = persons_frame(numbered)
    links = links_frame(*((id_, f"E{id_ - 49}", id_ % 2 == 0) for id_ in sorted(linked)))
    with running_moodle() as moodle:
        offer_report(moodle)
        moodle.add_accounts(accounts)
        plans, sizes = [], []
        for strategy in ("fields", "report"):
            with hook_for(moodle) as hook:
                wanted = SnapshotSettings(strategy=strategy)
                read = read_accounts(hook, candidates, full=True, settings=wanted, known=links)
            remembered = Remembered(links=links)
            plans.append(
                make_plan(
                    candidates, reasons_frame(), read.accounts, made, remembered=remembered, service_userid=3, full=True
                )
            )
            sizes.append(len(read.accounts))
    assert sizes[1] <= sizes[0]
    assert_frame_equal(plans[0], plans[1])
