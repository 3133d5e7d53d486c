"""Access on its way into Moodle, on a sandbox that answers over HTTP: read once, sent in batches, one outcome per row."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from access import made as access_made
from hooks.servers import hook_for

from moodle_coupling.access.plan import Circumstances, plan_access
from moodle_coupling.contract.frames import ACCESS_MEMBERS, ACCESS_OUTCOMES, ACCESS_PLAN, ACCESS_TARGETS
from moodle_coupling.errors import AnswerLost, CouplingPaused, MoodleDenied, MoodleError, TooManyFailures
from moodle_coupling.hooks.moodle import access_records as records
from moodle_coupling.mapping.access import Access
from moodle_coupling.people.table import made
from moodle_coupling.provisioning.access.loader import load_access
from moodle_coupling.provisioning.access.targets import read_targets
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.sandbox.moodle.access_file import read_access

FIRST, LAST = 60, 99
PEOPLE = [
    {
        "id": n,
        "username": f"u{n}",
        "firstname": "Jan",
        "lastname": "Test",
        "email": f"u{n}@example.org",
        "idnumber": f"x{n}",
    }
    for n in range(FIRST, LAST + 1)
]
SCHOOL: dict[str, Any] = {
    "cohorts": [{"name": "Docenten", "idnumber": "docenten", "members": ["u60"]}, {"name": "Leeg", "idnumber": "leeg"}],
    "courses": [
        {"shortname": "BHV-2027", "fullname": "Bedrijfshulp", "idnumber": "BHV", "participants": [{"username": "u60"}]},
        {"shortname": "Uit", "idnumber": "UIT", "manual": "off"},
        {"shortname": "Verborgen", "idnumber": "V", "visible": False},
    ],
}
DOCENTEN, BHV, UIT, STUDENT = 1, 2, 3, 5
ADD, ENROL, UNENROL = records.ADD_COHORT_MEMBERS, records.ENROL_USERS, records.UNENROL_USERS


@pytest.fixture
def moodle():
    with running_moodle(accounts=PEOPLE, access=SCHOOL) as site:
        yield site


class Journal:
    """Remembers what was announced and told."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.told: dict[int, str] = {}

    def sending(self, positions, batch):
        self.sent.append(list(positions))

    def withdrawn(self, positions):
        self.sent = [batch for batch in self.sent if batch != list(positions)]

    def settled(self, outcomes):
        assert ACCESS_OUTCOMES.misfit(outcomes) is None
        self.told |= dict(zip(outcomes["position"], outcomes["status"], strict=True))


def cohort(account: int, action: str = "give", **more: Any) -> dict[str, Any]:
    return {
        "account_id": account,
        "kind": "cohort",
        "target": "docenten",
        "target_id": DOCENTEN,
        "action": action,
    } | more


def course(account: int, action: str = "give", **more: Any) -> dict[str, Any]:
    said = {
        "kind": "course",
        "target": "BHV",
        "target_id": BHV,
        "role": "student",
        "role_id": STUDENT,
        "action": action,
    }
    return {"account_id": account} | said | more


def plan(*rows: dict[str, Any]) -> pd.DataFrame:
    unsaid: dict[str, Any] = dict.fromkeys(ACCESS_PLAN.texts, "")
    unsaid |= {"row": pd.NA, "timestart": 0, "timeend": 0, "suspended": False, "role_id": 0}
    return made(ACCESS_PLAN, [unsaid | row for row in rows])


def load(moodle, *rows: dict[str, Any], journal: Journal | None = None, **more: Any):
    settings = {name: more.pop(name) for name in ("batch_size", "max_input_vars", "parallel_requests") if name in more}
    with hook_for(moodle.url, moodle.token, **settings) as hook:
        result = load_access(plan(*rows), hook, journal or Journal(), **more)
    assert list(result.outcomes["position"]) == list(range(len(rows))), "exactly one outcome for each row"
    return result


def said(result) -> list[tuple[str, str]]:
    return list(result.outcomes[["status", "code"]].itertuples(index=False, name=None))


