"""Access in the same run as the accounts, on a sandbox over HTTP: given, extended, taken back, resumed, and cheap when nothing changed.

The steps of a run are called one after another, as its tasks do; one test has Airflow do it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from access.made import wanted
from access.windows import NEXT, first_of
from airflow.sdk.exceptions import AirflowSkipException
from hooks.servers import hook_for
from orchestration.school import ACCESS, BHV, JAN, PIET, ZOE, Done, School

from moodle_coupling.contract.facts import Question
from moodle_coupling.errors import CouplingError, MoodleRefused, NotApproved, TooManyFailures
from moodle_coupling.hooks.moodle import access_records as records
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.ledger.access import Known, given_access
from moodle_coupling.ledger.approvals import answer, ask
from moodle_coupling.ledger.words import ApprovalAnswer
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import access as accessing
from moodle_coupling.orchestration import explanation_steps as steps
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.coupling_dags import provision_dag
from moodle_coupling.orchestration.erasure import forget
from moodle_coupling.orchestration.parts import load_access, load_chunk
from moodle_coupling.sandbox.coachview import running_coachview

if TYPE_CHECKING:
    from orchestration.coupling import Coupling

ENROLMENTS = """
access:
  safeguards: {first_load: false, empty: false, take_backs: off, per_target: off}
  source:
    type: coachview
    connection: cv
    read: full_runs
    columns: {person_id: persoonId, training: opleidingId, state: status}
    part_columns: {training: opleidingId}
  states: {ja: active}
