"""What a caller finds and sees, by its rights and by what stands in the table."""

from __future__ import annotations

import pytest
from sandbox.moodle.client import someone

from moodle_coupling.sandbox.moodle import CAPABILITIES, ProfileField

ALL = frozenset(CAPABILITIES)


def usernames(accounts):
    return [account["username"] for account in accounts]


@pytest.fixture
def jan(client):
    (created,) = client.create(someone(city="Ede", department="HR", phone1="030", description="tekst"))
    return created["id"]


def test_without_the_right_to_see_identity_an_address_is_missing_and_finds_nobody(site, client, jan):
    site.restrict_token(capabilities=ALL - {"moodle/site:viewuseridentity"})

    assert "email" not in client.by_field("id", jan)[0]
    assert client.by_field("email", "jan@example.org") == []
    assert client.search(email="jan@example.org") == {"users": [], "warnings": []}


def test_without_the_right_to_all_details_name_and_number_find_nobody(site, client, jan):
    site.restrict_token(capabilities=ALL - {"moodle/user:viewalldetails"})
    (seen,) = client.by_field("id", jan)

    assert not {"username", "idnumber", "auth", "confirmed", "department"} & seen.keys()
    assert client.by_field("idnumber", "CV-jan") == client.by_field("username", "jan") == []


def test_without_the_right_to_details_there_is_nobody_but_oneself(site, client, jan):
    site.restrict_token(capabilities=ALL - {"moodle/user:viewdetails"})

    assert usernames(client.by_field("id", jan, 3)) == ["svc-coupling"]


def test_only_an_admin_sees_telephone_and_description(site, client, jan):
    admin = site.add_token(2).secret

    assert not {"phone1", "description"} & client.by_field("id", jan)[0].keys()
    assert {"phone1", "description"} <= client.by_field("id", jan, token=admin)[0].keys()


HIDEABLE = ("city", "country", "suspended", "timezone", "firstaccess", "lastaccess")


@pytest.mark.parametrize("field", HIDEABLE)
def test_a_hidden_field_is_hidden_from_who_may_not_see_it_and_finds_as_before(site, client, field):
    (vera,) = client.create(someone(city="Ede", country="NL"))
    with site.changed(hiddenuserfields=field, prohibited="moodle/user:viewhiddendetails"):
        (seen,) = client.by_field("email", "jan@example.org")
    with site.changed(hiddenuserfields=field):
        (all_of_it,) = client.by_field("id", vera["id"])

    assert seen.keys() & set(HIDEABLE) == set(HIDEABLE) - {field}
    assert all_of_it.keys() & set(HIDEABLE) == set(HIDEABLE)


def test_a_hidden_address_is_missing_and_finds_nobody_yet_is_taken(site, client, jan):
    site.settings.change({"hiddenuserfields": "email", "prohibited": "moodle/user:viewhiddendetails"})

    assert client.by_field("email", "jan@example.org") == []
    assert client.search(email="jan@example.org")["users"] == []
    assert "email" not in client.by_field("idnumber", "CV-jan")[0]
    assert client.create(someone("piet", email="Jan@example.org"))["errorcode"] == "invalidparameter"
    assert client.by_field("id", 3)[0]["email"] == "svc-coupling@example.org"


def test_hiding_number_and_name_changes_nothing(site, client, jan):
    with site.changed(hiddenuserfields="idnumber,username", prohibited="moodle/user:viewhiddendetails"):
        (seen,) = client.by_field("idnumber", "CV-jan")

    assert (seen["username"], seen["idnumber"]) == ("jan", "CV-jan")


def test_a_profile_field_for_nobody_is_seen_by_who_may_see_all(site, client):
    (jan,) = client.create(
        someone(customfields=[{"type": "niveau", "value": "3"}, {"type": "customfield1", "value": "&"}])
    )
    assert "customfields" in client.by_field("id", jan["id"])[0]
    site.settings.profile_fields = [ProfileField("niveau", "Niveau", visible=0)]
    client.update({"id": jan["id"], "customfields": [{"type": "niveau", "value": "3"}]})

    assert client.by_field("id", jan["id"])[0]["customfields"][0]["value"] == "3"
    site.restrict_token(capabilities=ALL - {"moodle/user:viewalldetails"})
    assert "customfields" not in client.by_field("id", jan["id"])[0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("R&D", "R&amp;D"), ("a &amp; b", "a &amp; b"), ("<i>x</i> y", "x y"), ("2 < 3 > 1", "2 &lt; 3 &gt; 1")],
)
def test_a_profile_field_has_its_value_and_what_people_see_of_it(client, value, shown):
    (jan,) = client.create(someone(customfields=[{"type": "customfield1", "value": value}]))
    (field,) = client.by_field("id", jan["id"])[0]["customfields"]

    assert (field["value"], field["displayvalue"]) == (value, shown)


