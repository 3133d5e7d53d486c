"""Cohorts, courses, enrolments and groups of the sandbox, beyond what the recordings show."""

from __future__ import annotations

import json
import time

import pytest
from sandbox.moodle.client import Client
from sandbox.moodle.school import SCHOOL

from moodle_coupling.errors import SettingError, SourceError
from moodle_coupling.sandbox.moodle import ACCESS_FUNCTIONS, SandboxMoodle, running_moodle
from moodle_coupling.sandbox.moodle.access_file import read_access, read_access_file
from moodle_coupling.sandbox.moodle.context import Work, service_seconds
from moodle_coupling.sandbox.moodle.functions.registry import FUNCTIONS
from moodle_coupling.sandbox.moodle.site import ACCESS_CAPABILITIES, LEAST_CAPABILITIES

ADD, DELETE, MEMBERS = (
    "core_cohort_add_cohort_members",
    "core_cohort_delete_cohort_members",
    "core_cohort_get_cohort_members",
)
ENROL, UNENROL, ENROLLED = "enrol_manual_enrol_users", "enrol_manual_unenrol_users", "core_enrol_get_enrolled_users"
BY_FIELD = "core_course_get_courses_by_field"
PEOPLE = [
    {"id": 60 + n, "username": name, "firstname": name.title(), "lastname": "Test", "email": f"{name}@example.org"}
    for n, name in enumerate(("anna", "bram", "cato"))
]


@pytest.fixture
def school():
    with running_moodle(accounts=PEOPLE, access=SCHOOL) as site:
        yield site


@pytest.fixture
def client(school):
    client = Client(school)
    with client.session:
        yield client


def member(userid, cohort="cv-docenten"):
    return {"cohorttype": {"type": "idnumber", "value": cohort}, "usertype": {"type": "id", "value": userid}}


def rows(site, course=2):
    return [(e["userid"], e["status"], e["timestart"], e["timeend"]) for e in site.access.enrolments(course)]


def test_the_service_has_exactly_the_functions_that_the_sandbox_knows_of_access():
    assert set(ACCESS_FUNCTIONS) == {
        name for name in FUNCTIONS if not name.startswith(("core_user_", "core_webs", "core_rep"))
    }


def test_what_a_site_starts_with_is_there(school, client):
    state = client.session.get(f"{school.url}/sandbox/state", timeout=10).json()

    assert [(c["idnumber"], c["members"], c["visible"]) for c in state["cohorts"]] == [
        ("cv-docenten", [60], 1),
        ("cat", [], 0),
    ]
    assert [(c["id"], c["shortname"], c["manual"]) for c in state["courses"]] == [
        (2, "BHV-2027", "on"),
        (3, "Uit", "off"),
        (4, "Verborgen", "on"),
    ]
    assert state["courses"][0]["enrolments"][0] | {"roles": [5]} == state["courses"][0]["enrolments"][0]


def test_more_can_be_put_in_while_it_runs_and_what_is_there_stays(school, client):
    more = {
        "cohorts": [
            {"name": "Anders", "idnumber": "cv-docenten"},
            {"name": "Nieuw", "idnumber": "n", "members": ["bram"]},
        ]
    }
    answer = client.session.post(f"{school.url}/sandbox/access", json=more, timeout=10)

    assert answer.json() == {"cohorts": [1, 3], "courses": []}
    assert [c["name"] for c in school.access.cohorts()] == ["Docenten", "In categorie", "Nieuw"]
    assert school.access.members(3) == [61]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"cohorts": [{"idnumber": "x"}]}, "cohorts.0.name"),
        ({"courses": [{"shortname": "x", "manual": "maybe"}]}, "courses.0.manual"),
        ({"groups": []}, "groups"),
        ([], "the whole"),
        ({"cohorts": [{"name": "x", "members": ["nobody"]}]}, "nobody"),
    ],
    ids=str,
)
def test_what_is_wrong_in_the_start_is_named(school, client, wrong, where):
    answer = client.session.post(f"{school.url}/sandbox/access", json=wrong, timeout=10)

    assert answer.status_code == 400
    assert where in answer.json()["error"]
    assert len(school.access.cohorts()) == 2
    with pytest.raises(SettingError, match=where.replace(".", r"\.")):
        SandboxMoodle(access=wrong)


