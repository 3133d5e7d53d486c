"""Whatever is sent, the answer is one Moodle could give, and what was refused changed nothing."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodle_coupling.sandbox.moodle import ACCESS_FUNCTIONS, SandboxMoodle
from moodle_coupling.sandbox.moodle.app import Request
from moodle_coupling.sandbox.moodle.descriptions import CREATE_PARAMETERS, UPDATE_PARAMETERS

FIELDS = sorted({*CREATE_PARAMETERS.keys["users"].content.keys, *UPDATE_PARAMETERS.keys["users"].content.keys, "x"})
names = st.one_of(
    st.builds("users[{}][{}]".format, st.integers(0, 2), st.sampled_from(FIELDS)),
    st.builds(
        "users[{}][customfields][{}][{}]".format,
        st.integers(0, 1),
        st.integers(0, 2),
        st.sampled_from(["type", "value"]),
    ),
    st.builds("values[{}]".format, st.integers(0, 3)),
    st.builds(
        "{}[{}][{}]".format,
        st.sampled_from(["members", "enrolments", "cohorts", "groups", "options"]),
        st.integers(0, 1),
        st.sampled_from(
            [
                "cohortid",
                "userid",
                "courseid",
                "roleid",
                "groupid",
                "name",
                "value",
                "idnumber",
                "description",
                "cohorttype][type",
                "cohorttype][value",
                "usertype][type",
                "usertype][value",
                "categorytype][type",
                "categorytype][value",
            ]
        ),
    ),
    st.sampled_from(["courseid", "query", "context[contextlevel]", "cohortids[0]", "groupids[0]", "value", "userid"]),
    st.sampled_from(["field", "criteria[0][key]", "criteria[0][value]", "userids[0]", "userids[]"]),
    st.text(alphabet="users[]0. =", max_size=8),
)
values = st.one_of(
    st.sampled_from(
        [
            "jan",
            "admin",
            "manual",
            "oidc",
            "1",
            "0",
            "2",
            "50",
            "email",
            "id",
            "jan@example.org",
            "%",
            "en",
            "5",
            "system",
            "idnumber",
            "onlyactive",
            "sortby",
            "jansen",
        ]
    ),
    st.text(max_size=12),
    st.binary(max_size=8),
)
FUNCTIONS = [
    "core_user_create_users", "core_user_update_users", "core_user_get_users_by_field", "core_user_get_users",
    "core_user_delete_users", "core_webservice_get_site_info", "nonsense", "", *ACCESS_FUNCTIONS,
]  # fmt: skip


@pytest.fixture(scope="module")
def moodle():
    sandbox = SandboxMoodle(
        accounts=[{"username": "jan", "email": "jan@example.org"}],
        access={"cohorts": [{"name": "Een"}], "courses": [{"shortname": "BHV", "participants": [{"username": "jan"}]}]},
    )
    yield sandbox
    sandbox.stop()


@settings(max_examples=150, deadline=None)
@given(
    function=st.sampled_from(FUNCTIONS),
    fields=st.lists(st.tuples(names, values), max_size=12),
    debug=st.sampled_from(["none", "developer"]),
    as_json=st.booleans(),
)
def test_the_answer_is_always_one_moodle_could_give(moodle, function, fields, debug, as_json):
    control = [
        ("wstoken", moodle.token),
        ("wsfunction", function),
        ("moodlewsrestformat", "json" if as_json else "xml"),
    ]
    before = [account["username"] for account in moodle.accounts(deleted=True)]
    with moodle.changed(debug=debug):
        request = Request("", "application/x-www-form-urlencoded", urlencode([*control, *fields]).encode())
        answer, _ = moodle.serve(request)
    after = [account["username"] for account in moodle.accounts(deleted=True)]

    assert answer.status == 200
    if not as_json:
        assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8" ?>\n<')
    elif answer.body:  # PHP sends nothing where a text is no UTF-8
        content = json.loads(answer.body)
        if isinstance(content, dict) and content.get("errorcode") not in (None, "invalidresponse"):
            assert after == before
        if function == "core_user_create_users" and isinstance(content, list):
            assert after == before + [created["username"] for created in content]
