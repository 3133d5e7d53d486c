"""The summary says what happened, why not, and how to mend it; the tolerance counts what should have been written."""

from __future__ import annotations

import pandas as pd
import pytest
from provisioning.plans import create, plan_of, row

from moodle_coupling.contract.facts import LoadFacts, RunCounts
from moodle_coupling.provisioning.load.rows import (
    Outcome,
    OutcomesIncomplete,
    OutcomeStatus,
    merge_outcomes,
    outcomes_frame,
)
from moodle_coupling.provisioning.report import exceeds_tolerance, summary
from moodle_coupling.words.sentence import Texts

DONE, REJECTED, FAILED, SKIPPED, UNKNOWN = OutcomeStatus


def outcomes(plan: pd.DataFrame, *ends: tuple[OutcomeStatus, str, str]) -> pd.DataFrame:
    return outcomes_frame(plan, [Outcome(n, status, code, message) for n, (status, code, message) in enumerate(ends)])


@pytest.fixture
def plan() -> pd.DataFrame:
    return plan_of(
        [
            create(1),
            create(2),
            create(3, lastname="<img src=x>"),
            row(4, "none", verdict="linked", account_id=60),
            row(5, "none", verdict="id_differs", evidence="E-mail points at account 61, which has idnumber '9'."),
            row(
                6, "reject", reasons=[{"code": "firstname_missing", "field": "firstname", "message": "No first name."}]
            ),
        ]
    )


@pytest.fixture
def ended(plan) -> pd.DataFrame:
    return outcomes(
        plan,
        (DONE, "", ""),
        (REJECTED, "username_taken", "Username 'user00002' belongs to account 70."),
        (FAILED, "unavailable", "Not sent: maintenance"),
        (SKIPPED, "nothing_to_do", ""),
        (SKIPPED, "mismatch", ""),
        (REJECTED, "firstname_missing", "No first name."),
    )


def test_the_summary_counts_and_explains(plan, ended):
    text = summary(plan, ended, title="Demo")
    assert "# Demo: outcome" in text
    assert "| created | 3 | 1 |" in text
    assert "| unchanged | 1 | |" in text
    assert "| waiting for a decision | 1 | |" in text
    assert "| rejected before sending | 1 | |" in text
    assert "`username_taken`, rejected): 1" in text
    assert "the next plan chooses another name" in text
    assert "Voornaam2 van der Test2 (2): Username 'user00002' belongs to account 70." in text
    assert "Fill it in at the source." in text
    assert "Found under another ID number" in text
    assert "account 61" in text


def test_the_summary_is_in_the_readers_language(plan, ended):
    left_out = pd.DataFrame({"line": [7], "message": ["te weinig waarden"]})
    text = summary(plan, ended, left_out, title="Demo", unseen=["phone1"], named=False, texts=Texts("nl"))
    assert "# Demo: uitkomst" in text
    assert "| aangemaakt | 3 | 1 |" in text
    assert "Uitkomsten: 1 klaar, 2 geweigerd, 1 mislukt, 2 overgeslagen." in text
    assert "### De gebruikersnaam was intussen bezet (`username_taken`, geweigerd): 1" in text
    assert "Personen: 2" in text
    assert "## Regels van de bron die zijn overgeslagen: 1\n\n* regel 7" in text
    assert "## Velden die de servicegebruiker misschien niet ziet" in text


def test_the_summary_says_what_creating_cost(plan, ended):
    cost = LoadFacts(created=200, seconds=4.7, in_flight=3)
    assert "24 ms to create an account, measured on 200; at most 3 requests" in summary(plan, ended, cost=cost)
    assert "24 ms nodig" in summary(plan, ended, cost=cost, texts=Texts("nl"))
    assert "to create an account" not in summary(plan, ended, cost=LoadFacts())


def test_what_it_cost_is_kept_with_the_run_s_counts():
    counts = RunCounts.of_the_whole(9, (), LoadFacts(created=200, seconds=4.7, in_flight=3))
    assert RunCounts(counts).create_cost == (200, 23.5)
    assert RunCounts(RunCounts.of_the_whole(9, (), LoadFacts())).create_cost is None


def test_the_summary_cannot_be_turned_into_html(plan, ended):
    assert "<img" not in summary(plan, ended)


def test_a_dry_run_is_summed_up_by_its_plan(plan):
    text = summary(plan, None, pd.DataFrame({"line": [7], "message": ["too few values"]}))
    assert "nothing was written" in text
    assert "| created | 3 | – |" in text
    assert "`firstname_missing`, rejected): 1" in text
    assert "* too few values" in text


def test_long_lists_are_cut_and_say_so():
    plan = plan_of(create(n) for n in range(1, 9))
    text = summary(plan, outcomes(plan, *[(REJECTED, "email_taken", "x")] * 8))
    assert "and 3 more" in text


def test_a_run_without_anything_has_a_summary():
    plan = plan_of([])
    assert "0 rows" in summary(plan, outcomes_frame(plan, []))


@pytest.mark.parametrize(("limit", "exceeded"), [(0.0, True), (0.5, True), (0.66, True), (0.67, False), (1.0, False)])
def test_the_tolerance_counts_only_what_was_to_be_written(ended, limit, exceeded):
    # Two of the three creates went wrong; the plan's own rejection does not count.
    assert exceeds_tolerance(ended, limit) is exceeded


def test_unknown_counts_as_missed_and_nothing_to_write_never_exceeds():
    one = plan_of([create(1)])
    assert exceeds_tolerance(outcomes(one, (UNKNOWN, "answer_lost", "")), 0.5)
    idle = plan_of([row(1, "none", verdict="linked", account_id=5)])
    assert not exceeds_tolerance(outcomes(idle, (SKIPPED, "nothing_to_do", "")), 0.0)


@pytest.mark.parametrize(
    ("failed", "in_scope", "limit", "exceeded"),
    [
        (1, 30, 0.05, False),  # the one person whom Moodle refuses every night
        (1, 3, 0.05, False),  # one alone never is too much
        (2, 40, 0.05, False),
        (3, 40, 0.05, True),
        (1, 30, 0.0, True),  # none is tolerated
        (1, 0, 0.05, True),  # a run for this one person
    ],
)
def test_the_share_is_of_the_persons_in_scope_however_few_there_were_to_write(failed, in_scope, limit, exceeded):
    plan = plan_of(create(n) for n in range(1, failed + 1))
    ended = outcomes(plan, *[(REJECTED, "refused", "")] * failed)
    assert exceeds_tolerance(ended, limit, in_scope) is exceeded


def test_what_the_source_gives_to_think_about_is_told():
    plan = plan_of([])
    assert "* a row of 2206" in summary(plan, None, warnings=["a row of 2206"])


@pytest.mark.parametrize("indices", [[0], [0, 1, 1], [0, 1, 2], []])
def test_a_load_that_lost_or_doubled_an_outcome_says_so(indices):
    with pytest.raises(OutcomesIncomplete):
        outcomes_frame(plan_of([create(1), create(2)]), [Outcome(index, DONE) for index in indices])


def test_parts_are_merged_and_the_later_try_counts():
    first, second = plan_of([create(1), create(2)]), plan_of([create(2), create(3)])
    merged = merge_outcomes(
        [
            outcomes(first, (DONE, "", ""), (FAILED, "unavailable", "")),
            outcomes(second, (DONE, "", ""), (REJECTED, "email_taken", "")),
        ]
    )
    assert dict(zip(merged["row"], merged["status"], strict=True)) == {1: "done", 2: "done", 3: "rejected"}