"""
ADD, ENROL = records.ADD_COHORT_MEMBERS, records.ENROL_USERS


def test_new_people_get_an_account_and_access_in_one_run_and_lose_the_access_that_was_given(school: School) -> None:
    school.people(ZOE, JAN)
    school.enrolments(("2", "BHV", f"{NEXT}-01-01", f"{NEXT}-06-30"), ("9", "BHV", "", ""), ("1", "GEEN", "", ""))
    done = school.go()
    zoe, jan = school.account("CV-1"), school.account("CV-2")
    assert school.cohort() == {zoe}
    assert school.course() == {jan: (first_of(NEXT, 1), first_of(NEXT, 7))}
    assert done.said() == [
        ("1", "done", ""),
        ("1", "rejected", "target_missing"),
        ("2", "done", ""),
        ("9", "rejected", "person_unknown"),
    ]
    assert done.counts is not None
    assert {name: done.counts[name] for name in ("access_planned_give", "access_done_give")} == {
        "access_planned_give": 2,
        "access_done_give": 2,
    }
    assert "docenten" in done.text
    assert "BHV" in (done.run.folder / "access_plan.csv").read_text()

    before = len(school.moodle.calls.all(ADD))
    school.enrolments(("2", "BHV", f"{NEXT}-01-01", f"{NEXT}-06-30"))
    done = school.go()
    assert not done.planned.access, "nothing is due, so that no task starts for it"
    assert done.frame("access_targets").empty, "what did not change is not read"
    assert len(school.moodle.calls.all(ADD)) == before
    done = school.go(full=True)
    assert (len(done.frame("access_targets")), done.planned.access) == (2, False)

    school.enrolments()
    school.people(("1", "CV-1", "Zoë", "van der", "Meer", "zoe@example.org", "Utrecht", "BHV", "nee"), JAN)
    assert school.go().said() == [("1", "done", ""), ("2", "done", "")]
    assert (school.cohort(), school.course()) == (set(), {})
    assert given_access(school.ledger, school.coupling.name).empty


def test_a_window_is_extended_and_what_others_gave_stays(school: School) -> None:
    school.people(JAN, PIET)
    school.enrolments()
    school.go()
    jan, piet = school.account("CV-2"), school.account("CV-3")
    with hook_for(school.moodle.url, school.moodle.token) as hook:
        hook.enrol_users([records.Enrolment(BHV, piet, 5)])
    school.enrolments(("2", "BHV", "", f"{NEXT}-06-30"), ("3", "BHV", "", f"{NEXT}-06-30"))
    assert school.go().said() == [("2", "done", ""), ("3", "skipped", "already_there")]
    assert school.go().frame("access_targets").empty, "who was there already is no reason to look every time"
    school.enrolments(("2", "BHV", "", f"{NEXT}-12-31"), ("3", "BHV", "", f"{NEXT}-06-30"))
    school.go()
    assert school.course() == {jan: (0, first_of(NEXT + 1, 1)), piet: (0, 0)}
    school.enrolments()
    school.go(full=True)
    assert set(school.course()) == {piet}, "what somebody else gave is not taken back"


def test_what_somebody_took_away_by_hand_is_given_again_by_a_full_run(school: School) -> None:
    school.people(ZOE)
    school.enrolments()
    school.go()
    zoe = school.account("CV-1")
    school.moodle.access.remove_member(1, zoe)
    school.go()
    assert school.cohort() == set()
    assert school.go(full=True).frame("access_plan")["code"].tolist() == ["taken_by_hand"]
    assert school.cohort() == {zoe}


def test_leavers_lose_it_with_the_account_and_strangers_only_in_a_cohort_of_ours(school: School) -> None:
    school.more = ACCESS.replace("  rules:\n", "  take_back: owned\n  owned: [ons]\n  rules:\n    - cohort: ons\n")
    school.more += "leavers: {policy: suspend, grace_days: 0}\n"
    school.people(JAN, PIET)
    school.enrolments(("3", "BHV", "", ""))
    school.go()
    jan, piet = school.account("CV-2"), school.account("CV-3")
    stranger = next(one["id"] for one in school.moodle.accounts() if one["username"] == "vreemd")
    assert school.cohort(2) == {jan, piet, stranger}, "only a full run knows who is a stranger"
    school.people(JAN, (*PIET[:-1], "ja"))
    school.go()
    assert school.cohort(2) == {jan, piet, stranger}, "and only that knows who left"
    done = school.go(full=True)
    assert (school.cohort(2), school.course()) == ({jan}, {})
    codes = done.frame("access_plan").set_index(["account_id", "kind"])["code"]
    assert codes[stranger, "cohort"] == "does_not_belong"
    assert codes[piet, "course"] == "left"


def test_a_run_for_one_person_touches_nobody_elses_access(school: School) -> None:
    school.people(ZOE, JAN)
    school.enrolments(("2", "BHV", "", ""))
    school.go()
    school.enrolments()
    school.people((*ZOE[:7], "", "nee"), JAN)
    school.go(person_ids=("1",))
    assert (school.cohort(), set(school.course())) == (set(), {school.account("CV-2")})


def test_a_dry_run_shows_access_and_writes_nothing(school: School) -> None:
    school.people(ZOE)
    school.enrolments(("1", "BHV", "", ""))
    done = school.go(dry_run=True)
    assert not done.planned.access
    assert list(done.frame("access_plan")["action"]) == ["give", "give"]
    assert school.cohort() == set()
    assert "docenten" in done.text


def test_the_first_access_waits_for_a_person_and_what_is_approved_is_both_plans(school: School) -> None:
    school.more = ACCESS.replace("first_load: false", "first_load: true")
    school.people(ZOE)
    school.enrolments()
    done = school.planned()
    assert (done.planned.asks, done.planned.access) == (True, True)
    with pytest.raises(NotApproved):
        load_chunk(done.run, done.planned.chunks[0])
    question = staging.read_facts(done.run.folder, Question)
    assert "docenten" in question.body
    asked = ask(school.ledger, done.run.record.id, question.digest, question.reasons)
    answer(school.ledger, asked.id, ApprovalAnswer.APPROVED, by="anna")
    school.loaded(done)
    assert school.cohort() == {school.account("CV-1")}


def test_after_a_rejection_nothing_is_given(school: School) -> None:
    school.more = ACCESS.replace("first_load: false", "first_load: true")
    school.people(ZOE)
    school.enrolments()
    done = school.planned()
    question = staging.read_facts(done.run.folder, Question)
    asked = ask(school.ledger, done.run.record.id, question.digest, question.reasons)
    answer(school.ledger, asked.id, ApprovalAnswer.REJECTED, by="anna")
    with pytest.raises(AirflowSkipException):
        load_access(done.run)
    assert school.cohort() == set()


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
def test_a_load_that_broke_off_goes_on_where_it_was_and_all_of_it_is_ours(school: School, fault: str) -> None:
    school.people(JAN, PIET)
    school.enrolments(("2", "BHV", "", ""), ("3", "BHV", "", ""))
    done = school.planned()
    school.moodle.faults.add(f"{fault},function={ENROL}")
    with pytest.raises(CouplingError):
        school.loaded(done)
    school.moodle.faults.clear()
    assert school.loaded(done).said() == [("2", "done", ""), ("3", "done", "")]
    assert set(school.course()) == {school.account("CV-2"), school.account("CV-3")}
    sent = len(school.moodle.calls.all(ENROL))
    school.loaded(done)
    assert len(school.moodle.calls.all(ENROL)) == sent, "what is settled is not sent again"
    school.enrolments()
    school.go()
    assert school.course() == {}


def test_a_worker_that_died_between_moodle_and_the_ledger_leaves_no_doubt(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.people(ZOE, JAN)
    school.enrolments(("2", "BHV", "", ""))
    done = school.planned()

    def died(*_args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(accessing, "settle_access", died)
        with pytest.raises(KeyboardInterrupt):
            school.loaded(done)
    assert school.loaded(done).said() == [("1", "done", ""), ("2", "done", "")]
    given = given_access(school.ledger, school.coupling.name)
    assert given["ours"].tolist() == [True, True]


def test_access_that_was_refused_last_time_too_does_not_stop_the_load_again(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.more = ACCESS + "limits: {stop_share: 0.3, stop_minimum: 2}\n"
    school.people(JAN, PIET)
    school.enrolments(("2", "BHV", "", ""), ("3", "BHV", "", ""))
    done = school.planned()
    for chunk in done.planned.chunks:
        load_chunk(done.run, chunk)

    def refused(*_args: Any) -> None:
        raise MoodleRefused("No.", errorcode="wsx")

    with monkeypatch.context() as patched:
        patched.setattr(MoodleHook, "enrol_users", refused)
        with pytest.raises(TooManyFailures):
            school.loaded(Done(done.run, replace(done.planned, chunks=[])))
        # What a load that stopped itself leaves is tried again; what a run brought to its end is on record as refused.
        school.more = ACCESS
        assert school.go().said() == [("2", "rejected", "wsx"), ("3", "rejected", "wsx")]
        school.more = ACCESS + "limits: {stop_share: 0.3, stop_minimum: 2}\n"
        assert school.go().said() == [("2", "rejected", "wsx"), ("3", "rejected", "wsx")]


def test_enrolments_of_coachview_may_wait_for_a_full_run_and_nothing_is_lost_meanwhile(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = {"opleidingId": "T", "lesvormId": "Elearning", "elearningOmgevingId": "x", "elearningCode": "BHV"}
    rows = [{"persoonId": number, "opleidingId": "T", "status": "ja"} for number in ("2", "3")]
    with running_coachview(parts=[part], enrolments=rows) as site:
        extra = {"login": site.client_id, "password": site.client_secret, "extra": {"allow_http": True}}
        monkeypatch.setenv("AIRFLOW_CONN_CV", json.dumps({"conn_type": "coachview", "host": site.url, **extra}))
        school.more = ENROLMENTS
        school.people(JAN, PIET)
        assert school.go().said() == [], "a run for what changed leaves them alone"
        asked = len(site.calls.all())
        assert asked == 0
        school.go(full=True)
        jan, piet = school.account("CV-2"), school.account("CV-3")
        assert set(school.course()) == {jan, piet}
        site.enrolments.remove([site.enrolments.all()[0]["id"]])
        asked = len(site.calls.all())
        done = school.go()
        assert (done.frame("access_targets").empty, set(school.course())) == (True, {jan, piet})
        assert len(site.calls.all()) == asked
        school.go(person_ids=("2",))
        assert set(school.course()) == {piet}, "by hand it is read"
        site.enrolments.remove([site.enrolments.all()[0]["id"]])
        school.go(full=True)
        assert school.course() == {}


def test_a_forgotten_person_is_in_no_file_of_access(school: School) -> None:
    school.people(("persoon-1", "extern-1", *ZOE[2:]), JAN)
    school.enrolments(("persoon-1", "BHV", "", ""))
    done = school.go()
    forgotten, _ = forget(school.ledger, school.coupling.name, "persoon-1", [school.coupling.name])
    assert forgotten.access > 0
    for file in done.run.folder.iterdir():
        if "access" in file.name:
            assert b"persoon-1" not in file.read_bytes(), file.name
            assert b"extern-1" not in file.read_bytes(), file.name


def test_airflow_has_a_task_for_access_only_where_the_mapping_gives_it(coupling: Coupling) -> None:
    path = coupling.folder / f"{coupling.name}.yaml"
    tasks = []
    for more in ("", ACCESS):
        path.write_text(coupling.mapping.format(name=coupling.name) + more)
        dag = provision_dag(load_mapping(path), path)
        tasks.append({task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks})
    assert "access" not in tasks[0]
    assert tasks[1]["access"] == ["load"]
    assert set(tasks[1]["report"]) == {"access", "load"}


@pytest.mark.slow
def test_airflow_runs_it(coupling: Coupling, school: School) -> None:
    coupling.more = ACCESS
    school.people(ZOE)
    school.enrolments(("1", "BHV", "", ""))
    run = coupling.run()
    assert (run.state, run.tasks["access"]) == ("success", "success")
    assert school.cohort() == {school.account("CV-1")}
    run = coupling.run()
    assert (run.state, run.tasks["access"]) == ("success", "skipped")


def test_explain_says_where_a_person_belongs_and_why_not() -> None:
    want = wanted(
        {"row": 2, "target": "docenten"},
        {"row": 2, "kind": "course", "target": "BHV", "code": "date_unread", "value": "x"},
    )
    told = steps.access(want, None)
    assert (told.number, told.ok) == (6, False)
    assert [line.code for line in told.lines] == ["explain.access.not", "explain.access.belongs"][::-1]
    assert told.facts["belongs"] == [{"kind": "cohort", "target": "docenten"}]


def test_explain_says_what_somebody_decided_that_a_name_stands_for_and_what_is_asked() -> None:
    want = wanted({"row": 2, "target": "docs"}, {"row": 2, "target": "Nieuw"})
    docs = Known(mismatch=3, number=7, values={"idnumber": "docs", "fullname": "Docenten"}, by="ann")
    known = {
        ("cohort", "Docs"): docs,
        ("cohort", "Nieuw"): Known(mismatch=4, is_asked=True),
        ("cohort", "Oud"): Known(),
    }
    said = [str(line) for line in steps.access(want, None, known).lines]
    assert said[2:] == [
        "Cohort 'Docs' stands for Docenten (docs), number 7, as ann decided (mismatch 3).",
        "Whether cohort 'Nieuw' stands for something that Moodle has under another name is asked in mismatch 4.",
    ]