def in_cohort(moodle) -> set[int]:
    with hook_for(moodle.url, moodle.token) as hook:
        return set(hook.cohort_members([DOCENTEN]).members[DOCENTEN])


def in_course(moodle) -> dict[int, tuple[int, int, int]]:
    return {e["userid"]: (e["status"], e["timestart"], e["timeend"]) for e in moodle.access.enrolments(BHV)}


class TestReading:
    def read(self, moodle, *wanted, **access):
        with hook_for(moodle.url, moodle.token) as hook:
            found = read_targets(hook, wanted, Access.model_validate({"rules": [{"cohort": "a"}]} | access))
        assert ACCESS_TARGETS.misfit(found.targets) is None
        assert ACCESS_MEMBERS.misfit(found.members) is None
        return found

    def test_targets_are_found_by_exactly_their_name_with_who_is_in_them(self, moodle):
        found = self.read(moodle, ("cohort", "docenten"), ("cohort", "Docenten"), ("course", "BHV"), ("course", "UIT"))
        told = found.targets.set_index("target")
        assert dict(told["code"]) == {
            "docenten": "",
            "Docenten": "target_elsewhere",
            "BHV": "",
            "UIT": "no_manual_enrolment",
        }
        assert told.loc["docenten", "target_id"] == DOCENTEN
        assert found.members.to_numpy().tolist() == [["cohort", "docenten", 60], ["course", "BHV", 60]]
        assert found.roles == {"student": STUDENT}

    def test_a_hidden_course_and_a_course_by_another_name_are_missing(self, moodle):
        moodle.restrict_token(capabilities=moodle_least())
        found = self.read(moodle, ("course", "V"), ("course", "geen"))
        assert set(found.targets["code"]) == {"target_missing"}
        found = self.read(moodle, ("course", "BHV-2027"), ("course", "bhv-2027"), courses_by="shortname")
        assert list(found.targets["code"]) == ["", "target_elsewhere"]
        found = self.read(moodle, ("course", str(BHV)), ("course", "x"), courses_by="number")
        assert list(found.targets["code"]) == ["", "target_missing"]

    def test_what_moodle_has_under_another_name_is_named_and_nothing_is_made_beside_it(self, moodle):
        moodle.add_access(read_access({"cohorts": [{"name": "Cursisten BHV", "idnumber": "c-17"}]}))
        wanted = [("cohort", "DOCENTEN"), ("cohort", "cursisten-bhv"), ("course", "BHV-2027"), ("course", "geen")]
        found = self.read(moodle, *wanted, missing_targets="create").targets.set_index("target")
        assert dict(found["alike"]) == {
            "DOCENTEN": "Docenten (docenten)",
            "cursisten-bhv": "Cursisten BHV (c-17)",
            "BHV-2027": "Bedrijfshulp (BHV-2027)",
            "geen": "",
        }
        assert list(found["code"]) == ["target_elsewhere"] * 3 + ["target_missing"]
        assert not found["create"].any()

    def decided(self, moodle, *wanted, kept=(), stood=(), meant=(), **access):
        asked = []
        moodle.calls.clear()
        with hook_for(moodle.url, moodle.token) as hook:
            found = read_targets(
                hook,
                wanted,
                Access.model_validate({"rules": [{"cohort": "a"}]} | access),
                kept=dict(kept),
                stood=dict(stood),
                decide=lambda questions: asked.extend(questions) or dict(meant),
            )
        assert ACCESS_TARGETS.misfit(found.targets) is None
        assert found.questions == tuple(asked)
        return found

    def test_a_name_that_somebody_decided_is_read_as_what_it_stands_for(self, moodle):
        course = ("course", "BHV-2027")
        found = self.decided(
            moodle, ("cohort", "DOCENTEN"), course, meant={("cohort", "DOCENTEN"): DOCENTEN, course: BHV}
        )
        assert dict(zip(found.targets["target"], found.targets["target_id"], strict=True)) == {
            "docenten": DOCENTEN,
            "#2 Bedrijfshulp": BHV,
        }
        assert found.members.to_numpy().tolist() == [["cohort", "docenten", 60], ["course", "#2 Bedrijfshulp", 60]]
        assert found.names == {("cohort", "DOCENTEN"): "docenten", course: "#2 Bedrijfshulp"}
        assert found.kept == {("cohort", "docenten"): DOCENTEN, ("course", "#2 Bedrijfshulp"): BHV}
        assert [(one.target, [each.number for each in one.alike]) for one in found.questions] == [
            (("cohort", "DOCENTEN"), [DOCENTEN]),
            (course, [BHV]),
        ]

    def test_two_names_of_one_are_one_and_who_is_in_it_is_read_once(self, moodle):
        names = [("cohort", "DOCENTEN"), ("cohort", "docenten"), ("course", "BHV-2027"), ("course", "BHV")]
        meant = {("cohort", "DOCENTEN"): DOCENTEN, ("course", "BHV-2027"): BHV}
        found = self.decided(moodle, *names, meant=meant, kept={("course", "#2 Oud"): BHV})
        assert list(found.targets["target"]) == ["docenten", "BHV"]
        assert found.names == {("cohort", "DOCENTEN"): "docenten", ("course", "BHV-2027"): "BHV"}
        assert len(found.members) == 2
        assert len(moodle.calls.all(records.GET_ENROLLED_USERS)) == 1
        assert len(moodle.calls.all(records.GET_COURSES_BY_FIELD)) == 3

    def test_what_was_given_by_number_is_found_by_it_and_nothing_is_asked_of_it(self, moodle):
        kept = {("course", "#2 Oud"): BHV, ("cohort", "#1"): DOCENTEN, ("cohort", "DOCENTEN"): 9, ("cohort", "#8"): 8}
        found = self.decided(moodle, kept=kept)
        told = found.targets.set_index("target")["code"].to_dict()
        assert told == {
            "docenten": "",
            "#2 Bedrijfshulp": "",
            "DOCENTEN": "target_elsewhere",
            "#8": "target_missing",
        }
        assert found.questions == ()
        found = self.decided(moodle, ("course", "BHV"), kept={("course", "#2 Oud"): BHV})
        assert (found.names, list(found.targets["target"])) == ({("course", "#2 Oud"): "BHV"}, ["BHV"])

    def test_what_a_name_stood_for_may_be_meant_however_it_is_called(self, moodle):
        wanted = [("cohort", "heel anders"), ("course", "heel anders"), ("course", "BHV-2027")]
        stood = {("cohort", "heel anders"): DOCENTEN, ("course", "heel anders"): BHV, ("course", "BHV-2027"): UIT}
        found = self.decided(moodle, *wanted, stood=stood)
        assert [[one.number for one in question.alike] for question in found.questions] == [
            [DOCENTEN],
            [BHV],
            [BHV, UIT],
        ]

    def test_what_is_decided_of_something_that_is_not_alike_counts_for_nothing(self, moodle):
        found = self.decided(moodle, ("cohort", "DOCENTEN"), meant={("cohort", "DOCENTEN"): 2})
        assert list(found.targets["code"]) == ["target_elsewhere"]
        closed = self.decided(moodle, ("course", "Uit"), meant={("course", "Uit"): UIT}).targets
        assert list(closed["code"]) == ["no_manual_enrolment"]

    def test_a_cohort_that_is_to_be_made_is_not_missing(self, moodle):
        found = self.read(moodle, ("cohort", "nieuw"), missing_targets="create").targets
        assert (list(found["code"]), list(found["create"])) == ([""], [True])

    def test_forty_cohorts_in_which_nothing_changed_are_read_in_two_calls_and_none_is_written(self, moodle):
        ids = moodle.add_access(many_cohorts(40))["cohorts"]
        people = range(FIRST, LAST + 1)
        for number in ids:
            for account in people:
                moodle.access.add_member(number, account)
        wanted = [("cohort", f"c{n}") for n in range(40)]
        before = len(moodle.calls.all())
        found = self.read(moodle, *wanted)
        everyone = [(row, account, n) for n in range(40) for row, account in enumerate(people)]
        want = access_made.wanted(*({"row": row, "target": f"c{n}"} for row, _, n in everyone))
        have = access_made.given(*({"target": f"c{n}", "target_id": ids[n], "account_id": a} for _, a, n in everyone))
        accounts = access_made.accounts(*({"row": row, "account_id": account} for row, account in enumerate(people)))
        planned = plan_access(
            want,
            accounts,
            found.targets,
            found.members,
            have,
            Access(rules=[{"cohort": "a"}]),
            Circumstances(now=NEVER),
        )
        assert set(planned["code"]) == {"given"}
        with hook_for(moodle.url, moodle.token) as hook:
            assert len(load_access(planned, hook, Journal()).outcomes) == 1600
        calls = moodle.calls.all()[before:]
        assert [call.function for call in calls] == [records.GET_COHORTS, records.GET_COHORT_MEMBERS]
        assert [int(id_) for id_ in calls[1].parameters["cohortids"].values()] == ids, "each cohort is read once"

    def test_many_cohorts_cost_one_call_for_all_and_one_for_their_members(self, moodle):
        moodle.add_access(many_cohorts(40))
        before = len(moodle.calls.all())
        self.read(moodle, *(("cohort", f"c{n}") for n in range(40)))
        assert len(moodle.calls.all()) - before == 2