@pytest.mark.parametrize("column", [{"username": "Jan Odd"}, {"auth": "gone"}, {"email": "jan@example.org "}], ids=str)
def test_one_odd_value_spoils_the_whole_answer(site, client, column):
    site.add_accounts([{"username": "odd", "email": "odd@example.org", **column}])
    client.create(someone("piet"))
    odd = site.accounts()[3]["id"]

    assert client.search(email="%")["errorcode"] == "invalidresponse"
    assert client.by_field("id", odd)["errorcode"] == "invalidresponse"
    assert usernames(client.by_field("username", "piet")) == ["piet"]


def test_nobody_is_found_by_a_number_that_counts_as_nothing(client):
    client.create(someone(idnumber="0"))

    assert client.by_field("idnumber", "0") == []
    assert usernames(client.by_field("username", "jan")) == ["jan"]


@pytest.mark.parametrize(
    ("value", "found"), [("JAN@EXAMPLE.org", ["jan"]), ("jan@example.org ", None), ("ján@example.org", ["jan"])]
)
def test_a_lookup_by_address_is_as_mariadb_compares(client, jan, value, found):
    answer = client.by_field("email", value)

    assert (usernames(answer) if isinstance(answer, list) else None) == found


@pytest.mark.parametrize(
    ("value", "known"), [("{}", True), (" {}", True), ("{}.0", True), ("{}x", False), ("x", False)]
)
def test_an_id_is_taken_as_php_compares(client, jan, value, known):
    answer = client.by_field("id", value.format(jan))

    assert (usernames(answer) == ["jan"]) if known else (answer["errorcode"] == "invalidparameter")


def test_criteria_are_all_to_be_met(client, jan):
    client.create(someone("piet", firstname="Piet"))

    assert usernames(client.search(lastname="Jan%", firstname="P_et")["users"]) == ["piet"]
    assert client.search(username="jan", firstname="Piet")["users"] == []
    assert usernames(client.search(id=jan, auth="oidc")["users"]) == ["jan"]
    assert client.search(auth="gone")["users"] == []


def test_an_unknown_criterion_alone_gives_everyone(client, jan):
    answer = client.search(suspended="1")

    assert usernames(answer["users"]) == ["guest", "admin", "svc-coupling", "jan"]
    assert answer["warnings"][0]["warningcode"] == "invalidfieldparameter"


def test_an_empty_list_of_criteria_cannot_be_sent(client):
    assert client.call("core_user_get_users", criteria=[])["errorcode"] == "invalidparameter"


def test_deleted_accounts_are_found_by_id_but_not_by_search(client, jan):
    client.call("core_user_delete_users", userids=[jan])
    (gone,) = client.by_field("id", jan)

    assert gone["username"].startswith("jan@example.org.")
    assert len(gone["email"]) == 32
    assert client.search(id=jan)["users"] == []


def test_one_sees_ones_own_preferences_only(client, jan):
    mine, theirs = client.by_field("id", 3, jan)

    assert [p["name"] for p in mine["preferences"]][-1] == "_lastloaded"
    assert "preferences" not in theirs


def test_a_search_works_for_a_user_who_must_change_the_password(site, client, jan):
    site.table.set_preference(3, "auth_forcepasswordchange", "1")

    assert client.by_field("id", jan)["errorcode"] == "forcepasswordchangenotice"
    assert usernames(client.search(username="jan")["users"]) == ["jan"]


@pytest.mark.parametrize(
    ("auth", "errorcode"), [("manual", "forcepasswordchangenotice"), ("oidc", "nopasswordchangeforced")]
)
def test_a_password_that_must_be_changed_may_have_no_page_to_do_so(site, client, auth, errorcode):
    site.table.update(3, {"auth": auth})
    site.table.set_preference(3, "auth_forcepasswordchange", "1")

    assert client.by_field("id", 3)["errorcode"] == errorcode


