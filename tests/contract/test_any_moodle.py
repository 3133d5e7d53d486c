"""What the coupling relies on, on any Moodle: by default the sandbox, with MOODLE_URL and MOODLE_TOKEN a real site.

Nothing is assumed of the site but a service with the functions for users: it may run on PostgreSQL, have debugging on,
allow shared addresses or not, and lack every profile field.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.any_moodle

REFUSED = "invalidparameter"
UNKNOWN_ID = 2_000_000_000


def usernames(accounts):
    return [account["username"] for account in accounts]


def test_site_info_says_which_moodle_this_is_and_what_the_token_may_call(moodle_site):
    info = moodle_site.call("core_webservice_get_site_info")

    assert info["userid"] > 0
    assert info["release"].split(".")[0].isdigit()
    assert {
        "core_user_create_users",
        "core_user_update_users",
        "core_user_get_users_by_field",
    } <= moodle_site.functions()


def test_a_wrong_token_is_refused_with_status_200(moodle_site):
    fields = [("wstoken", "0" * 32), ("wsfunction", "core_webservice_get_site_info"), ("moodlewsrestformat", "json")]
    answer = moodle_site.post(fields)

    assert (answer.status_code, answer.json()["errorcode"]) == (200, "invalidtoken")


def test_without_a_format_the_answer_is_xml(moodle_site):
    answer = moodle_site.post([("wstoken", moodle_site.token), ("wsfunction", "core_webservice_get_site_info")])

    assert answer.headers["Content-Type"].startswith("application/xml")
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8" ?>\n<RESPONSE>')


def test_an_unknown_function_is_refused(moodle_site):
    assert moodle_site.call("core_user_nonsense")["errorcode"].startswith("invalidrecord")


def test_created_people_come_back_in_the_order_sent(moodle_site):
    people = [moodle_site.person() for _ in range(5)]
    answer = moodle_site.create(*people)

    assert usernames(answer) == [person["username"] for person in people]
    assert sorted(a["id"] for a in answer) == [a["id"] for a in answer]


def test_what_was_created_reads_back_as_it_was_sent(moodle_site):
    person = moodle_site.person(
        firstname=" Jan   Piet ", lastname='O\'Brien & "Zonen" 😀', city="Utrecht", country="NL"
    )
    (userid,) = moodle_site.created_ids(person)
    account = moodle_site.account(userid)

    for name in ("username", "firstname", "lastname", "email", "idnumber"):
        assert account[name] == person[name], name
    # These a site may hide from the service user.
    for name, value in (("city", "Utrecht"), ("country", "NL"), ("suspended", False)):
        assert account.get(name, value) == value, name


def test_what_is_empty_is_left_out_of_the_answer(moodle_site):
    person = moodle_site.person(idnumber="")
    (userid,) = moodle_site.created_ids(person)

    assert not {"idnumber", "institution", "phone1"} & moodle_site.account(userid).keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "Capitals"},
        {"username": ""},
        {"firstname": "  "},
        {"firstname": "<b>Jan</b>"},
        {"lastname": ""},
        {"email": "jan@localhost"},
        {"email": "not-an-email"},
        {"lang": "xx"},
        {"auth": "nonsense"},
        {"theme": "none-such"},
        {"suspended": 1},
        {"nonsense": "x"},
        {"createpassword": "yes"},
    ],
    ids=str,
)
def test_one_wrong_person_refuses_the_whole_batch(moodle_site, wrong):
    before, after = moodle_site.person(), moodle_site.person()
    answer = moodle_site.create(before, moodle_site.person(**wrong), after)

    assert answer["errorcode"] == REFUSED
    assert moodle_site.by_field("username", before["username"], after["username"]) == []


@pytest.mark.parametrize(
    ("name", "width"), [("firstname", 100), ("lastname", 100), ("username", 100), ("idnumber", 255), ("city", 120)]
)
def test_one_value_too_long_for_the_database_refuses_the_whole_batch(moodle_site, name, width):
    fits, other = moodle_site.person(), moodle_site.person()
    fits[name] = (fits[name] if name == "username" else "").ljust(width, "x")
    (userid,) = moodle_site.created_ids(fits)
    answer = moodle_site.create(other, moodle_site.person(**{name: moodle_site.prefix.ljust(width + 1, "y")}))

    assert moodle_site.account(userid).get(name, fits[name]) == fits[name]
    assert answer["errorcode"] == "dmlwriteexception"
    assert moodle_site.by_field("username", other["username"]) == []


def test_a_username_that_is_taken_refuses_the_whole_batch(moodle_site):
    there, new = moodle_site.person(), moodle_site.person()
    moodle_site.created_ids(there)
    answer = moodle_site.create(new, moodle_site.person(username=there["username"]))

    assert answer["errorcode"] == REFUSED
    assert moodle_site.by_field("username", new["username"]) == []


def test_the_same_username_twice_in_a_batch_refuses_it(moodle_site):
    person = moodle_site.person()

    assert moodle_site.create(person, moodle_site.person(username=person["username"]))["errorcode"] == REFUSED
    assert moodle_site.by_field("username", person["username"]) == []


def test_a_shared_address_is_either_allowed_or_refuses_the_whole_batch(moodle_site):
    there, new = moodle_site.person(), moodle_site.person()
    moodle_site.created_ids(there)
    answer = moodle_site.create(new, moodle_site.person(email=there["email"].upper()))
    found = moodle_site.by_field("username", new["username"])

    assert (
        (len(answer), len(found)) == (2, 1)
        if isinstance(answer, list)
        else (answer["errorcode"], found) == (REFUSED, [])
    )


def test_a_shared_idnumber_is_accepted_without_a_word(moodle_site):
    there = moodle_site.person()
    moodle_site.created_ids(there)
    moodle_site.created_ids(moodle_site.person(idnumber=there["idnumber"]))

    assert len(moodle_site.by_field("idnumber", there["idnumber"])) == 2


def test_an_unknown_country_is_not_stored(moodle_site):
    (userid,) = moodle_site.created_ids(moodle_site.person(country="XX"))

    assert moodle_site.account(userid).get("country") != "XX"


def test_an_unknown_profile_field_is_dropped_without_a_word(moodle_site):
    fields = [{"type": "there_is_no_such_field", "value": "x"}]
    (userid,) = moodle_site.created_ids(moodle_site.person(customfields=fields))

    names = {field["shortname"] for field in moodle_site.account(userid).get("customfields", [])}
    assert "there_is_no_such_field" not in names


def test_a_profile_field_is_cleared_by_an_empty_value_and_then_left_out(moodle_site):
    fields = [{"type": "customfield1", "value": "waarde"}]
    (userid,) = moodle_site.created_ids(moodle_site.person(customfields=fields))
    # A site without the field drops the value; either way nothing is left of it in the end.
    shown = {f["shortname"]: (f["type"], f["value"]) for f in moodle_site.account(userid).get("customfields", [])}
    kind, value = shown.get("customfield1", ("text", "waarde"))
    assert value == "waarde" or kind not in ("text", "textarea", "checkbox")

    assert moodle_site.update({"id": userid, "customfields": [{"type": "customfield1", "value": ""}]})["warnings"] == []
    left = {f["shortname"]: f["value"] for f in moodle_site.account(userid).get("customfields", [])}
    assert left.get("customfield1", "") == ""
    assert kind == "checkbox" or "customfield1" not in left


def test_a_batch_may_be_numbered_with_gaps(moodle_site):
    people = {3: moodle_site.person(), 8: moodle_site.person()}
    answer = moodle_site.call("core_user_create_users", users=people)
    moodle_site.created += [account["id"] for account in answer]

    assert usernames(answer) == [person["username"] for person in people.values()]


def test_a_lookup_leaves_unknown_values_out_and_sorts_by_id(moodle_site):
    people = [moodle_site.person() for _ in range(3)]
    ids = moodle_site.created_ids(*people)
    wanted = [people[2]["idnumber"], f"{moodle_site.prefix}-nobody", people[0]["idnumber"], people[2]["idnumber"]]
    found = moodle_site.by_field("idnumber", *wanted)

    assert [account["id"] for account in found] == [ids[0], ids[2]]


def test_a_lookup_of_an_empty_value_finds_nobody(moodle_site):
    moodle_site.created_ids(moodle_site.person(idnumber=""))

    assert moodle_site.by_field("idnumber", "") == []


def test_a_lookup_by_address_sees_the_address(moodle_site):
    person = moodle_site.person()
    moodle_site.created_ids(person)

    assert [a["email"] for a in moodle_site.by_field("email", person["email"])] == [person["email"]]


def test_a_wildcard_means_itself_in_a_lookup_and_anything_in_a_search(moodle_site):
    person = moodle_site.person()
    moodle_site.created_ids(person)
    pattern = person["email"].replace("@", "%")
    found = moodle_site.call("core_user_get_users", criteria=[{"key": "email", "value": pattern}])

    assert moodle_site.by_field("email", pattern) == []
    assert usernames(found["users"]) == [person["username"]]


def test_one_capital_in_a_username_refuses_the_whole_lookup(moodle_site):
    assert moodle_site.by_field("username", moodle_site.prefix, moodle_site.prefix.upper())["errorcode"] == REFUSED


def test_only_four_fields_can_be_looked_up(moodle_site):
    assert moodle_site.by_field("firstname", "Proef")["errorcode"] == "codingerror"


def test_an_unknown_criterion_is_left_aside_with_a_warning(moodle_site):
    person = moodle_site.person()
    moodle_site.created_ids(person)
    criteria = [{"key": "idnumber", "value": person["idnumber"]}, {"key": "suspended", "value": "1"}]
    answer = moodle_site.call("core_user_get_users", criteria=criteria)

    assert usernames(answer["users"]) == [person["username"]]
    assert [w["item"] for w in answer["warnings"]] == ["suspended"]


def test_a_criterion_can_be_sent_only_once(moodle_site):
    criteria = [{"key": "idnumber", "value": "a"}, {"key": "idnumber", "value": "b"}]

    assert moodle_site.call("core_user_get_users", criteria=criteria)["errorcode"] == "keyalreadyset"


def test_an_update_writes_everyone_it_can_and_warns_of_the_others(moodle_site):
    first, second, third = moodle_site.created_ids(*(moodle_site.person() for _ in range(3)))
    answer = moodle_site.update(
        {"id": first, "department": "Ede"},
        {"id": UNKNOWN_ID, "department": "Ede"},
        {"id": second, "department": "Ede", "email": "no-email"},
        {"id": third, "department": "Ede"},
    )

    assert [(w["itemid"], w["warningcode"]) for w in answer["warnings"]] == [
        (UNKNOWN_ID, "invaliduserid"),
        (second, "useremailinvalid"),
    ]
    assert [moodle_site.account(n)["department"] == "Ede" for n in (first, second, third)] == [True, False, True]


def test_an_update_with_a_value_too_long_warns_and_leaves_that_person_as_before(moodle_site):
    (userid,) = moodle_site.created_ids(moodle_site.person())
    answer = moodle_site.update({"id": userid, "department": "Ede", "firstname": "x" * 101})

    assert [w["warningcode"] for w in answer["warnings"]] == ["dmlwriteexception"]
    assert moodle_site.account(userid)["firstname"] == "Proef"


def test_an_update_to_a_username_that_is_taken_warns(moodle_site):
    there = moodle_site.person()
    _, userid = moodle_site.created_ids(there, moodle_site.person())
    answer = moodle_site.update({"id": userid, "username": there["username"]})

    assert [w["warningcode"] for w in answer["warnings"]] == ["dmlwriteexception"]


@pytest.mark.parametrize("wrong", [{"username": "Capitals"}, {"firstname": "<b>x</b>"}, {"lang": "xx"}], ids=str)
def test_an_update_with_a_value_of_the_wrong_kind_is_refused_as_a_whole(moodle_site, wrong):
    first, second = moodle_site.created_ids(moodle_site.person(), moodle_site.person())
    answer = moodle_site.update({"id": first, "department": "Ede"}, {"id": second, **wrong})

    assert answer["errorcode"] == REFUSED
    assert moodle_site.account(first)["department"] != "Ede"


def test_an_update_can_empty_a_first_name(moodle_site):
    (userid,) = moodle_site.created_ids(moodle_site.person())

    assert moodle_site.update({"id": userid, "firstname": ""})["warnings"] == []
    assert moodle_site.account(userid)["firstname"] == ""


def test_suspending_and_reactivating_goes_by_one_and_nought(moodle_site):
    (userid,) = moodle_site.created_ids(moodle_site.person())

    assert moodle_site.update({"id": userid, "suspended": 1})["warnings"] == []
    assert moodle_site.account(userid).get("suspended", True) is True
    assert moodle_site.update({"id": userid, "suspended": "true"})["errorcode"] == REFUSED
    assert moodle_site.update({"id": userid, "suspended": 0})["warnings"] == []
    assert moodle_site.account(userid).get("suspended", False) is False


def test_a_username_can_be_changed(moodle_site):
    (userid,) = moodle_site.created_ids(moodle_site.person())
    renamed = moodle_site.person()["username"]

    assert moodle_site.update({"id": userid, "username": renamed})["warnings"] == []
    assert [a["id"] for a in moodle_site.by_field("username", renamed)] == [userid]


def test_a_deleted_account_comes_back_by_id_under_another_name_where_the_token_may_delete(moodle_site):
    person = moodle_site.person()
    (userid,) = moodle_site.created_ids(person)
    answer = moodle_site.delete(userid)
    account = moodle_site.account(userid)

    if "core_user_delete_users" in moodle_site.functions():
        assert answer is None
        assert account["username"].startswith(f"{person['email']}.")
        assert "idnumber" not in account
        assert moodle_site.by_field("username", person["username"]) == []
    else:
        assert answer["errorcode"] == "accessexception"
        assert account["username"] == person["username"]


def test_whoever_a_failed_test_left_behind_is_cleaned_up_where_the_token_may_delete(moodle_site):
    (forgotten,) = moodle_site.created_ids(moodle_site.person())
    moodle_site.created.remove(forgotten)
    left = moodle_site.clean_up()

    assert (forgotten in left) is ("core_user_delete_users" not in moodle_site.functions())