def moodle_least():
    from moodle_coupling.sandbox.moodle.site import ACCESS_CAPABILITIES, LEAST_CAPABILITIES

    return LEAST_CAPABILITIES | ACCESS_CAPABILITIES


def many_cohorts(number: int):
    return read_access({"cohorts": [{"name": f"C{n}", "idnumber": f"c{n}"} for n in range(number)]})


class TestLoading:
    def test_cohorts_and_courses_are_given_extended_and_taken_back(self, moodle):
        load(moodle, course(63, timestart=5, timeend=9))
        result = load(
            moodle,
            cohort(61),
            course(61, timestart=100, timeend=200),
            cohort(60, "take_back"),
            course(60, "take_back"),
            course(63, "extend", timeend=300, suspended=True),
        )
        assert said(result) == [("done", "")] * 5
        assert in_cohort(moodle) == {61}
        assert in_course(moodle) == {61: (0, 100, 200), 63: (1, 0, 300)}

    def test_what_is_as_intended_by_now_is_not_sent(self, moodle):
        before = len(moodle.calls.all(ADD)) + len(moodle.calls.all(ENROL)) + len(moodle.calls.all(UNENROL))
        result = load(moodle, cohort(60), course(60), course(70, "take_back"), cohort(71, "take_back"))
        assert said(result) == [("skipped", "already_there")] * 2 + [("done", "gone_already")] * 2
        assert len(moodle.calls.all(ADD)) + len(moodle.calls.all(ENROL)) + len(moodle.calls.all(UNENROL)) == before

    def test_found_done_after_a_crash_it_was_done_by_us(self, moodle):
        result = load(moodle, cohort(60), course(70, "take_back"), in_doubt={0, 1})
        assert said(result) == [("done", ""), ("done", "")]

    def test_an_earlier_outcome_stands_and_its_row_is_not_sent_again(self, moodle):
        first = load(moodle, cohort(61), course(999))
        before = len(moodle.calls.all(ADD)) + len(moodle.calls.all(ENROL))
        again = load(moodle, cohort(61), course(999), settled=first.outcomes)
        assert again.outcomes.equals(first.outcomes)
        assert len(moodle.calls.all(ADD)) + len(moodle.calls.all(ENROL)) == before

    def test_rows_that_write_nothing_cost_no_call(self, moodle):
        before = len(moodle.calls.all())
        none, reject = {"action": "none", "code": "given"}, {"action": "reject", "code": "date_unread", "value": "x"}
        result = load(moodle, cohort(61, **none), cohort(62, **reject), cohort(63, account_id=pd.NA))
        assert said(result) == [("skipped", "given"), ("rejected", "date_unread"), ("rejected", "no_account")]
        assert len(moodle.calls.all()) == before

    def test_a_refused_batch_of_enrolments_is_taken_apart(self, moodle):
        rows = [course(n) for n in range(61, 91)]
        rows[7]["account_id"], rows[20]["account_id"] = 998, 999
        journal = Journal()
        result = load(moodle, *rows, journal=journal)
        codes = dict(zip(result.outcomes["position"], result.outcomes["code"], strict=True))
        assert {at for at, code in codes.items() if code} == {7, 20}
        assert {codes[7], codes[20]} == {"account_gone"}
        assert len(in_course(moodle)) == 1 + 28
        assert set(journal.told) == set(range(30))

    def test_a_course_that_refuses_takes_no_other_along_and_costs_one_more_call(self, moodle):
        rows = [course(n) for n in range(61, 71)] + [course(n, target="UIT", target_id=UIT) for n in range(61, 71)]
        result = load(moodle, *rows)
        assert said(result) == [("done", "")] * 10 + [("rejected", "wsnoinstance")] * 10
        assert len(moodle.calls.all(ENROL)) == 3

    def test_a_course_that_refused_is_not_asked_again_and_does_not_end_the_load(self, moodle):
        rows = [course(n, target="UIT", target_id=UIT) for n in range(61, 99)] + [cohort(n) for n in range(61, 65)]
        result = load(moodle, *rows, batch_size=2, parallel_requests=1, stop=StopRule(0.1, 5))
        assert said(result) == [("rejected", "wsnoinstance")] * 38 + [("done", "")] * 4
        assert len(moodle.calls.all(ENROL)) == 1

    def test_too_many_accounts_that_are_gone_end_the_load_and_the_rest_waits(self, moodle):
        rows = [course(n) for n in range(901, 941)]
        result = load(moodle, *rows, batch_size=4, parallel_requests=1, stop=StopRule(0.4, 8))
        assert isinstance(result.stopped, TooManyFailures)
        assert [status for status, _ in said(result)] == ["rejected"] * 8 + ["failed"] * 32

    def test_what_was_refused_before_does_not_end_it_again(self, moodle):
        rows = [course(n) for n in range(901, 941)]
        rule = StopRule(0.4, 8, expected=frozenset(range(30)))
        result = load(moodle, *rows, batch_size=4, parallel_requests=1, stop=rule)
        assert isinstance(result.stopped, TooManyFailures)
        assert [status for status, _ in said(result)] == ["rejected"] * 40
        rule = StopRule(0.4, 8, expected=frozenset(range(33)))
        assert load(moodle, *rows, batch_size=4, parallel_requests=1, stop=rule).stopped is None

    def test_a_database_that_can_only_be_read_is_nobodys_fault_and_all_is_tried_again(self, moodle):
        moodle.settings.change({"db_read_only": True})
        result = load(moodle, *(course(n) for n in range(61, 71)), stop=StopRule())
        assert said(result) == [("failed", "dmlwriteexception")] * 10

    def test_several_batches_are_in_flight_and_never_more_than_the_bound(self, moodle):
        moodle.faults.add("latency=0.05")
        rows = [course(n) for n in range(61, 91)] + [cohort(n) for n in range(61, 91)]
        result = load(moodle, *rows, batch_size=1, parallel_requests=3)
        assert said(result) == [("done", "")] * 60
        assert 2 <= result.in_flight.most <= 3

    def test_a_role_that_may_not_be_given_is_a_reason_of_that_role(self, moodle):
        result = load(moodle, course(61), course(62, role="teacher", role_id=4))
        assert said(result) == [("done", ""), ("rejected", "wsusercannotassign")]

    def test_a_member_that_is_not_there_leaves_the_others_in(self, moodle):
        assert said(load(moodle, cohort(61), cohort(999), cohort(62))) == [
            ("done", ""),
            ("rejected", "account_gone"),
            ("done", ""),
        ]
        assert in_cohort(moodle) == {60, 61, 62}

    def test_taking_back_from_an_account_that_is_gone_is_done(self, moodle):
        load(moodle, cohort(61))
        assert said(load(moodle, cohort(60, "take_back"), cohort(999, "take_back"))) == [
            ("done", ""),
            ("done", "gone_already"),
        ]
        assert in_cohort(moodle) == {61}

    def test_a_missing_cohort_is_made_once_and_filled(self, moodle):
        new = {"target": "nieuw", "target_id": pd.NA}
        result = load(moodle, cohort(61, **new), cohort(62, **new))
        assert said(result) == [("done", "")] * 2
        with hook_for(moodle.url, moodle.token) as hook:
            (made_,) = [each for each in hook.cohorts() if each.idnumber == "nieuw"]
            assert hook.cohort_members([made_.id]).members[made_.id] == {61, 62}
        assert list(result.outcomes["target_id"]) == [made_.id] * 2

    def test_batches_fit_the_form(self, moodle):
        journal = Journal()
        load(
            moodle,
            *(course(n, timestart=5, timeend=NEVER, suspended=True) for n in range(61, 91)),
            journal=journal,
            max_input_vars=100,
        )
        assert max(map(len, journal.sent)) * 6 <= 97
        assert len(in_course(moodle)) == 31


