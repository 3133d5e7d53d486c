"""What rooms tell each other: what is stored stays as it is, and what cannot be read counts as not known."""

from __future__ import annotations

import json

import pytest

from moodle_coupling.contract.facts import MismatchFacts, RunCounts, SourceState
from moodle_coupling.ledger.cells import facts_digest

FACTS = MismatchFacts(
    person={"person_id": "P1", "firstname": "Zoë"}, accounts={"21": {"username": "zoe", "suspended": False}, "3": None}
)


def test_the_facts_of_a_mismatch_are_stored_as_ever() -> None:
    text = (
        '{"accounts": {"21": {"suspended": false, "username": "zoe"}, "3": null}, '
        '"person": {"firstname": "Zoë", "person_id": "P1"}}'
    )
    assert FACTS.written() == text
    assert FACTS.model_copy(update={"sources": "HR says 'Zoë'."}).written() == (
        text.removesuffix("}") + ', "sources": "HR says \'Zoë\'."}'
    )
    assert facts_digest(text) == "31d83d378732c780c5fa3ec65afd3a18f80cab5b55573bb88a897f22be35fe19"


def test_the_facts_of_a_mismatch_come_back() -> None:
    assert MismatchFacts.read(FACTS.written()) == FACTS


@pytest.mark.parametrize("text", ["", "half a", "[]", '{"person": 1, "accounts": []}', '{"accounts": {"x": {}}}'])
def test_facts_that_cannot_be_read_count_as_not_known(text: str) -> None:
    assert MismatchFacts.read(text) == MismatchFacts()


def test_the_counts_of_a_run_are_read_by_name() -> None:
    counts = RunCounts(
        {"planned_create": 3, "in_scope": 7, "unseen_city": 1, "new.done": 2, "done": 2, "done_create": 2}
    )
    assert (counts.planned("create"), counts.done("create"), counts.ended("done")) == (3, 2, 2)
    assert (counts.loaded, counts.in_scope, counts.unseen) == (True, 7, ["city"])
    assert counts.by_verdict == [("new", "done", 2)]
    dry = RunCounts({"planned_create": 3})
    assert (dry.loaded, dry.in_scope, dry.unseen, dry.by_verdict) == (False, None, [], [])


@pytest.mark.parametrize("told", [None, "x", {"columns": 1}])
def test_a_state_of_the_source_that_cannot_be_read_knows_nothing(told: object) -> None:
    assert SourceState.read(told) == SourceState()


def test_a_state_of_the_source_is_plain_json() -> None:
    state = SourceState(watermark="w", known="known__1", columns={"": ["firstname"]})
    assert SourceState.read(json.loads(json.dumps(state.model_dump()))) == state
