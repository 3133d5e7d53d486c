"""The trace of one person says at every step what is so and why, and writes only when it is asked to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from orchestration.one_person import PERSONS, OnePerson, accounts, lines, make

from moodle_coupling.errors import CouplingPaused
from moodle_coupling.ledger.accounts import record_links
from moodle_coupling.ledger.leases import acquire
from moodle_coupling.ledger.people import person_outcomes
from moodle_coupling.ledger.runs import ever_loaded, latest_runs
from moodle_coupling.mapping import Mapping
from moodle_coupling.orchestration.explanation_sources import Record, field_origins, near_ids
from moodle_coupling.orchestration.run import LEASE, EnvironmentBusy
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITES = ("core_user_create_users", "core_user_update_users")


@pytest.fixture
def one(tmp_path: Path) -> Iterator[OnePerson]:
    smit = {"username": "smit", "firstname": "Piet", "lastname": "Smit", "email": "Smit@example.org"}
    with running_moodle(accounts=[smit]) as moodle:
        made = make(tmp_path, moodle)
        yield made
        made.ledger.close()


def test_a_new_person_is_followed_to_the_account_that_would_be_made(one: OnePerson) -> None:
    before = accounts(one.moodle)
    trace = one.explain("1")

    assert [step.number for step in trace.steps] == [1, 2, 3, 4, 5]
    assert trace.ok
    found, valid, fields, matched, written = trace.steps
    assert found.facts["row"] == 2
    assert "line 2" in str(found.said)
    assert str(valid.said) == "in scope, nothing to mend."
    assert "recipe first_infix_last, separator '-' makes 'zoe-vander-meer'" in lines(fields)
    assert "infix 'van der' becomes 'vander' (column infix ('Tussenvoegsel'))" in lines(fields)
    assert matched.facts["verdict"] == "new"
    assert written.facts["action"] == "create"
    assert written.facts["changes"]["lastname"] == [None, "van der Meer"]
    assert accounts(one.moodle) == before
    assert {call.function for call in one.moodle.calls.all()}.isdisjoint(WRITES)


@pytest.mark.parametrize("id_", ["CV-1", " 1 ", "1"])
def test_any_id_of_the_person_will_do(one: OnePerson, id_: str) -> None:
    assert one.explain(id_).steps[0].facts["row"] == 2


def test_each_value_says_where_it_comes_from(one: OnePerson) -> None:
    said = lines(one.explain("1").steps[2])

    assert "lastname: 'van der Meer' – column infix ('Tussenvoegsel') and column lastname ('Achternaam')" in said
    assert "email: 'zoe@example.org' – column email1 ('E-mail')" in said
    assert "idnumber: 'CV-1' – column extern_id ('ExternId')" in said
    assert "auth: 'manual' – the same for everyone (fields.auth), only when the account is made" in said
    assert "city: 'Utrecht' – column city ('Plaats')" in said
    assert "lang: 'en' – default of fields.lang, as column lang ('Taal') is empty" in said
    assert "country: 'BE' – default of connection moodle_trial" in said
    assert "lang: 'en' – column lang ('Taal')" in lines(one.explain("2").steps[2])


@pytest.mark.parametrize(
    ("asked", "near"), [("cv1", "CV-1"), ("CV-11", "CV-1"), ("VC-3", "CV-3"), ("0004", "4"), ("CV-l", "CV-1")]
)
def test_an_id_that_is_not_there_gets_those_that_are_near(one: OnePerson, asked: str, near: str) -> None:
    trace = one.explain(asked)
    assert not trace.ok
    assert near in trace.steps[0].facts["near"]
    assert len(trace.steps) == 5


def test_near_ids_are_found_among_very_many_without_comparing_with_each() -> None:
    ids = [str(number) for number in range(100_000, 200_000)]
    assert near_ids("12345", ids)[0].startswith("123")
    assert near_ids("", ids) == near_ids("---", ids) == []
    assert near_ids("x" * 10_000, ids) == []


def test_an_id_without_a_person_may_be_an_account_that_nobody_has_any_more(one: OnePerson) -> None:
    one.explain("1", write=True)
    one.persons(PERSONS[1:])
    trace = one.explain("CV-1")
    account = one.moodle.account("zoe-vander-meer")
    assert account is not None
    assert trace.steps[3].facts["account_id"] == account["id"]
    assert "no person" in str(trace.steps[3].said)
    assert "create done" in lines(trace.steps[4])


def test_a_condition_of_the_scope_that_fails_is_named(one: OnePerson) -> None:
    trace = one.explain("6")
    assert str(trace.steps[1].said) == "out of scope: scope.include[0]."
    assert "column categories ('Categorie') is 'Docent', wanted any_of ['Cursist']" in lines(trace.steps[1])
    assert trace.steps[4].facts["action"] == ""
    gone = one.explain("7")
    assert "scope.inactive" in str(gone.steps[1].said)


def test_what_must_be_mended_is_said_with_how(one: OnePerson) -> None:
    trace = one.explain("4")
    assert "firstname_missing" in str(trace.steps[1].said)
    assert "Fill it in at the source" in lines(trace.steps[1])
    assert trace.steps[4].facts["action"] == "reject"
    assert not trace.ok


def test_an_open_question_names_the_account_it_points_at(one: OnePerson) -> None:
    smit = one.moodle.account("smit")
    assert smit is not None
    step = one.explain("5").steps[3]
    assert step.facts == {
        "verdict": "id_missing",
        "account_id": smit["id"],
        "other_accounts": [smit["id"]],
        "proposal": "link",
    }
    assert not step.ok


def test_an_account_of_somebody_else_in_the_source_is_called_theirs(one: OnePerson) -> None:
    one.explain("1", write=True)
    one.persons(
        [(*PERSONS[0][:5], "new@example.org", *PERSONS[0][6:]), (*PERSONS[4][:5], "zoe@example.org", *PERSONS[4][6:])]
    )
    step = one.explain("5").steps[3]
    assert step.facts["verdict"] == "id_differs"
    assert "person 1" in lines(step)


def test_a_namesake_gets_the_name_of_a_run_for_everyone(one: OnePerson) -> None:
    assert one.explain("3").steps[2].facts["fields"]["username"] == "jan-jansen2"


def test_two_persons_with_one_id_are_both_named_and_neither_is_written(one: OnePerson) -> None:
    before = accounts(one.moodle)
    trace = one.explain("CV-8", write=True)
    assert trace.steps[0].facts["rows"] == [9, 10]
    assert trace.steps[3].facts["verdict"] == "duplicate_person"
    assert str(trace.steps[4].said).startswith("nothing was written")
    assert trace.status == ""
    assert accounts(one.moodle) == before


def test_writing_makes_the_account_and_everything_stands_in_the_ledger(one: OnePerson) -> None:
    trace = one.explain("3", write=True)

    assert trace.status == "done"
    account = one.moodle.account("jan-jansen2")
    assert account is not None
    assert str(trace.steps[4].said) == f"create done, account {account['id']}."
    outcomes = person_outcomes(one.ledger, person_id="3")
    assert list(outcomes["status"]) == ["done"]
    assert list(outcomes["account_id"]) == [account["id"]]
    assert len([a for a in one.moodle.accounts() if a["idnumber"]]) == 1
    # One person is no load: the first load of the environment still waits for its approval.
    assert not ever_loaded(one.ledger, "trial")
    assert [run.mode for run in latest_runs(one.ledger, "trial")] == ["one person"]


def test_writing_again_writes_nothing_and_tells_what_was_last_written(one: OnePerson) -> None:
    one.explain("1", write=True)
    before = accounts(one.moodle)
    trace = one.explain("1", write=True)
    assert trace.status == "skipped"
    assert trace.ok
    assert accounts(one.moodle) == before
    assert "city: 'Utrecht' – column city ('Plaats') (last written" in lines(trace.steps[2])
    assert "create done" in lines(trace.steps[4])


def test_a_change_shows_old_and_new_and_is_written_when_asked(one: OnePerson) -> None:
    one.explain("1", write=True)
    one.persons([(*PERSONS[0][:3], "de", "Wit", *PERSONS[0][5:]), *PERSONS[1:]])
    trace = one.explain("1")
    assert trace.steps[4].facts["changes"] == {"lastname": ["van der Meer", "de Wit"]}
    assert "lastname: 'van der Meer' → 'de Wit'" in lines(trace.steps[4])
    assert one.explain("1", write=True).status == "done"
    account = one.moodle.account("zoe-vander-meer")
    assert account is not None
    assert account["lastname"] == "de Wit"


def test_who_was_suspended_by_us_and_is_back_is_known_from_the_ledger(one: OnePerson) -> None:
    import pandas as pd

    one.explain("1", write=True)
    account = one.moodle.account("zoe-vander-meer")
    assert account is not None
    one.hook().call("core_user_update_users", users=[{"id": account["id"], "suspended": 1}])
    assert one.explain("1").steps[3].facts["verdict"] == "held"
    frame = pd.DataFrame({"idnumber": ["CV-1"], "account_id": [account["id"]], "suspended_by": ["coupling"]})
    record_links(one.ledger, "trial", frame)
    assert one.explain("1").steps[3].facts["verdict"] == "returned"
    assert one.explain("1", ledger=False).steps[3].facts["verdict"] == "held"
    one.explain("1", write=True)
    one.hook().call("core_user_update_users", users=[{"id": account["id"], "suspended": 1}])
    assert one.explain("1").steps[3].facts["verdict"] == "held"  # this time it was not us


def test_a_paused_environment_gets_no_request(one: OnePerson) -> None:
    def paused() -> None:
        raise CouplingPaused("trial", "upgrade")

    one.guard = paused
    before = len(one.moodle.calls.all())
    for person in ("1", "99"):
        with pytest.raises(CouplingPaused, match="upgrade"):
            one.explain(person, write=True)
    assert len(one.moodle.calls.all()) == before


def test_while_a_run_writes_nobody_else_does(one: OnePerson) -> None:
    acquire(one.ledger, "trial", "moodle_provision__trial nightly", ttl=LEASE)
    before = accounts(one.moodle)
    with pytest.raises(EnvironmentBusy, match="nightly"):
        one.explain("1", write=True)
    assert one.explain("1").ok
    assert accounts(one.moodle) == before


def test_a_moodle_that_is_away_does_not_hide_what_the_source_says(one: OnePerson) -> None:
    one.moodle.stop()
    trace = one.explain("1")
    assert [step.ok for step in trace.steps] == [True, True, True, False, False]
    assert "could not be asked (MoodleUnreachable)" in str(trace.steps[3].said)
    assert "zoe-vander-meer" in lines(trace.steps[2])


def test_the_text_without_names_holds_no_value_of_the_person(one: OnePerson) -> None:
    for person in ("1", "4", "5", "6", "CV-8", "cv-2"):
        trace = one.explain(person)
        bare = trace.text(named=False)
        for value in ("Zoë", "Meer", "zoe", "Smit", "smit", "Bakker", "Vos", "Docent", "example.org", "Utrecht", "Bos"):
            assert value not in bare
    assert "Utrecht" in one.explain("1").text()


def test_in_dutch_nothing_is_left_of_the_english(one: OnePerson) -> None:
    one.explain("1", write=True)
    one.persons([(*PERSONS[0][:3], "de", "Wit", *PERSONS[0][5:]), *PERSONS[1:]])
    said = {person: [Texts("nl").say(step.said) for step in one.explain(person).steps] for person in ("1", "6", "cv1")}
    assert said["1"][0] == "regel 2."
    assert said["1"][1] == "hoort in deze omgeving, niets te herstellen."
    assert said["1"][3].startswith("linked (gekoppeld via het ID-nummer), account ")
    assert said["1"][4] == "bijwerken, nog niet geschreven: lastname."
    assert said["6"][1] == "hoort niet in deze omgeving: scope.include[0]."
    assert said["cv1"][3] == "ook geen account heeft het als ID-nummer."
    told = "\n".join(Texts("nl").say(line) for step in one.explain("1").steps for line in step.lines)
    assert "gebruikersnaam: recept first_infix_last, scheidingsteken '-' maakt 'zoe-de-wit'" in told
    assert "het account houdt 'zoe-vander-meer'" in told
    assert "Eerder: " in told
    assert " aanmaken: gelukt – " in told


def test_the_json_holds_the_same_steps(one: OnePerson) -> None:
    read = json.loads(one.explain("1").json())
    assert read["ok"] is True
    assert [step["number"] for step in read["steps"]] == [1, 2, 3, 4, 5]
    assert read["steps"][4]["facts"]["action"] == "create"
    assert one.moodle.token not in json.dumps(read)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("Ja", "column free1 ('VIP'), as fields.city.value_map has it"),
        ("Wie weet", "column free1 ('VIP'), which fields.city.value_map does not name (reject)"),
        ("", "column free1 ('VIP')"),
    ],
)
def test_a_value_map_and_a_stand_in_for_a_name_are_named_without_the_value(said: str, where: str) -> None:
    city = {"column": "free1", "value_map": {"ja": "1"}, "unmatched": "reject"}
    said_by_file = {"environment": "demo", "connection": "c", "source": {"path": "a.csv"}, "idnumber": "extern_id"}
    mapping = Mapping.model_validate(said_by_file | {"fields": {"city": city}, "missing_names": {"lastname": "-"}})
    persons = pd.DataFrame(
        {"row": [2], "extern_id": ["A1"], "firstname": ["Suharto"], "lastname": [""], "free1": [said]}
    )
    origins = field_origins(Record.of(persons, mapping, {"free1": "VIP"}), email="", from_file={"city"})
    assert str(origins["city"]) == where
    assert str(origins["lastname"]) == "column lastname is empty; what stands for it (missing_names.lastname)"
    assert str(origins["firstname"]) == "column firstname"