def test_a_file_is_read_and_a_wrong_one_named(tmp_path):
    path = tmp_path / "access.json"
    path.write_text(json.dumps(SCHOOL), encoding="utf-8")
    assert read_access_file(path) == read_access(SCHOOL)

    for text in ("{", '{"cohorts": 1}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SourceError, match=r"access\.json"):
            read_access_file(path)


def test_a_state_file_keeps_it_all(tmp_path):
    for _ in range(2):
        site = SandboxMoodle(accounts=PEOPLE, access=SCHOOL, state=tmp_path / "site.db")
        kept = site.access.as_json()
        site.stop()
    assert [len(kept["cohorts"]), len(kept["courses"])] == [2, 3]


@pytest.mark.parametrize("database", ["mariadb", "postgresql"])
def test_idnumbers_and_shortnames_compare_as_the_database_does(school, client, database):
    with school.changed(database=database):
        codes = [w["warningcode"] for w in client.call(ADD, members=[member(61, "CV-DOCENTEN")])["warnings"]]
        found = [
            client.call(BY_FIELD, field=f, value=v)["courses"]
            for f, v in (("shortname", "bhv-2027"), ("idnumber", "bhv"))
        ]

    assert codes == ([] if database == "mariadb" else ["2"])
    assert [len(courses) for courses in found] == ([1, 1] if database == "mariadb" else [0, 0])


def test_one_that_cannot_be_added_does_not_keep_the_others_out(school, client):
    answer = client.call(ADD, members=[member(60), member(61), member(99), member(62, "none")])

    assert [w["warningcode"] for w in answer["warnings"]] == ["3", "2", "2"]
    assert client.call(MEMBERS, cohortids=[1]) == [{"cohortid": 1, "userids": [60, 61]}]


def test_one_that_cannot_be_taken_out_keeps_all_in(school, client):
    gone = [{"cohortid": 1, "userid": 60}, {"cohortid": 1, "userid": 99}]

    assert client.call(DELETE, members=gone)["errorcode"] == "invalidrecordunknown"
    assert school.access.members(1) == [60]
    assert client.call(DELETE, members=gone[:1]) is None
    assert school.access.members(1) == []


def test_a_cohort_is_made_with_a_number_of_its_own_and_deleted_with_its_members(school, client):
    new = {"categorytype": {"type": "system", "value": ""}, "name": "Nieuw", "idnumber": "n"}
    other = {"categorytype": {"type": "id", "value": "2"}, "name": "Ook", "idnumber": ""}

    made = client.call("core_cohort_create_cohorts", cohorts=[new, other])
    assert [cohort["id"] for cohort in made] == [3, 4]
    assert (
        client.call("core_cohort_create_cohorts", cohorts=[{**new, "idnumber": "m"}, new])["errorcode"]
        == "invalidparameter"
    )
    assert [c["idnumber"] for c in school.access.cohorts()] == ["cv-docenten", "cat", "n", ""]
    assert client.call("core_cohort_delete_cohorts", cohortids=[1, 99])["errorcode"] == "invalidrecordunknown"
    assert client.call("core_cohort_delete_cohorts", cohortids=[1, 3]) is None
    assert [c["idnumber"] for c in school.access.cohorts()] == ["cat", ""]


@pytest.mark.parametrize("width", [100, 101])
def test_an_idnumber_that_is_too_long_makes_none(school, client, width):
    new = {"categorytype": {"type": "system", "value": ""}, "name": "Nieuw", "idnumber": "n" * width}
    answer = client.call("core_cohort_create_cohorts", cohorts=[new])

    assert (answer["errorcode"] if width > 100 else answer[0]["idnumber"]) == (
        "dmlwriteexception" if width > 100 else "n" * 100
    )


def test_enrolling_is_all_or_nothing_and_overwrites(school, client):
    soon, later = 1_900_000_000, 1_950_000_000
    one = {"roleid": 5, "userid": 61, "courseid": 2}
    assert client.call(ENROL, enrolments=[{**one, "timestart": soon, "timeend": later, "suspend": 1}]) is None
    assert rows(school) == [(60, 0, 0, 0), (61, 1, soon, later)]

    assert client.call(ENROL, enrolments=[one, {**one, "courseid": 3}])["errorcode"] == "wsnoinstance"
    assert rows(school) == [(60, 0, 0, 0), (61, 1, soon, later)]
    assert client.call(ENROL, enrolments=[one]) is None
    assert rows(school) == [(60, 0, 0, 0), (61, 0, 0, 0)]
    assert client.call(UNENROL, enrolments=[{"userid": userid, "courseid": 2} for userid in (60, 62)]) is None
    assert rows(school) == [(61, 0, 0, 0)]


def test_a_second_role_stands_beside_the_first(school, client):
    with school.changed(roles="5:student,9:cursist", assignable_roles="5,9"):
        assert client.call(ENROL, enrolments=[{"roleid": 9, "userid": 60, "courseid": 2}]) is None
        assert (
            client.call(ENROL, enrolments=[{"roleid": 7, "userid": 60, "courseid": 2}])["errorcode"]
            == "wsusercannotassign"
        )
        (anna,) = client.call(ENROLLED, courseid=2)

    assert [(role["roleid"], role["shortname"]) for role in anna["roles"]] == [(5, "student"), (9, "cursist")]


def test_who_is_active_is_told_by_dates_and_suspension(school, client):
    now = int(time.time())
    for userid, bounds in ((61, {"timestart": now + 1000}), (62, {"timeend": now - 1000})):
        client.call(ENROL, enrolments=[{"roleid": 5, "userid": userid, "courseid": 2, **bounds}])

    def ids(**options):
        asked = [{"name": name, "value": value} for name, value in {"userfields": "id", **options}.items()]
        return [user["id"] for user in client.call(ENROLLED, courseid=2, options=asked)]

    assert ids() == [60, 61, 62]
    assert ids(onlyactive=1) == [60]
    assert ids(onlysuspended=1) == [61, 62]


def test_who_is_deleted_is_nowhere_any_more(school, client):
    client.call("core_user_delete_users", userids=[60])

    assert school.access.members(1) == []
    assert rows(school) == []


def test_the_service_needs_only_what_the_facts_say(school, client):
    school.restrict_token(capabilities=LEAST_CAPABILITIES | ACCESS_CAPABILITIES)

    assert len(client.call("core_cohort_get_cohorts")) == 2
    assert client.call(ADD, members=[member(61)]) == {"warnings": []}
    assert client.call(ENROL, enrolments=[{"roleid": 5, "userid": 61, "courseid": 2}]) is None
    assert len(client.call(ENROLLED, courseid=2)) == 2
    assert client.call(BY_FIELD, field="shortname", value="Verborgen")["courses"] == []
    new = {"categorytype": {"type": "system", "value": ""}, "name": "Nieuw", "idnumber": "n"}
    assert client.call("core_cohort_create_cohorts", cohorts=[new])["errorcode"] == "nopermissions"


@pytest.mark.parametrize(
    ("capability", "code", "function", "parameters"),
    [
        ("moodle/cohort:assign,moodle/cohort:manage", "nopermissions", ADD, {"members": [member(61)]}),
        (
            "moodle/course:view",
            "requireloginerror",
            ENROL,
            {"enrolments": [{"roleid": 5, "userid": 61, "courseid": 2}]},
        ),
        (
            "moodle/role:assign",
            "wsusercannotassign",
            ENROL,
            {"enrolments": [{"roleid": 5, "userid": 61, "courseid": 2}]},
        ),
        ("enrol/manual:unenrol", "nopermissions", UNENROL, {"enrolments": [{"userid": 61, "courseid": 2}]}),
        ("moodle/course:viewparticipants", "nopermissions", ENROLLED, {"courseid": 2}),
    ],
)
def test_a_capability_that_is_prohibited_is_missed(school, client, capability, code, function, parameters):
    with school.changed(prohibited=capability):
        assert client.call(function, **parameters)["errorcode"] == code


def test_a_read_only_database_takes_nothing(school, client):
    with school.changed(db_read_only=True):
        for function, parameters in (
            (ADD, {"members": [member(61)]}),
            (DELETE, {"members": [{"cohortid": 1, "userid": 60}]}),
            (ENROL, {"enrolments": [{"roleid": 5, "userid": 61, "courseid": 2}]}),
            (UNENROL, {"enrolments": [{"userid": 60, "courseid": 2}]}),
        ):
            assert client.call(function, **parameters)["errorcode"] == "dmlwriteexception"
    assert (school.access.members(1), rows(school)) == ([60], [(60, 0, 0, 0)])


def test_it_takes_as_long_as_was_measured():
    bare = service_seconds(Work())

    assert 1 / (service_seconds(Work(members=1000)) - bare) * 1000 == pytest.approx(360, abs=30)
    assert 1 / (service_seconds(Work(enrolments=1000)) - bare) * 1000 == pytest.approx(135, abs=16)
