"""Cohorts and courses that Moodle has under another name: asked once each, decided by somebody, and obeyed from the next run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hooks.servers import hook_for
from orchestration.coupling import Coupling, connect
from orchestration.school import ACCESS, BHV, JAN, PIET, SCHOOL, ZOE, School

from moodle_coupling.cli import main
from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.hooks.moodle import access_records as records
from moodle_coupling.ledger.access import given_access, known_targets
from moodle_coupling.ledger.cells import records as rows_of
from moodle_coupling.ledger.decisions import Choice, decide, withdraw
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.matching.decisions import options
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.orchestration.access_questions import names_kept
from moodle_coupling.orchestration.explanation import explain_person
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.sandbox.moodle.site import ACCESS_CAPABILITIES, LEAST_CAPABILITIES

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

DOCENTEN, ONS = 1, 2
ELSEWHERE = ACCESS.replace("cohort: docenten", "cohort: DOCENTEN")
TWICE = ELSEWHERE.replace(
    "    - cohort: DOCENTEN\n",
    "    - cohort: docenten\n      when: [{column: categories, any_of: [Cursist]}]\n    - cohort: DOCENTEN\n",
)


def found(ledger: Ledger, status: str = "") -> dict[str, dict[str, Any]]:
    """Give what was asked of targets, by subject."""
    chosen = MismatchFilter(verdicts=["target_elsewhere"], statuses=[status] if status else [])
    rows = rows_of(mismatch_page(ledger, chosen, sort="id", descending=False, limit=None).rows)
    return {row["subject"]: row for row in rows}


def say(ledger: Ledger, subject: str, kind: DecisionKind = DecisionKind.STANDS_FOR, number: int | None = None) -> None:
    (row,) = [
        row for row in found(ledger).values() if row["subject"] == subject and row["status"] in {"open", "decided"}
    ]
    decide(ledger, row["id"], row["version"], Choice(kind, by="ann", account_id=number))


def take_back(ledger: Ledger, subject: str) -> None:
    row = found(ledger, "decided")[subject]
    assert withdraw(ledger, [(row["id"], row["version"])], by="ann").decided == (row["id"],)


@pytest.fixture
def elsewhere(school: School) -> School:
    school.more = ELSEWHERE
    school.people(ZOE, JAN)
    school.enrolments(("1", "BHV-2027", "", ""), ("2", "BHV-2027", "", ""))
    return school


def calls(school: School) -> list[str]:
    named = (call.function for call in school.moodle.calls.all())
    return [one for one in named if any(word in one for word in ("cohort", "course", "enrol"))]


class TestAsked:
    def test_each_name_is_asked_once_however_many_wait_and_nothing_is_given(self, elsewhere: School) -> None:
        done = elsewhere.go(full=True)
        asked = found(elsewhere.ledger, "open")
        assert set(asked) == {"cohort DOCENTEN", "course BHV-2027"}
        told = str(evidence_of(asked["course BHV-2027"]))
        assert "2 persons" in told
        assert "Bedrijfshulp (BHV-2027), number 2" in told
        assert MismatchFacts.read(asked["cohort DOCENTEN"]["facts"]).accounts == {
            "1": {"idnumber": "docenten", "fullname": "Docenten"}
        }
        assert set(done.frame("access_plan")["code"]) == {"target_elsewhere"}
        assert (elsewhere.cohort(), elsewhere.course()) == (set(), {})
        elsewhere.go(full=True)
        again = found(elsewhere.ledger)
        assert [row["times_seen"] for row in again.values()] == [2, 2]

    def test_a_dry_run_and_one_for_a_person_ask_nothing(self, elsewhere: School) -> None:
        elsewhere.go(dry_run=True, full=True)
        elsewhere.go(person_ids=("1",))
        assert found(elsewhere.ledger) == {}

    def test_a_name_that_is_mended_or_no_longer_named_is_asked_no_more(self, elsewhere: School) -> None:
        elsewhere.go(full=True)
        elsewhere.enrolments(("1", "BHV", "", ""))
        elsewhere.moodle.access.change("cohort", DOCENTEN, idnumber="DOCENTEN")
        elsewhere.go(full=True)
        assert {row["status"] for row in found(elsewhere.ledger).values()} == {"gone"}
        assert elsewhere.cohort() == {elsewhere.account("CV-1")}

    def test_a_hidden_course_is_missing_and_nothing_is_asked(self, elsewhere: School) -> None:
        elsewhere.moodle.access.change("course", BHV, visible=0)
        elsewhere.moodle.restrict_token(capabilities=LEAST_CAPABILITIES | ACCESS_CAPABILITIES)
        done = elsewhere.go(full=True)
        assert set(found(elsewhere.ledger)) == {"cohort DOCENTEN"}
        plan = done.frame("access_plan")
        assert set(plan.loc[plan["kind"] == "course", "code"]) == {"target_missing"}


class TestDecided:
    @pytest.fixture
    def decided(self, elsewhere: School) -> School:
        elsewhere.go(full=True)
        say(elsewhere.ledger, "cohort DOCENTEN", number=DOCENTEN)
        say(elsewhere.ledger, "course BHV-2027", number=BHV)
        return elsewhere

    def test_the_next_run_gives_access_and_those_after_it_cost_and_write_nothing(
        self, decided: School, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = decided.go()
        zoe, jan = decided.account("CV-1"), decided.account("CV-2")
        assert (decided.cohort(), set(decided.course())) == ({zoe}, {zoe, jan})
        given = given_access(decided.ledger, decided.coupling.name)
        assert set(zip(given["target"], given["target_id"], strict=True)) == {
            ("docenten", DOCENTEN),
            ("#2 Bedrijfshulp", BHV),
        }
        assert "docenten" in done.text
        assert {row["status"] for row in found(decided.ledger).values()} == {"decided"}
        monkeypatch.setattr(
            "moodle_coupling.orchestration.planning.check", lambda _: {}
        )  # which makes calls of its own
        decided.moodle.calls.clear()
        quiet = decided.go()
        assert calls(decided) == []
        assert set(quiet.frame("access_plan")["code"]) == {"given"}
        decided.moodle.calls.clear()
        whole = decided.go(full=True)
        assert sorted(calls(decided)) == sorted(
            [
                records.GET_COHORTS,
                records.GET_COHORT_MEMBERS,
                *[records.GET_COURSES_BY_FIELD] * 2,
                records.GET_ENROLLED_USERS,
            ]
        )
        assert set(whole.frame("access_plan")["action"]) == {"none"}
        assert {row["status"] for row in found(decided.ledger).values()} == {"decided"}

    def test_explain_and_preview_know_what_was_decided(
        self, decided: School, capsys: pytest.CaptureFixture[str]
    ) -> None:
        take_back(decided.ledger, "course BHV-2027")
        path = decided.coupling.folder / f"{decided.coupling.name}.yaml"
        with hook_for(decided.moodle.url, decided.moodle.token) as hook:
            told = explain_person(load_mapping(path), path, "1", hook, ledger=decided.ledger).text()
        assert "Cohort 'DOCENTEN' stands for Docenten (docenten), number 1, as ann decided" in told
        assert "Whether course 'BHV-2027' stands for something that Moodle has under another name is asked" in told
        assert main(["preview", str(path), "--only", "1", "--format", "json"]) == 0
        assert '"#1"' in capsys.readouterr().out, "as a number, before anybody was given it"
        decided.go(full=True)
        assert main(["preview", str(path), "--only", "1", "--format", "json"]) == 0
        assert '"docenten"' in capsys.readouterr().out

    def test_taken_back_what_was_given_is_ours_and_is_taken_back(self, decided: School) -> None:
        decided.go(full=True)
        take_back(decided.ledger, "cohort DOCENTEN")
        take_back(decided.ledger, "course BHV-2027")
        decided.go()
        assert (decided.cohort(), decided.course()) == (set(), {})
        assert set(found(decided.ledger, "open")) == {"cohort DOCENTEN", "course BHV-2027"}
        assert given_access(decided.ledger, decided.coupling.name).empty

    def test_one_that_is_renamed_is_asked_again_and_meanwhile_nobody_gets_or_loses_anything(
        self, decided: School
    ) -> None:
        decided.go(full=True)
        for name in ("Leraren", "Personeel"):
            decided.people(ZOE, JAN, (*PIET[:7], "Docent", PIET[8]))
            decided.moodle.access.change("cohort", DOCENTEN, name=name, idnumber=name.lower())
            decided.go(full=True)
            assert decided.cohort() == {decided.account("CV-1")}
        assert found(decided.ledger, "open").keys() == {"cohort DOCENTEN"}
        say(decided.ledger, "cohort DOCENTEN", number=DOCENTEN)
        decided.go(full=True)
        assert decided.cohort() == {decided.account("CV-1"), decided.account("CV-3")}
        given = given_access(decided.ledger, decided.coupling.name)
        assert set(given.loc[given["kind"] == "cohort", "target"]) == {"personeel"}

    def test_renamed_between_decision_and_run_it_is_not_obeyed(self, decided: School) -> None:
        decided.moodle.access.change("cohort", DOCENTEN, name="Leraren")
        decided.go(full=True)
        assert decided.cohort() == set()
        assert found(decided.ledger, "lapsed").keys() == found(decided.ledger, "open").keys() == {"cohort DOCENTEN"}

    def test_another_that_is_alike_makes_it_asked_again_and_who_is_in_it_stays(self, decided: School) -> None:
        decided.go(full=True)
        decided.moodle.access.add_cohort({"name": "docenten ", "idnumber": "x"})
        done = decided.go(full=True)
        assert decided.cohort() == {decided.account("CV-1")}
        plan = done.frame("access_plan")
        assert set(plan.loc[plan["kind"] == "cohort", "code"]) == {"target_elsewhere", "target_asked"}
        say(decided.ledger, "cohort DOCENTEN", DecisionKind.IGNORE)
        decided.go(full=True)
        assert decided.cohort() == set(), "it is said that the name does not stand for it"

    def test_hidden_for_a_while_it_stays_decided(self, decided: School) -> None:
        decided.go(full=True)
        decided.moodle.access.change("course", BHV, visible=0)
        decided.moodle.restrict_token(capabilities=LEAST_CAPABILITIES | ACCESS_CAPABILITIES)
        decided.go(full=True)
        assert len(decided.course()) == 2
        decided.moodle.access.change("course", BHV, visible=1)
        done = decided.go(full=True)
        assert set(done.frame("access_plan")["action"]) == {"none"}
        assert found(decided.ledger, "decided").keys() == {"cohort DOCENTEN", "course BHV-2027"}

    def test_a_mapping_that_is_mended_later_changes_nothing(self, decided: School) -> None:
        decided.go(full=True)
        decided.enrolments(("1", "BHV", "", ""), ("2", "BHV", "", ""))
        done = decided.go(full=True)
        assert set(done.frame("access_plan")["action"]) == {"none"}
        given = given_access(decided.ledger, decided.coupling.name)
        assert set(given.loc[given["kind"] == "course", "target"]) == {"BHV"}
        assert given["ours"].all()
        decided.enrolments(("1", "BHV", "", ""))
        decided.go(full=True)
        assert set(decided.course()) == {decided.account("CV-1")}


class TestUnited:
    def test_two_names_of_one_cohort_have_the_people_of_both_and_each_once(self, elsewhere: School) -> None:
        elsewhere.more = TWICE
        both = (*ZOE[:7], "Docent|Cursist", ZOE[8])
        elsewhere.people(both, JAN, (*PIET[:7], "Docent", PIET[8]))
        elsewhere.go(full=True)
        jan, zoe = elsewhere.account("CV-2"), elsewhere.account("CV-1")
        assert elsewhere.cohort() == {jan, zoe}
        say(elsewhere.ledger, "cohort DOCENTEN", number=DOCENTEN)
        done = elsewhere.go(full=True)
        assert elsewhere.cohort() == {jan, zoe, elsewhere.account("CV-3")}
        plan = done.frame("access_plan")
        assert len(plan[plan["kind"] == "cohort"]) == 3
        take_back(elsewhere.ledger, "cohort DOCENTEN")
        elsewhere.go(full=True)
        assert elsewhere.cohort() == {jan, zoe}

    def test_windows_that_contradict_each_other_are_a_reason_as_ever(self, elsewhere: School) -> None:
        elsewhere.enrolments(("1", "BHV-2027", "2027-01-01", ""), ("1", "BHV", "", ""), ("2", "BHV", "", ""))
        elsewhere.go(full=True)
        say(elsewhere.ledger, "course BHV-2027", number=BHV)
        done = elsewhere.go(full=True)
        plan = done.frame("access_plan")
        said = plan[plan["kind"] == "course"].set_index("person_id")["code"].to_dict()
        assert said == {"1": "contradicts", "2": "given"}
        assert len(elsewhere.course()) == 2, "doubt keeps what is"

    def test_strangers_in_a_cohort_of_ours_that_is_named_otherwise(self, elsewhere: School) -> None:
        elsewhere.more = ELSEWHERE.replace("  rules:", "  take_back: owned\n  owned: [ONS]\n  rules:")
        elsewhere.go(full=True)
        assert len(elsewhere.cohort(ONS)) == 1
        say(elsewhere.ledger, "cohort ONS", number=ONS)
        elsewhere.go(full=True)
        assert elsewhere.cohort(ONS) == set()


def test_what_is_offered_is_each_that_is_alike_and_none_of_them(elsewhere: School) -> None:
    elsewhere.moodle.access.add_cohort({"name": "Docenten", "idnumber": ""})
    elsewhere.go(full=True)
    row = found(elsewhere.ledger)["cohort DOCENTEN"]
    offered = options(row["verdict"], MismatchFacts.read(row["facts"]).plain(), shared_email=False)
    assert [(one.kind.value, one.account_id) for one in offered] == [
        ("stands_for", 1),
        ("stands_for", 3),
        ("ignore", None),
        ("later", None),
    ]
    say(elsewhere.ledger, "cohort DOCENTEN", number=3)
    elsewhere.go(full=True)
    assert (elsewhere.cohort(1), elsewhere.cohort(3)) == (set(), {elsewhere.account("CV-1")})
    every = known_targets(elsewhere.ledger, elsewhere.coupling.name)
    known = every["cohort", "DOCENTEN"]
    assert (known.number, known.by) == (3, "ann")
    given = given_access(elsewhere.ledger, elsewhere.coupling.name)
    assert names_kept(every, given) == {("cohort", "DOCENTEN"): "#3 Docenten"}


@pytest.mark.slow
@pytest.mark.parametrize("database", ["mariadb", "postgresql"])
def test_airflow_asks_and_gives_to_exactly_the_right_people_once_it_is_decided(
    coupling: Coupling, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    with running_moodle(access={**SCHOOL, "cohorts": SCHOOL["cohorts"][:1]}) as moodle:
        moodle.settings.change({"database": database})
        connect(monkeypatch, coupling.name, moodle.url, moodle.token)
        school = School(coupling, moodle)
        coupling.more = ELSEWHERE
        school.people(ZOE, JAN, PIET)
        school.enrolments(("1", "BHV-2027", "", ""), ("3", "BHV-2027", "", ""))
        first = coupling.run()
        assert (first.state, school.cohort(), school.course()) == ("success", set(), {})
        asked = found(school.ledger, "open")
        assert set(asked) == {"cohort DOCENTEN", "course BHV-2027"}
        say(school.ledger, "cohort DOCENTEN", number=DOCENTEN)
        say(school.ledger, "course BHV-2027", number=BHV)
        second = coupling.run()
        zoe, piet = school.account("CV-1"), school.account("CV-3")
        assert second.state == "success"
        assert (school.cohort(), set(school.course())) == ({zoe}, {zoe, piet})
        assert coupling.reconcile().tasks["access"] == "skipped"
        assert found(school.ledger, "decided").keys() == asked.keys()
