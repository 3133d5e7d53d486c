"""Calls that no recording holds, answered as Moodle's own code would."""

from __future__ import annotations

import pytest
from sandbox.moodle.client import someone

IPVD = "Invalid parameter value detected"


def refusal(value, kind):
    return f'Invalid external api parameter: the value is "{value}", the server was expecting "{kind}" type'


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (
            {"email": " jan@example.org"},
            f"users => {IPVD}: email => {IPVD}: {refusal(' jan@example.org', 'raw_trimmed')}",
        ),
        ({"country": "N1"}, f"users => {IPVD}: country => {IPVD}: {refusal('N1', 'alpha')}"),
        ({"maildisplay": "a"}, f"users => {IPVD}: maildisplay => {IPVD}: {refusal('a', 'int')}"),
        ({"createpassword": ""}, f"users => {IPVD}: createpassword => {IPVD}: {refusal('', 'bool')}"),
        ({"timezone": "a b"}, f"users => {IPVD}: timezone => {IPVD}: {refusal('a b', 'timezone')}"),
        ({"city": "<i>Ede</i>"}, f"users => {IPVD}: city => {IPVD}: {refusal('<i>Ede</i>', 'text')}"),
        ({"id": 7, "x": 1}, f"users => {IPVD}: Unexpected keys (id, x) detected in parameter array."),
        (
            {"customfields": [{"type": "a"}]},
            f"users => {IPVD}: customfields => {IPVD}: Missing required key in single structure: value",
        ),
        (
            {"customfields": [{"type": "a b", "value": ""}]},
            f"users => {IPVD}: customfields => {IPVD}: type => {IPVD}: {refusal('a b', 'alphanumext')}",
        ),
        (
            {"customfields": "x"},
            f"users => {IPVD}: customfields => {IPVD}: Only arrays accepted. The bad value is: 'x'",
        ),
        ({"city": ["Ede"]}, f"users => {IPVD}: city => {IPVD}: Scalar type expected, array or object received."),
        ({"username": "\t"}, f"users => {IPVD}: username => {IPVD}: " + refusal("\t", "username")),
        ({"username": ""}, "The field username cannot be blank"),
        ({"lastname": "\n \t"}, "The field lastname cannot be blank"),
        ({"lang": ""}, "Invalid language code: "),
        ({"auth": "webservice"}, "Invalid authentication type: webservice"),
        ({"auth": "manual", "password": "0"}, "Invalid password: you must provide a password, or set createpassword."),
        ({"username": "GUEST".lower()}, "Username already exists: guest"),
        ({"email": "Admin@Example.org"}, "Email address already exists: Admin@Example.org"),
    ],
    ids=str,
)
def test_a_person_is_refused_with_moodles_reason(client, wrong, reason):
    assert client.reason("core_user_create_users", users=[someone(**wrong)]) == reason


def test_the_first_thing_in_the_order_of_the_description_is_what_is_told(client):
    person = someone(username="Jan", firstname="<b>", suspended=1)
    del person["lastname"]

    assert client.reason("core_user_create_users", users=[person]).startswith(f"users => {IPVD}: username => ")


def test_parameters_are_checked_before_rights(site, client):
    token = site.add_token(3, capabilities=frozenset({"webservice/rest:use"})).secret

    assert client.create(someone(username="Jan"), token=token)["errorcode"] == "invalidparameter"
    assert client.create(someone(), token=token)["errorcode"] == "nopermissions"


@pytest.mark.parametrize(
    ("value", "accepted"),
    [("x" * 100 + "   ", True), ("x" * 100 + "  y", False), ("😀" * 100, True), ("😀" * 101, False)],
    ids=["spaces at the end", "more at the end", "a hundred emoji", "one emoji more"],
)
def test_a_column_counts_characters_and_forgives_spaces_at_the_end(site, client, value, accepted):
    answer = client.create(someone(firstname=value))

    assert isinstance(answer, list) is accepted
    assert [a["firstname"] for a in site.accounts()[3:]] == ([value[:100]] if accepted else [])


@pytest.mark.parametrize(("field", "width"), [("phone1", 20), ("address", 255), ("middlename", 255)])
def test_every_column_has_its_width(client, field, width):
    assert len(client.create(someone(**{field: "x" * width}))) == 1
    assert client.create(someone("piet", **{field: "x" * (width + 1)}))["errorcode"] == "dmlwriteexception"


