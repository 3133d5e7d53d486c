"""The table of verdicts is complete, and what else must know of each verdict knows it."""

from __future__ import annotations

import pytest

from moodle_coupling.contract.verdicts import (
    DECIDABLE,
    KEPT_UP,
    MISMATCHES,
    VERDICTS,
    DecisionKind,
    Group,
    Said,
    Verdict,
    offered,
)
from moodle_coupling.provisioning.load.remedies import in_words
from moodle_coupling.web.base.languages import dutch
from moodle_coupling.web.base.words import VERDICTS as BADGES
from moodle_coupling.web.mismatches.dutch import TELL


def test_each_verdict_has_its_row_in_the_order_of_the_names():
    assert list(VERDICTS) == list(Verdict)


@pytest.mark.parametrize("verdict", Verdict)
def test_each_row_has_its_words_in_both_languages(verdict: Verdict):
    row = VERDICTS[verdict]
    said = [row.word, row.code] + ([row.meaning] if row.decisions else [])
    assert all(text is not None and text.en.strip() and text.nl.strip() for text in said)
    assert all(text.nl == dutch()[text.en] for text in said if text is not None)
    assert BADGES[verdict].text == row.word.en
    assert in_words(verdict)


@pytest.mark.parametrize("verdict", DECIDABLE)
def test_what_can_be_decided_on_can_be_explained_in_dutch_and_put_off(verdict: Verdict):
    assert verdict in TELL
    assert {DecisionKind.IGNORE, DecisionKind.LATER} <= set(VERDICTS[verdict].decisions)


def test_what_a_human_must_judge_can_be_decided_and_nothing_else_but_an_orphan():
    assert {*DECIDABLE} == {*MISMATCHES, Verdict.ORPHAN}


def test_no_text_has_two_dutch_ones():
    said: dict[str, set[str]] = {}
    for row in VERDICTS.values():
        for text in (row.word, row.code, row.meaning):
            if isinstance(text, Said):
                said.setdefault(text.en, set()).add(text.nl)
    assert [text for text, nl in said.items() if len(nl) > 1] == []


def test_what_is_written_unasked_is_as_it_always_was():
    assert {verdict for verdict, row in VERDICTS.items() if row.writes} == {*KEPT_UP, Verdict.NEW}
    assert {*KEPT_UP} == {"linked", "email_taken", "returned"}


def test_a_text_that_is_no_verdict_offers_nothing():
    assert offered("") == offered("rejected") == ()


def test_every_group_has_a_verdict():
    assert {row.group for row in VERDICTS.values()} == set(Group)
