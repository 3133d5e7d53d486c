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
    Verdict,
    offered,
)
from moodle_coupling.web.base.words import VERDICTS as BADGES
from moodle_coupling.words.meanings import in_words
from moodle_coupling.words.sentence import Texts, languages


def test_each_verdict_has_its_row_in_the_order_of_the_names():
    assert list(VERDICTS) == list(Verdict)


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("language", languages())
def test_each_verdict_has_its_words_in_each_language(verdict: Verdict, language: str):
    texts = Texts(language)
    needed = ["", ".code"] + ([".meaning"] if VERDICTS[verdict].decisions else [])
    assert all(texts.knows(f"verdict.{verdict}{word}") for word in needed)
    assert BADGES[verdict].text == f"verdict.{verdict}"
    assert in_words(texts, verdict)


@pytest.mark.parametrize("verdict", DECIDABLE)
def test_what_can_be_decided_on_can_be_put_off(verdict: Verdict):
    assert {DecisionKind.IGNORE, DecisionKind.LATER} <= set(VERDICTS[verdict].decisions)


def test_what_a_human_must_judge_can_be_decided_and_nothing_else_but_an_orphan():
    assert {*DECIDABLE} == {*MISMATCHES, Verdict.ORPHAN}


def test_what_is_written_unasked_is_as_it_always_was():
    assert {verdict for verdict, row in VERDICTS.items() if row.writes} == {*KEPT_UP, Verdict.NEW}
    assert {*KEPT_UP} == {"linked", "email_taken", "returned"}


def test_a_text_that_is_no_verdict_offers_nothing():
    assert offered("") == offered("rejected") == ()


def test_every_group_has_a_verdict():
    assert {row.group for row in VERDICTS.values()} == set(Group)
