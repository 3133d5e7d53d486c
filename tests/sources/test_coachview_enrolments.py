"""Coachview's enrolments as a list of access: what rows come to, and read over real HTTP from a sandbox."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moodle_coupling.errors import BudgetSpent, CoachviewAnswerUnreadable, CoachviewRefused, SourceError
from moodle_coupling.hooks.coachview.budget import OwnState
from moodle_coupling.hooks.coachview.enrolments import Row
from moodle_coupling.hooks.moodle.check import Level
from moodle_coupling.mapping import Mapping
from moodle_coupling.sandbox.coachview import SandboxCoachview, running_coachview
from moodle_coupling.sandbox.coachview.people import ENVIRONMENT, invented_enrolments, invented_parts
from moodle_coupling.sandbox.coachview.samples import generate_people
from moodle_coupling.sources.access_list import read_list
from moodle_coupling.sources.coachview.enrolments import listed, targets_of
from moodle_coupling.sources.coachview.settings import AccessCoachview
from moodle_coupling.sources.kinds import checked_connections, kind_of, waits_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = "7f1d3c52-0000-4000-8000-00000000e002"
COLUMNS = {
    "person_id": "persoonId",
    "training": "opleidingId",
    "from": "startDatum",
    "until": "eindDatum",
    "state": "status",
}


def guid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def settings(**more: Any) -> AccessCoachview:
    said = {"type": "coachview", "connection": "school_cv", "columns": COLUMNS}
    return AccessCoachview(**(said | {"part_columns": {"training": "opleidingId"}} | more))


# ---- pure ------------------------------------------------------------------------------------------------------------


def part(training: str, code: str, environment: str = ENVIRONMENT, **more: str) -> Row:
    return Row(1, {"training": training, "code": code, "environment": environment, "form": "Elearning"} | more)


def enrolment(person: str, training: str, **more: str) -> Row:
    return Row(1, {"person_id": person, "training": training} | more)


def rows(parts: list[Row], enrolments: list[Row], **more: Any) -> list[dict[str, str]]:
    said = settings(**more)
    found = listed(enrolments, targets_of(parts, said, said.where(None)), said).persons
    names = ("person_id", "course", "cohort", "from", "until", "state")
    return [{name: row[name] for name in names if row.get(name)} for row in found.to_dict("records")]


def test_each_e_learning_part_of_the_training_gives_a_course():
    parts = [part("T1", "BHV"), part("T1", "EHBO"), part("T2", "VCA")]
    given = [enrolment("p1", "t1", state="Ingeschreven"), enrolment("p2", "T3")]
    assert rows(parts, given) == [
        {"person_id": "p1", "course": "BHV", "state": "Ingeschreven"},
        {"person_id": "p1", "course": "EHBO", "state": "Ingeschreven"},
    ]


def test_a_code_is_translated_or_left_out_and_may_name_a_cohort():
    parts = [part("T1", "BHV"), part("T1", "X")]
    said = {"translate": {"BHV": "bhv-groep"}, "unmatched": "leave_out", "gives": "cohort"}
    assert rows(parts, [enrolment("p1", "T1")], **said) == [{"person_id": "p1", "cohort": "bhv-groep"}]


def test_the_window_is_the_enrolments_own_else_that_of_the_part_and_a_midnight_is_a_day():
    parts = [part("T1", "BHV", **{"from": "2027-01-01T00:00:00", "until": "2027-12-31T00:00:00"})]
    given = [enrolment("p1", "T1", until="2027-06-30T00:00:00"), enrolment("p2", "T1", until="2027-06-30T17:00:00")]
    assert [(row["from"], row["until"]) for row in rows(parts, given)] == [
        ("2027-01-01", "2027-06-30"),
        ("2027-01-01", "2027-06-30T17:00:00"),
    ]


def test_only_the_environment_of_this_moodle_counts():
    parts = [part("T1", "BHV"), part("T1", "EHBO", ELSEWHERE)]
    assert [row["course"] for row in rows(parts, [enrolment("p", "T1")], elearning_environment=ENVIRONMENT)] == ["BHV"]
    with pytest.raises(SourceError, match=ELSEWHERE):
        rows(parts, [enrolment("p", "T1")])
    with pytest.raises(SourceError, match=rf"{ENVIRONMENT}.*elearning_environment"):
        rows([parts[0]], [], elearning_environment="another")
    with pytest.raises(SourceError, match="elearning_form"):
        rows([], [])


def test_an_enrolment_of_nobody_is_counted_and_a_part_without_code_leaves_doubt():
    said = settings()
    targets = targets_of([part("T1", "BHV"), part("T2", "")], said, said.where(None))
    found = listed([enrolment("", "T1"), enrolment("p1", "T1")], targets, said)
    assert found.persons["person_id"].tolist() == ["p1"]
    assert [one.code for one in found.left_out] == ["incomplete"]
    assert [one.code for one in found.warnings] == ["sources.enrolments.nobody", "sources.enrolments.incomplete"]


# ---- over HTTP -------------------------------------------------------------------------------------------------------

PEOPLE = list(generate_people(60))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxCoachview]:
    with running_coachview(people=PEOPLE, parts=invented_parts(), enrolments=invented_enrolments(PEOPLE)) as running:
        connect(monkeypatch, running)
        yield running


def connect(monkeypatch: pytest.MonkeyPatch, site: SandboxCoachview, **extra: Any) -> None:
    made = {"conn_type": "coachview", "host": site.url, "login": site.client_id, "password": site.client_secret}
    monkeypatch.setenv("AIRFLOW_CONN_SCHOOL_CV", json.dumps(made | {"extra": {"allow_http": True, **extra}}))


def read(**more: Any) -> Any:
    return read_list(settings(**more), Path())


def test_it_reads_who_is_enrolled_and_nobody_else(site: SandboxCoachview) -> None:
    site.enrolments.add([{"persoonId": guid(1), "opleidingId": guid(2), "status": "Ingeschreven"}])
    found = read()
    assert found.whole
    wanted = {
        (row["persoonId"], row["status"], row["startDatum"][:10], row["eindDatum"][:10])
        for row in invented_enrolments(PEOPLE)
    }
    got = set(found.rows[["person_id", "state", "from", "until"]].itertuples(index=False, name=None))
    assert got == wanted
    assert set(found.rows["course"]) == {"BHV-2027", "EHBO-2027", "VCA-2027", "HACCP-2027", "AVG-2027", "TAAL-2027"}


def test_it_asks_for_the_trainings_that_matter_page_by_page_and_its_own_scopes(
    site: SandboxCoachview, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, site, page_size=40)
    rows = len(site.enrolments)
    found = read()
    assert len(found.rows) == rows > 80
    assert len(site.calls.all("Opleidingsonderdelen")) == 1
    asked = [call.params for call in site.calls.all("Opleidingsvragen")]
    assert all(params["where"].lower().startswith("opleidingid=") for params in asked)
    # Pages overlap by a row, to prove that nothing moved.
    assert len(asked) == -(-(rows - 1) // 39)


@pytest.mark.parametrize("shape", ["list", "object", "top_level"])
def test_a_free_field_may_say_the_state(site: SandboxCoachview, monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    connect(monkeypatch, site, public_free_fields="VrijveldAfdeling")
    site.settings.change({"free_fields": shape})
    one = site.enrolments.all()[0]["id"]
    site.enrolments.change(one, {"vrijevelden": {"VrijveldAfdeling": "Geannuleerd"}})
    assert read(columns=COLUMNS | {"state": "VrijveldAfdeling"}).rows["state"].tolist().count("Geannuleerd") == 1


def test_one_person_is_asked_for_alone(site: SandboxCoachview, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, site, page_size=10)
    one = PEOPLE[3]
    found = read_list(settings(), Path(), ids=[one["externId"], one["id"]]).rows
    assert len(found) == sum(row["persoonId"] == one["id"] for row in invented_enrolments(PEOPLE))
    (call,) = site.calls.all("Opleidingsvragen")
    assert call.params["where"] == f"persoonId={one['id']}"


def test_a_confidential_free_field_is_never_read(site: SandboxCoachview) -> None:
    site.enrolments.change(site.enrolments.all()[0]["id"], {"vrijevelden": {"VrijveldNotitie": "x"}})
    with pytest.raises(CoachviewAnswerUnreadable, match="VrijveldNotitie"):
        read(columns=COLUMNS | {"state": "VrijveldNotitie"})


WRONG = [
    ({"columns": COLUMNS | {"person_id": "deelnemerId"}}, "deelnemerId", "persoonId"),
    ({"columns": COLUMNS | {"training": "cursusId"}}, "cursusId", "opleidingId"),
    ({"columns": COLUMNS | {"state": "opleidingsvraagStatus"}}, "opleidingsvraagStatus", "status"),
    ({"part_columns": {"training": "cursusId"}}, "cursusId", "opleidingId"),
    ({"part_columns": {"training": "opleidingId", "code": "cursusCode"}}, "cursusCode", "elearningCode"),
    ({"part_columns": {"training": "opleidingId", "form": "lesvorm"}}, "lesvorm", "lesvormId"),
]


@pytest.mark.parametrize(("more", "wrong", "seen"), WRONG)
@pytest.mark.parametrize("obeyed", [True, False])
def test_a_key_that_is_called_otherwise_is_an_error_that_names_those_there_are(
    site: SandboxCoachview, more: dict[str, Any], wrong: str, seen: str, obeyed: bool
) -> None:
    site.settings.change({"where_obeyed": obeyed})
    with pytest.raises((CoachviewAnswerUnreadable, CoachviewRefused)) as refused:
        read(**more)
    assert wrong in str(refused.value)
    assert seen in str(refused.value)
    for person in PEOPLE[:5]:
        assert person["id"] not in str(refused.value)


def test_a_filter_that_is_not_obeyed_is_no_reason_to_believe_what_comes(site: SandboxCoachview) -> None:
    site.settings.change({"where_obeyed": False})
    site.enrolments.add([{"persoonId": guid(1), "opleidingId": guid(2), "status": "Ingeschreven"}])
    with pytest.raises(CoachviewRefused, match="opleidingId"):
        read()


def test_a_coachview_in_which_nobody_is_enrolled_gives_an_empty_list(site: SandboxCoachview) -> None:
    site.enrolments.remove([row["id"] for row in site.enrolments.all()])
    found = read()
    assert (len(found.rows), found.whole) == (0, True)


def test_the_reserve_of_the_days_requests_is_left_alone(
    site: SandboxCoachview, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, site, page_size=10, daily_budget=10, budget_reserve=4)
    state = OwnState()
    with pytest.raises(BudgetSpent):
        read_list(settings(), Path(), lambda _key: state)
    assert len(site.calls.all()) - len(site.calls.all("token")) <= 6
    before = len(site.calls.all())
    with pytest.raises(BudgetSpent):  # the count is shared, so that another task asks nothing more
        read_list(settings(), Path(), lambda _key: state)
    assert len(site.calls.all("Opleidingsvragen")) + len(site.calls.all("Opleidingsonderdelen")) <= 6
    assert len(site.calls.all()) <= before + 1


def test_a_run_waits_for_the_next_day_of_requests_of_its_list_too(site: SandboxCoachview) -> None:
    said: dict[str, Any] = {"environment": "demo", "connection": "moodle_demo", "idnumber": "extern_id"}
    said |= {"source": {"path": "a.csv"}, "access": {"source": settings().model_dump(exclude_unset=True)}}
    mapping = Mapping.model_validate(said)
    assert [connection for connection, _, _ in checked_connections(mapping)] == ["school_cv"]
    now = dt.datetime(2027, 1, 1, 12, tzinfo=dt.UTC)
    error = BudgetSpent("none left", resets=now + dt.timedelta(hours=3))
    assert waits_until(mapping, error, now) == now + dt.timedelta(hours=3, minutes=1)
    assert waits_until(mapping, SourceError("gone"), now) is None


# ---- the connection check --------------------------------------------------------------------------------------------


def check(**more: Any) -> list[tuple[Level, str, str]]:
    said = settings(**more)
    return [(one.level, one.code, f"{one.message} {one.remedy}") for one in kind_of(said).check(said, None)]


def test_the_check_of_a_mapping_that_fits_has_nothing_to_mend(site: SandboxCoachview) -> None:
    assert {level for level, _, _ in check()} == {Level.OK}
    assert [code for _, code, _ in check()] == ["enrolment_keys", "elearning_parts", "enrolment_keys"]


@pytest.mark.parametrize(("more", "wrong", "seen"), WRONG)
def test_the_check_finds_a_wrong_key_and_names_those_there_are(
    site: SandboxCoachview, more: dict[str, Any], wrong: str, seen: str
) -> None:
    errors = [text for level, _, text in check(**more) if level is Level.ERROR]
    assert errors
    assert wrong in errors[0]
    assert seen in errors[0]
    where = "part_columns" if "part_columns" in more else "columns"
    assert f"access.source.{where}" in errors[0]


def test_the_check_finds_what_else_stands_in_the_way(site: SandboxCoachview, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [code for level, code, _ in check(elearning_environment="x") if level is Level.ERROR] == [
        "elearning_environment"
    ]
    assert [code for level, code, _ in check(elearning_form="x") if level is Level.ERROR] == ["elearning_parts"]
    site.settings.change({"scopes": ("api", "Personen.Lezen")})
    assert {level for level, _, _ in check()} == {Level.ERROR}
    monkeypatch.setenv("AIRFLOW_CONN_SCHOOL_CV", json.dumps({"conn_type": "coachview"}))
    assert [code for _, code, _ in check()] == ["connection"]


def test_the_check_takes_few_requests(site: SandboxCoachview) -> None:
    check()
    assert len(site.calls.all()) - len(site.calls.all("token")) == 3