def test_a_number_too_large_for_its_column_is_an_error_of_the_database(client):
    assert client.create(someone(maildisplay=1000))["errorcode"] == "dmlwriteexception"


HASH, NONE, EXTERNAL = "$6$", "", "not cached"


@pytest.mark.parametrize(
    ("auth", "given", "mailed"),
    [
        ("manual", HASH, HASH), ("none", HASH, HASH), ("email", HASH, HASH), ("nologin", NONE, HASH), ("lti", NONE, HASH),
        ("ldap", EXTERNAL, HASH), ("db", EXTERNAL, EXTERNAL), ("oidc", EXTERNAL, EXTERNAL), ("cas", EXTERNAL, EXTERNAL),
    ],
)  # fmt: skip
def test_each_plugin_keeps_a_password_its_own_way(site, client, auth, given, mailed):
    site.settings.release = "4.5"
    client.create(someone("given", auth=auth, password="Aa1!aaaa"), someone("mailed", auth=auth, createpassword=1))
    kept = [site.account(name)["password"][: len(EXTERNAL)] for name in ("given", "mailed")]

    assert [password[:3] if password != EXTERNAL else password for password in kept] == [given, mailed]
    assert [
        site.table.preferences(site.account(name)["id"]).get("auth_forcepasswordchange") for name in ("given", "mailed")
    ] == [None, "1"]


@pytest.mark.parametrize("auth", ["manual", "none", "email", "nologin", "lti"])
def test_without_a_password_these_are_refused(client, auth):
    assert client.create(someone(auth=auth))["errorcode"] == "invalidparameter"


@pytest.mark.parametrize(
    ("auth", "release", "taken"),
    [
        ("webservice", "5.1", False), ("webservice", "4.5", False), ("mnet", "5.1", False), ("mnet", "4.5", False),
        ("cas", "5.1", False), ("cas", "4.5", True),
    ],
)  # fmt: skip
def test_some_plugins_are_not_for_new_accounts(site, client, auth, release, taken):
    with site.changed(release=release):
        assert isinstance(client.create(someone(auth=auth, password="Aa1!aaaa")), list) is taken


@pytest.mark.parametrize("auth", ["oidc", "oauth2", "ldap", "shibboleth", "db"])
def test_external_authentication_needs_no_password_and_minds_no_weak_one(site, client, auth):
    assert len(client.create(someone(auth=auth), someone("piet", auth=auth, password="x"))) == 2
    assert {site.account(name)["password"] for name in ("jan", "piet")} == {"not cached"}


def test_a_password_is_judged_by_the_sites_policy(site, client):
    weak = someone(auth="manual", password="aaaaaaaa")
    with site.changed(minpassworddigits=0, minpasswordupper=0, minpasswordnonalphanum=0, maxconsecutiveidentchars=2):
        answer = client.create(weak)
    with site.changed(passwordpolicy=False):
        created = client.create(weak)

    assert answer["errorcode"] == "<div>Passwords must have at most 2 consecutive identical characters.</div>"
    assert len(created) == 1


def test_a_password_made_by_moodle_is_judged_by_no_policy(site, client):
    client.create(someone(auth="manual", password="x", createpassword=1))

    assert site.account("jan")["password"].startswith("$6$")


def test_a_profile_field_sent_twice_keeps_the_last_value(site, client):
    client.create(someone(customfields=[{"type": "customfield1", "value": v} for v in ("een", "twee")]))

    assert site.account("jan")["profile_fields"] == {"customfield1": "twee"}


def test_a_site_with_a_country_of_its_own_stores_that_for_an_unknown_one(client):
    with client.site.changed(country="NL"):
        client.create(someone(country="XX"), someone("piet"))

    assert [a["country"] for a in client.by_field("username", "jan", "piet")] == ["NL", "NL"]


def test_where_addresses_may_be_shared_they_are(client):
    with client.site.changed(allowaccountssameemail=True):
        assert len(client.create(someone(), someone("piet", email="JAN@example.org"))) == 2


def test_an_update_may_change_the_case_of_an_address(client):
    (jan,) = client.create(someone())

    assert client.update({"id": jan["id"], "email": "JAN@Example.org"}) == {"warnings": []}
    assert client.by_field("id", jan["id"])[0]["email"] == "JAN@Example.org"