NEVER = 2_000_000_000


class TestFaults:
    @pytest.mark.parametrize("fault", ["reset_after", "reset_before", "truncated", "502,after=1", "502"])
    @pytest.mark.parametrize("function", [ADD, ENROL])
    def test_a_lost_answer_neither_loses_nor_doubles(self, moodle, fault, function):
        moodle.faults.add(f"{fault},first=1,function={function}")
        result = load(moodle, *(cohort(n) for n in range(61, 71)), *(course(n, timeend=NEVER) for n in range(61, 71)))
        assert said(result) == [("done", "")] * 20
        assert in_cohort(moodle) == set(range(60, 71))
        assert in_course(moodle) == {60: (0, 0, 0)} | dict.fromkeys(range(61, 71), (0, 0, NEVER))

    def test_a_site_that_never_answers_is_read_back_and_the_next_load_knows_the_rest(self, moodle):
        moodle.faults.add(f"reset_before,function={ENROL}")
        rows = [course(n) for n in range(61, 71)]
        journal = Journal()
        result = load(moodle, *rows, journal=journal, batch_size=2, parallel_requests=1)
        assert isinstance(result.stopped, AnswerLost | MoodleError)
        assert said(result) == [("unknown", "answer_lost")] * 4 + [("failed", "unavailable")] * 6
        assert journal.told == dict.fromkeys(range(4), "unknown")
        moodle.faults.clear()
        assert said(load(moodle, *rows, in_doubt=range(4))) == [("done", "")] * 10

    def test_work_that_was_done_without_an_answer_is_found_there(self, moodle):
        moodle.faults.add(f"reset_after,function={ENROL}")
        result = load(moodle, *(course(n) for n in range(61, 65)))
        assert said(result) == [("done", "")] * 4
        assert result.stopped is not None

    def test_a_service_that_may_not_enrol_stops_the_load_and_says_so(self, moodle):
        moodle.restrict_token(capabilities=moodle_least() - {"enrol/manual:enrol"})
        result = load(moodle, course(61), cohort(61))
        assert isinstance(result.stopped, MoodleDenied)
        assert said(result) == [("failed", "denied"), ("done", "")]

    def test_a_pause_stops_it_between_two_batches_and_nothing_is_lost(self, moodle):
        rows = [course(n) for n in range(61, 71)]

        class Pausing(Journal):
            def sending(self, positions, batch):
                if self.sent:
                    raise CouplingPaused("moodle_demo", "a test")
                super().sending(positions, batch)

        result = load(moodle, *rows, journal=Pausing(), batch_size=2, parallel_requests=1)
        assert isinstance(result.stopped, CouplingPaused)
        assert [status for status, _ in said(result)] == ["done"] * 4 + ["failed"] * 6
        done = result.outcomes[result.outcomes["status"] == "done"]
        assert said(load(moodle, *rows, settled=done)) == [("done", "")] * 10
