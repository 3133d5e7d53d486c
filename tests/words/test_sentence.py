"""Sentences go through JSON unchanged, and become texts where a person reads them."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.errors import CouplingError
from moodle_coupling.words.sentence import ENGLISH, Sentence, Texts, in_turn, read, text

DUTCH = Texts("nl")
PLAIN = st.none() | st.booleans() | st.integers() | st.text()
NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "say")


def sentences(values: st.SearchStrategy) -> st.SearchStrategy[Sentence]:
    parameters = st.dictionaries(NAMES, values | st.lists(values))
    return st.builds(lambda code, given: Sentence(code, **given), st.text(min_size=1), parameters)


@given(sentences(PLAIN | sentences(PLAIN)))
def test_a_sentence_comes_back_from_json_and_from_a_pickle(said: Sentence):
    assert read(said.written()) == said
    assert pickle.loads(pickle.dumps(said)) == said


@given(st.text(min_size=1))
def test_a_text_of_before_there_were_codes_is_shown_as_it_is(old: str):
    found = read(old)
    assert found is not None
    if found.code == "text":
        assert (ENGLISH.say(found), DUTCH.say(found)) == (old, old)


@pytest.mark.parametrize("old", ["{", '{"a": 1}', "[1]", "{name} has left."])
def test_what_only_looks_like_a_sentence_is_a_text(old: str):
    assert ENGLISH.say(old) == old


def test_nothing_says_nothing():
    assert read("") is None
    assert ENGLISH.say("") == ENGLISH.say(None) == ""


def test_a_sentence_in_a_sentence_is_said_in_the_same_language():
    both = Sentence("list.and", first=text("A"), last=Sentence("field.lastname"))
    assert (str(both), DUTCH.say(both)) == ("A and Last name", "A en Achternaam")


def test_several_sentences_are_one():
    several = in_turn([in_turn([text("One."), text("Two.")]), text("Three.")])
    assert str(several) == "One. Two. Three."
    assert in_turn([text("One.")]) == text("One.")


def test_an_error_is_said_in_the_readers_language():
    error = CouplingError(Sentence("field.lastname"))
    assert str(error) == "Last name"
    assert DUTCH.say(error.said) == "Achternaam"
    assert CouplingError("As it is").said == text("As it is")
    assert DUTCH.say(pickle.loads(pickle.dumps(error)).said) == "Achternaam"


@pytest.mark.parametrize(
    ("count", "en", "nl"),
    [(0, "0", "0"), (999, "999", "999"), (1234567, "1,234,567", "1.234.567"), (-5000, "-5,000", "-5.000")],
)
def test_numbers_are_written_as_the_language_does(count: int, en: str, nl: str):
    assert (ENGLISH.number(count), DUTCH.number(count)) == (en, nl)


def test_shares_that_differ_do_not_read_the_same():
    assert ENGLISH.percent(0.05) == "5 %"
    assert ENGLISH.percent(0.0501, apart_from=0.05) == "5.01 %"
    assert DUTCH.percent(0.052) == "5,2 %"


def test_lists_are_written_in_words():
    assert ENGLISH.listed(["a", "b", "c"]) == "a, b and c"
    assert DUTCH.listed(["a", "b", "c"], "or") == "a, b of c"
    assert DUTCH.listed(["a"], more=3) == "a en nog 3"
    assert ENGLISH.listed([]) == ""