@pytest.mark.parametrize(
    ("field", "complete"),
    [({}, False), ({"visible": 0}, True), ({"locked": True}, True)],
    ids=["open", "invisible", "locked"],
)
def test_a_required_profile_field_stops_the_service_user_where_it_could_be_filled_in(site, client, field, complete):
    site.settings.profile_fields = [ProfileField("niveau", required=True, **field)]

    assert isinstance(client.by_field("id", 3), list) is complete
    site.table.set_profile(3, "niveau", "3")
    assert len(client.by_field("id", 3)) == 1


ADDRESS, NUMBER = "Nora.Y@Example.org", "Rq-Mixed"


@pytest.fixture(params=["mariadb", "postgresql"])
def nora(request, site, client):
    """Someone with capitals in her address and number, on either database."""
    site.settings.change({"database": request.param, "extendedusernamechars": True})
    client.create(someone("nora", email=ADDRESS, idnumber=NUMBER, lastname="Ruïz"))
    return "nora" if request.param == "mariadb" else None


@pytest.mark.parametrize("field", ["idnumber", "email"])
@pytest.mark.parametrize("spelling", ["lower", "upper", "accent"])
def test_a_lookup_in_another_spelling_finds_on_mariadb_only(client, nora, field, spelling):
    value = {"idnumber": NUMBER, "email": ADDRESS}[field]
    other = {"lower": value.lower(), "upper": value.upper(), "accent": value.replace("e", "é")}[spelling]

    assert usernames(client.by_field(field, value)) == ["nora"]
    assert usernames(client.by_field(field, other)) == ([nora] if nora else [])


def test_spaces_after_a_number_count_on_postgresql_and_spaces_before_it_on_both(client, nora):
    assert usernames(client.by_field("idnumber", f"{NUMBER} ")) == ([nora] if nora else [])
    assert client.by_field("idnumber", f" {NUMBER}") == []


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({"email": ADDRESS.upper()}, True),
        ({"email": "nora_y@example%"}, True),
        ({"email": r"nora\_y@example.org"}, False),
        ({"lastname": "RUÏZ"}, True),
        ({"lastname": "Ruiz"}, False),
        ({"username": "NORA"}, True),
        ({"email": ADDRESS.lower(), "idnumber": NUMBER}, True),
        ({"email": ADDRESS.lower(), "idnumber": "other"}, False),
    ],
    ids=str,
)
def test_a_search_goes_the_same_way_on_both_databases(client, nora, criteria, found):
    assert usernames(client.search(**criteria)["users"]) == (["nora"] if found else [])


def test_a_search_by_number_is_as_the_database_compares(client, nora):
    assert usernames(client.search(idnumber=NUMBER)["users"]) == ["nora"]
    assert usernames(client.search(idnumber=NUMBER.lower())["users"]) == ([nora] if nora else [])


def test_an_address_in_other_case_is_taken_on_both_databases(client, nora):
    (piet,) = client.create(someone("piet"))
    refused = client.create(someone("klaas", email=ADDRESS.upper()))
    warned = client.update({"id": piet["id"], "email": ADDRESS.lower()})

    assert refused["errorcode"] == "invalidparameter"
    assert [warning["warningcode"] for warning in warned["warnings"]] == ["useremailduplicate"]
    assert client.update({"id": piet["id"] - 1, "email": ADDRESS.lower()})["warnings"] == []


@pytest.fixture
def jose_with_accent(client):
    (created,) = client.create(someone("josé", email="an.accent@example.org"))
    return created["id"]


def test_a_name_without_its_accent_is_another_name_on_postgresql_only(client, nora, jose_with_accent):
    answer = client.create(someone("jose"))

    if nora is None:
        assert answer == [{"id": jose_with_accent + 1, "username": "jose"}]
    else:
        assert answer["errorcode"] == "invalidparameter"


def test_a_renamed_account_meets_the_names_its_database_takes_for_equal(client, nora, jose_with_accent):
    (piet,) = client.create(someone("piet"))
    warnings = client.update({"id": piet["id"], "username": "jose"})["warnings"]

    assert [w["warningcode"] for w in warnings] == ([] if nora is None else ["dmlwriteexception"])
    assert client.update({"id": jose_with_accent, "username": "josé"})["warnings"] == []