def test_an_update_to_a_name_that_differs_by_its_accent_only_meets_the_index(client):
    with client.site.changed(extendedusernamechars=True):
        client.create(someone("jose"))
        (jan,) = client.create(someone("jan"))
        answer = client.update({"id": jan["id"], "username": "josé"})

    assert answer["warnings"][0]["warningcode"] == "dmlwriteexception"


def test_in_an_update_each_person_counts_apart_in_the_order_sent(client):
    (jan,) = client.create(someone())
    answer = client.update(
        {"id": jan["id"], "city": "A"}, {"id": jan["id"], "email": "x"}, {"id": jan["id"], "city": "B"}
    )

    assert [w["warningcode"] for w in answer["warnings"]] == ["useremailinvalid"]
    assert client.by_field("id", jan["id"])[0]["city"] == "B"


def test_a_weak_password_spoils_the_answer_but_not_the_others(client):
    jan, piet = (a["id"] for a in client.create(someone(auth="manual", password="Goed-8-teken!"), someone("piet")))
    answer = client.update({"id": jan, "password": "x"}, {"id": piet, "city": "Ede"})

    assert answer["errorcode"] == "invalidresponse"
    assert client.by_field("id", piet)[0]["city"] == "Ede"


def test_a_service_user_that_suspends_itself_is_shut_out(client):
    assert client.update({"id": 3, "suspended": 1}) == {"warnings": []}
    assert client.info()["errorcode"] == "wsaccessusersuspended"


def test_a_service_user_without_a_first_name_can_do_nothing_but_ask_the_site(client):
    client.update({"id": 3, "firstname": ""})

    assert client.create(someone())["errorcode"] == "usernotfullysetup"
    assert client.info()["userid"] == 3


def test_a_read_only_database_warns_per_person_on_update(site, client):
    (jan,) = client.create(someone())
    with site.changed(db_read_only=True):
        answer = client.update({"id": jan["id"], "city": "Ede"})
        deleted = client.call("core_user_delete_users", userids=[jan["id"]])

    assert [w["warningcode"] for w in answer["warnings"]] == ["dmlwriteexception"]
    assert deleted["errorcode"] == "dmlwriteexception"


def test_a_deletion_is_of_all_or_none(site, client):
    jan, piet = (a["id"] for a in client.create(someone(), someone("piet")))

    assert client.call("core_user_delete_users", userids=[jan, 99999999, piet])["errorcode"] == "invalidrecordunknown"
    assert site.account("jan")["deleted"] == 0
    assert client.call("core_user_delete_users", userids=[jan, piet]) is None


def test_a_deleted_users_token_is_unknown(site, client):
    (jan,) = client.create(someone())
    token = site.add_token(jan["id"]).secret
    client.call("core_user_delete_users", userids=[jan["id"]])

    assert client.info(token)["errorcode"] == "invalidtoken"


def test_a_function_of_moodle_that_is_not_in_the_service_is_no_unknown_function(client):
    assert client.call("core_cohort_update_cohorts")["errorcode"] == "accessexception"
    assert client.call("core_user_nonsense")["errorcode"] == "invalidrecordunknown"


def test_an_answer_in_xml_has_everything_the_description_names(client):
    (jan,) = client.create(someone(firstname="Jan & \"Piet\" 'x'"))
    fields = [("wstoken", client.site.token), ("wsfunction", "core_user_get_users_by_field"), ("field", "id")]
    text = client.post([*fields, ("values[0]", jan["id"])]).text

    assert f'<MULTIPLE>\n<SINGLE>\n<KEY name="id"><VALUE>{jan["id"]}</VALUE>\n</KEY>\n' in text
    assert "<KEY name=\"firstname\"><VALUE>Jan &amp; &quot;Piet&quot; 'x'</VALUE>\n</KEY>\n" in text
    assert '<KEY name="city"><VALUE null="null"/>\n</KEY>\n' in text
    assert '<KEY name="suspended"><VALUE>0</VALUE>\n</KEY>\n' in text


def test_nothing_in_xml_is_an_empty_response(client):
    (jan,) = client.create(someone())
    fields = [("wstoken", client.site.token), ("wsfunction", "core_user_delete_users"), ("userids[0]", jan["id"])]

    assert client.post(fields).text == '<?xml version="1.0" encoding="UTF-8" ?>\n<RESPONSE>\n</RESPONSE>\n'
